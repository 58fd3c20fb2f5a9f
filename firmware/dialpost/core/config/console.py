"""The configuration's console section: the serial line, ssh, a local terminal."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dialpost.core.config.setting import setting


class TerminalKind(Enum):
    """What is at the other end of the serial line."""

    VT100 = "vt100"  # and everything newer: minicom, screen, PuTTY
    DUMB = "dumb"  # a printer, a line without cursor keys


CONSOLE_SPEEDS_BPS = (9600, 19_200, 38_400, 57_600, 115_200)


@dataclass(frozen=True, slots=True)
class ConsoleConfig:
    """The console."""

    idle_min: int = setting(
        10,
        "Time without a keystroke after which the session ends and its uncommitted changes are dropped.",
        unit="minutes",
        minimum=1,
        maximum=1440,
    )
    speed_bps: int = setting(
        115_200,
        "The serial console's speed (8 bits, no parity, 1 stop bit): 9600, 19200, 38400, 57600 or 115200. "
        "Takes effect at the next login.",
        unit="bits per second",
        minimum=9600,
        maximum=115_200,
    )
    terminal: TerminalKind = setting(
        TerminalKind.VT100,
        "What is at the serial line's other end: vt100 (minicom, screen, PuTTY and the like) "
        "or dumb (no cursor keys, no pager).",
    )
    utf8: bool = setting(
        False,
        "Whether the serial terminal shows more than ASCII. Over ssh and on a local terminal, its own "
        "settings decide.",
    )
