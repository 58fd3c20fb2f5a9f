"""What of the line every part of the station knows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import cases
from dialpost.core.line_peers import level, served_at_once


@pytest.mark.parametrize(("rate_bps", "served"), [(2400, 4), (14_399, 4), (14_400, 8), (56_000, 8)])
def test_a_slow_line_serves_fewer_connections_at_once(rate_bps: int, served: int) -> None:
    assert served_at_once(rate_bps) == served


@cases(
    ("needs", "expected"),
    [
        ([], 6000),
        ([100_000], 6000),
        ([100_000, 100_000], 3000),
        ([1000, 100_000], 5000),
        ([1000, 2000, 100_000], 3000),
        ([1000, 2000], 6000),
        ([3000, 3000], 6000),
        ([3001, 3001], 3000),
    ],
)
def test_the_level(needs: list[int], expected: int) -> None:
    assert level(6000, needs) == expected


@given(st.integers(0, 20_000), st.lists(st.integers(1, 50_000), max_size=20))
def test_all_together_have_the_total_where_they_need_it(total: int, needs: list[int]) -> None:
    most = level(total, needs)
    used = sum(min(need, most) for need in needs)
    assert used <= total or sum(needs) <= total
    assert used > total - len(needs) or used == sum(needs)
