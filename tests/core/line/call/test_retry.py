"""When a call tries again, and how long it is held for that."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from dialpost.core.line.call.end import (
    AskAgain,
    Decision,
    Evidence,
    HangUp,
    TryAgain,
    Wait,
    decide,
)
from dialpost.core.line.call.habits import GraceRules, ProviderHabits
from dialpost.core.line.call.record import HangUpReason
from dialpost.core.line.call.retry import NO_SETBACK, Setback
from dialpost.core.mail.etrn import EtrnAnswer, classify
from dialpost.core.mail.queue.hope import Hope
from dialpost.core.mail.reply import Reply

RULES = GraceRules(3.0, 60.0, 60.0)
REFUSED = Setback(Hope.SOON, since_s=101.0, tried_s=101.0, messages=3)
GREYLISTED = replace(REFUSED, hope=Hope.LATER)
STUCK = replace(REFUSED, hope=Hope.NONE)
STARTED, NOTHING = (classify("clinic.example", Reply(code, ("ok",))) for code in (250, 251))

# Answered at 90, line up and asked at 100; the first try ended at 101. The minute is over at 150.
EVIDENCE = Evidence(
    now_s=101.0,
    outbound_drained=True,
    outbound_busy=False,
    etrn_under_way=False,
    asked_s=100.0,
    answered_s=101.0,
    answers=(NOTHING,),
    inbound_connections=0,
    inbound_last_s=None,
    inbound_messages=0,
    messages_since_ask=0,
    stop=None,
    asks=1,
    progress_s=0.0,
    setback=REFUSED,
    paid_until_s=150.0,
)


def at(now_s: float, evidence: Evidence = EVIDENCE) -> Decision:
    return decide(replace(evidence, now_s=now_s), RULES, ProviderHabits())


def with_setback(setback: Setback, *answers: EtrnAnswer) -> Evidence:
    return replace(EVIDENCE, setback=setback, answers=answers or (NOTHING,))


def test_the_pause_depends_on_what_is_hoped_for_and_grows() -> None:
    assert REFUSED.retry_s() == 106.0
    assert GREYLISTED.retry_s() == 121.0
    assert STUCK.retry_s() == inf
    assert NO_SETBACK.retry_s() == inf
    assert replace(REFUSED, tried_s=201.0).retry_s() == 226.0
    assert replace(STUCK, etrn_unreached=True).retry_s() == 106.0


def test_it_waits_for_a_try_within_the_paid_minute_and_makes_it() -> None:
    assert at(101.0) == Wait(106.0, "waiting to retry what was deferred")
    assert at(106.0) == TryAgain(145.0)


def test_no_try_is_begun_that_the_paid_minute_leaves_no_time_for() -> None:
    assert replace(REFUSED, since_s=130.0, tried_s=135.0).is_worth_holding(150.0)
    assert not replace(REFUSED, since_s=130.0, tried_s=135.1).is_worth_holding(150.0)


def test_an_hour_paid_at_a_time_is_not_spent_on_hope() -> None:
    assert replace(REFUSED, since_s=101.0, tried_s=101.0).last_moment_s(3600.0) == 401.0


@pytest.mark.parametrize(
    ("setback", "reason"),
    [
        (replace(REFUSED, tried_s=140.0), HangUpReason.NOT_SERVED),
        (replace(GREYLISTED, tried_s=140.0), HangUpReason.DEFERRED),
        (STUCK, HangUpReason.DEFERRED),
        (Setback(since_s=101.0, tried_s=140.0, etrn_unreached=True), HangUpReason.NOT_SERVED),
    ],
)
def test_what_stayed_behind_is_why_it_ends(setback: Setback, reason: HangUpReason) -> None:
    assert at(140.0, with_setback(setback)) == HangUp(reason)


def test_without_a_setback_it_is_done() -> None:
    assert at(101.0, with_setback(NO_SETBACK)) == HangUp(HangUpReason.DONE)


def test_while_the_line_is_up_for_another_reason_it_tries_on() -> None:
    waits = replace(EVIDENCE, answers=(STARTED,), paid_until_s=101.0)
    found = at(101.0, waits)
    assert isinstance(found, Wait)
    assert (found.until_s, found.why) == (106.0, "waiting for the provider to start")
    assert isinstance(at(106.0, waits), TryAgain)
    assert at(161.0, replace(waits, setback=replace(REFUSED, tried_s=160.0))) == HangUp(HangUpReason.NOT_SERVED)


def test_asking_for_more_mail_goes_before_a_retry() -> None:
    came = replace(EVIDENCE, answers=(STARTED,), inbound_last_s=104.0, inbound_messages=1, messages_since_ask=1)
    assert at(106.0, came) == AskAgain()


RETRYING = replace(EVIDENCE, outbound_drained=False, setback=replace(REFUSED, retrying_until_s=145.0))


def test_a_retry_that_reaches_nobody_ends_with_what_is_paid() -> None:
    assert at(144.0, RETRYING) == Wait(145.0, "mail is being sent")
    assert at(145.0, RETRYING) == HangUp(HangUpReason.NOT_SERVED)
    asking = replace(RETRYING, outbound_drained=True, etrn_under_way=True)
    assert at(145.0, asking) == HangUp(HangUpReason.NOT_SERVED)


def test_but_not_where_the_line_is_needed_or_mail_goes() -> None:
    assert isinstance(at(145.0, replace(RETRYING, answers=(STARTED,))), Wait)
    assert isinstance(at(145.0, replace(RETRYING, inbound_connections=1, inbound_last_s=140.0)), Wait)
    sends = replace(RETRYING, setback=replace(REFUSED, retrying_until_s=inf))
    assert at(200.0, sends) == Wait(inf, "mail is being sent")


def test_one_message_is_something_left_behind() -> None:
    assert Setback(messages=1).is_any and Setback(hope=Hope.LATER).is_any and not NO_SETBACK.is_any
