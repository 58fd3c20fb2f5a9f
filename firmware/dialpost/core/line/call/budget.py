"""How long calls may last and what they may cost: the budget spent and left, also in words.

Pure; `flow/line/call/budget` keeps the counters and watches the call. The rules:

- Time is paid from the moment the other end answers until the line is down. Minutes are counted as they pass, money
  in steps of `billing_step_s`, each charged when it begins.
- Days and months are those of the local calendar. Time over midnight belongs to the day it was spent on.
- An untrusted clock begins no new day: what is spent is added to the last known day, and also counts for the day
  that the clock turns out to show, so that a board that starts in the past never gets its minutes twice. A date
  before the last known one (the clock had run ahead) takes over what was counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from math import ceil, floor, inf, isfinite

from dialpost.core.amounts import minutes_count, minutes_words, money
from dialpost.core.config.line import BudgetConfig
from dialpost.core.json_value import JsonObject, JsonValue

LEAST_USEFUL_S = 10.0
"""A day or month with less left than this is spent: connecting alone would use it up."""
OVERRUN_S = 300.0
"""How long a message begun within the budget may take to finish; never longer than the call itself was allowed."""
HANG_UP_S = 5.0
"""How long before the time runs out the call begins to end: hanging up is paid for, too."""
_CENT = 1e-9  # sums of prices are floats: compare them with this tolerance


class Limit(Enum):
    """What can run out, named by the key of its setting."""

    CALL_MINUTES = "budget.minutes_per_call"
    DAY_MINUTES = "budget.minutes_per_day"
    MONTH_MINUTES = "budget.minutes_per_month"
    CALL_COST = "budget.limit_per_call"
    DAY_COST = "budget.limit_per_day"
    MONTH_COST = "budget.limit_per_month"

    @property
    def is_of_one_call(self) -> bool:
        """Whether it is fully available again for the next call."""
        return self in {Limit.CALL_MINUTES, Limit.CALL_COST}


@dataclass(frozen=True, slots=True)
class Spent:
    """What is used up in a day and in its month. `day` is its local date (ISO 8601), "" as long as none was known.

    `undated_s` and `undated_cost` are that part which was spent since the clock could last be trusted.
    """

    day: str = ""
    day_s: float = 0.0
    day_cost: float = 0.0
    month_s: float = 0.0
    month_cost: float = 0.0
    undated_s: float = 0.0
    undated_cost: float = 0.0

    def on(self, today: str | None) -> Spent:
        """The same, seen from `today` (None: the clock is not trusted)."""
        if not today:
            return self
        undated_s, undated_cost = self.undated_s, self.undated_cost
        dated = replace(self, day=today, undated_s=0.0, undated_cost=0.0)
        if not self.day or today <= self.day:
            return dated
        if today[:7] == self.day[:7]:
            return replace(dated, day_s=undated_s, day_cost=undated_cost)
        return Spent(today, undated_s, undated_cost, undated_s, undated_cost)

    def plus(self, seconds: float, cost: float, *, dated: bool = True) -> Spent:
        """With this much more spent; `dated`: the clock could be trusted meanwhile."""
        more = replace(
            self,
            day_s=self.day_s + seconds,
            day_cost=self.day_cost + cost,
            month_s=self.month_s + seconds,
            month_cost=self.month_cost + cost,
        )
        if dated:
            return more
        return replace(more, undated_s=self.undated_s + seconds, undated_cost=self.undated_cost + cost)

    def to_json(self) -> dict[str, JsonValue]:
        """For the store."""
        return {
            "day": self.day,
            "day_s": round(self.day_s, 1),
            "day_cost": round(self.day_cost, 6),
            "month_s": round(self.month_s, 1),
            "month_cost": round(self.month_cost, 6),
            "undated_s": round(self.undated_s, 1),
            "undated_cost": round(self.undated_cost, 6),
        }

    @classmethod
    def from_json(cls, value: JsonObject) -> Spent:
        """Restored from `to_json`; anything but a positive number counts as 0."""
        day = value.get("day")
        return cls(
            day if isinstance(day, str) else "",
            _number(value, "day_s"),
            _number(value, "day_cost"),
            _number(value, "month_s"),
            _number(value, "month_cost"),
            _number(value, "undated_s"),
            _number(value, "undated_cost"),
        )


def _number(value: JsonObject, key: str) -> float:
    found = value.get(key)
    if not isinstance(found, int | float) or isinstance(found, bool) or not isfinite(found):
        return 0.0
    return max(0.0, float(found))


def call_cost(config: BudgetConfig, seconds: float) -> float:
    """What an answered call of this length costs."""
    return config.cost_per_call + ceil(seconds / config.billing_step_s) * _step_cost(config)


def _step_cost(config: BudgetConfig) -> float:
    return config.cost_per_minute * config.billing_step_s / 60


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much longer a call may last (inf: no limit), and which limit says so."""

    seconds: float
    limit: Limit | None = None

    @property
    def is_spent(self) -> bool:
        """Whether there is no point in dialling."""
        if self.limit is None:
            return False
        return self.seconds <= 0 or (not self.limit.is_of_one_call and self.seconds < LEAST_USEFUL_S)


def overrun_s(call_s: float) -> float:
    """How long a call of `call_s` may continue after its end was requested, to finish a message."""
    return min(call_s, OVERRUN_S)


def allowance(config: BudgetConfig, spent: Spent, call_s: float = 0.0) -> Allowance:
    """How much longer a call may last after `call_s` (0: not yet answered), which `spent` includes."""
    found = list(_by_minutes(config, spent, call_s)) + list(_by_cost(config, spent, call_s))
    return min(found, key=lambda one: one.seconds, default=Allowance(inf))


def _by_minutes(config: BudgetConfig, spent: Spent, call_s: float) -> Iterator[Allowance]:
    for limit, minutes, used_s in (
        (Limit.CALL_MINUTES, config.minutes_per_call, call_s),
        (Limit.DAY_MINUTES, config.minutes_per_day, spent.day_s),
        (Limit.MONTH_MINUTES, config.minutes_per_month, spent.month_s),
    ):
        if minutes:
            yield Allowance(max(0.0, minutes * 60 - used_s), limit)


def _by_cost(config: BudgetConfig, spent: Spent, call_s: float) -> Iterator[Allowance]:
    this_call = call_cost(config, call_s) if call_s else 0.0
    for limit, most, used in (
        (Limit.CALL_COST, config.limit_per_call, this_call),
        (Limit.DAY_COST, config.limit_per_day, spent.day_cost),
        (Limit.MONTH_COST, config.limit_per_month, spent.month_cost),
    ):
        if most:
            yield Allowance(_affordable_s(config, most - used, call_s), limit)


def unit_rest_s(config: BudgetConfig, call_s: float) -> float:
    """What is left of the current billing unit."""
    return ceil(call_s / config.billing_step_s) * config.billing_step_s - call_s


def _affordable_s(config: BudgetConfig, money_left: float, call_s: float) -> float:
    """The time the money pays for: the rest of the current step, already paid, and whole steps after it."""
    step_s, step_cost = config.billing_step_s, _step_cost(config)
    paid_rest_s = unit_rest_s(config, call_s)
    if not call_s:
        money_left -= config.cost_per_call
    if money_left < -_CENT:
        return paid_rest_s
    return inf if step_cost <= 0 else paid_rest_s + floor(money_left / step_cost + _CENT) * step_s


def usage(config: BudgetConfig, spent: Spent) -> list[str]:
    """What is used of each limit, one item each: "12 of 30 minutes used today". Without limits, what was used."""
    found = []
    for minutes, used_s, when in (
        (config.minutes_per_day, spent.day_s, "today"),
        (config.minutes_per_month, spent.month_s, "this month"),
    ):
        of_limit = f"{minutes_words(used_s)} of {minutes_count(minutes * 60)}" if minutes else minutes_count(used_s)
        found.append(f"{of_limit} used {when}")
    has_price = config.cost_per_minute or config.cost_per_call
    for most, used, when in (
        (config.limit_per_day, spent.day_cost, "today"),
        (config.limit_per_month, spent.month_cost, "this month"),
    ):
        if most:
            found.append(f"{money(used, '')} of {money(most, config.currency)} spent {when}")
        elif has_price:
            found.append(f"{money(used, config.currency)} spent {when}")
    return found


def call_limits(config: BudgetConfig) -> list[str]:
    """The limits of a single call, one item each."""
    found = []
    if config.minutes_per_call:
        found.append(f"a call may last {minutes_count(config.minutes_per_call * 60)}")
    if config.limit_per_call:
        found.append(f"a call may cost {money(config.limit_per_call, config.currency)}")
    return found


def spent_words(config: BudgetConfig, spent: Spent, limit: Limit, *, clock_trusted: bool) -> str:
    """Why no call is made, and what to do, in words."""
    if limit is Limit.CALL_COST:
        return (
            f"No call is made: one costs more than {limit.value} allows "
            f"({money(config.limit_per_call, config.currency)}). Raise it."
        )
    if limit is Limit.CALL_MINUTES:
        return f"No call is made: {limit.value} leaves no time for one. Raise it."
    used = used_words(config, spent, limit)
    is_of_day = limit in {Limit.DAY_MINUTES, Limit.DAY_COST}
    again = "at midnight" if is_of_day else "on the first of next month"
    if not clock_trusted:
        again += ", once the clock is right (it is wrong now, so the station can't tell when a new day begins)"
    return (
        f"The budget is spent: {used} ({limit.value}). It starts over {again}. "
        "`dialpost call now --over-budget` calls anyway."
    )


def used_words(config: BudgetConfig, spent: Spent, limit: Limit) -> str:
    """The limit that ran out: "30 of 30 minutes used today"."""
    wanted = "today" if limit in {Limit.DAY_MINUTES, Limit.DAY_COST} else "this month"
    verb = "used" if limit in {Limit.DAY_MINUTES, Limit.MONTH_MINUTES} else "spent"
    if limit is Limit.CALL_MINUTES:
        return f"{minutes_count(config.minutes_per_call * 60)} is the most a call may last"
    if limit is Limit.CALL_COST:
        return f"{money(config.limit_per_call, config.currency)} is the most a call may cost"
    return next(text for text in usage(config, spent) if text.endswith(f"{verb} {wanted}"))
