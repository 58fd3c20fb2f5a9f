"""How long something takes to come: what a few delays, and many, say of the next."""

from __future__ import annotations

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import cases
from dialpost.core.json_value import JsonValue
from dialpost.core.line.call.delays import LONGEST_S, MEMORY, SHORTEST_S, Delays

NOTHING = Delays()


def seen(*seconds: float) -> Delays:
    found = NOTHING
    for one in seconds:
        found = found.with_one(one)
    return found


def test_before_anything_was_seen_it_is_taken_to_be_quick() -> None:
    assert NOTHING.within(0.0) == NOTHING.within(-3.0) == seen(5.0).within(-3.0) == 0.0
    assert NOTHING.within(0.7) == pytest.approx(0.5)
    assert 0.97 < NOTHING.within(10.0) < 0.98
    assert 0.997 < NOTHING.within(60.0) < 0.999
    assert (NOTHING.weight, NOTHING.usual_s, NOTHING.longest_s) == (0.0, 0.0, 0.0)


def test_one_delay_seen_leaves_room_and_many_alike_leave_little() -> None:
    one, many = seen(20.0), seen(*[20.0] * 15)
    assert one.within(10.0) < 0.15
    assert 0.85 < one.within(30.0) < 0.95
    assert many.within(15.0) < 0.02
    assert many.within(26.0) > 0.98


def test_a_late_one_is_remembered_beside_many_early_ones() -> None:
    mixed = seen(25.0, *[1.0] * 19)
    assert 0.93 < mixed.within(15.0) < 0.97
    assert mixed.longest_s == pytest.approx(25.0, rel=0.1)
    assert mixed.usual_s == pytest.approx(1.0, rel=0.1)
    assert seen(25.0, *[1.0] * 200).longest_s == pytest.approx(1.0, rel=0.1), "but not for ever"


@given(st.lists(st.floats(0.0, 1e5), max_size=60))
def test_the_curve_is_a_probability(seconds: list[float]) -> None:
    found = seen(*seconds)
    assert found.weight <= MEMORY + 1e-6
    times, chances = zip(*found.curve(), strict=True)
    assert list(times) == sorted(times)
    assert LONGEST_S / 1.1 < times[-1] < LONGEST_S
    assert list(chances) == sorted(chances)
    assert 0.0 <= chances[0] <= chances[-1] <= 1.0


@given(st.lists(st.floats(0.0, 1e5), max_size=60))
def test_through_json_and_back(seconds: list[float]) -> None:
    found = seen(*seconds)
    again = Delays.from_json(found.to_json())
    assert [number for number, _ in again.seen] == [number for number, _ in found.seen]
    assert again.weight == pytest.approx(found.weight, abs=0.05)


def test_the_lists_of_seconds_that_were_kept_before_are_read() -> None:
    assert Delays.from_json([0.25, 20.0, 20.5]).weight == 3.0
    assert Delays.from_json([0.25, 20.0, 20.5]).longest_s == pytest.approx(20.0, rel=0.1)


@cases("value", [None, 7, "x", [-1.0], [inf], [nan], [True], [[1.0]], [[1.0, -1.0]], [["x", 1.0]], {"a": 1}])
def test_what_is_no_delay_is_left_out(value: JsonValue) -> None:
    assert Delays.from_json(value) == NOTHING


def test_no_weight_of_a_damaged_file_outweighs_what_follows() -> None:
    assert Delays.from_json([[5.0, 1e300], [5.0, 1e300]]).weight == MEMORY


def test_the_shortest_and_the_longest() -> None:
    assert seen(0.0).usual_s == SHORTEST_S
    assert seen(1e9).usual_s == pytest.approx(LONGEST_S, rel=0.1)


def test_what_is_kept_is_rounded_to_thousandths() -> None:
    assert Delays(((2, 1 / 3), (3, 2 / 3))).to_json() == [[0.707, 0.333], [0.841, 0.667]]


@pytest.mark.parametrize(("weight", "shape"), [(1.0, 5.5), (2.0, 7.0), (8.0, 16.0), (13.0, 23.5), (14.0, 24.0)])
def test_the_more_were_seen_alike_the_less_the_next_strays(weight: float, shape: float) -> None:
    """Class 20 stands for 16 s; what was never seen has the weight, median and shape of the prior."""
    never_seen = 0.12 / (1 + (24 / 0.7) ** 1.4)
    later = never_seen + weight / (1 + 1.5**shape)
    assert Delays(((20, weight),)).within(24.0) == pytest.approx(1 - later / (weight + 0.12), rel=1e-9)


def test_what_was_seen_long_ago_is_forgotten() -> None:
    assert [len(seen(25.0, *[1.0] * later).seen) for later in (272, 273)] == [2, 1]


def test_what_is_hardly_remembered_is_not_the_longest() -> None:
    assert Delays(((4, 1 / MEMORY),)).longest_s == 0.0
    assert Delays(((4, 1.5 / MEMORY),)).longest_s == 1.0
