"""Calls to made-up providers, by the station's own rule: what is promised of waits holds for a sample of them.

`make bench ARGS="--only calls-model"` does the same for a thousand.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calls_model import Sums, empty_calls, in_turn
from dialpost.core.line.call.habits import GraceRules
from provider_model import Answers, Oracle, Provider, Spread, calls, random_provider

RULES = GraceRules(3.0, 60.0, 60.0)


def test_an_empty_call_is_short_from_the_second_on() -> None:
    rows = list(empty_calls())
    promised = [row for row in rows if row.promise]
    assert len(promised) == 6
    assert [row.what for row in promised if not row.kept] == []


@settings(max_examples=60)
@given(
    kind=st.sampled_from(Answers),
    start_s=st.sampled_from((2.0, 25.0, 50.0)),
    gap_s=st.sampled_from((5.0, 10.0, 20.0, 40.0)),
    mails=st.lists(st.integers(2, 6), min_size=4, max_size=4),
    step_s=st.sampled_from((1.0, 20.0, 60.0)),
    out_s=st.sampled_from((0.0, 8.0)),
)
def test_all_mail_of_a_slow_provider_is_fetched_from_the_third_call_on(
    kind: Answers, start_s: float, gap_s: float, mails: list[int], step_s: float, out_s: float
) -> None:
    provider = Provider(kind, around(start_s), around(gap_s))
    made = list(in_turn(provider, tuple(mails), GraceRules(3.0, 60.0, step_s), out_s))
    assert [call.stranded for call in made[2:]] == [0, 0]


@settings(max_examples=30)
@given(
    kind=st.sampled_from((Answers.ALWAYS_250, Answers.SERIAL)),
    start_s=st.sampled_from((25.0, 50.0)),
    empty=st.integers(1, 4),
)
def test_a_late_start_that_only_empty_calls_preceded_is_found_by_calls_that_send_mail(
    kind: Answers, start_s: float, empty: int
) -> None:
    provider = Provider(kind, around(start_s), around(5.0))
    made = list(in_turn(provider, (0,) * empty + (3,) * 8, RULES, out_s=5.0))
    assert sum(call.fetched for call in made) == 3 * 8
    assert made[-1].stranded == 0


def test_random_providers_leave_little_mail_behind_and_the_wait_is_near_the_best() -> None:
    ours, theirs = Sums(), Sums()
    for seed in range(5000, 5020):
        provider = random_provider(random.Random(seed))
        ours.add(calls(provider, 20, RULES, seed))
        theirs.add(calls(provider, 20, RULES, seed, Oracle(provider)))
    assert ours.calls == theirs.calls == 200
    assert theirs.stranding == 0
    assert ours.share <= 2
    assert ours.idle_s <= 1.3 * theirs.idle_s


@pytest.mark.parametrize("kind", [Answers.ALWAYS_250, Answers.TELLS, Answers.COUNTS])
def test_the_oracle_waits_for_the_last_and_no_longer(kind: Answers) -> None:
    provider = Provider(kind, around(20.0), around(10.0), mail_share=1.0, mean_mails=5.0, out_share=0.0)
    for call in calls(provider, 5, RULES, 1, Oracle(provider)):
        assert call.stranded == 0
        until_last_s = 20.0 + 10.0 * (call.fetched - 1)
        assert until_last_s * 0.97 <= call.idle_s <= until_last_s * 1.03 + 12.0


def around(seconds: float) -> Spread:
    return Spread(0.98 * seconds, 1.02 * seconds)
