"""The shape of a slow line: short packets, short windows, commands that each may fail alone."""

import pytest

from cases import cases
from dialpost.core.line import shaping as line_shaping
from dialpost.core.line.shaping import SLOW_BPS, SURE_BPS, Standing, commands, in_flight_bytes, mtu_for, shape


@pytest.mark.parametrize(
    ("rate_bps", "mtu"),
    [(2400, 296), (9600, 296), (14_400, 576), (33_600, 576), (SLOW_BPS, 576), (SLOW_BPS + 1, 1500)],
)
def test_the_packet_follows_the_rate(rate_bps: int, mtu: int) -> None:
    assert mtu_for(rate_bps) == mtu
    assert shape(rate_bps).mtu == mtu


def test_a_connection_on_a_slow_line_begins_with_a_window_for_a_small_message() -> None:
    for rate_bps in (300, 2400, 9600, 33_600, 57_600, 128_000, SLOW_BPS):
        assert shape(rate_bps).window == (9 * 256 if rate_bps < 14_400 else 4 * 536)
        assert shape(rate_bps).delay_based


def test_fast_lines_are_left_alone() -> None:
    line = shape(1_000_000)
    assert (line.window, line.delay_based) == (0, False)
    assert commands(line, "ppp0", "10.0.0.1", "10.0.0.2", default_route=True) == ["link set dev ppp0 txqueuelen 30"]


def test_a_configured_packet_size_wins() -> None:
    assert shape(33_600, mtu=1000).mtu == 1000


@pytest.mark.parametrize("default_route", [True, False])
def test_the_route_to_the_peer_and_the_default_one_are_shaped(default_route: bool) -> None:
    found = commands(shape(33_600), "ppp3", "192.0.2.1", "192.0.2.9", default_route=default_route)
    shaped = "window 2144 initcwnd 3 rto_min 3s congctl vegas"
    assert found[1] == f"route replace 192.0.2.1 dev ppp3 proto kernel scope link src 192.0.2.9 {shaped}"
    assert found[2:] == [f"route replace default dev ppp3 {shaped}"] * default_route


def test_above_the_rate_that_a_modem_can_be_believed_the_kernel_begins_as_it_likes() -> None:
    """A satellite's round trip of two seconds is paid for as often as a connection doubles what it sends."""
    found = commands(shape(56_001), "ppp3", "192.0.2.1", "192.0.2.9", default_route=False)
    assert found[1].endswith("src 192.0.2.9 window 2144 rto_min 3s congctl vegas")
    assert "initcwnd 3" in commands(shape(56_000), "ppp3", "192.0.2.1", "192.0.2.9", default_route=False)[1]


@cases(
    ("rate_bps", "round_trip_s", "ratio", "standing", "segments"),
    [
        (33_600, 0.0, 1.0, Standing.BESIDE, 3),
        (33_600, 0.0, 1.0, Standing.ALONE, 8),  # a second: 4200 bytes
        (33_600, 0.15, 1.0, Standing.BESIDE, 5),  # the line holds 630
        (33_600, 0.15, 3.0, Standing.BESIDE, 12),  # 1890 and 4410
        (2400, 1.8, 1.0, Standing.BESIDE, 6),  # 540 and three of 256
        (2400, 1.8, 1.0, Standing.ALONE, 6),
        (2400, 1.8, 3.0, Standing.ALONE, 10),  # 1620 and 900
    ],
)
def test_what_may_be_in_flight_is_what_the_line_holds_and_a_little_that_waits(
    rate_bps: int, round_trip_s: float, ratio: float, standing: Standing, segments: int
) -> None:
    segment = mtu_for(rate_bps) - 40
    assert in_flight_bytes(rate_bps, round_trip_s, ratio, standing) == segments * segment


def test_what_is_in_flight_is_in_packets_of_the_configured_size() -> None:
    assert in_flight_bytes(33_600, 0.0, 1.0, Standing.BESIDE, mtu=1000) == 3 * 960


def test_the_kernel_is_tuned_only_for_a_slow_line() -> None:
    """Where nothing but Vegas limits what is in flight, it does."""
    vegas = "/sys/module/tcp_vegas/parameters/"
    for rate_bps, packets in ((33_600, (1000, 1000, 1000)), (SURE_BPS + 1, (16, 24, 1))):
        assert line_shaping.tunables(line_shaping.shape(rate_bps)) == {
            **{f"{vegas}{name}": value for name, value in zip(("alpha", "beta", "gamma"), packets, strict=True)},
            "/proc/sys/net/ipv4/tcp_early_retrans": 0,
        }
    assert line_shaping.tunables(line_shaping.shape(1_000_000)) == {}


def test_the_rates_at_which_segments_grow() -> None:
    assert mtu_for(14_399) < mtu_for(14_400)


def test_odd_rates_are_not_rounded_to_whole_bytes() -> None:
    segment = mtu_for(15) - 40
    assert in_flight_bytes(15, 10_000.0, 1.0, Standing.BESIDE) == (18_750 // segment + 4) * segment
