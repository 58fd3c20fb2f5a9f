"""How long a wait is worth: by the chance of mail, by its delays, by what is paid."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from dialpost.core.line.call.worth import MAIL_WORTH_S, PAID_SHARE, Price, worth_waiting_s

BY_SECOND = Price()


@dataclass(frozen=True)
class At:
    """It comes after exactly this time."""

    at_s: float

    def within(self, seconds: float) -> float:
        return float(seconds >= self.at_s)

    def curve(self) -> tuple[tuple[float, float], ...]:
        return tuple((float(number), self.within(number)) for number in range(1, 200))


def wait_s(
    chance: float, at_s: float, *, waited_s: float = 0.0, most_s: float = 100.0, price: Price = BY_SECOND
) -> float:
    return worth_waiting_s(chance, At(at_s), waited_s, most_s, price)


def test_it_waits_until_it_comes_and_no_longer() -> None:
    assert wait_s(1.0, 40.0) == 40.0
    assert wait_s(1.0, 40.0, waited_s=39.0) == 40.0
    assert wait_s(1.0, 40.0, waited_s=40.0) == 40.0
    assert wait_s(1.0, 40.0, waited_s=55.0) == 55.0


def test_it_does_not_wait_where_that_costs_more_than_it_is_worth() -> None:
    even = 40.0 / MAIL_WORTH_S
    assert wait_s(even * 1.05, 40.0) == 40.0
    assert wait_s(even * 0.95, 40.0) == 0.0
    assert wait_s(even * 0.95, 40.0, waited_s=20.0) == 40.0, "half of it is over"


def test_it_waits_no_longer_than_it_may() -> None:
    assert wait_s(1.0, 40.0, most_s=30.0) == 0.0
    assert wait_s(1.0, 40.0, most_s=40.0) == 40.0
    assert wait_s(1.0, 40.0, waited_s=50.0, most_s=30.0) == 50.0


def test_seconds_of_a_unit_that_has_begun_count_for_part() -> None:
    chance = PAID_SHARE * 40.0 / MAIL_WORTH_S
    assert wait_s(chance * 1.05, 40.0, price=Price(paid_s=45.0, unit_s=60.0)) == 40.0
    assert wait_s(chance * 0.95, 40.0, price=Price(paid_s=45.0, unit_s=60.0)) == 0.0


@pytest.mark.parametrize(
    ("seconds", "cost"),
    [(0.0, 0.0), (20.0, 10.0), (20.01, 10.0 + 30.005), (50.0, 10.0 + 45.0), (80.0, 10.0 + 60.0), (140.0, 130.0)],
)
def test_a_unit_is_charged_when_it_begins(seconds: float, cost: float) -> None:
    assert Price(paid_s=20.0, unit_s=60.0).until(seconds) == pytest.approx(cost)


def test_billed_by_the_second_each_counts_whole() -> None:
    assert BY_SECOND.until(7.0) == 7.0


def test_what_is_paid_already_costs_its_share_alone() -> None:
    assert Price(paid_s=20.0, unit_s=1.0).until(5.0) == pytest.approx(5.0 * PAID_SHARE)
