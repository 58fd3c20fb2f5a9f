"""What is written to a slow line goes to the kernel no faster than the line takes it.

TCP fills every buffer on the way: seconds of a slow line, behind which the other direction's acknowledgements and
replies wait, so that the line is used in turns. Congestion control does not help: by losses it never learns (a
modem's line loses nothing), by delay (Vegas) it takes the other direction's traffic for its own. A route's `cwnd
lock` is honoured only for hosts the kernel has metrics of. So no more than `in_flight_bytes` are with the kernel,
sent or unsent, until the other side has acknowledged them (SIOCOUTQ, tcp(7)); the rest waits here.

Runs in the event loop; it looks at the kernel's count as long as something waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dialpost.edge.mail.smtp_client.heard import unacknowledged

LOOK_S = 0.05
"""A packet of 576 bytes takes about three times as long at 33.6 kbit/s."""


class Outlet:
    """Writes to `transport`. `in_flight_bytes` 0: all at once. `on_room` is called when less waits than before."""

    def __init__(self, transport: asyncio.Transport, in_flight_bytes: int, on_room: Callable[[], None]) -> None:
        self._transport = transport
        self._on_room = on_room
        self._limit = in_flight_bytes
        self._waiting = bytearray()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """Bytes the kernel has not taken yet."""
        return len(self._waiting) + self._transport.get_write_buffer_size()

    @property
    def unacknowledged(self) -> int:
        """Bytes the other side has not acknowledged: those that wait here, and those with the kernel."""
        return self.waiting + self._in_flight()

    def write(self, data: bytes) -> None:
        """Send when the line has room."""
        if not self._limit:
            self._transport.write(data)
            return
        self._waiting += data
        self._pump()

    def let_go(self) -> None:
        """All that waits goes to the kernel now: the connection is about to be closed in order."""
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
        room = self._limit - self._in_flight() - self._transport.get_write_buffer_size()
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

    def _in_flight(self) -> int:
        return unacknowledged(self._transport.get_extra_info("socket"))
