"""One IMAP session: its states, and the one table of transitions (RFC 9051 §3).

A test proves that the table is total and every phase reachable.
"""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """The state of a session."""

    GREETING = "waiting for the greeting"
    ASKING = "CAPABILITY sent"
    STARTTLS = "STARTTLS sent"
    HANDSHAKE = "TLS handshake"
    LOGIN = "login under way"
    ENTERING = "SELECT sent"
    OPEN = "folder open"
    LOGOUT = "LOGOUT sent"
    OVER = "over"


class Step(Enum):
    """What was decided from an answer, or what happened to the connection."""

    GREETED = "greeted without a list of capabilities"
    TLS_WANTED = "STARTTLS offered and wanted"
    TLS_AGREED = "OK to STARTTLS"
    TLS_UP = "handshake done"
    LOGIN_WANTED = "time to log in"
    LOGGED_IN = "logged in"
    OPENED = "folder open"
    LEAVING = "nothing more to fetch"
    ENDED = "refused, closed or lost"


_ROWS: dict[Phase, dict[Step, Phase]] = {
    Phase.GREETING: {
        Step.GREETED: Phase.ASKING,
        Step.TLS_WANTED: Phase.STARTTLS,
        Step.LOGIN_WANTED: Phase.LOGIN,
        Step.LOGGED_IN: Phase.ENTERING,
        Step.ENDED: Phase.OVER,
    },
    Phase.ASKING: {
        Step.TLS_WANTED: Phase.STARTTLS,
        Step.LOGIN_WANTED: Phase.LOGIN,
        Step.ENDED: Phase.OVER,
    },
    Phase.STARTTLS: {
        Step.TLS_AGREED: Phase.HANDSHAKE,
        Step.LOGIN_WANTED: Phase.LOGIN,  # opportunistic, and refused: continue in clear text
        Step.ENDED: Phase.OVER,
    },
    Phase.HANDSHAKE: {Step.TLS_UP: Phase.ASKING, Step.ENDED: Phase.OVER},
    Phase.LOGIN: {Step.LOGGED_IN: Phase.ENTERING, Step.ENDED: Phase.OVER},
    Phase.ENTERING: {Step.OPENED: Phase.OPEN, Step.ENDED: Phase.OVER},
    Phase.OPEN: {Step.LEAVING: Phase.LOGOUT, Step.ENDED: Phase.OVER},
    Phase.LOGOUT: {Step.ENDED: Phase.OVER},
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
