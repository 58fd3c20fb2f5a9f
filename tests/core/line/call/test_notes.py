"""What a finished call tells an operator, and what a record says of a call that was broken off."""

from dataclasses import replace

import pytest

from dialpost.core.call_reason import CallReason
from dialpost.core.line.call.notes import (
    MAIL_STUCK,
    Happening,
    attention,
    given_up_letter,
    in_vain,
    note,
    station_stopped,
)
from dialpost.core.line.call.record import CallRecord, HangUpReason
from dialpost.core.line.call.states import CallEvent, CallState
from dialpost.core.line.link import Again, DialResult

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


def test_a_spent_budget_is_told_with_how_much() -> None:
    spent = replace(UP, hangup_reason=HangUpReason.BUDGET_SPENT, hangup_detail="60 min a day")
    [told] = attention(spent)
    assert told.startswith("The last call was ended because its budget was spent (60 min a day).")


def test_mail_that_did_not_go_is_told() -> None:
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
