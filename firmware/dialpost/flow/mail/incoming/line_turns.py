"""Turns for the provider's connections: a few are served at once, the others wait for their greeting.

If a provider opens twenty connections over a line of 3 kB/s, each of them crawls until it times out, and every
buffer on the way fills with packets that our own replies and the outbound mail have to queue behind. A few senders
are enough to keep a line busy: while one waits for a reply, another sends. So a few (core/line/shaping) are greeted
at once. The rest follow in order of arrival: one whenever another ends or rests between messages (some senders keep
a connection open for seconds in case there is more), one whenever nothing has come in for STALLED_S, and each at
the latest after PATIENCE_S, long before the sender gives up on a greeting (5 minutes, RFC 5321 §4.5.3.2.1).

Each begins with a window of one segment (core/line/shaping). If there are fewer large messages than it takes to
keep the line busy, they share what is left: `Widen` gets the number of segments its connection may have in flight.
That number only grows, because a TCP window can't be withdrawn.

Runs in the event loop; a connection's task waits in `LineTurns.turn`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

SMALL_BYTES = 5000
SMALL_WEIGHT = 0.75
"""The weight of a message declared as at most SMALL_BYTES: it spends more time waiting than sending."""
MOST_SEGMENTS = 4
"""The limit for one connection, because it keeps what it was given when others come."""
REST_S = 1.0
"""How long after a message a connection keeps its turn for the next one."""
STALLED_S = 2.0
SETTLED_S = 4.0
"""The time without a new connection after which those there share what the line can carry."""
PATIENCE_S = 150.0

Widen = Callable[[int], None]


class LineTurn:
    """One connection's turn (core/mail/session.Turn)."""

    def __init__(self, turns: LineTurns) -> None:
        self._turns = turns
        self._widen: Widen | None = None
        self._segments = 1
        self._weight = 1.0
        self._timer: asyncio.TimerHandle | None = None

    def works(self, declared_bytes: int, widen: Widen) -> None:
        """A message begins; `declared_bytes` is its SIZE=, 0 if it was not given."""
        self._stop_timer()
        is_small = 0 < declared_bytes <= SMALL_BYTES
        self._widen = None if is_small else widen
        self._weigh(SMALL_WEIGHT if is_small else 1.0)

    @property
    def is_large(self) -> bool:
        """Whether a message is under way that a wider window would help."""
        return self._widen is not None

    def may_fill(self, segments: int) -> None:
        """This many may be in flight."""
        if self._widen is not None and segments > self._segments:
            self._segments = segments
            self._widen(segments)

    def rests(self) -> None:
        """A message is over."""
        self._stop_timer()
        self._widen = None
        self._turns.weigh(self, 0.0)
        self._timer = asyncio.get_running_loop().call_later(REST_S, self._weigh, 0.0)

    def done(self) -> None:
        """The connection is gone."""
        self._stop_timer()
        self._widen = None
        self._weigh(0.0)

    def _weigh(self, weight: float) -> None:
        """Take more or less of the line; waiting connections get what is given up."""
        self._turns.weigh(self, weight - self._weight)
        self._weight = weight

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class LineTurns:
    """The turns on one line. `last_sign_s` returns when something last came in over it (monotonic, None: never).

    `served_at_once` may change with the line.
    """

    def __init__(self, last_sign_s: Callable[[], float | None], *, served_at_once: int) -> None:
        self._last_sign_s = last_sign_s
        self.served_at_once = served_at_once
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._called: set[asyncio.Future[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._sharing: asyncio.TimerHandle | None = None
        self._last_turn_s = 0.0
        self._large: dict[LineTurn, None] = {}  # in the order their messages began
        self.served = 0.0

    @property
    def waiting(self) -> int:
        """Connections not greeted yet."""
        return sum(not place.done() for place in self._waiting)

    async def turn(self) -> LineTurn:
        """Wait for the turn; `done` ends it."""
        if self.served + len(self._called) + 1 <= self.served_at_once and not self.waiting:
            return self._serve()
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        self._watch()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await place
        except TimeoutError:
            pass  # greeted nevertheless: a sender that waits longer gives up and defers its mail
        except asyncio.CancelledError:
            if self._was_called(place):  # its turn came in the same moment: pass it on
                self.fill()
            raise
        else:
            self._was_called(place)
        return self._serve()

    def fill(self) -> None:
        """Call the connections whose turn it is."""
        while self.served + len(self._called) + 1 <= self.served_at_once and self._call_next():
            pass

    def weigh(self, turn: LineTurn, more: float) -> None:
        """A turn takes more (or less) of the line than before: the other connections share what is free."""
        self.served += more
        if turn.is_large:
            self._large.setdefault(turn)
        else:
            self._large.pop(turn, None)
        self.fill()
        self._share()

    def _share(self) -> None:
        """Give the large messages what the line can carry beyond one segment each."""
        loop = asyncio.get_running_loop()
        if self._sharing is not None:
            self._sharing.cancel()
            self._sharing = None
        if not self._large:
            return
        settled_s = self._last_turn_s + SETTLED_S
        if loop.time() < settled_s:
            self._sharing = loop.call_at(settled_s, self._share)
            return
        others = self.served + len(self._called) - len(self._large)
        left = int(self.served_at_once - others)
        for number, turn in enumerate(self._large):
            share, rest = divmod(left, len(self._large))
            turn.may_fill(min(share + (number < rest), MOST_SEGMENTS))

    def _serve(self) -> LineTurn:
        self.served += 1
        self._last_turn_s = asyncio.get_running_loop().time()
        return LineTurn(self)

    def _call_next(self) -> bool:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                self._called.add(place)
                return True
        return False

    def _was_called(self, place: asyncio.Future[None]) -> bool:
        """Remove the place from those called but not yet served; whether it was one of them."""
        was_called = place in self._called
        self._called.discard(place)
        return was_called

    def _watch(self) -> None:
        """While somebody waits, check from time to time whether those served leave the line idle."""
        if self._timer is None and self.waiting:
            self._timer = asyncio.get_running_loop().call_later(STALLED_S / 4, self._look)

    def _look(self) -> None:
        self._timer = None
        now_s = asyncio.get_running_loop().time()
        sign_s = max(self._last_sign_s() or 0.0, self._last_turn_s)
        if now_s - sign_s >= STALLED_S:
            self._call_next()
        self._watch()
