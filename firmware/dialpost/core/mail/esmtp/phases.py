"""One session from greeting to QUIT: its states, and the one table of transitions.

A test proves that the table is total and every phase reachable.
"""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """The state of a session."""

    GREETING = "waiting for the greeting"
    EARLY = "open for ETRN before EHLO"
    EHLO = "EHLO sent"
    HELO = "HELO sent"
    STARTTLS = "STARTTLS sent"
    HANDSHAKE = "TLS handshake"
    LOGIN = "AUTH under way"
    OPEN = "open for mail and ETRN"
    TURNED = "the server has become the client (ATRN)"
    OVER = "over"


class Step(Enum):
    """What was decided from a reply, or what happened to the connection."""

    GREETED = "greeted with 220"
    GREETED_EARLY = "greeted with 220, and known to take ETRN before EHLO"
    HELLO_WANTED = "ETRN before EHLO not done"
    EHLO_UNKNOWN = "EHLO not known"
    TLS_WANTED = "STARTTLS offered and wanted"
    TLS_AGREED = "220 to STARTTLS"
    TLS_UP = "handshake done"
    LOGIN_WANTED = "AUTH offered and wanted"
    LOGIN_GOES_ON = "challenge, or another mechanism"
    OPENED = "nothing more to agree on"
    TURNED = "250 to ATRN"
    ENDED = "done, refused, closed or lost"


_ROWS: dict[Phase, dict[Step, Phase]] = {
    Phase.GREETING: {Step.GREETED: Phase.EHLO, Step.GREETED_EARLY: Phase.EARLY, Step.ENDED: Phase.OVER},
    Phase.EARLY: {Step.HELLO_WANTED: Phase.EHLO, Step.ENDED: Phase.OVER},
    Phase.EHLO: {
        Step.EHLO_UNKNOWN: Phase.HELO,
        Step.TLS_WANTED: Phase.STARTTLS,
        Step.LOGIN_WANTED: Phase.LOGIN,
        Step.OPENED: Phase.OPEN,
        Step.ENDED: Phase.OVER,
    },
    Phase.HELO: {Step.OPENED: Phase.OPEN, Step.ENDED: Phase.OVER},
    Phase.STARTTLS: {
        Step.TLS_AGREED: Phase.HANDSHAKE,
        Step.LOGIN_WANTED: Phase.LOGIN,  # opportunistic, and refused: continue in clear text
        Step.OPENED: Phase.OPEN,
        Step.ENDED: Phase.OVER,
    },
    Phase.HANDSHAKE: {Step.TLS_UP: Phase.EHLO, Step.ENDED: Phase.OVER},
    Phase.LOGIN: {
        Step.LOGIN_GOES_ON: Phase.LOGIN,
        Step.OPENED: Phase.OPEN,
        Step.ENDED: Phase.OVER,
    },
    Phase.OPEN: {Step.TURNED: Phase.TURNED, Step.ENDED: Phase.OVER},
    Phase.TURNED: {Step.ENDED: Phase.OVER},
    Phase.OVER: {},
}

IGNORE = None
TABLE: dict[Phase, dict[Step, Phase | None]] = {
    phase: {step: row.get(step, IGNORE) for step in Step} for phase, row in _ROWS.items()
}
"""Total: whatever is not a transition is deliberately ignored."""


def after(phase: Phase, step: Step) -> Phase:
    """The phase to which a step leads; the same one if the step means nothing there."""
    return TABLE[phase][step] or phase
