"""When a message that the line cuts is held, for how long, and in which words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dialpost.core.mail.queue.cuts import (
    CutHistory,
    after_cut,
    cause_of_hold,
    held,
    held_words,
    hold_of,
    is_held_words,
    is_to_hold,
    may_go,
    sender_words,
)
from known import is_a

HOUR_S = 3600
TWICE = after_cut(after_cut(CutHistory(80_000), 61_000), 58_000)


def test_the_second_cut_in_the_middle_of_it_holds_a_message() -> None:
    once = after_cut(CutHistory(80_000), 61_000)
    assert (once.cuts, once.carried_bytes, is_to_hold(once)) == (1, 61_000, False)
    assert (TWICE.cuts, TWICE.carried_bytes, is_to_hold(TWICE)) == (2, 61_000, True)
    assert after_cut(TWICE, 0).cuts == 3


def test_nothing_has_happened_to_a_new_message() -> None:
    nothing = {"cuts": 0, "carried": 0, "holds": 0, "held_at": 0, "calls": 0, "held": False, "told": False}
    assert CutHistory(80_000).to_json() == {"size": 80_000} | nothing


@pytest.mark.parametrize(("holds", "limits"), [(0, (2, 2)), (1, (2, 2)), (2, (4, 6)), (3, (8, 24)), (40, (8, 24))])
def test_each_hold_is_longer_up_to_a_day(holds: int, limits: tuple[int, int]) -> None:
    calls, hours = limits
    assert hold_of(replace(TWICE, holds=holds)) == (calls, hours * HOUR_S)


def test_a_hold_ends_after_calls_or_hours_or_a_call_that_sent_as_much() -> None:
    first = held(TWICE, 1000)
    assert (first.is_held, first.holds, first.held_at_s, first.calls) == (True, 1, 1000, 0)
    assert not may_go(replace(first, calls=1), 2 * HOUR_S - 1, 79_999)
    assert may_go(replace(first, calls=2), 0)
    assert may_go(first, 2 * HOUR_S)
    assert may_go(first, 0, 80_000)
    again = after_cut(replace(first, calls=2), 40_000)
    assert (again.is_held, again.cuts, held(again, 2000).holds, held(again, 2000).calls) == (False, 3, 2, 0)


def test_it_comes_back_from_the_card() -> None:
    whole = replace(held(TWICE, 1000), calls=1, is_told=True)
    value = whole.to_json()
    assert isinstance(value, dict) and CutHistory.from_json(value) == whole
    for key in ("size", "cuts", "carried", "holds", "held_at", "calls"):
        for wrong in ("1", -1, 1.5, True, None):
            with pytest.raises(ValueError, match="is not a number of anything"):
                CutHistory.from_json(value | {key: wrong})
    with pytest.raises(KeyError):
        CutHistory.from_json({})


def test_words() -> None:
    history = held(TWICE, 1000)
    assert held_words(history, "D0000012") == (
        "the connection broke 2 times before it was acknowledged, after about 61 kB of 80 kB at most. "
        "The next try is after 2 calls or 2 h, or after a call that sent as many bytes. "
        "To try it now: dialpost queue release D0000012."
    )
    assert cause_of_hold(held_words(history, "D0000012")) == (
        "the connection broke 2 times before it was acknowledged, after about 61 kB of 80 kB at most."
    )
    assert cause_of_hold("451 busy. The next try is up to you.") == "451 busy. The next try is up to you."
    assert is_held_words(held_words(history, "D0000012")) and not is_held_words("The content is damaged.")
    told = sender_words(history, "D0000012")
    for words in (
        "too big for a line that breaks",
        "61 kB of 80 kB",
        "It is not lost",
        "in several parts",
        "D0000012",
    ):
        assert words in told


def test_a_message_that_was_never_cut_comes_back_too() -> None:
    new = CutHistory(80_000)
    assert CutHistory.from_json(is_a(dict, new.to_json())) == new
