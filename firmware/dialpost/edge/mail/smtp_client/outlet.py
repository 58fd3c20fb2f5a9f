"""Hands data for a slow line to the kernel no faster than the line carries it.

TCP fills every buffer on the way with seconds of a slow line; the other direction's acknowledgements and replies
wait behind them, and the directions take turns. Congestion control does not help: one that looks at losses never
learns (a modem's line loses nothing), and one that looks at delay (Vegas) mistakes the other direction's traffic
for its own queue. A route's `cwnd lock` works only for hosts of which the kernel has metrics. So at most
what `in_flight` says are with the kernel, sent or unsent, until the other side has acknowledged them (SIOCOUTQ,
tcp(7)); the rest waits here (decision 10). The limit follows the line (flow/line/pace) and is asked for each time.

Runs in the event loop; polls the kernel's count while something waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dialpost.edge.ground.tcp import round_trip_s
from dialpost.edge.mail.smtp_client.heard import unacknowledged

InFlight = Callable[[float], int]
"""The bytes that may be in flight, from the shortest round trip the connection has seen; 0: no limit."""


def no_limit(round_trip_s: float) -> int:
    """The kernel decides."""
    del round_trip_s
    return 0


LOOK_S = 0.05
"""The polling interval: a third of the time that a packet of 576 bytes takes at 33.6 kbit/s."""


class Outlet:
    """Writes to `transport` what `in_flight` allows. `on_room` is called when less waits than before."""

    def __init__(self, transport: asyncio.Transport, in_flight: InFlight, on_room: Callable[[], None]) -> None:
        self._transport = transport
        self._on_room = on_room
        self._in_flight_bytes = in_flight
        self._waiting = bytearray()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def held(self) -> int:
        """Bytes kept back for want of room on the line."""
        return len(self._waiting)

    @property
    def waiting(self) -> int:
        """Bytes the kernel has not taken yet."""
        return len(self._waiting) + self._transport.get_write_buffer_size()

    @property
    def unacknowledged(self) -> int:
        """Bytes the other side has not acknowledged: those waiting here, and those in the kernel."""
        return self.waiting + self._in_flight()

    def write(self, data: bytes) -> None:
        """Send when the line has room."""
        if not self._limit() and not self._waiting:
            self._transport.write(data)
            return
        self._waiting += data
        self._pump()

    def let_go(self) -> None:
        """Hand everything to the kernel now: the connection is about to be closed in order."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting:
            self._transport.write(bytes(self._waiting))
            self._waiting.clear()

    def forget(self) -> None:
        """The connection is gone."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pump(self) -> None:
        if self._timer is not None:
            return
        limit = self._limit()
        room = limit - self._in_flight() - self._transport.get_write_buffer_size() if limit else len(self._waiting)
        if room > 0:
            self._transport.write(bytes(self._waiting[:room]))
            del self._waiting[:room]
        if self._waiting:
            self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _look(self) -> None:
        self._timer = None
        before = len(self._waiting)
        self._pump()
        if len(self._waiting) < before:
            self._on_room()

    def _limit(self) -> int:
        return self._in_flight_bytes(round_trip_s(self._transport.get_extra_info("socket")))

    def _in_flight(self) -> int:
        return unacknowledged(self._transport.get_extra_info("socket"))
