"""Redial rules: each kind of limit alone, together, over restarts with clocks that can and can't be believed."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import cases
from dialpost.core.call_reason import CallReason
from dialpost.core.json_value import JsonValue
from dialpost.core.line.link import DialResult
from dialpost.core.line.redial_rules import (
    COUNTED,
    KEPT_NUMBERS,
    KEPT_TRIES,
    MayDial,
    RedialHistory,
    RedialRules,
    _tries,
    may_dial,
    vain_call,
)

FREE = RedialRules(attempts=0, rest_s=0, pauses_s=(0,))
A, B = "0961123456", "0962654321"


def failed(*at_s: float, number: str = A, result: DialResult = DialResult.BUSY) -> RedialHistory:
    history = RedialHistory()
    for moment_s in at_s:
        history = history.tried(number, result, moment_s)
    return history


def ask(rules: RedialRules, history: RedialHistory, now_s: float, number: str = A) -> MayDial:
    return may_dial(rules, "Austria", history, number, now_s)


def test_a_number_never_tried_is_dialled_at_once() -> None:
    assert ask(RedialRules(), RedialHistory(), 5.0) == MayDial(0.0, "")


def test_the_pause_grows_with_the_tries_and_the_last_holds_for_all_later() -> None:
    rules = RedialRules(attempts=0, rest_s=0, pauses_s=(5, 60))
    assert ask(rules, failed(100.0), 102.0) == MayDial(3.0, "Austria requires 5 s between such tries")
    assert ask(rules, failed(100.0), 104.5).wait_s == 0.5
    assert ask(rules, failed(100.0), 105.0).wait_s == 0
    assert ask(rules, failed(100.0, 110.0), 110.0).wait_s == 60
    assert ask(rules, failed(100.0, 110.0, 180.0), 180.0).wait_s == 60


def test_busy_and_no_answer_may_have_a_longer_pause_of_their_own() -> None:
    rules = RedialRules(attempts=0, rest_s=0, pauses_s=(5,), busy_pause_s=30, no_answer_pause_s=300)
    waits = {result: ask(rules, failed(0.0, result=result), 0.0).wait_s for result in COUNTED}
    assert waits == {
        DialResult.BUSY: 30,
        DialResult.NO_ANSWER: 300,
        DialResult.NO_CARRIER: 5,
        DialResult.TIMEOUT: 5,
        DialResult.VOICE: 5,
    }


def test_after_so_many_tries_in_a_row_the_number_rests() -> None:
    rules = RedialRules(attempts=3, rest_s=3600, pauses_s=(5,))
    assert ask(rules, failed(0, 10), 20).wait_s == 0
    rests = ask(rules, failed(0, 10, 20), 25)
    assert rests == MayDial(3595.0, "Austria allows 3 failed tries in a row to one number, then it rests")
    assert ask(rules, failed(0, 10, 20), 3619.9).wait_s == pytest.approx(0.1)
    assert ask(rules, failed(0, 10, 20), 3620).wait_s == 0
    assert ask(rules, failed(0, 10, 20, 3620), 3630).wait_s == 0, "a new series has begun"


def test_tries_farther_apart_than_the_rest_are_not_in_a_row() -> None:
    rules = RedialRules(attempts=2, rest_s=600, pauses_s=(5,))
    assert ask(rules, failed(0, 600), 610).wait_s == 0
    assert ask(rules, failed(0, 599), 610).wait_s == 589


def test_a_country_that_counts_busy_tries_apart() -> None:
    rules = RedialRules(attempts=2, attempts_busy=4, rest_s=3600, pauses_s=(0,))
    assert ask(rules, failed(0, 1, 2), 3).wait_s == 0
    assert "4 busy tries" in ask(rules, failed(0, 1, 2, 3), 4).why
    mixed = failed(0, 1).tried(A, DialResult.NO_ANSWER, 2)
    assert "2 failed tries" in ask(rules, mixed, 3).why


def test_without_a_time_of_rest_only_an_operator_can_go_on() -> None:
    rules = RedialRules(attempts=2, rest_s=0, pauses_s=(0,))
    spent = failed(0, 1)
    assert ask(rules, spent, 1e9).given_up
    assert "until the operator asks" in ask(rules, spent, 1e9).why
    assert not ask(rules, spent.by_person(), 2).given_up


def test_so_many_tries_in_any_period() -> None:
    rules = RedialRules(attempts=0, rest_s=0, period_attempts=3, period_s=180, pauses_s=(0,))
    spent = failed(0, 50, 100)
    assert ask(rules, spent, 120) == MayDial(60.0, "Austria allows 3 tries in 3 min to one number")
    assert ask(rules, spent, 180) == MayDial()
    assert "in 1.5 min" in ask(replace(rules, period_s=90), failed(40, 50, 100), 120).why
    assert ask(rules, failed(0, 50, 100, 180), 181).wait_s == 49


def test_another_number_waits_too_where_the_country_wants_it() -> None:
    rules = RedialRules(attempts=0, rest_s=0, pauses_s=(30,), other_number_pause_s=5)
    assert ask(rules, failed(10.0), 11.0, number=B) == MayDial(4.0, "Austria requires 5 s before another number")
    assert ask(rules, failed(10.0), 15.0, number=B) == MayDial()
    assert ask(rules, failed(10.0), 15.0, number=A).wait_s == 25
    assert ask(rules, failed(10.0), 40.0, number=A) == ask(rules, failed(10.0), 40.5, number=A) == MayDial()


def test_the_strictest_rule_wins() -> None:
    rules = RedialRules(attempts=2, rest_s=600, period_attempts=2, period_s=1800, pauses_s=(60,))
    assert ask(rules, failed(0, 1), 1).wait_s == 1799


def test_an_answer_starts_the_number_again_and_no_other() -> None:
    rules = RedialRules(attempts=2, rest_s=600, pauses_s=(0,))
    history = failed(0, 1).tried(B, DialResult.BUSY, 1).tried(B, DialResult.BUSY, 2)
    history = history.tried(A, DialResult.CONNECTED, 3)
    assert ask(rules, history, 3).wait_s == 0
    assert ask(rules, history, 3, number=B).wait_s == 599


@pytest.mark.parametrize("result", sorted(set(DialResult) - COUNTED - {DialResult.CONNECTED}, key=str))
def test_what_never_dialled_counts_for_nothing(result: DialResult) -> None:
    assert failed(0, 1).tried(A, result, 2) == failed(0, 1)


def test_the_history_is_bounded() -> None:
    history = RedialHistory()
    for index in range(KEPT_TRIES * 3):
        history = history.tried(A, DialResult.BUSY, float(index)).tried(str(index), DialResult.BUSY, float(index))
    assert len(history.numbers[A]) == KEPT_TRIES
    assert len(history.numbers) <= 40
    assert A in history.numbers, "the number in use is never the one forgotten"


# -- restarts ------------------------------------------------------------------------------------------------

RESTING = RedialRules(attempts=2, rest_s=3600, pauses_s=(5,))


def restart(
    history: RedialHistory, *, wall_s: tuple[float, float], trusted: tuple[bool, bool], now_s: float = 1000.0
) -> RedialHistory:
    """Saved at monotonic 1000 s, read at monotonic 3 s of the next boot."""
    kept = json.loads(json.dumps(history.to_json(now_s, wall_s[0], trusted=trusted[0])))
    return RedialHistory.from_json(kept, 3.0, wall_s[1], trusted=trusted[1])


def test_counters_survive_a_restart_and_the_time_off_counts_where_the_clock_is_right() -> None:
    spent = failed(900, 950)  # 3550 s of rest left when it is saved
    read = restart(spent, wall_s=(5_000_000, 5_000_600), trusted=(True, True))
    assert ask(RESTING, read, 3.0).wait_s == pytest.approx(2950)
    assert ask(RESTING, read, 2953.0).wait_s == 0


@pytest.mark.parametrize(
    ("wall_s", "trusted"),
    [
        ((5_000_000, 0), (True, False)),  # no battery: the board starts in 1970
        ((0, 5_000_000), (False, True)),  # the clock was set after the save
        ((12, 7), (False, False)),
        ((5_000_000, 4_000_000), (True, True)),  # set back: no time is taken as passed
    ],
)
def test_a_clock_that_can_not_be_believed_makes_it_wait_longer_never_shorter(
    wall_s: tuple[float, float], trusted: tuple[bool, bool]
) -> None:
    read = restart(failed(900, 950), wall_s=wall_s, trusted=trusted)
    assert ask(RESTING, read, 3.0).wait_s == pytest.approx(3550)


@given(
    st.lists(st.tuples(st.floats(0, 1000), st.sampled_from(sorted(COUNTED, key=str))), max_size=20),
    st.floats(0, 1e6),
)
def test_a_restart_never_shortens_a_wait(tries: list[tuple[float, DialResult]], off_s: float) -> None:
    history = RedialHistory()
    for at_s, result in sorted(tries, key=lambda item: item[0]):
        history = history.tried(A, result, at_s)
    wait_s = ask(RESTING, history, 1000.0).wait_s
    read = restart(history, wall_s=(1e9, 1e9 + off_s), trusted=(True, True))
    assert ask(RESTING, read, 3.0).wait_s >= max(0.0, wait_s - off_s) - 1.2, "a second, for rounding"


@cases(
    "value",
    [
        None,
        3,
        {},
        {"numbers": 3},
        {"numbers": {"1": 3}},
        {"numbers": {"1": [[1]]}},
        {"numbers": {"1": [["a", "busy"]]}},
        {"numbers": {"1": [[-1, "busy"]]}},
        {"numbers": {"1": [[1, "no such"]]}},
        {"numbers": {"1": [[math.nan, "busy"]]}},
    ],
)
def test_what_is_no_history_is_reported(value: object) -> None:
    with pytest.raises(ValueError):
        RedialHistory.from_json(value, 0.0, 0.0, trusted=False)  # type: ignore[arg-type]


HOSTS_OF = {"outbound": "outbound.user, outbound.password", "etrn": "etrn.user, etrn.password"}


@pytest.mark.parametrize("reason", CallReason)
@pytest.mark.parametrize("out_barred", [False, True])
@pytest.mark.parametrize("etrn_barred", [False, True])
@pytest.mark.parametrize("waits", [False, True])
def test_a_call_is_vain_where_nobody_would_take_the_login(
    reason: CallReason, out_barred: bool, etrn_barred: bool, waits: bool
) -> None:
    """Mail out is a reason unless its login is refused; mail in is one unless ETRN's is."""
    for_mail_out_alone = reason in {CallReason.QUEUE, CallReason.URGENT}
    brings_mail_in = not for_mail_out_alone and not etrn_barred
    takes_mail_out = not out_barred and (for_mail_out_alone or waits)
    told = vain_call(reason, is_way_out_barred=out_barred, is_etrn_barred=etrn_barred, waits=waits)
    assert bool(told) is not (brings_mail_in or takes_mail_out)
    if told:
        assert [name for name, keys in HOSTS_OF.items() if keys in told] == [
            name for name, barred in (("outbound", out_barred), ("etrn", etrn_barred)) if barred
        ]


def test_another_number_waits_from_the_last_try_of_any() -> None:
    rules = RedialRules(attempts=0, rest_s=0, pauses_s=(0,), other_number_pause_s=60)
    history = failed(0.0, 100.0, number=B).tried("0963", DialResult.BUSY, 90.0)
    assert ask(rules, history, 100.0) == MayDial(60.0, "Austria requires 60 s before another number")
    assert ask(rules, history, 159.0).wait_s == 1.0
    assert ask(rules, history, 160.0) == MayDial()
    assert ask(rules, history, 100.0, B).wait_s == 50.0  # its own tries are no others


@pytest.mark.parametrize(("now_s", "wait_s"), [(0.0, 0.0), (29.0, 31.0), (30.0, 30.0), (59.0, 1.0), (60.0, 0.0)])
def test_the_oldest_try_of_a_period_makes_room(now_s: float, wait_s: float) -> None:
    rules = RedialRules(attempts=0, rest_s=0, pauses_s=(0,), period_s=60, period_attempts=2)
    history = failed(0.0) if now_s == 0.0 else failed(0.0, 29.0)
    assert ask(rules, history, now_s).wait_s == wait_s
    assert ask(rules, failed(-500.0, 0.0, 10.0, 20.0), 25.0).wait_s == 45.0


@pytest.mark.parametrize(("gap_s", "wait_s"), [(99.0, 100.0), (100.0, 0.0), (101.0, 0.0)])
def test_a_series_is_broken_by_a_gap_as_long_as_the_rest(gap_s: float, wait_s: float) -> None:
    rules = RedialRules(attempts=2, rest_s=100, pauses_s=(0,))
    assert ask(rules, failed(0.0, gap_s), gap_s).wait_s == wait_s
    assert ask(rules, failed(0.0, 10.0), 10.0 + gap_s).wait_s == 100.0 - min(gap_s, 100.0)


def test_the_age_of_a_try_is_kept_in_tenths_of_a_second() -> None:
    kept = failed(1.23456).to_json(3.0, 0.0, trusted=False)
    assert kept["numbers"] == {A: [[1.8, "busy"]]}
    assert failed(5.0).to_json(3.0, 0.0, trusted=False)["numbers"] == {A: [[0.0, "busy"]]}


def test_the_numbers_tried_last_are_kept() -> None:
    history = RedialHistory()
    for number in range(KEPT_NUMBERS + 1):
        history = history.tried(str(number), DialResult.BUSY, float(number))
    assert list(history.numbers) == [str(number) for number in range(1, KEPT_NUMBERS + 1)]


@pytest.mark.parametrize("attempts", [2, 6])
def test_a_limit_for_busy_lines_is_called_so(attempts: int) -> None:
    rules = RedialRules(attempts=attempts, attempts_busy=4, rest_s=600, pauses_s=(0,))
    assert "4 busy tries" in ask(rules, failed(0, 1, 2, 3), 4).why


@pytest.mark.parametrize("item", [5, [1.0], [1.0, "busy", 2], "ab"])
def test_what_is_no_try_is_a_fault_of_the_file(item: JsonValue) -> None:
    with pytest.raises(ValueError, match="no try"):
        _tries([item], 0.0)


def test_only_the_last_tries_are_read() -> None:
    kept = _tries([[float(age_s), "busy"] for age_s in range(KEPT_TRIES + 2, 0, -1)], 1000.0)
    assert [one.at_s for one in kept] == [1000.0 - age_s for age_s in range(KEPT_TRIES, 0, -1)]
