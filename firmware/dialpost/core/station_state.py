"""What the station is doing, as one value: all that the panel, and nothing but the panel, is made from.

`flow/call` and the daemon fill it in; `core/panel` turns it into lights.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dialpost.core.call_states import CallState


class Fault(Enum):
    """What a person should see to, the gravest first. Each has its number of flashes (`core/panel`)."""

    STORAGE = "storage"  # the card is full or damaged
    SETUP = "setup"  # the configuration keeps mail from flowing: login refused, certificate ...
    LINE = "line"  # the last call did not come up, or was lost
    ETRN = "etrn"  # the provider refused ETRN: mail may wait there
    MAIL = "mail"  # mail could not be sent although the line was up
    BUDGET = "budget"  # the day's or month's minutes or money are used up: no call is made


@dataclass(frozen=True, slots=True)
class StationState:
    """The facts behind the lights.

    `starting`: from power on until mail is taken in. `mail_moving`: bytes of mail went over the line a
    moment ago. `waiting`: messages for the world in the queue. `arrived`: the last call brought mail.
    """

    starting: bool = False
    call: CallState = CallState.IDLE
    mail_moving: bool = False
    waiting: int = 0
    urgent: int = 0
    arrived: bool = False
    faults: frozenset[Fault] = frozenset()
