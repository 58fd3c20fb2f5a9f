"""The panel: what the lights show, as a pure projection of the station's state. Nothing else touches them.

`SIGNALS` is the one table: what can be shown, the most urgent first, on which light and how. A board has one light
for each `Led`, or fewer shared ones: a light shows the first true signal in the table that is assigned to it.
docs/panel.md is made from the table (`core/panel/page`).

Two columns: `alone` is the pattern on a light that shows one `Led` only, `shared` on a light for several. The
`shared` patterns all differ, so that a one-light board can be read; only a call's beginning (dialling, connecting)
and its end (hanging up, resting) have one pattern each. Signals without one are left out on such a light. Colours
only repeat what the pattern says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from dialpost.core.faults import FAULT_FLASHES, Fault
from dialpost.core.line.call.states import CallState
from dialpost.core.panel import blink
from dialpost.core.panel.blink import (
    DOUBLE,
    DOUBLE_WINK,
    EVEN,
    FAST,
    FLICKER,
    HURRY,
    LONG_SHORT,
    OFF,
    ON,
    RARE,
    SHORT,
    SLOW,
    STUTTER,
    TRIPLE,
    TWO_LONG,
    WINK,
    Pattern,
    flashes,
)
from dialpost.core.panel.station_state import ButtonShow, Phase, StationState


class Led(Enum):
    """The lights, the most important first."""

    LINE = "line"
    FAULT = "fault"
    MAIL = "mail"
    POWER = "power"


class Colour(Enum):
    """What a light of three colours adds. `value` = share of red, green, blue."""

    GREEN = (0.0, 1.0, 0.0)
    RED = (1.0, 0.0, 0.0)
    AMBER = (1.0, 0.4, 0.0)
    BLUE = (0.0, 0.0, 1.0)
    WHITE = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing the panel can say.

    `led` None = all lights show it together; `shared` None = it is left out on a shared light.
    """

    name: str
    words: str
    led: Led | None
    alone: Pattern
    shared: Pattern | None
    colour: Colour
    is_true: Callable[[StationState], bool]


@dataclass(frozen=True, slots=True)
class Shown:
    """What one light shows: how, in which colour (None if there is no signal), and which signal that is."""

    pattern: Pattern
    colour: Colour | None = None
    signal: str = ""


FAULT_WORDS: dict[Fault, str] = {
    Fault.STORAGE: "the card is full or damaged: dialpost doctor",
    Fault.SETUP: "the provider does not accept what is configured: dialpost status",
    Fault.LINE: "the last call failed: dialpost call history",
    Fault.ETRN: "the provider refused ETRN; mail may wait there: dialpost status",
    Fault.MAIL: "mail could not be sent: dialpost queue list",
    Fault.BUDGET: "the budget is spent; no call is made: dialpost call budget",
    Fault.BUTTON: "the button is stuck: free it, or check its wiring: dialpost board test",
    Fault.UPDATE: "an update was rolled back; the previous release runs: dialpost update",
    Fault.UNSET: "not set up yet, or the configuration can't be used: dialpost console",
}

LINE_PATTERNS: dict[CallState, Pattern] = {
    CallState.IDLE: OFF,
    CallState.DIALING: FAST,
    CallState.NEGOTIATING: DOUBLE,
    CallState.ONLINE: ON,
    CallState.HANGING_UP: SLOW,
    CallState.COOLDOWN: SLOW,
}

GRAVE = frozenset({Fault.STORAGE, Fault.SETUP})
"""Faults that no redial repairs: they have priority over it on a shared light."""


def _button(name: str, words: str, show: ButtonShow, pattern: Pattern, colour: Colour) -> Signal:
    return Signal(name, words, None, pattern, pattern, colour, lambda state: state.button is show)


def _phase(words: str, phase: Phase, led: Led | None, alone: Pattern, shared: Pattern, colour: Colour) -> Signal:
    return Signal(phase.value, words, led, alone, shared, colour, lambda state: state.phase is phase)


def _call(name: str, words: str, call: CallState, shared: Pattern | None, colour: Colour = Colour.GREEN) -> Signal:
    return Signal(name, words, Led.LINE, LINE_PATTERNS[call], shared, colour, lambda state: state.call is call)


def _fault(fault: Fault) -> Signal:
    number = FAULT_FLASHES[fault]
    return Signal(
        f"fault-{fault.value}",
        FAULT_WORDS[fault],
        Led.FAULT,
        flashes(number),
        blink.long_then(number),
        Colour.RED,
        lambda state: fault in state.faults,
    )


SIGNALS: tuple[Signal, ...] = (
    _phase("the factory reset begins: the station restarts", Phase.RESETTING, None, STUTTER, STUTTER, Colour.RED),
    _button(
        "reset-offered",
        "press again within 5 s to reset the station; wait to cancel",
        ButtonShow.OFFERED,
        HURRY,
        Colour.RED,
    ),
    _button(
        "will-do-nothing",
        "cancelled: letting go does nothing",
        ButtonShow.CANCELLED,
        OFF,
        Colour.WHITE,
    ),
    _button(
        "will-offer-reset", "let go now for the offer of a factory reset", ButtonShow.RESET, TRIPLE, Colour.RED
    ),
    _button("will-hang-up", "let go now to hang up at once", ButtonShow.HANG_UP, EVEN, Colour.WHITE),
    _phase("the program crashed; it is being restarted", Phase.CRASHED, Led.FAULT, ON, TWO_LONG, Colour.RED),
    _phase("an update is under way: don't pull the plug", Phase.UPDATE, Led.POWER, DOUBLE, LONG_SHORT, Colour.BLUE),
    _phase("the station is shutting down", Phase.SHUTDOWN, Led.POWER, SLOW, SLOW, Colour.WHITE),
    _phase("the station is starting", Phase.BOOT, Led.POWER, FAST, DOUBLE, Colour.WHITE),
    Signal(
        "mail-moves",
        "mail is moving over the line",
        Led.MAIL,
        FLICKER,
        FLICKER,
        Colour.GREEN,
        lambda state: state.mail_moving,
    ),
    _call("dialling", "dialling", CallState.DIALING, FAST),
    _call("connecting", "the other end answered; connecting", CallState.NEGOTIATING, FAST),
    _call("hanging-up", "hanging up", CallState.HANGING_UP, SHORT),
    _call("resting", "resting after the call", CallState.COOLDOWN, SHORT),
    *(_fault(fault) for fault in Fault if fault in GRAVE),
    Signal(
        "redial",
        "the call failed; a redial follows automatically",
        Led.LINE,
        RARE,
        RARE,
        Colour.AMBER,
        lambda state: state.redial,
    ),
    *(_fault(fault) for fault in Fault if fault not in GRAVE),
    # After the faults: a dedicated line is always up, and must not hide them.
    _call("online", "on line", CallState.ONLINE, WINK),
    Signal(
        "urgent", "urgent mail waits to be sent", Led.MAIL, FAST, None, Colour.AMBER, lambda state: state.urgent > 0
    ),
    Signal(
        "waiting", "mail waits to be sent", Led.MAIL, ON, DOUBLE_WINK, Colour.AMBER, lambda state: state.waiting > 0
    ),
    Signal(
        "arrived", "the last call brought mail", Led.MAIL, DOUBLE, None, Colour.GREEN, lambda state: state.arrived
    ),
    _phase("the station is working", Phase.RUNNING, Led.POWER, ON, ON, Colour.GREEN),
)


OF_CALLS = frozenset({"dialling", "connecting", "hanging-up", "resting", "redial", "arrived"})
FAULTS_OF_CALLS = frozenset({Fault.LINE, Fault.BUDGET})
"""Signals that a station on a dedicated line never shows."""


def light(leds: Sequence[Led], state: StationState) -> Shown:
    """What a light that stands for these `leds` shows."""
    is_shared = len(leds) > 1
    for signal in SIGNALS:
        pattern = signal.shared if is_shared else signal.alone
        if pattern is None or (signal.led is not None and signal.led not in leds) or not signal.is_true(state):
            continue
        if state.dark and signal.led is not None:
            continue  # at night only the button gets a response
        return Shown(pattern, signal.colour, signal.name)
    return Shown(OFF)


def project(state: StationState) -> Mapping[Led, Pattern]:
    """What each light shows on a board that has all of them."""
    return {led: light((led,), state).pattern for led in Led}
