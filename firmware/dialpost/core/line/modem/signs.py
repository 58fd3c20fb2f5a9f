"""What a modem with a SIM or a satellite antenna says about network and signal, in plain words.

Sources: 3GPP TS 27.007 §7.2 (+CREG), §8.3 (+CPIN), §8.5 (+CSQ: 0..31, 99 = not known); Iridium ISU AT command
reference (+CSQF: 0..5 bars).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from dialpost.core.findings import Finding, Severity, ok
from dialpost.core.line.at.answers import values
from dialpost.core.line.at.refusals import is_passing_of_a_sim

_REGISTRATION = {
    0: "is not looking for a network",
    1: "is in its home network",
    2: "is looking for a network",
    3: "is refused by the network",
    4: "does not know (out of reach?)",
    5: "is in a foreign network (roaming)",
    6: "has a network for text messages only",
    7: "has a foreign network for text messages only",
    8: "has a network for emergency calls only",
    9: "is in its home network",
    10: "is in a foreign network (roaming)",
    11: "has a network for emergency calls only",
}
REGISTERED = frozenset({1, 5, 9, 10})
DENIED = 3
_MOST_STATES = max(_REGISTRATION)
_STATE = re.compile(r"0{0,2}\d{1,2}\Z")
_WITH_PLACE = 2
"""From this <n> on, the answer also includes the cell (3GPP TS 27.007 §7.2)."""


def registration(lines: Iterable[str], query: str) -> int | None:
    """The state in the answer to +CREG?, +CGREG? or +CEREG? (`query` without the ?); None if there is none.

    The answer is <n>,<stat>[,<lac>,<ci>...]; the modem also sends <stat>[,<lac>,<ci>...] unsolicited, possibly in
    the middle. The answer counts; without one, the last unsolicited state.
    """
    states = [_registration_state(value) for value in values(lines, query)]
    told = [(state, asked) for state, asked in states if state is not None]
    answers = [state for state, asked in told if asked] or [state for state, _ in told]
    return answers[-1] if answers else None


def _registration_state(value: str) -> tuple[int | None, bool]:
    """The state, and whether the line has the form of an answer."""
    fields = [field.strip() for field in value.split(",")]
    first, second = _number_of_state(fields[0]), _number_of_state(fields[1]) if len(fields) > 1 else None
    has_both = first is not None and second is not None
    if has_both and (len(fields) == 2 or (len(fields) > 3 and first is not None and first >= _WITH_PLACE)):
        return second, True
    if len(fields) == 3 and second is not None and fields[2][:1] == '"':
        return second, True  # some omit the cell
    return first, False


def _number_of_state(text: str) -> int | None:
    """A state or <n>: one or two digits, with leading zeros on an Iridium; a location is quoted, longer, or in
    hex."""
    return int(text) if _STATE.match(text) and int(text) <= _MOST_STATES else None


def registration_finding(states: Sequence[int]) -> Finding:
    """The best state that several queries reported."""
    subject = "network"
    if not states:
        return Finding(subject, Severity.WARNING, "The modem does not say whether it has a network.")
    best = next((state for state in states if state in REGISTERED), states[0])
    words = f"The modem {_REGISTRATION.get(best, f'is in state {best}')}."
    if best in REGISTERED:
        return ok(subject, words)
    if best == DENIED:
        return Finding(subject, Severity.FAULT, words, "Ask the network's operator: is the SIM's contract active?")
    return Finding(subject, Severity.FAULT, words, "Check antenna and reception, wait a minute and try again.")


SIM_READY, SIM_WANTS_PIN, SIM_LOCKED = "READY", "SIM PIN", "SIM PUK"
_READY_ALL_THE_SAME = frozenset({"SIM PIN2", "SIM PUK2"})
"""The second PIN unlocks nothing that a call needs (3GPP TS 27.007 §8.3)."""


def sim_state(lines: Iterable[str]) -> str:
    """The answer to +CPIN?: READY, SIM PIN, SIM PUK or another word; "" if there was none."""
    told = values(lines, "+CPIN")
    state = told[-1].strip('"').upper() if told else ""
    return SIM_READY if state in _READY_ALL_THE_SAME else state


def is_sim_starting(state: str, words: str) -> bool:
    """Whether a SIM may soon say more: +CPIN: NOT READY, +CME ERROR: 14. `words` are those of the result."""
    return state == "NOT READY" or (not state and is_passing_of_a_sim(words))


def sim_trouble(state: str, said: str) -> tuple[str, str]:
    """Why a SIM that is neither ready nor asks for its PIN can't be used, and what to do. `said` is the modem's
    answer."""
    if state == SIM_LOCKED:
        return "The SIM is locked and asks for its PUK.", "Put it into a phone and unlock it there."
    if state.startswith("PH-"):
        return (
            f"The modem is locked to another SIM or network (it said: {state}).",
            "Use the network's own SIM, or ask the modem's seller for the unlock code.",
        )
    said = f" (it said: {state or said})" if state or said else ""
    return f"There is no usable SIM{said}.", "Is it in the slot, the right way round?"


def sim_finding(state: str, said: str, has_pin: bool) -> Finding:
    """What `sim_state` found, in words. `said` is the modem's answer; `has_pin`: modem.sim_pin is set."""
    subject = "SIM"
    if state == SIM_READY:
        return ok(subject, "The SIM is present and does not ask for a PIN.")
    if state == SIM_WANTS_PIN and has_pin:
        return Finding(
            subject,
            Severity.SKIPPED,
            "The SIM asks for its PIN. This test does not enter it: a call does, once.",
            "`dialpost modem test --dial`, or the next call, shows whether it is right.",
        )
    if state == SIM_WANTS_PIN:
        return Finding(subject, Severity.FAULT, "The SIM asks for its PIN.", "Set modem.sim_pin.")
    return Finding(subject, Severity.FAULT, *sim_trouble(state, said))


def signal_line(lines: Iterable[str], query: str) -> str:
    """The line that answers +CSQ or +CSQF, as input for `signal_finding`; "" if there is none."""
    told = values(lines, query)
    return f"{query.upper()}: {told[-1]}" if told else ""


def signal_finding(line: str) -> Finding:
    """The signal strength that +CSQ or +CSQF reported."""
    subject = "signal"
    found = re.match(r"\+CSQF? *: *(\d{1,3})\b", line)
    if found is None:
        return Finding(
            subject, Severity.WARNING, f"The modem reports no signal strength (it said: {line or 'nothing'})."
        )
    value = int(found[1])
    if line.startswith("+CSQF"):
        words, is_weak, is_none = f"{value} of 5 bars.", value == 1, value == 0
    elif value == 99:
        words, is_weak, is_none = "The signal strength is unknown.", False, True
    else:
        words, is_weak, is_none = f"{2 * value - 113} dBm ({value} of 31).", value < 6, False
    if is_none:
        return Finding(subject, Severity.FAULT, words, "Move the antenna, or wait for reception.")
    if is_weak:
        return Finding(
            subject, Severity.WARNING, f"{words} That is weak.", "A better position for the antenna would help."
        )
    return ok(subject, words)
