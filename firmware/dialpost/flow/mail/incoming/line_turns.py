"""Turns for the provider's connections: a few are served at once, the others wait before their first message.

If a provider opens twenty connections over a line of 3 kB/s, each of them crawls until it times out, and every
buffer on the way fills with packets that our own replies and the outbound mail have to queue behind. A few senders
are enough to keep a line busy: while one waits for a reply, another sends. So a few (core/line_peers) are served at
once. The rest wait for the answer to their first MAIL, or for their greeting where a TLS handshake may follow it.
They come in order of arrival: one whenever another ends or rests between messages (some senders keep
a connection open for seconds in case there is more), one whenever nothing has come in for STALLED_S, and each at
the latest after PATIENCE_S, long before the sender gives up on either (5 minutes, RFC 5321 §4.5.3.2.1 and 2).

Those with a message under way share what may be in flight on the line (line_windows).

Runs in the event loop; a connection's task waits in `LineTurns.turn`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from dialpost.core.mail.session import Wire
from dialpost.flow.mail.incoming.line_windows import SMALL_BYTES, LineWindows, Pace

SMALL_WEIGHT = 0.75
"""The weight of a message declared as at most SMALL_BYTES: it spends more time waiting than sending."""
REST_S = 1.0
"""How long after a message a connection keeps its turn for the next one."""
STALLED_S = 2.0
PATIENCE_S = 150.0


class LineTurn:
    """One connection's turn (core/mail/session.Turn)."""

    def __init__(self, turns: LineTurns) -> None:
        self._turns = turns
        self._weight = 1.0
        self._timer: asyncio.TimerHandle | None = None

    def works(self, declared_bytes: int, wire: Wire) -> None:
        """A message begins; `declared_bytes` is its SIZE=, 0 if it was not given."""
        self._stop_timer()
        self._weigh(SMALL_WEIGHT if 0 < declared_bytes <= SMALL_BYTES else 1.0)
        self._turns.windows.works(self, wire, declared_bytes)

    def rests(self) -> None:
        """A message is over."""
        self._stop_timer()
        self._turns.windows.rests(self)
        self._timer = asyncio.get_running_loop().call_later(REST_S, self._weigh, 0.0)

    def done(self) -> None:
        """The connection is gone."""
        self._stop_timer()
        self._turns.windows.done(self)
        self._weigh(0.0)

    def _weigh(self, weight: float) -> None:
        """Take more or less of the line; waiting connections get what is given up."""
        self._turns.weigh(weight - self._weight)
        self._weight = weight

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class LineTurns:
    """The turns on one line. `last_sign_s` returns when something last came in over it (monotonic, None: never).

    `served_at_once` may change with the line, whose `pace` says how much its connections may have in flight.
    """

    def __init__(self, last_sign_s: Callable[[], float | None], pace: Pace, *, served_at_once: int) -> None:
        self._last_sign_s = last_sign_s
        self.windows = LineWindows(pace)
        self.served_at_once = served_at_once
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._called: set[asyncio.Future[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._last_turn_s = 0.0
        self.served = 0.0

    @property
    def waiting(self) -> int:
        """Connections whose turn has not come yet."""
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
            pass  # served nevertheless: a sender that waits longer gives up and defers its mail
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

    def weigh(self, more: float) -> None:
        """A turn takes more (or less) of the line than before."""
        self.served += more
        self.fill()

    def _serve(self) -> LineTurn:
        self.served += 1
        self._last_turn_s = asyncio.get_running_loop().time()
        turn = LineTurn(self)
        self.windows.comes(turn)
        return turn

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
