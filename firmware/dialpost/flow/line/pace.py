"""What this call's line may have in flight each way: its rate, its shortest round trip, its compression.

The rate comes from the modem before the network is up; the round trip from every TCP connection on the line, the
shortest counts (the others had queues); the compression from the kernel's counts, looked at when somebody asks, at
most each LOOK_S. Outgoing mail asks before it writes, incoming mail when it shares its windows.

How much may wait in the buffers beside that depends on the other direction. Alone, a direction may fill them. But
whatever waits here delays the acknowledgements of what comes, and our replies. So while inbound mail comes or is
expected, outbound hands over a packet at a time, when the one before has nearly left (core/line/backlog): the line
stays full, and next to nothing waits in front of it.

Runs in the event loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from dialpost.core.line.backlog import Backlog
from dialpost.core.line.compression import Crossed, Ratio
from dialpost.core.line.shaping import (
    ASSUMED_ROUND_TRIP_S,
    SLOW_BPS,
    SURE_BPS,
    Standing,
    in_flight_bytes,
    segment_bytes,
)

LOOK_S = 1.0
EXPECTED_S = 40.0
"""Inbound mail is expected for this long from the start of a call, and after the provider's last connection."""
AHEAD_S = 0.05
"""How much of the line's time may still wait when the next packet is handed over: it must not run dry before."""
UNLIMITED = 1 << 30


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
        self._inbound_s = self._monotonic()
        self._backlog = Backlog(rate_bps)

    @property
    def round_trip_s(self) -> float | None:
        """The shortest of this call, or of the last one until the next begins; None if nothing measured it."""
        return self._round_trip_s

    def heard(self, round_trip_s: float) -> None:
        """The shortest round trip that a connection has seen."""
        known = self._round_trip_s
        self._round_trip_s = round_trip_s if known is None else min(known, round_trip_s)

    def given_inbound(self, given: int) -> None:
        """What inbound connections may now have in flight, in bytes before compression."""
        if given or self._given:
            self._inbound_s = self._monotonic()
        self._given = given

    def inbound_bytes(self) -> int:
        """What may be in flight inbound over all connections, before compression; 0: the kernel decides."""
        if not 0 < self._rate_bps <= SLOW_BPS:
            return 0
        self._look()
        sends = self._asked_s is not None and self._monotonic() - self._asked_s < LOOK_S
        return self._bytes(self._down, Standing.BESIDE if sends else Standing.ALONE)

    def outbound_room(self, round_trip_s: float = 0.0, in_flight: int = 0) -> int:
        """How many bytes more a connection of ours may hand to the kernel now, which has seen this round trip.

        Asked for as long as it has something to write. With nothing in flight it may always send a packet.
        """
        if not 0 < self._rate_bps <= SURE_BPS:
            return UNLIMITED
        if round_trip_s:
            self.heard(round_trip_s)
        self._look()
        self._asked_s = self._monotonic()
        if self._asked_s - self._inbound_s >= EXPECTED_S and not self._given:
            return self._bytes(self._up, Standing.ALONE) - in_flight
        return self._lean_room(self._asked_s, in_flight)

    def _lean_room(self, now_s: float, in_flight: int) -> int:
        """A packet at a time, if what the line was given is counted. Its acknowledgement comes late, behind inbound
        mail.
        """
        crossed = self._count()
        if crossed is None:
            return self._bytes(self._up, Standing.BESIDE) - in_flight
        waits_s = self._backlog.waits_s(now_s, crossed.wire_up)
        if waits_s > AHEAD_S and in_flight:
            return 0
        behind = round(self._given / self._down.value * self._up.value)
        room = self._bytes(self._up, Standing.ALONE) + behind - in_flight
        return min(room, segment_bytes(self._rate_bps, self._mtu))

    def _bytes(self, ratio: Ratio, standing: Standing) -> int:
        round_trip_s = ASSUMED_ROUND_TRIP_S if self._round_trip_s is None else self._round_trip_s
        return in_flight_bytes(self._rate_bps, round_trip_s, ratio.value, standing, self._mtu)

    def _look(self) -> None:
        now_s = self._monotonic()
        if self._looked_s is not None and now_s - self._looked_s < LOOK_S:
            return
        self._looked_s = now_s
        crossed = self._count()
        if crossed is not None:
            self._backlog.waits_s(now_s, crossed.wire_up)
            self._up.saw(crossed.plain_up, crossed.wire_up)
            self._down.saw(crossed.plain_down, crossed.wire_down)
