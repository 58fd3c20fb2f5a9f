"""Which profile fits a modem: its USB id and its own answers, compared with the profiles' hints.

Pure. A profile's file may have a [probe] section (`Hints`): USB ids, and words with which its modem identifies
itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from dialpost.core.config.setting import setting

IDENTITY_COMMANDS = ("I", "I3", "+GMI", "+GMM", "+CGMM", "+CPIN?")
"""Sent one after the other with AT (V.250 §6.1.3-§6.1.5, 3GPP TS 27.007 §5.2 and §8.3); ERROR is an answer too. The
last reveals a SIM slot, even by +CME ERROR if there is no SIM in it.
"""

CELLULAR, PLAIN = "cellular", "hayes"
"""The profiles for modems about which nothing more is known: with and without a SIM."""

_USB_ID = re.compile(r"[0-9a-f]{4}:(?:[0-9a-f]{4}|\*)\Z")


@dataclass(frozen=True, slots=True)
class Hints:
    """The [probe] section of a profile's file."""

    usb: tuple[str, ...] = setting((), "USB ids, like 0572:1340, or 0572:* for all of a maker.")
    says: tuple[str, ...] = setting((), "Words the modem says of itself when asked by ATI or AT+GMM.")

    def faults(self) -> list[str]:
        """Contradictions, a sentence each."""
        return [
            f'probe.usb has "{usb}", which is not a USB id like 0572:1340 or 0572:*.'
            for usb in self.usb
            if not _USB_ID.match(usb)
        ]


@dataclass(frozen=True, slots=True)
class PortFacts:
    """A serial port. `device` is the name to use; `usb` is like 0572:1340, "" if it is not a USB device."""

    device: str
    name: str = ""  # /dev/ttyACM0, if `device` is a persistent name for it
    description: str = ""
    usb: str = ""


class Likeness(IntEnum):
    """Why a profile fits."""

    PLAIN = 0  # it answers, and nothing more is known about it
    SIM = 1  # it answers like something with a SIM
    MAKER = 2  # the maker in the USB id
    DEVICE = 3  # the USB id
    SAYS = 4  # it says so itself


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A profile's name, how sure it is, and why, in words."""

    profile: str
    likeness: Likeness
    why: str


def suggest(port: PortFacts, answers: Sequence[str], hints: dict[str, Hints]) -> Suggestion:
    """The profile that fits best. `answers` are what the modem said to `IDENTITY_COMMANDS`, in their order."""
    found = [_fit(port, answers, name, of_profile) for name, of_profile in hints.items()]
    best = max((one for one in found if one), key=lambda one: one.likeness, default=None)
    if best is not None:
        return best
    if re.search(r"\+(?:CPIN|CME)\b", answers[-1]):
        return Suggestion(CELLULAR, Likeness.SIM, "it has a SIM slot (it answers AT+CPIN?)")
    return Suggestion(PLAIN, Likeness.PLAIN, "it answers AT and nothing more is known of it")


def identity(answers: Sequence[str]) -> str:
    """What the modem says about itself, in one line, without repetitions; "" if it says nothing."""
    said = [" ".join(answer.split()) for answer in answers]
    return "; ".join(dict.fromkeys(answer for answer in said if answer))


def _fit(port: PortFacts, answers: Sequence[str], name: str, hints: Hints) -> Suggestion | None:
    for words in hints.says:
        for answer in answers:
            if re.search(rf"(?<![a-z0-9]){re.escape(words.lower())}(?![a-z0-9])", answer.lower()):
                return Suggestion(name, Likeness.SAYS, f'it says "{" ".join(answer.split())}"')
    if port.usb in hints.usb:
        return Suggestion(name, Likeness.DEVICE, f"its USB id is {port.usb}")
    if port.usb and f"{port.usb[:4]}:*" in hints.usb:
        return Suggestion(name, Likeness.MAKER, f"its USB id {port.usb} is of such a maker")
    return None


def config_lines(port: PortFacts, profile: str) -> str:
    """Exactly what to put in the configuration."""
    return f'[link]\nkind = "modem"\n\n[modem]\nprofile = "{profile}"\nport = "{port.device}"\n'
