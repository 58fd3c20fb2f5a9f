"""What calls teach: how long to wait for the provider to begin, and for its next message."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dialpost.core.json_value import JsonObject
from dialpost.core.line.call.habits import (
    CALLS_REMEMBERED,
    LEAST_CHANCE,
    Chance,
    GraceRules,
    Looks,
    Promise,
    ProviderHabits,
)
from dialpost.core.line.call.worth import Price

RULES = GraceRules(3.0, 60.0, 1.0)
NEW = ProviderHabits()
KNOWN = replace(NEW, start_looks=Looks(3, 0), gap_looks=Looks(3, 0))
"""Its next long look is due after seven calls."""
BY_SECOND = Price()


def start_s(habits: ProviderHabits, promise: Promise = Promise.MAYBE, *, carried: bool = False) -> float:
    return habits.start_wait_s(promise, 0.0, RULES, BY_SECOND, carried=carried)


def gap_s(habits: ProviderHabits) -> float:
    return habits.gap_wait_s(0.0, RULES, BY_SECOND)


def empty(habits: ProviderHabits) -> ProviderHabits:
    """A call in which nothing came after a 250, as long as the habits themselves waited."""
    waited_s = start_s(habits)
    return habits.waited_in_vain(Promise.MAYBE, waited_s).with_looks(start=waited_s >= 48.0, gap=None)


def test_the_first_call_looks_as_long_as_it_may_and_the_next_ones_do_not() -> None:
    waits, habits = [], NEW
    for _ in range(17):
        waits.append(start_s(habits))
        habits = empty(habits)
    assert waits[0] == 60.0
    assert max(waits[1:]) < 11.0
    assert waits[1:] == sorted(waits[1:], reverse=True)
    assert min(waits) > 4.0
    assert start_s(habits) == 60.0, "one in sixteen looks that long all the same"


def test_calls_that_carry_mail_look_sooner() -> None:
    looks, habits = [], NEW
    for number in range(40):
        waited_s = start_s(habits, carried=True)
        looks += [number] if waited_s == 60.0 else []
        habits = habits.waited_in_vain(Promise.MAYBE, waited_s).with_looks(start=waited_s >= 48.0, gap=None)
    assert looks == [0, 2, 6, 14, 30], "twice as many calls apart each time"


def test_a_promise_is_waited_for_longer_than_a_250_and_less_when_it_was_broken() -> None:
    sure = start_s(KNOWN, Promise.CERTAIN)
    assert 25.0 < sure < 40.0
    assert start_s(KNOWN, Promise.MAYBE) < sure / 2
    broken = KNOWN
    for _ in range(10):
        broken = broken.waited_in_vain(Promise.CERTAIN, 60.0)
    assert start_s(broken, Promise.CERTAIN) < sure / 2


@pytest.mark.parametrize("late_s", [20.0, 25.0, 40.0, 50.0])
def test_a_late_start_is_waited_for_in_the_next_call(late_s: float) -> None:
    assert start_s(KNOWN.began(Promise.MAYBE, late_s)) >= min(1.3 * late_s, 60.0)
    rare = KNOWN.began(Promise.MAYBE, late_s)
    for _ in range(30):
        rare = rare.waited_in_vain(Promise.MAYBE, 60.0)
    assert start_s(rare) >= late_s, "empty calls do not make it forget that"


def test_a_provider_that_began_late_once_is_waited_for_though_it_is_mostly_quick() -> None:
    habits = KNOWN
    for seconds in (1.0, 1.2, 25.0, 1.0, 0.8, 1.1, 1.0):
        habits = habits.began(Promise.MAYBE, seconds)
    assert 25.0 < start_s(habits) < 40.0


def test_a_quick_provider_is_waited_for_a_short_time() -> None:
    habits = KNOWN
    for _ in range(10):
        habits = habits.began(Promise.MAYBE, 1.0).followed(0.5).followed(1.0)
    assert start_s(habits) < 7.0
    assert gap_s(habits) < 7.0


def test_as_each_gap_is_seen_the_wait_narrows() -> None:
    waits, habits = [], KNOWN
    for _ in range(15):
        habits = habits.followed(20.0)
        waits.append(gap_s(habits))
    assert 25.0 < waits[-1] < 35.0 < waits[0]


def test_a_slow_gap_is_looked_for_while_none_was_seen() -> None:
    assert gap_s(NEW) == 60.0
    assert NEW.gap_wait_s(0.0, RULES, BY_SECOND, look_after=1) < 30.0
    seen = NEW.followed(0.5).followed(0.5)
    assert gap_s(seen) < 20.0


def test_a_message_that_followed_makes_it_likelier_that_another_does() -> None:
    habits = NEW
    for _ in range(20):
        habits = habits.followed(1.0)
    assert habits.chance(Promise.MORE) > 0.85 > NEW.chance(Promise.MORE)


def test_after_mail_came_a_new_start_is_not_looked_for_longer() -> None:
    assert start_s(NEW) == 60.0
    assert start_s(NEW, Promise.AGAIN) < 15.0


def test_a_second_ask_tells_nothing_of_how_late_it_starts() -> None:
    asked = KNOWN.began(Promise.AGAIN, 39.0)
    assert asked.starts == KNOWN.starts
    assert asked.chance(Promise.AGAIN) > KNOWN.chance(Promise.AGAIN)


def test_a_wait_that_was_too_short_to_see_anything_teaches_nothing() -> None:
    before = KNOWN.began(Promise.MAYBE, 30.0)
    cut = before.waited_in_vain(Promise.MAYBE, 0.5)
    assert cut.chance(Promise.MAYBE) == pytest.approx(before.chance(Promise.MAYBE), abs=0.05)
    assert before.waited_in_vain(Promise.MAYBE, 60.0).chance(Promise.MAYBE) < 0.5


def test_chances_have_a_floor_and_a_memory() -> None:
    chance = Chance()
    for _ in range(100):
        chance = chance.plus(0.0, 1.0)
    assert chance.of(Promise.MAYBE) == LEAST_CHANCE
    assert chance.none == pytest.approx(CALLS_REMEMBERED)
    for _ in range(20):
        chance = chance.plus(1.0, 0.0)
    assert chance.of(Promise.MAYBE) > 0.5, "it learns again"


def test_what_the_operator_set_holds_within_the_bounds() -> None:
    habits = NEW.with_set(start_s=45.0, gap_s=None).with_set(start_s=None, gap_s=1.0)
    assert start_s(habits) == start_s(habits, Promise.CERTAIN) == 45.0
    assert gap_s(habits) == 3.0
    assert start_s(NEW.with_set(start_s=500.0, gap_s=None)) == 60.0


def test_bounds_the_wrong_way_round_still_end() -> None:
    assert NEW.start_wait_s(Promise.MAYBE, 0.0, GraceRules(90.0, 10.0, 60.0), BY_SECOND, carried=False) == 10.0


def test_through_json_and_back() -> None:
    habits = NEW.began(Promise.CERTAIN, 2.0).followed(8.0).waited_in_vain(Promise.MORE, 20.0)
    habits = habits.with_looks(start=True, gap=False).with_set(start_s=None, gap_s=12.0)
    again = ProviderHabits.from_json(habits.to_json())
    assert again.to_json() == habits.to_json()
    assert (again.start_looks, again.gap_looks, again.set_gap_s) == (Looks(1, 0), Looks(0, 1), 12.0)
    assert ProviderHabits.from_json(NEW.to_json()) == NEW


def test_what_is_kept_is_rounded_to_thousandths() -> None:
    kept = replace(NEW, chances=(Chance(1 / 3, 2 / 3),) * len(Promise)).to_json()
    assert kept["chances"] == {promise.value: [0.333, 0.667] for promise in Promise}


def test_what_was_kept_before_is_carried_over() -> None:
    old: JsonObject = {"gaps_s": [1.0, 20.0], "starts_s": [25.0, "x", -1]}
    habits = ProviderHabits.from_json(old)
    assert (habits.gaps.weight, habits.starts.weight) == (2.0, 1.0)
    assert habits.starts.longest_s == pytest.approx(25.0, rel=0.1)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"chances": 7, "looks": [1, 2], "set_start_s": True},
        {"chances": {"maybe": [0, 0], "more": ["x", 1]}, "looks": "x"},
        {"starts": [[10**400, 1], [1, 10**400]], "looks": [10**400, 1, 1, 1], "set_start_s": 10**400},
        {"starts": {}, "gaps": None, "looks": [1, 2, 3, -4], "set_gap_s": -1},
    ],
)
def test_a_damaged_file_starts_from_nothing(value: JsonObject) -> None:
    assert ProviderHabits.from_json(value) == NEW
