"""The button: turns the contact's edges into what the operator meant. Pure; times are passed in (`now_s`,
monotonic).

Two small state machines, each one total table. `CONTACTS` debounces the contact: a change counts once it has lasted
`SETTLE_S`, and then from its first edge. `TABLE` distinguishes press, hold and stuck:

- let go before 3 s: `PRESSED` (dial and fetch; while a call runs: end it after the current message);
- let go from 3 s on: `HANG_UP` (at once);
- let go from 10 s on: the factory reset is offered for 5 s. A second press, let go before 3 s, confirms it
  (`RESET`); holding it longer cancels the offer, as waiting does;
- held past 15 s: cancelled, letting go does nothing;
- held past 30 s, or down when the station starts: stuck, until it is let go.

Everything acts when the button is let go, so that a hold can be cancelled by holding longer. `show` says at any
moment what letting go would do, and the lights show it (`core/panel/lights`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dialpost.core.panel.station_state import ButtonShow

SETTLE_S = 0.03
"""A contact's change counts when it has lasted this long: switches bounce for up to about 10 ms."""
HANG_UP_S = 3.0
RESET_S = 10.0
CANCELLED_S = 15.0
STUCK_S = 30.0
OFFER_S = 5.0


class Contact(Enum):
    """The switch itself."""

    OPEN = "open"
    CLOSING = "closing"  # closed a moment ago: it may be bouncing
    CLOSED = "closed"
    OPENING = "opening"


class Edge(Enum):
    """What happens to the switch."""

    CLOSES = "closes"
    OPENS = "opens"
    SETTLED = "settled"  # no further edge for SETTLE_S


class ButtonState(Enum):
    """What the operator is doing."""

    UP = "up"
    DOWN = "down"
    HELD = "held"  # 3 s
    HELD_LONG = "held long"  # 10 s
    CANCELLED = "cancelled"  # 15 s
    STUCK = "stuck"  # 30 s, or down from the start
    OFFERED = "offered"  # up; the reset waits for its second press
    CONFIRMING = "confirming"  # down again, in time


class ButtonEvent(Enum):
    """What can happen to it, once the contact has settled."""

    PRESS = "press"
    RELEASE = "release"
    TIME = "time"  # the state's time is over


class Action(Enum):
    """What follows."""

    PRESSED = "pressed"
    HANG_UP = "hang up"
    OFFER = "offer the reset"
    CALLED_OFF = "the offer is over"
    RESET = "reset"
    STUCK = "stuck"
    FREED = "freed"


@dataclass(frozen=True, slots=True)
class Ignore:
    """The event changes nothing in this state, because of `why`."""

    why: str


@dataclass(frozen=True, slots=True)
class Go:
    """The next state, and what follows from the step."""

    to: ButtonState
    action: Action | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """A contact's step: `tells` is the event it causes for the button."""

    to: Contact
    tells: ButtonEvent | None = None


_SAME = Ignore("no change")
_UNTIMED = Ignore("this state has no deadline")
_IS_DOWN = Ignore("already down")
_IS_UP = Ignore("already up")

CONTACTS: dict[Contact, dict[Edge, Turn | Ignore]] = {
    Contact.OPEN: {Edge.CLOSES: Turn(Contact.CLOSING), Edge.OPENS: _SAME, Edge.SETTLED: _UNTIMED},
    Contact.CLOSING: {
        Edge.CLOSES: _SAME,
        Edge.OPENS: Turn(Contact.OPEN),
        Edge.SETTLED: Turn(Contact.CLOSED, ButtonEvent.PRESS),
    },
    Contact.CLOSED: {Edge.CLOSES: _SAME, Edge.OPENS: Turn(Contact.OPENING), Edge.SETTLED: _UNTIMED},
    Contact.OPENING: {
        Edge.CLOSES: Turn(Contact.CLOSED),
        Edge.OPENS: _SAME,
        Edge.SETTLED: Turn(Contact.OPEN, ButtonEvent.RELEASE),
    },
}

TABLE: dict[ButtonState, dict[ButtonEvent, Go | Ignore]] = {
    ButtonState.UP: {
        ButtonEvent.PRESS: Go(ButtonState.DOWN),
        ButtonEvent.RELEASE: _IS_UP,
        ButtonEvent.TIME: _UNTIMED,
    },
    ButtonState.DOWN: {
        ButtonEvent.PRESS: _IS_DOWN,
        ButtonEvent.RELEASE: Go(ButtonState.UP, Action.PRESSED),
        ButtonEvent.TIME: Go(ButtonState.HELD),
    },
    ButtonState.HELD: {
        ButtonEvent.PRESS: _IS_DOWN,
        ButtonEvent.RELEASE: Go(ButtonState.UP, Action.HANG_UP),
        ButtonEvent.TIME: Go(ButtonState.HELD_LONG),
    },
    ButtonState.HELD_LONG: {
        ButtonEvent.PRESS: _IS_DOWN,
        ButtonEvent.RELEASE: Go(ButtonState.OFFERED, Action.OFFER),
        ButtonEvent.TIME: Go(ButtonState.CANCELLED),
    },
    ButtonState.CANCELLED: {
        ButtonEvent.PRESS: _IS_DOWN,
        ButtonEvent.RELEASE: Go(ButtonState.UP),
        ButtonEvent.TIME: Go(ButtonState.STUCK, Action.STUCK),
    },
    ButtonState.STUCK: {
        ButtonEvent.PRESS: _IS_DOWN,
        ButtonEvent.RELEASE: Go(ButtonState.UP, Action.FREED),
        ButtonEvent.TIME: _UNTIMED,
    },
    ButtonState.OFFERED: {
        ButtonEvent.PRESS: Go(ButtonState.CONFIRMING),
        ButtonEvent.RELEASE: _IS_UP,
        ButtonEvent.TIME: Go(ButtonState.UP, Action.CALLED_OFF),
    },
    ButtonState.CONFIRMING: {
        ButtonEvent.PRESS: _IS_DOWN,
        ButtonEvent.RELEASE: Go(ButtonState.UP, Action.RESET),
        ButtonEvent.TIME: Go(ButtonState.CANCELLED, Action.CALLED_OFF),
    },
}

LIMIT_S: dict[ButtonState, float] = {
    ButtonState.DOWN: HANG_UP_S,
    ButtonState.HELD: RESET_S,
    ButtonState.HELD_LONG: CANCELLED_S,
    ButtonState.CANCELLED: STUCK_S,
    ButtonState.OFFERED: OFFER_S,
    ButtonState.CONFIRMING: HANG_UP_S,
}
"""When a state's time is over: seconds since the press; for OFFERED, since the release."""

SHOWS: dict[ButtonState, ButtonShow] = {
    ButtonState.UP: ButtonShow.NOTHING,
    ButtonState.DOWN: ButtonShow.NOTHING,
    ButtonState.HELD: ButtonShow.HANG_UP,
    ButtonState.HELD_LONG: ButtonShow.RESET,
    ButtonState.CANCELLED: ButtonShow.CANCELLED,
    ButtonState.STUCK: ButtonShow.NOTHING,
    ButtonState.OFFERED: ButtonShow.OFFERED,
    ButtonState.CONFIRMING: ButtonShow.OFFERED,
}


class Button:
    """One button. Report every edge to it (`contact`) and wake it at `deadline_s` (`tick`); both return what
    follows.

    Edges may be reported late, because each has its own time: what should have happened before is done first. A
    time before one already reported counts as that one. `down`: the contact is closed when the station starts.
    Without `offers_reset` a hold of 10 s is cancelled at once.
    """

    def __init__(self, now_s: float, *, down: bool = False, offers_reset: bool = True) -> None:
        self._offers_reset = offers_reset
        self._contact = Contact.CLOSED if down else Contact.OPEN
        self.state = ButtonState.STUCK if down else ButtonState.UP
        self._now_s = self._edge_s = self._since_s = now_s

    @property
    def show(self) -> ButtonShow:
        """What letting go would do now."""
        return SHOWS[self.state]

    @property
    def deadline_s(self) -> float | None:
        """When `tick` is due; None while only an edge can change anything."""
        due = [moment for moment in (self._settles_s(), self._times_out_s()) if moment is not None]
        return min(due, default=None)

    def contact(self, closed: bool, now_s: float) -> list[Action]:
        """The switch closed or opened at that moment; what follows, in order."""
        actions = self.tick(now_s)
        step = CONTACTS[self._contact][Edge.CLOSES if closed else Edge.OPENS]
        if isinstance(step, Turn):
            self._contact, self._edge_s = step.to, self._now_s
        return actions

    def tick(self, now_s: float) -> list[Action]:
        """Do what time alone brings until then; what follows, in order."""
        actions: list[Action] = []
        while (due_s := self.deadline_s) is not None and due_s <= now_s:
            if self._settles_s() is not None:  # what came before the edge has been dealt with
                step = CONTACTS[self._contact][Edge.SETTLED]
                assert isinstance(step, Turn) and step.tells is not None
                self._contact = step.to
                # The press or release was when the contact moved, not when it had settled.
                self._happens(step.tells, self._edge_s, actions)
            else:
                self._happens(ButtonEvent.TIME, due_s, actions)
        self._now_s = max(self._now_s, now_s)
        return actions

    def _happens(self, event: ButtonEvent, at_s: float, actions: list[Action]) -> None:
        """The one place where the state is set."""
        step = TABLE[self.state][event]
        if isinstance(step, Ignore):
            return  # pragma: no cover - the contact reports nothing twice
        self.state = step.to
        if step.to is ButtonState.HELD_LONG and not self._offers_reset:
            self.state = ButtonState.CANCELLED
        if event is not ButtonEvent.TIME:
            self._since_s = at_s
        if step.action is not None:
            actions.append(step.action)

    def _settles_s(self) -> float | None:
        return self._edge_s + SETTLE_S if self._contact in {Contact.CLOSING, Contact.OPENING} else None

    def _times_out_s(self) -> float | None:
        """A hold's limit does not apply while the contact may just have opened: letting go at 2.99 s is a press."""
        limit_s = LIMIT_S.get(self.state)
        if limit_s is None:
            return None
        due_s = self._since_s + limit_s
        if self._settles_s() is not None and due_s >= self._edge_s:
            return None
        return due_s
