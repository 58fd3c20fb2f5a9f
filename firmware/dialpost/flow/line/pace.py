"""What this call's line may have in flight each way: its rate, its shortest round trip, its compression.

The rate comes from the modem before the network is up; the round trip from every TCP connection on the line, the
shortest counts (the others had queues); the compression from the kernel's counts, looked at when somebody asks, at
most each LOOK_S. Outgoing mail asks before it writes, incoming mail when it shares its windows.

How much may wait in the buffers beside that depends on the other direction. Alone, a direction may fill them. Both
fill the line only if both have as much time of it in flight, because each is clocked by acknowledgements that wait
behind the other; so outbound may have what inbound was given. And while inbound mail comes and doesn't fill the
line, a few small messages in lock-step, each of its round trips waits behind ours: then outbound keeps its queue as
short as it can.

Runs in the event loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from dialpost.core.line.compression import Crossed, Ratio
from dialpost.core.line.shaping import ASSUMED_ROUND_TRIP_S, SLOW_BPS, SURE_BPS, Standing, in_flight_bytes

LOOK_S = 1.0
FULL = 0.75
"""The part of the line's rate from which on a direction counts as full."""
_NEW_PART = 0.15
"""How much the last second counts in that: a message that comes at once is not yet a full line."""


class LinePace:
    """`count` returns what has crossed the line that is up, None if that is unknown; `mtu` is as configured."""

    def __init__(
        self, count: Callable[[], Crossed | None], *, mtu: int = 0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._count, self._mtu, self._monotonic = count, mtu, monotonic
        self.begins(0)

    def begins(self, rate_bps: int) -> None:
        """A line of this rate is about to come up; 0: nothing is limited."""
        self._rate_bps = rate_bps
        self._round_trip_s: float | None = None
        self._up, self._down = Ratio(), Ratio()
        self._looked_s: float | None = None
        self._asked_s: float | None = None
        self._given = 0
        self._busy_down, self._wire_down = 0.0, 0

    def heard(self, round_trip_s: float) -> None:
        """The shortest round trip that a connection has seen."""
        known = self._round_trip_s
        self._round_trip_s = round_trip_s if known is None else min(known, round_trip_s)

    def given_inbound(self, given: int) -> None:
        """What inbound connections may now have in flight, in bytes before compression."""
        self._given = given

    def inbound_bytes(self) -> int:
        """What may be in flight inbound over all connections, before compression; 0: the kernel decides."""
        if not 0 < self._rate_bps <= SLOW_BPS:
            return 0
        self._look()
        sends = self._asked_s is not None and self._monotonic() - self._asked_s < LOOK_S
        return self._bytes(self._down, Standing.BESIDE if sends else Standing.ALONE)

    def outbound_bytes(self, round_trip_s: float = 0.0) -> int:
        """What a connection of ours, which has seen this round trip, may have in flight; 0: the kernel decides.

        Asked for as long as it has something to write.
        """
        if not 0 < self._rate_bps <= SURE_BPS:
            return 0
        if round_trip_s:
            self.heard(round_trip_s)
        self._look()
        self._asked_s = self._monotonic()
        if not self._given:
            return self._bytes(self._up, Standing.ALONE)
        if self._busy_down < FULL:
            return self._bytes(self._up, Standing.LEAN)
        return max(self._bytes(self._up, Standing.BESIDE), round(self._given / self._down.value * self._up.value))

    def _bytes(self, ratio: Ratio, standing: Standing) -> int:
        round_trip_s = ASSUMED_ROUND_TRIP_S if self._round_trip_s is None else self._round_trip_s
        return in_flight_bytes(self._rate_bps, round_trip_s, ratio.value, standing, self._mtu)

    def _look(self) -> None:
        now_s = self._monotonic()
        if self._looked_s is not None and now_s - self._looked_s < LOOK_S:
            return
        before_s, self._looked_s = self._looked_s, now_s
        crossed = self._count()
        if crossed is not None:
            if before_s is not None:
                carried = max(0, crossed.wire_down - self._wire_down) * 8 / (now_s - before_s)
                self._busy_down += (carried / self._rate_bps - self._busy_down) * _NEW_PART
            self._wire_down = crossed.wire_down
            self._up.saw(crossed.plain_up, crossed.wire_up)
            self._down.saw(crossed.plain_down, crossed.wire_down)
