"""What may be in flight follows the rate, the shortest round trip and what compresses."""

from __future__ import annotations

from dialpost.core.line.compression import ASSUMED, Crossed
from dialpost.core.line.shaping import ASSUMED_ROUND_TRIP_S, SLOW_BPS, SURE_BPS, Standing, in_flight_bytes
from dialpost.flow.line.pace import LOOK_S, LinePace

RATE = 33_600
_STANDINGS = (Standing.BESIDE, Standing.LEAN, Standing.ALONE)


class Line:
    """A line whose kernel counts `crossed`; `now_s` is its clock."""

    def __init__(self, rate_bps: int = RATE, *, mtu: int = 0) -> None:
        self.crossed: Crossed | None = None
        self.now_s, self.looks = 0.0, 0
        self.pace = LinePace(self._count, mtu=mtu, monotonic=lambda: self.now_s)
        self.pace.begins(rate_bps)

    def _count(self) -> Crossed | None:
        self.looks += 1
        return self.crossed


def alone(rate_bps: int = RATE, round_trip_s: float = 0.15, ratio: float = ASSUMED) -> int:
    return in_flight_bytes(rate_bps, round_trip_s, ratio, Standing.ALONE)


def test_before_anything_is_known_it_assumes() -> None:
    expected = alone(round_trip_s=ASSUMED_ROUND_TRIP_S)
    assert (Line().pace.inbound_bytes(), Line().pace.outbound_bytes()) == (expected, expected)
    assert Line(mtu=1000).pace.inbound_bytes() % 960 == 0


def test_the_shortest_round_trip_of_all_connections_counts_until_the_next_call() -> None:
    pace = Line().pace
    for heard in (0.4, 0.15, 0.9):
        pace.heard(heard)
    assert pace.inbound_bytes() == alone()
    assert pace.outbound_bytes(0.05) == alone(round_trip_s=0.05) < alone()
    pace.begins(2400)
    assert pace.inbound_bytes() == alone(2400, ASSUMED_ROUND_TRIP_S)


def test_each_direction_has_its_own_compression_looked_at_once_a_second() -> None:
    line = Line()
    line.pace.heard(0.15)
    line.crossed = Crossed(40_000, 10_000, 10_000, 10_000)
    assert line.pace.inbound_bytes() == alone(ratio=1.5)
    assert line.pace.outbound_bytes() == alone(ratio=3.0)
    line.crossed = Crossed(80_000, 20_000, 20_000, 20_000)
    line.now_s = LOOK_S * 0.9
    assert line.pace.outbound_bytes() == alone(ratio=3.0)
    assert line.looks == 1
    line.now_s = LOOK_S
    assert line.pace.outbound_bytes() == alone(ratio=3.5)
    assert line.looks == 2


def test_inbound_leaves_the_buffers_to_outbound_while_that_asks() -> None:
    line = Line()
    line.pace.heard(0.15)
    assert line.pace.inbound_bytes() == alone()
    line.pace.outbound_bytes()
    beside = in_flight_bytes(RATE, 0.15, ASSUMED, Standing.BESIDE)
    assert line.pace.inbound_bytes() == beside < alone()
    line.now_s = LOOK_S
    assert line.pace.inbound_bytes() == alone()


def test_outbound_gives_way_to_lock_step_and_keeps_pace_with_bulk() -> None:
    line = Line()
    line.pace.heard(0.15)
    up, lean, free = (in_flight_bytes(RATE, 0.15, 1.5, standing) for standing in _STANDINGS)
    down = 10_000
    line.crossed = Crossed(1500, 1500, down, down)
    assert line.pace.outbound_bytes() == free
    line.pace.given_inbound(9000)
    assert line.pace.outbound_bytes() == lean < up, "inbound is slow"
    for _ in range(20):
        line.now_s += LOOK_S
        down += RATE // 8
        line.crossed = Crossed(1500, 1500, down, down)
        outbound = line.pace.outbound_bytes()
        if line.now_s < 5 * LOOK_S:
            assert outbound == lean, "a burst is not a full line"
    assert outbound > 9000, "as much time, and up shrinks more than down"
    line.pace.given_inbound(100)
    assert line.pace.outbound_bytes() == up, "never less than it needs itself"
    line.pace.given_inbound(0)
    assert line.pace.outbound_bytes() == free
    line.pace.begins(RATE)
    line.pace.given_inbound(9000)
    line.pace.heard(0.15)
    line.crossed = None
    assert line.pace.outbound_bytes() == in_flight_bytes(RATE, 0.15, ASSUMED, Standing.LEAN), "a new call"


def test_fast_lines_and_those_of_unknown_rate_are_left_to_the_kernel() -> None:
    assert Line(0).pace.inbound_bytes() == Line(0).pace.outbound_bytes() == 0
    assert Line(SLOW_BPS).pace.inbound_bytes() > 0 == Line(SLOW_BPS + 1).pace.inbound_bytes()
    assert Line(SURE_BPS).pace.outbound_bytes() > 0 == Line(SURE_BPS + 1).pace.outbound_bytes()
