"""What a finished call tells an operator, and what a record says of a call that was interrupted."""

from dataclasses import replace

import pytest

from dialpost.core.call_reason import CallReason
from dialpost.core.line.call.notes import (
    CUT_SHORT,
    MAIL_STUCK,
    Happening,
    attention,
    etrn_refused,
    failed,
    given_up_letter,
    in_vain,
    mail_stuck,
    note,
    station_stopped,
)
from dialpost.core.line.call.record import CallRecord, HangUpReason
from dialpost.core.line.call.states import CallEvent, CallState
from dialpost.core.line.link import Again, DialOutcome, DialResult
from dialpost.core.mail.etrn import classify
from dialpost.core.mail.reply import Reply

BUSY = CallRecord(CallReason.SCHEDULE, "modem", DialResult.BUSY, 1_700_000_000)
UP = replace(BUSY, result=DialResult.CONNECTED, hangup_reason=HangUpReason.DONE)


def test_an_event_in_a_state_that_has_no_call_changes_nothing() -> None:
    assert note(UP, CallState.IDLE, Happening(CallEvent.LINE_DOWN), 60) is UP


@pytest.mark.parametrize("state", CallState)
def test_the_daemon_s_end_ends_a_call(state: CallState) -> None:
    stopped = station_stopped(UP, state)
    if state is CallState.ONLINE:
        assert stopped == replace(UP, hangup_reason=HangUpReason.STATION_STOPPED)
    elif state in {CallState.DIALING, CallState.NEGOTIATING}:
        assert stopped == replace(UP, result=DialResult.CANCELLED)
    else:
        assert stopped is UP


def test_calls_that_failed_in_a_row_are_counted_from_two_on() -> None:
    assert len(attention(BUSY)) == len(attention(BUSY, 1)) == 1
    assert attention(BUSY, 2)[1].startswith("2 calls in a row failed, and no redial is due.")
    assert len(attention(BUSY, 2, "barred")) == 1


def test_a_spent_budget_is_reported_with_how_much() -> None:
    spent = replace(UP, hangup_reason=HangUpReason.BUDGET_SPENT, hangup_detail="60 min a day")
    [told] = attention(spent)
    assert told.startswith("The last call was ended because its budget was spent (60 min a day).")


def test_mail_that_did_not_go_is_reported() -> None:
    assert attention(replace(UP, deferred=2, sent=0)) == [MAIL_STUCK]
    assert attention(UP) == []


LEFT = replace(UP, hangup_reason=HangUpReason.DEFERRED, hangup_detail="3 deferred; h: 450 busy", deferred=3)


def test_a_call_that_achieved_nothing_is_in_vain_where_another_may_fare_better() -> None:
    assert in_vain(LEFT)
    assert in_vain(replace(LEFT, hangup_reason=HangUpReason.NOT_SERVED))
    assert not in_vain(UP)
    assert not in_vain(replace(LEFT, sent=1))
    assert not in_vain(replace(LEFT, received=1))
    assert not in_vain(replace(LEFT, again=Again.NEXT_TIME))


def test_calls_in_vain_are_told_with_what_stayed_behind() -> None:
    assert attention(LEFT, 2) == [
        "The last call achieved nothing: 3 deferred; h: 450 busy.",
        "2 calls in a row failed, and no redial is due. The next call is at the next scheduled time, "
        "by the button, or by `dialpost call now`.",
        MAIL_STUCK,
    ]
    letter = given_up_letter(LEFT, 3)
    assert letter.startswith("3 calls in a row failed, and the station has stopped redialling for now.")
    assert "The last one ended with: deferred\n    3 deferred; h: 450 busy\n" in letter


NEW = CallRecord(CallReason.SCHEDULE, "modem", DialResult.CANCELLED, 1_700_000_000, dialled="1", rate_bps=9600)


@pytest.mark.parametrize(
    ("event", "dial", "changes"),
    [
        (
            CallEvent.LINE_UP,
            DialOutcome(DialResult.CONNECTED),
            {"result": DialResult.CONNECTED},
        ),
        (
            CallEvent.LINE_UP,
            DialOutcome(DialResult.CONNECTED, detail="d", rate_bps=33_600, number="2"),
            {"result": DialResult.CONNECTED, "detail": "d", "rate_bps": 33_600, "dialled": "2"},
        ),
        (
            CallEvent.CARRIER,
            DialOutcome(DialResult.CONNECTED, detail="d", rate_bps=33_600, number="2"),
            {"detail": "d", "rate_bps": 33_600, "dialled": "2"},
        ),
        (CallEvent.DIAL_FAILED, DialOutcome(DialResult.BUSY), {"result": DialResult.BUSY, "again": Again.SOON}),
        (
            CallEvent.DIAL_FAILED,
            DialOutcome(DialResult.ERROR, detail="d", number="2", again=Again.AFTER_CHANGE),
            {"result": DialResult.ERROR, "detail": "d", "dialled": "2", "again": Again.AFTER_CHANGE},
        ),
    ],
)
def test_what_a_try_adds_to_its_record(event: CallEvent, dial: DialOutcome, changes: dict[str, object]) -> None:
    noted = note(NEW, CallState.DIALING, Happening(event, dial=dial), 60)
    assert noted == replace(NEW, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("happened", "reason", "detail"),
    [
        (Happening(CallEvent.CARRIER_LOST, detail="d"), HangUpReason.CARRIER_LOST, "d"),
        (Happening(CallEvent.DEADLINE), HangUpReason.MAX_CALL_TIME, CUT_SHORT),
        (
            Happening(CallEvent.DEADLINE, detail="d", ended=HangUpReason.BUDGET_SPENT),
            HangUpReason.BUDGET_SPENT,
            "d",
        ),
        (Happening(CallEvent.CANCEL_WANTED), HangUpReason.CANCELLED, ""),
        (Happening(CallEvent.CANCEL_WANTED, detail="d", ended=HangUpReason.DONE), HangUpReason.DONE, "d"),
    ],
)
def test_why_a_call_ended(happened: Happening, reason: HangUpReason, detail: str) -> None:
    assert note(UP, CallState.ONLINE, happened, 60) == replace(UP, hangup_reason=reason, hangup_detail=detail)


@pytest.mark.parametrize("state", [CallState.DIALING, CallState.NEGOTIATING])
def test_a_line_that_did_not_come_up(state: CallState) -> None:
    late = note(NEW, state, Happening(CallEvent.DEADLINE), 60)
    assert late.result is DialResult.TIMEOUT and late.detail.startswith("No line within 60 s. ")
    lost = note(NEW, state, Happening(CallEvent.CARRIER_LOST, detail="d"), 60)
    assert lost.result is DialResult.NO_CARRIER and "before mail could flow (d)." in lost.detail
    off = note(replace(NEW, detail="d"), state, Happening(CallEvent.CANCEL_WANTED), 60)
    assert off == replace(NEW, result=DialResult.CANCELLED, detail="", hangup_reason=HangUpReason.CANCELLED)


def test_which_calls_failed_and_which_left_mail_behind() -> None:
    assert {result for result in DialResult if not failed(replace(BUSY, result=result))} == {
        DialResult.CONNECTED,
        DialResult.CANCELLED,
    }
    assert not mail_stuck(UP)
    assert mail_stuck(replace(UP, deferred=1))
    assert not mail_stuck(replace(UP, deferred=1, sent=1))
    assert not mail_stuck(replace(UP, deferred=1, hangup_reason=HangUpReason.CARRIER_LOST))


def test_only_the_last_answer_of_a_name_can_need_the_operator() -> None:
    good, bad = (classify("a.example", Reply(code, ("x",))) for code in (250, 501))
    assert [etrn_refused(replace(UP, etrn=answers)) for answers in ((bad,), (bad, good), (good, bad))] == [
        True,
        False,
        True,
    ]
    [told] = attention(replace(UP, etrn=(good, bad)))
    assert told.startswith("ETRN a.example: the provider said: ")


def test_what_is_reported_of_a_call_that_did_not_come_up() -> None:
    [busy] = attention(replace(BUSY, detail="d"))
    assert busy == f"The last call did not come up: {DialResult.BUSY.value}. d"
    error = replace(BUSY, result=DialResult.ERROR, detail="d")
    assert attention(error) == ["The last call did not come up: d"]
    assert attention(error, 2, "barred by d") == ["The last call did not come up: barred by d"]
    cut = replace(UP, hangup_reason=HangUpReason.CARRIER_LOST)
    assert "(the line was lost)" in attention(cut)[0]
    assert "(d)" in attention(replace(cut, hangup_detail="d"))[0]
    assert len(attention(UP, 5)) == 0


def test_the_letter_when_nothing_is_dialled_any_more() -> None:
    letter = given_up_letter(replace(BUSY, detail="d", dialled="0961"), 1)
    assert letter.startswith("A call failed (last dialled: 0961), and the station has stopped redialling")
    assert f"    The last one ended with: {DialResult.BUSY.value}\n    d\n" in letter
    assert "at the next scheduled time" in letter
    changed = given_up_letter(replace(BUSY, detail="d", again=Again.AFTER_CHANGE), 2)
    assert changed.startswith("2 calls in a row failed, and") and "until a commit changes" in changed


def test_a_provider_at_work_is_a_fault_only_where_nothing_came() -> None:
    at_work = classify("clinic.example", Reply(458, ("Already processing clinic.example",)))
    assert etrn_refused(replace(UP, etrn=(at_work,)))
    assert not etrn_refused(replace(UP, etrn=(at_work,), received=1))
