"""The states of a call, and the one table that says what each event does in each of them.

The table is total: every state x event is a next state or IGNORE with a reason. Whatever happens, a call goes
through HANGING_UP, so that the link always releases the line, and through COOLDOWN. `flow/line/call/machine`
assigns the state in one place, from `next_state`. docs/call-states.md is generated from this table (`mermaid`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class CallState(Enum):
    """What the line is doing."""

    IDLE = "idle"
    DIALING = "dialing"
    NEGOTIATING = "negotiating"
    ONLINE = "online"
    HANGING_UP = "hanging-up"
    COOLDOWN = "cooldown"


AT_REST = frozenset({CallState.IDLE, CallState.COOLDOWN})
"""No call is under way."""


class CallEvent(Enum):
    """What can happen to a call. Actions never set the state: they post one of these."""

    CALL_WANTED = "call wanted"  # button, schedule, command, queue, redial
    CARRIER = "carrier"  # the other side answered; the network is not up yet
    DIAL_FAILED = "dial failed"  # busy, no carrier ..., or the negotiation failed
    LINE_UP = "line up"  # the network is there: mail can flow
    MAIL_DONE = "mail done"  # the evidence says that nothing more is coming or going
    STOP_WANTED = "stop wanted"  # by hand, or the call has lasted long enough: after the current message
    CANCEL_WANTED = "cancel wanted"  # by hand: at once
    CARRIER_LOST = "carrier lost"
    LINE_DOWN = "line down"  # the line is hung up
    DEADLINE = "deadline"  # the state's action took too long
    RESTED = "rested"  # the cooldown is over


@dataclass(frozen=True, slots=True)
class Ignore:
    """The event changes nothing in this state, because of `why`."""

    why: str


Step = CallState | Ignore

STATE_WORDS = {
    CallState.IDLE: "on hook",
    CallState.DIALING: "dialling",
    CallState.NEGOTIATING: "connecting",
    CallState.ONLINE: "on line",
    CallState.HANGING_UP: "hanging up",
    CallState.COOLDOWN: "resting after the call",
}

LINE_DOUBT_WORDS = "between calls, but the line may still be up"
"""Replaces the words above if a modem did not confirm that it hung up."""

_NO_CALL = Ignore("there is no call")
_LATE = Ignore("late report of a cancelled action")
_CALL_RUNS = Ignore("a call is under way")
_ENDING = Ignore("the call is already ending")
_NO_LIMIT = Ignore("this state waits for an event and has no deadline")

TABLE: dict[CallState, dict[CallEvent, Step]] = {
    CallState.IDLE: {
        CallEvent.CALL_WANTED: CallState.DIALING,
        CallEvent.CARRIER: _LATE,
        CallEvent.DIAL_FAILED: _LATE,
        CallEvent.LINE_UP: _LATE,
        CallEvent.MAIL_DONE: _LATE,
        CallEvent.STOP_WANTED: _NO_CALL,
        CallEvent.CANCEL_WANTED: _NO_CALL,
        CallEvent.CARRIER_LOST: _LATE,
        CallEvent.LINE_DOWN: _LATE,
        CallEvent.DEADLINE: _NO_LIMIT,
        CallEvent.RESTED: _LATE,
    },
    CallState.DIALING: {
        CallEvent.CALL_WANTED: _CALL_RUNS,
        CallEvent.CARRIER: CallState.NEGOTIATING,
        CallEvent.DIAL_FAILED: CallState.HANGING_UP,
        CallEvent.LINE_UP: _LATE,
        CallEvent.MAIL_DONE: _LATE,
        CallEvent.STOP_WANTED: CallState.HANGING_UP,
        CallEvent.CANCEL_WANTED: CallState.HANGING_UP,
        CallEvent.CARRIER_LOST: CallState.HANGING_UP,
        CallEvent.LINE_DOWN: _LATE,
        CallEvent.DEADLINE: CallState.HANGING_UP,
        CallEvent.RESTED: _LATE,
    },
    CallState.NEGOTIATING: {
        CallEvent.CALL_WANTED: _CALL_RUNS,
        CallEvent.CARRIER: Ignore("already known"),
        CallEvent.DIAL_FAILED: CallState.HANGING_UP,
        CallEvent.LINE_UP: CallState.ONLINE,
        CallEvent.MAIL_DONE: _LATE,
        CallEvent.STOP_WANTED: CallState.HANGING_UP,
        CallEvent.CANCEL_WANTED: CallState.HANGING_UP,
        CallEvent.CARRIER_LOST: CallState.HANGING_UP,
        CallEvent.LINE_DOWN: _LATE,
        CallEvent.DEADLINE: CallState.HANGING_UP,
        CallEvent.RESTED: _LATE,
    },
    CallState.ONLINE: {
        CallEvent.CALL_WANTED: _CALL_RUNS,
        CallEvent.CARRIER: _LATE,
        CallEvent.DIAL_FAILED: _LATE,
        CallEvent.LINE_UP: _LATE,
        CallEvent.MAIL_DONE: CallState.HANGING_UP,
        CallEvent.STOP_WANTED: Ignore("passed to the mail part, which posts MAIL_DONE after the current message"),
        CallEvent.CANCEL_WANTED: CallState.HANGING_UP,
        CallEvent.CARRIER_LOST: CallState.HANGING_UP,
        CallEvent.LINE_DOWN: _LATE,
        CallEvent.DEADLINE: CallState.HANGING_UP,
        CallEvent.RESTED: _LATE,
    },
    CallState.HANGING_UP: {
        CallEvent.CALL_WANTED: Ignore("the request is kept until the cooldown is over"),
        CallEvent.CARRIER: _ENDING,
        CallEvent.DIAL_FAILED: _ENDING,
        CallEvent.LINE_UP: _ENDING,
        CallEvent.MAIL_DONE: _ENDING,
        CallEvent.STOP_WANTED: _ENDING,
        CallEvent.CANCEL_WANTED: _ENDING,
        CallEvent.CARRIER_LOST: _ENDING,
        CallEvent.LINE_DOWN: CallState.COOLDOWN,
        CallEvent.DEADLINE: CallState.COOLDOWN,
        CallEvent.RESTED: _LATE,
    },
    CallState.COOLDOWN: {
        CallEvent.CALL_WANTED: Ignore("the request is kept until the cooldown is over"),
        CallEvent.CARRIER: _LATE,
        CallEvent.DIAL_FAILED: _LATE,
        CallEvent.LINE_UP: _LATE,
        CallEvent.MAIL_DONE: _LATE,
        CallEvent.STOP_WANTED: _NO_CALL,
        CallEvent.CANCEL_WANTED: _NO_CALL,
        CallEvent.CARRIER_LOST: _LATE,
        CallEvent.LINE_DOWN: _LATE,
        CallEvent.DEADLINE: _NO_LIMIT,
        CallEvent.RESTED: CallState.IDLE,
    },
}


def next_state(state: CallState, event: CallEvent) -> Step:
    """What the event does in this state."""
    return TABLE[state][event]


def mermaid() -> str:
    """The table as a state diagram; events with the same transition share an arrow."""
    lines = ["stateDiagram-v2", "    [*] --> IDLE"]
    for state, row in TABLE.items():
        ways: dict[CallState, list[str]] = {}
        for event, step in row.items():
            if isinstance(step, CallState):
                ways.setdefault(step, []).append(event.value)
        lines += [f"    {state.name} --> {to.name}: {', '.join(events)}" for to, events in ways.items()]
    return "\n".join(lines) + "\n"


def page() -> str:
    """docs/call-states.md, whole."""
    ignored = [
        f"| {state.name} | {event.value} | {step.why} |"
        for state, row in TABLE.items()
        for event, step in row.items()
        if isinstance(step, Ignore)
    ]
    return (
        "# The states of a call\n\n"
        "Generated from the table that the code uses, in `firmware/dialpost/core/line/call/states.py`.\n"
        "Don't edit it; regenerate it with\n"
        "`.venv/bin/python -m dialpost.core.line.call.states > docs/call-states.md`.\n\n"
        f"```mermaid\n{mermaid()}```\n\n"
        "What each state ignores, and why:\n\n| state | event | because |\n|---|---|---|\n"
        + "\n".join(ignored)
        + "\n"
    )


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201
