"""A file of board/modems/: parsed and checked into a `ModemProfile`, and its [probe] section into `Hints`.

Every fault is reported at once, with the file, the key, the value and what is allowed.
"""

from __future__ import annotations

import functools
from dataclasses import replace

from dialpost.core.config.board_text import TOP, read_tables
from dialpost.core.errors import ConfigError
from dialpost.core.line.modem.probe import Hints
from dialpost.core.line.modem.profile import SPEEDS_BPS, ModemProfile


def parse_profile(name: str, text: str, source: str) -> ModemProfile:
    """The profile; `name` is what modem.profile calls it, `source` names the file. Raises: ConfigError."""
    return replace(_parse(text, source)[0], name=name)


def parse_hints(text: str, source: str) -> Hints:
    """How to recognise its modem. Raises: ConfigError."""
    return _parse(text, source)[1]


@functools.lru_cache(maxsize=32)  # a start reads its modem's file several times
def _parse(text: str, source: str) -> tuple[ModemProfile, Hints]:
    made = read_tables(text, source, {TOP: ModemProfile, "probe": Hints})
    profile, hints = made[TOP], made["probe"]
    assert isinstance(profile, ModemProfile) and isinstance(hints, Hints)
    problems = [*profile.faults(), *hints.faults()]
    if profile.speed_bps not in SPEEDS_BPS:
        speeds = ", ".join(str(speed) for speed in SPEEDS_BPS)
        problems.append(f"speed_bps = {profile.speed_bps} is not a serial port speed; known speeds: {speeds}.")
    if problems:
        raise ConfigError(tuple(f"{source}: {problem}" for problem in problems))
    return profile, hints
