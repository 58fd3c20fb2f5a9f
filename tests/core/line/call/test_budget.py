"""What calls may last and cost: the counters over days and months, the limits, the words."""

from __future__ import annotations

from math import inf, nan

import pytest

from cases import cases
from dialpost.core.config.line import BudgetConfig
from dialpost.core.line.call.budget import (
    Allowance,
    Limit,
    Spent,
    allowance,
    call_cost,
    call_limits,
    overrun_s,
    spent_words,
    usage,
    used_words,
)

DAY = BudgetConfig(minutes_per_day=30)
PRICED = BudgetConfig(cost_per_minute=0.2, cost_per_call=0.1, currency="EUR", limit_per_day=5.0)


# -- counters


def test_a_day_begins_again_and_its_month_goes_on() -> None:
    spent = Spent("2026-11-24").plus(600, 1.5)
    assert spent.on("2026-11-24") == spent
    assert spent.on("2026-11-25") == Spent("2026-11-25", 0, 0, 600, 1.5)
    assert spent.on("2026-12-01") == Spent("2026-12-01")
    assert spent.on("2027-11-24") == Spent("2027-11-24"), "the same month of another year"


def test_an_untrusted_clock_begins_no_day() -> None:
    spent = Spent("2026-11-24").plus(600, 1.5)
    assert spent.on(None) == spent
    assert spent.on(None).plus(60, 0) == Spent("2026-11-24", 660, 1.5, 660, 1.5)


def test_what_was_spent_without_a_clock_counts_for_the_day_it_turns_out_to_be() -> None:
    without = Spent("2026-11-24").plus(600, 1.5).plus(60, 0.5, dated=False)
    assert (without.day_s, without.undated_s) == (660, 60)
    assert without.on("2026-11-24") == Spent("2026-11-24", 660, 2.0, 660, 2.0)
    assert without.on("2026-11-25") == Spent("2026-11-25", 60, 0.5, 660, 2.0)
    assert without.on("2026-12-01") == Spent("2026-12-01", 60, 0.5, 60, 0.5)
    assert Spent.from_json(without.to_json()) == without


def test_what_was_used_before_the_first_date_belongs_to_it() -> None:
    assert Spent().plus(60, 1).on("2026-11-24") == Spent("2026-11-24", 60, 1, 60, 1)


def test_a_clock_set_back_gives_no_minutes_twice() -> None:
    ahead = Spent("2030-01-01").plus(600, 1.5)
    assert ahead.on("2026-11-24") == Spent("2026-11-24", 600, 1.5, 600, 1.5)


def test_round_trip_and_rubbish() -> None:
    spent = Spent("2026-11-24", 60.5, 0.25, 600.0, 3.5)
    assert Spent.from_json(spent.to_json()) == spent
    assert (
        Spent.from_json({"day": 5, "day_s": "x", "month_s": True, "day_cost": -1.0, "month_cost": inf}) == Spent()
    )
    assert Spent.from_json({"undated_s": nan}) == Spent()


# -- money


@pytest.mark.parametrize(
    ("seconds", "cost"), [(0, 0.1), (1, 0.3), (60, 0.3), (60.1, 0.5), (120, 0.5), (3600, 12.1)]
)
def test_money_is_charged_by_the_step(seconds: float, cost: float) -> None:
    assert call_cost(PRICED, seconds) == pytest.approx(cost)


def test_a_free_line_costs_nothing() -> None:
    assert call_cost(BudgetConfig(), 5000) == 0


# -- what is left


def test_without_limits_there_is_no_end() -> None:
    assert allowance(BudgetConfig(), Spent("2026-11-24", 1e6, 1e6, 1e6, 1e6), 5000.0) == Allowance(inf)
    assert not allowance(BudgetConfig(), Spent()).is_spent


@cases(
    ("config", "spent", "call_s", "left_s", "limit"),
    [
        (BudgetConfig(minutes_per_call=5), Spent(day_s=9e9), 0, 300, Limit.CALL_MINUTES),
        (BudgetConfig(minutes_per_call=5), Spent(), 120, 180, Limit.CALL_MINUTES),
        (BudgetConfig(minutes_per_call=5), Spent(), 400, 0, Limit.CALL_MINUTES),
        (DAY, Spent(day_s=720), 0, 1080, Limit.DAY_MINUTES),
        (
            BudgetConfig(minutes_per_day=30, minutes_per_month=60),
            Spent(day_s=60, month_s=3500),
            0,
            100,
            Limit.MONTH_MINUTES,
        ),
        # 5.00 a day, 0.10 a call, 0.20 a minute
        (PRICED, Spent(), 0, 24 * 60, Limit.DAY_COST),
        (PRICED, Spent(day_cost=4.55), 0, 60, Limit.DAY_COST),
        (PRICED, Spent(day_cost=4.75), 0, 0, Limit.DAY_COST),
        (PRICED, Spent(day_cost=4.95), 0, 0, Limit.DAY_COST),
        # in a call: the minute that is paid, and those that still can be
        (PRICED, Spent(day_cost=4.7), 50, 70, Limit.DAY_COST),
        (PRICED, Spent(day_cost=4.9), 50, 10, Limit.DAY_COST),
        (PRICED, Spent(day_cost=5.3), 50, 10, Limit.DAY_COST),
        (BudgetConfig(cost_per_call=1, limit_per_call=0.5), Spent(), 0, 0, Limit.CALL_COST),
        (BudgetConfig(cost_per_call=1, limit_per_call=1.5), Spent(), 0, inf, Limit.CALL_COST),
        (BudgetConfig(cost_per_call=1, limit_per_call=1), Spent(), 0, inf, Limit.CALL_COST),
        (BudgetConfig(cost_per_minute=1, limit_per_call=2), Spent(), 61, 59, Limit.CALL_COST),
        (PRICED, Spent(day_cost=4.85), 0.5, 59.5, Limit.DAY_COST),
        (BudgetConfig(cost_per_call=1, cost_per_minute=1, limit_per_call=3), Spent(), 0.5, 119.5, Limit.CALL_COST),
        (
            BudgetConfig(cost_per_minute=1, billing_step_s=1, limit_per_month=1),
            Spent(month_cost=0.5),
            0,
            30,
            Limit.MONTH_COST,
        ),
    ],
)
def test_what_is_left(config: BudgetConfig, spent: Spent, call_s: float, left_s: float, limit: Limit) -> None:
    found = allowance(config, spent, call_s)
    assert found == Allowance(pytest.approx(left_s), limit)  # type: ignore[arg-type]  # equal to a number


def test_when_there_is_no_point_in_dialling() -> None:
    assert Allowance(9.9, Limit.DAY_MINUTES).is_spent
    assert not Allowance(10.0, Limit.DAY_MINUTES).is_spent
    assert not Allowance(0.1, Limit.CALL_MINUTES).is_spent, "a short limit for each call is what was wanted"
    assert Allowance(0.0, Limit.CALL_COST).is_spent
    assert Allowance(-1.0, Limit.CALL_COST).is_spent


def test_a_message_may_be_finished_but_not_for_ever() -> None:
    assert overrun_s(60.0) == 60.0
    assert overrun_s(3600.0) == 300.0


# -- words


def test_usage_tells_each_limit() -> None:
    config = BudgetConfig(
        minutes_per_day=30, minutes_per_month=600, cost_per_minute=0.2, limit_per_month=20, currency="EUR"
    )
    assert usage(config, Spent("2026-11-24", 720, 2.4, 5430, 18.2)) == [
        "12 of 30 minutes used today",
        "90.5 of 600 minutes used this month",
        "2.40 EUR spent today",
        "18.20 of 20.00 EUR spent this month",
    ]
    assert usage(BudgetConfig(), Spent()) == ["0 minutes used today", "0 minutes used this month"]
    assert call_limits(BudgetConfig(minutes_per_call=5)) == ["a call may last 5 minutes"]
    assert used_words(BudgetConfig(minutes_per_call=5), Spent(), Limit.CALL_MINUTES) == (
        "5 minutes is the most a call may last"
    )


def test_limits_of_a_call() -> None:
    assert call_limits(BudgetConfig()) == []
    config = BudgetConfig(minutes_per_call=240.5, limit_per_call=1, currency="EUR")
    assert used_words(config, Spent(), Limit.CALL_MINUTES) == "240.5 minutes is the most a call may last"
    assert call_limits(config) == [
        "a call may last 240.5 minutes",
        "a call may cost 1.00 EUR",
    ]


@pytest.mark.parametrize(
    ("limit", "part"),
    [
        (Limit.DAY_MINUTES, "30 of 30 minutes used today (budget.minutes_per_day). It starts over at midnight."),
        (
            Limit.MONTH_MINUTES,
            "100 of 100 minutes used this month (budget.minutes_per_month). It starts over on the",
        ),
        (Limit.DAY_COST, "5.00 of 5.00 EUR spent today (budget.limit_per_day)"),
        (Limit.MONTH_COST, "9.00 of 9.00 EUR spent this month (budget.limit_per_month)"),
        (Limit.CALL_COST, "one costs more than budget.limit_per_call allows (0.10 EUR). Raise it."),
        (Limit.CALL_MINUTES, "budget.minutes_per_call leaves no time"),
    ],
)
def test_a_refusal_says_which_limit_and_what_to_do(limit: Limit, part: str) -> None:
    config = BudgetConfig(
        minutes_per_day=30,
        minutes_per_month=100,
        limit_per_day=5,
        limit_per_month=9,
        limit_per_call=0.1,
        currency="EUR",
    )
    said = spent_words(config, Spent("2026-11-24", 1800, 5, 6000, 9), limit, clock_trusted=True)
    assert part in said
    assert limit.is_of_one_call or "--over-budget" in said


def test_a_refusal_with_an_unset_clock_says_so() -> None:
    said = spent_words(DAY, Spent("2026-11-24", 1800), Limit.DAY_MINUTES, clock_trusted=False)
    assert "once the clock is right" in said


def test_every_limit_has_words() -> None:
    config = BudgetConfig(
        minutes_per_call=1,
        minutes_per_day=1,
        minutes_per_month=1,
        limit_per_call=1,
        limit_per_day=1,
        limit_per_month=1,
    )
    assert len({used_words(config, Spent(), limit) for limit in Limit}) == len(Limit)


def test_what_is_kept_has_tenths_of_seconds_and_millionths_of_money() -> None:
    """A counter is written after each minute: it must not grow by digits nobody reads."""
    kept = Spent("2026-11-24", *[1.23456789] * 6).to_json()
    assert {name: value for name, value in kept.items() if name.endswith("_s")} == {
        "day_s": 1.2,
        "month_s": 1.2,
        "undated_s": 1.2,
    }
    assert {name: value for name, value in kept.items() if name.endswith("_cost")} == {
        "day_cost": 1.234568,
        "month_cost": 1.234568,
        "undated_cost": 1.234568,
    }
