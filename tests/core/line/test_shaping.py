"""The shape of a slow line: short packets, short windows, commands that each may fail alone."""

import pytest

from dialpost.core.line import shaping as line_shaping
from dialpost.core.line.shaping import SLOW_BPS, commands, mtu_for, shape


@pytest.mark.parametrize(
    ("rate_bps", "mtu"),
    [(2400, 296), (9600, 296), (14_400, 576), (33_600, 576), (SLOW_BPS, 576), (SLOW_BPS + 1, 1500)],
)
def test_the_packet_follows_the_rate(rate_bps: int, mtu: int) -> None:
    assert mtu_for(rate_bps) == mtu
    assert shape(rate_bps).mtu == mtu


def test_slow_lines_get_a_window_of_whole_segments() -> None:
    for rate_bps in (300, 2400, 9600, 33_600, 57_600, 128_000, SLOW_BPS):
        line = shape(rate_bps)
        segment = line.mtu - 40
        assert line.window >= segment and line.window % segment == 0
        assert line.delay_based
    assert shape(33_600).window == 536
    assert shape(SLOW_BPS).window > shape(57_600).window


def test_fast_lines_are_left_alone() -> None:
    line = shape(1_000_000)
    assert (line.window, line.delay_based) == (0, False)
    assert commands(line, "ppp0", "10.0.0.1", "10.0.0.2", default_route=True) == [
        ["ip", "link", "set", "dev", "ppp0", "txqueuelen", "30"]
    ]


def test_a_configured_packet_size_wins() -> None:
    assert shape(33_600, mtu=1000).mtu == 1000


@pytest.mark.parametrize("default_route", [True, False])
def test_the_route_to_the_peer_and_the_default_one_are_shaped(default_route: bool) -> None:
    found = commands(shape(33_600), "ppp3", "192.0.2.1", "192.0.2.9", default_route=default_route)
    routes = [command for command in found if command[:3] == ["ip", "route", "replace"]]
    assert [route[3] for route in routes] == ["192.0.2.1"] + ["default"] * default_route
    for route in routes:
        assert route[-8:] == ["window", "536", "initcwnd", "3", "rto_min", "3s", "congctl", "vegas"]
        assert route[route.index("dev") + 1] == "ppp3"


@pytest.mark.parametrize(
    ("rate_bps", "expected"),
    [(300, 1024), (2400, 1024), (9600, 1024), (33_600, 3216), (56_000, 5360), (115_200, 0)],
)
def test_our_own_connections_fill_no_more_than_the_line_carries_in_a_moment(rate_bps: int, expected: int) -> None:
    """1024 are four segments of a slow line; beyond 56 kbit/s a modem's CONNECT tells nothing of the line."""
    assert line_shaping.outbound_bytes(rate_bps) == expected


def test_vegas_is_tuned_only_where_it_is_used() -> None:
    tuned = line_shaping.tunables(line_shaping.shape(33_600))
    assert tuned == {"/sys/module/tcp_vegas/parameters/alpha": 16, "/sys/module/tcp_vegas/parameters/beta": 24}
    assert line_shaping.tunables(line_shaping.shape(1_000_000)) == {}


def test_what_may_be_in_flight_is_half_a_second_of_the_line() -> None:
    assert shape(256_000).window == 5 * 536  # 16 kB by six connections
