"""Hands data for a slow line to the kernel no faster than the line carries it.

TCP fills every buffer on the way with seconds of a slow line; the other direction's acknowledgements and replies
wait behind them, and the directions take turns. Congestion control does not help: one that looks at losses never
learns (a modem's line loses nothing), and one that looks at delay (Vegas) mistakes the other direction's traffic
for its own queue. A route's `cwnd lock` works only for hosts of which the kernel has metrics. So the kernel gets
no more than `room` says, given what it has already, sent or unsent, that the other side has not acknowledged
(SIOCOUTQ, tcp(7)); the rest waits here (decision 10). The room follows the line (flow/line/pace).

Runs in the event loop; polls the kernel's count while something waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dialpost.edge.ground.tcp import round_trip_s
from dialpost.edge.mail.wire.heard import unacknowledged

Room = Callable[[float, int], int]
"""The bytes that may be handed over now, from the shortest round trip that the connection has seen and what it has
in flight; none if it is not above 0."""


def no_limit(round_trip_s: float, in_flight: int) -> int:
    """The kernel decides."""
    del round_trip_s, in_flight
    return 1 << 30


LOOK_S = 0.02
"""The polling interval: a third of the time that a packet of text takes at 33.6 kbit/s."""


class Outlet:
    """Writes to `transport` what `room` allows. `on_room` is called when less waits than before."""

    def __init__(self, transport: asyncio.Transport, room: Room, on_room: Callable[[], None]) -> None:
        self._transport = transport
        self._on_room = on_room
        self._room = room
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
        if not self._waiting and self._has_room_for() >= len(data):
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
        room = self._has_room_for()
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

    def _has_room_for(self) -> int:
        has = self._in_flight() + self._transport.get_write_buffer_size()
        return self._room(round_trip_s(self._transport.get_extra_info("socket")), has)

    def _in_flight(self) -> int:
        return unacknowledged(self._transport.get_extra_info("socket"))
