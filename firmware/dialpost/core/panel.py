"""The panel: four lights as a pure projection of the station's state. Nothing else touches them.

| light | dark | steady | slow | fast | double | flicker | flashes |
|---|---|---|---|---|---|---|---|
| power | no power | works | - | starts | - | - | - |
| line | on hook | on line | rests after a call | dials | connects | - | - |
| mail | nothing waits to be sent | waits | - | urgent waits | mail came in the last call | mail moves | - |
| fault | all well | - | - | - | - | - | 1 storage, 2 set-up, 3 line, 4 ETRN, 5 mail not sent, 6 budget spent |

A board with fewer lights drops from the right of `Led`; one with a different taste gives other steps for
the same patterns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from dialpost.core.call_states import CallState
from dialpost.core.station_state import Fault, StationState


class Led(Enum):
    """The lights, the most needed first."""

    LINE = "line"
    FAULT = "fault"
    MAIL = "mail"
    POWER = "power"


@dataclass(frozen=True, slots=True)
class Pattern:
    """How a light behaves: `steps_ms` are times lit and dark in turn, for ever; () is steady.

    `lit` is what a steady light shows, or what a pattern starts with.
    """

    name: str
    steps_ms: tuple[int, ...] = ()
    lit: bool = True

    def lit_at(self, ms: int) -> bool:
        """Whether it is lit `ms` milliseconds after the pattern began."""
        if not self.steps_ms:
            return self.lit
        rest = ms % sum(self.steps_ms)
        for index, step in enumerate(self.steps_ms):
            if rest < step:
                return self.lit is (index % 2 == 0)
            rest -= step
        return False  # pragma: no cover - the steps sum up to more than `rest`


def flashes(count: int) -> Pattern:
    """So many short flashes, then a pause long enough to count them."""
    return Pattern(f"flash-{count}", (200, 300) * (count - 1) + (200, 1500))


OFF = Pattern("off", lit=False)
ON = Pattern("on")
SLOW = Pattern("slow", (1000, 1000))
FAST = Pattern("fast", (150, 150))
DOUBLE = Pattern("double", (120, 120, 120, 840))
FLICKER = Pattern("flicker", (60, 40, 30, 70))

LINE_PATTERNS: dict[CallState, Pattern] = {
    CallState.IDLE: OFF,
    CallState.DIALING: FAST,
    CallState.NEGOTIATING: DOUBLE,
    CallState.ONLINE: ON,
    CallState.HANGING_UP: SLOW,
    CallState.COOLDOWN: SLOW,
}

FAULT_FLASHES: dict[Fault, int] = {fault: number for number, fault in enumerate(Fault, start=1)}

FAULT_WORDS: dict[Fault, str] = {
    Fault.STORAGE: "the card is full or damaged: dialpost doctor",
    Fault.SETUP: "the provider does not accept what is configured: dialpost status",
    Fault.LINE: "the last call failed: dialpost call history",
    Fault.ETRN: "the provider refused ETRN, mail may wait there: dialpost status",
    Fault.MAIL: "mail could not be sent: dialpost queue list",
    Fault.BUDGET: "the budget is spent, no call is made: dialpost call budget",
}


def project(state: StationState) -> Mapping[Led, Pattern]:
    """What each light shows."""
    return {
        Led.LINE: LINE_PATTERNS[state.call],
        Led.FAULT: _fault(state),
        Led.MAIL: _mail(state),
        Led.POWER: FAST if state.starting else ON,
    }


def _mail(state: StationState) -> Pattern:
    if state.mail_moving:
        return FLICKER
    if state.urgent:
        return FAST
    if state.waiting:
        return ON
    return DOUBLE if state.arrived else OFF


def _fault(state: StationState) -> Pattern:
    """The gravest fault; the others are told by `dialpost status`."""
    gravest = next((fault for fault in Fault if fault in state.faults), None)
    return flashes(FAULT_FLASHES[gravest]) if gravest else OFF
