"""What the station is doing, as one value: everything the panel shows is made from it, and it serves only the
panel.

`flow/line/call/machine`, `flow/panel/button` and the daemon fill it in; `core/panel/lights` turns it into lights.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dialpost.core.faults import Fault
from dialpost.core.line.call.states import CallState


class Phase(Enum):
    """The phase of the station as a whole, as the service manager sees it."""

    BOOT = "boot"  # from power-on until mail is accepted
    RUNNING = "running"
    UPDATE = "update"  # a new release is being written or started: don't pull the plug
    SHUTDOWN = "shutdown"  # going down on purpose
    CRASHED = "crashed"  # the program crashed; the service manager restarts it
    RESETTING = "resetting"  # the factory reset was confirmed


class ButtonShow(Enum):
    """What the button would do if it were let go now (`core/panel/button`)."""

    NOTHING = "nothing"
    HANG_UP = "hang-up"  # held 3 s: letting go hangs up
    RESET = "reset"  # held 10 s: letting go offers the factory reset
    CANCELLED = "cancelled"  # held 15 s: letting go does nothing
    OFFERED = "offered"  # the reset waits for its second press


@dataclass(frozen=True, slots=True)
class StationState:
    """The facts behind the lights.

    `mail_moving`: bytes of mail went over the line a moment ago. `waiting`: messages for the world in the queue.
    `arrived`: the last call brought mail. `redial`: a redial is scheduled after a failed call. `dark`: it is night,
    and nobody has touched the button.
    """

    phase: Phase = Phase.RUNNING
    call: CallState = CallState.IDLE
    redial: bool = False
    mail_moving: bool = False
    waiting: int = 0
    urgent: int = 0
    arrived: bool = False
    faults: frozenset[Fault] = frozenset()
    button: ButtonShow = ButtonShow.NOTHING
    dark: bool = False
