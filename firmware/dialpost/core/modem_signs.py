"""What a modem with a SIM or a satellite's antenna says of network and signal, in words for a person.

Sources: 3GPP TS 27.007 §7.2 (+CREG), §8.3 (+CPIN), §8.5 (+CSQ: 0..31, 99 = not known); Iridium ISU AT command
reference (+CSQF: 0..5 bars).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from dialpost.core.findings import Finding, Severity, ok

_REGISTRATION = {
    0: "is not looking for a network",
    1: "is in its home network",
    2: "is looking for a network",
    3: "is refused by the network",
    4: "does not know (out of reach?)",
    5: "is in a foreign network (roaming)",
}
REGISTERED = frozenset({1, 5})


def registration(lines: Iterable[str]) -> list[int]:
    """The states in answers like +CREG: 0,1 or +CEREG: 1."""
    found = (re.match(r"\+C\w*REG: *(?:\d+ *, *)?(\d+)", line) for line in lines)
    return [int(match[1]) for match in found if match is not None]


def registration_finding(states: list[int]) -> Finding:
    """What several queries told, the best of them."""
    subject = "network"
    if not states:
        return Finding(subject, Severity.WARNING, "The modem does not tell whether it has a network.")
    best = next((state for state in states if state in REGISTERED), states[0])
    words = f"The modem {_REGISTRATION.get(best, f'is in state {best}')}."
    if best in REGISTERED:
        return ok(subject, words)
    if best == 3:
        return Finding(
            subject, Severity.FAULT, words, "Ask the network's operator: is the SIM's contract in order?"
        )
    return Finding(subject, Severity.FAULT, words, "Check antenna and reception, wait a minute and try again.")


def sim_finding(line: str, has_pin: bool) -> Finding:
    """What +CPIN? was answered. `has_pin`: modem.sim_pin is set."""
    subject, state = "SIM", line.partition(":")[2].strip() if line.startswith("+CPIN") else ""
    if state == "READY":
        return ok(subject, "The SIM is there and wants no PIN (any more).")
    if state == "SIM PIN" and has_pin:
        return Finding(
            subject, Severity.SKIPPED, "The SIM wants its PIN. It is not entered here: a call does that, once.",
            "`dialpost modem test --dial`, or the next call, shows whether it is right.",
        )  # fmt: skip
    if state == "SIM PIN":
        return Finding(subject, Severity.FAULT, "The SIM wants its PIN.", "Set modem.sim_pin.")
    if state == "SIM PUK":
        return Finding(
            subject, Severity.FAULT, "The SIM is locked and wants its PUK.",
            "Put it into a telephone and unlock it there.",
        )  # fmt: skip
    said = f" (it said: {line})" if line else ""
    return Finding(
        subject, Severity.FAULT, f"There is no usable SIM{said}.", "Is it in its place, the right way round?"
    )


def signal_finding(line: str) -> Finding:
    """The strength that +CSQ or +CSQF told."""
    subject = "signal"
    found = re.match(r"\+CSQF?: *(\d+)", line)
    if found is None:
        return Finding(subject, Severity.WARNING, f"The modem tells no strength (it said: {line or 'nothing'}).")
    value = int(found[1])
    if line.startswith("+CSQF"):
        words, is_weak, is_none = f"{value} of 5 bars.", value == 1, value == 0
    elif value == 99:
        words, is_weak, is_none = "No signal is known.", False, True
    else:
        words, is_weak, is_none = f"{2 * value - 113} dBm ({value} of 31).", value < 6, False
    if is_none:
        return Finding(subject, Severity.FAULT, words, "Move the antenna, or wait for reception.")
    if is_weak:
        return Finding(subject, Severity.WARNING, f"{words} That is weak.", "A better place for the antenna helps.")
    return ok(subject, words)
