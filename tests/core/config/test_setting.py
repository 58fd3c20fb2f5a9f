"""Numbers as the configuration shows them."""

import pytest

from dialpost.core.config.setting import plain_number


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (3.0, "3"), (0.5, "0.5"), (-0.5, "-0.5"), (2.0**40, "1099511627776")],
)
def test_a_number_has_no_exponent_and_no_idle_point(value: float, text: str) -> None:
    assert plain_number(value) == text
