"""What may be in flight follows the rate, the shortest round trip and what compresses."""

from __future__ import annotations

from dialpost.core.line.compression import ASSUMED, Crossed
from dialpost.core.line.shaping import ASSUMED_ROUND_TRIP_S, SLOW_BPS, SURE_BPS, Standing, in_flight_bytes
from dialpost.flow.line.pace import AHEAD_S, EXPECTED_S, LOOK_S, UNLIMITED, LinePace

RATE = 33_600
SEGMENT = 536


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

    def sent(self, wire: int) -> None:
        """The kernel got this many bytes more for the line, outbound."""
        known = self.crossed or Crossed(0, 0, 0, 0)
        self.crossed = Crossed(known.plain_up + wire, known.wire_up + wire, known.plain_down, known.wire_down)


def quiet(rate_bps: int = RATE, *, mtu: int = 0) -> Line:
    """A line on which inbound mail is not expected any more."""
    line = Line(rate_bps, mtu=mtu)
    line.now_s = EXPECTED_S
    return line


def alone(rate_bps: int = RATE, round_trip_s: float = 0.15, ratio: float = ASSUMED) -> int:
    return in_flight_bytes(rate_bps, round_trip_s, ratio, Standing.ALONE)


def test_before_anything_is_known_it_assumes() -> None:
    expected = alone(round_trip_s=ASSUMED_ROUND_TRIP_S)
    assert (quiet().pace.inbound_bytes(), quiet().pace.outbound_room()) == (expected, expected)
    assert quiet().pace.outbound_room(0.0, 1000) == expected - 1000
    assert Line(mtu=1000).pace.inbound_bytes() % 960 == 0


def test_the_shortest_round_trip_of_all_connections_counts_until_the_next_call() -> None:
    pace = quiet().pace
    for heard in (0.4, 0.15, 0.9):
        pace.heard(heard)
    assert pace.inbound_bytes() == alone()
    assert pace.outbound_room(0.05) == alone(round_trip_s=0.05) < alone()
    assert pace.round_trip_s == 0.05
    pace.begins(2400)
    assert pace.inbound_bytes() == alone(2400, ASSUMED_ROUND_TRIP_S)
    assert pace.round_trip_s is None


def test_each_direction_has_its_own_compression_looked_at_once_a_second() -> None:
    line = quiet()
    line.pace.heard(0.15)
    line.crossed = Crossed(40_000, 10_000, 10_000, 10_000)
    assert line.pace.inbound_bytes() == alone(ratio=1.5)
    assert line.pace.outbound_room() == alone(ratio=3.0)
    line.crossed = Crossed(80_000, 20_000, 20_000, 20_000)
    line.now_s += LOOK_S * 0.9
    assert line.pace.outbound_room() == alone(ratio=3.0)
    assert line.looks == 1
    line.now_s += LOOK_S * 0.1
    assert line.pace.outbound_room() == alone(ratio=3.5)
    assert line.looks == 2


def test_inbound_leaves_the_buffers_to_outbound_while_that_asks() -> None:
    line = Line()
    line.pace.heard(0.15)
    assert line.pace.inbound_bytes() == alone()
    line.pace.outbound_room()
    beside = in_flight_bytes(RATE, 0.15, ASSUMED, Standing.BESIDE)
    assert line.pace.inbound_bytes() == beside < alone()
    line.now_s = LOOK_S
    assert line.pace.inbound_bytes() == alone()


def test_while_inbound_mail_comes_outbound_hands_over_a_packet_at_a_time() -> None:
    line = quiet()
    line.pace.heard(0.15)
    line.crossed = Crossed(1500, 1500, 6000, 2000)
    free = alone(ratio=1.5)
    assert line.pace.outbound_room() == free
    line.pace.given_inbound(9000)
    assert line.pace.outbound_room() == SEGMENT
    behind = round(9000 / 2.5 * 1.5)
    assert line.pace.outbound_room(0.0, free + behind - 1) == 1, "acknowledgements wait behind what comes"
    assert line.pace.outbound_room(0.0, free + behind) == 0
    line.pace.given_inbound(0)
    assert line.pace.outbound_room() == SEGMENT, "the next connection may come at once"
    line.now_s += EXPECTED_S
    assert line.pace.outbound_room() == free


def test_while_inbound_mail_is_expected_a_packet_goes_when_the_one_before_has_nearly_left() -> None:
    line = Line()
    line.sent(0)
    assert line.pace.outbound_room(0.15, SEGMENT) == SEGMENT, "nothing waits"
    line.sent(420)  # a tenth of a second
    assert line.pace.outbound_room(0.15, SEGMENT) == 0
    assert line.pace.outbound_room(0.15, 0) == SEGMENT, "a command of another connection does not wait"
    line.now_s += 0.1 - AHEAD_S
    assert line.pace.outbound_room(0.15, SEGMENT) == 0, "a line is a little slower than it says"
    line.now_s += 0.01
    assert line.pace.outbound_room(0.15, SEGMENT) == SEGMENT


def test_what_a_long_time_alone_sent_does_not_wait_when_inbound_mail_comes() -> None:
    line = Line()
    line.sent(0)
    line.pace.outbound_room()
    line.now_s = EXPECTED_S
    for _ in range(300):
        assert line.pace.outbound_room(0.15, SEGMENT) > SEGMENT
        line.now_s += LOOK_S
        line.sent(4000)
    line.pace.given_inbound(9000)
    assert line.pace.outbound_room(0.15, SEGMENT) == SEGMENT
    line.sent(3000)
    line.now_s += LOOK_S / 2
    assert line.pace.outbound_room(0.15, SEGMENT) == 0, "that waits"


def test_a_queue_left_from_a_time_alone_is_known() -> None:
    line = quiet()
    line.sent(0)
    line.pace.outbound_room()
    for more in (4000, 4000, 8000):
        line.now_s += LOOK_S
        line.sent(more)
        line.pace.outbound_room(0.15, SEGMENT)
    line.pace.given_inbound(9000)
    assert line.pace.outbound_room(0.15, SEGMENT) == 0


def test_what_nobody_counts_is_limited_by_what_is_in_flight() -> None:
    line = Line()
    line.pace.given_inbound(9000)
    beside = in_flight_bytes(RATE, 0.15, ASSUMED, Standing.BESIDE)
    assert line.pace.outbound_room(0.15, 100) == beside - 100


def test_fast_lines_and_those_of_unknown_rate_are_left_to_the_kernel() -> None:
    assert (Line(0).pace.inbound_bytes(), Line(0).pace.outbound_room()) == (0, UNLIMITED)
    assert Line(SLOW_BPS).pace.inbound_bytes() > 0 == Line(SLOW_BPS + 1).pace.inbound_bytes()
    assert Line(SURE_BPS).pace.outbound_room() < UNLIMITED == Line(SURE_BPS + 1).pace.outbound_room()
