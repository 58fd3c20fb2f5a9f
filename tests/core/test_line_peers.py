"""What of the line every part of the station knows."""

import pytest

from dialpost.core.line_peers import served_at_once


@pytest.mark.parametrize(("rate_bps", "served"), [(2400, 3), (14_399, 3), (14_400, 6), (56_000, 6)])
def test_a_slow_line_serves_fewer_connections_at_once(rate_bps: int, served: int) -> None:
    assert served_at_once(rate_bps) == served
