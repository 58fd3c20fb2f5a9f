"""A call's record: to the store and back, what events add, what it tells an operator."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cases import cases
from dialpost.core.call_reason import CallReason
from dialpost.core.json_value import JsonValue
from dialpost.core.line.call.notes import (
    CUT_SHORT,
    Happening,
    attention,
    etrn_refused,
    failed,
    given_up_letter,
    mail_stuck,
    note,
)
from dialpost.core.line.call.record import HANG_UP_WORDS, CallRecord, HangUpReason
from dialpost.core.line.call.states import CallEvent, CallState
from dialpost.core.line.link import Again, DialOutcome, DialResult
from dialpost.core.mail.esmtp.tls_cost import TlsCost
from dialpost.core.mail.etrn import EtrnAnswer, EtrnOutcome
from dialpost.core.mail.inbound.collected import Collected, CollectFate, Way

RECORD = CallRecord(CallReason.BUTTON, "modem", DialResult.ERROR, 1_700_000_000)
GOOD = replace(RECORD, result=DialResult.CONNECTED, hangup_reason=HangUpReason.DONE)
OK = EtrnAnswer("a.example", EtrnOutcome.STARTED, 250, "started")
ATRN = Collected(Way.ATRN, "", CollectFate.DONE, "250 now reversing", "advice", 3, 4000)
NO = EtrnAnswer("a.example", EtrnOutcome.NOT_DONE, 502, "no such command")


def test_through_json_and_back() -> None:
    record = replace(
        GOOD,
        online_s=12.5,
        bytes_up=1000,
        bytes_down=2000,
        sent=3,
        received=4,
        deferred=1,
        refused=2,
        etrn=(OK, NO),
        detail="CONNECT 33600",
        hangup_detail="x",
        rate_bps=33600,
        tls=TlsCost(3, 2, 4200),
        inbound=(ATRN, replace(ATRN, way=Way.POP3, box="office", held=1, left=2)),
        inbound_why=("ETRN is not supported.",),
    )
    assert CallRecord.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_keys_an_older_version_did_not_write_have_defaults() -> None:
    old: dict[str, JsonValue] = {"reason": "button", "link": "modem", "result": "busy", "started": 5}
    assert CallRecord.from_json(old) == CallRecord(CallReason.BUTTON, "modem", DialResult.BUSY, 5)


@pytest.mark.parametrize("bad", [{"sent": "three"}, {"sent": True}, {"result": "perhaps"}])
def test_what_is_no_record_is_refused(bad: dict[str, JsonValue]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        CallRecord.from_json(GOOD.to_json() | bad)


def test_every_reason_and_result_has_words() -> None:
    assert set(HANG_UP_WORDS) == set(HangUpReason)


def noted(state: CallState, happened: Happening, record: CallRecord = RECORD) -> CallRecord:
    return note(record, state, happened, dial_timeout_s=60)


def test_a_carrier_and_then_the_network() -> None:
    carrier = DialOutcome(DialResult.CONNECTED, "CONNECT 33600/V34", 33_600)
    record = noted(CallState.DIALING, Happening(CallEvent.CARRIER, dial=carrier))
    assert (record.result, record.rate_bps, record.detail) == (
        DialResult.ERROR,
        33_600,
        "CONNECT 33600/V34",
    )
    up = noted(CallState.NEGOTIATING, Happening(CallEvent.LINE_UP, dial=DialOutcome(DialResult.CONNECTED)), record)
    assert (up.result, up.rate_bps, up.detail) == (DialResult.CONNECTED, 33_600, "CONNECT 33600/V34")


@cases("result", [result for result in DialResult if result is not DialResult.CONNECTED])
def test_a_failed_dial(result: DialResult) -> None:
    record = noted(CallState.DIALING, Happening(CallEvent.DIAL_FAILED, dial=DialOutcome(result, "why")))
    assert (record.result, record.detail, record.hangup_reason) == (
        result,
        "why",
        HangUpReason.NOT_CONNECTED,
    )


def test_the_deadline_of_dialling() -> None:
    record = noted(CallState.DIALING, Happening(CallEvent.DEADLINE))
    assert record.result is DialResult.TIMEOUT
    assert record.detail == "No line within 60 s. Check the number, or raise call.dial_timeout_s."


@pytest.mark.parametrize("event", [CallEvent.CANCEL_WANTED, CallEvent.STOP_WANTED])
def test_called_off_while_dialling(event: CallEvent) -> None:
    record = noted(CallState.DIALING, Happening(event))
    assert (record.result, record.hangup_reason) == (DialResult.CANCELLED, HangUpReason.CANCELLED)
    assert not failed(record)
    assert attention(record) == []


@pytest.mark.parametrize(
    ("happened", "reason", "detail"),
    [
        (Happening(CallEvent.CARRIER_LOST, detail="NO CARRIER"), HangUpReason.CARRIER_LOST, "NO CARRIER"),
        (Happening(CallEvent.MAIL_DONE, ended=HangUpReason.DONE), HangUpReason.DONE, ""),
        (Happening(CallEvent.MAIL_DONE, ended=HangUpReason.STOPPED), HangUpReason.STOPPED, ""),
        (Happening(CallEvent.CANCEL_WANTED), HangUpReason.CANCELLED, ""),
        (Happening(CallEvent.DEADLINE), HangUpReason.MAX_CALL_TIME, CUT_SHORT),
    ],
)
def test_how_a_call_ends(happened: Happening, reason: HangUpReason, detail: str) -> None:
    record = noted(CallState.ONLINE, happened, GOOD)
    assert (record.hangup_reason, record.hangup_detail) == (reason, detail)


def test_a_carrier_lost_while_connecting() -> None:
    record = noted(CallState.NEGOTIATING, Happening(CallEvent.CARRIER_LOST, detail="gone"))
    assert record.result is DialResult.NO_CARRIER
    assert record.detail.startswith(
        "The line dropped before mail could flow (gone). If this repeats, check ppp.user"
    )


def test_a_way_that_failed_is_told_with_what_to_do() -> None:
    refused = replace(ATRN, fate=CollectFate.LOGIN_REFUSED, messages=0, words="535 No.", advice="Correct it.")
    assert not etrn_refused(replace(GOOD, inbound=(ATRN,)))
    assert not etrn_refused(replace(GOOD, inbound=(refused, ATRN)))
    record = replace(GOOD, inbound=(ATRN, refused))
    assert etrn_refused(record)
    assert attention(record) == ["ATRN: 535 No.. Correct it."]


def test_only_the_last_answer_for_a_name_counts() -> None:
    assert not etrn_refused(replace(GOOD, etrn=(NO, OK)))
    assert etrn_refused(replace(GOOD, etrn=(OK, NO)))


def test_mail_is_stuck_only_if_the_line_stayed_up_and_nothing_went() -> None:
    assert mail_stuck(replace(GOOD, deferred=1))
    assert not mail_stuck(replace(GOOD, deferred=1, sent=1))
    assert not mail_stuck(replace(GOOD, deferred=1, hangup_reason=HangUpReason.CARRIER_LOST))


def test_what_an_operator_is_told() -> None:
    assert attention(GOOD) == []
    (busy,) = attention(replace(RECORD, result=DialResult.BUSY))
    assert "busy" in busy
    (cut,) = attention(replace(GOOD, hangup_reason=HangUpReason.CARRIER_LOST, hangup_detail="NO CARRIER"))
    assert "NO CARRIER" in cut
    (etrn,) = attention(replace(GOOD, etrn=(NO,)))
    assert "502 no such command" in etrn
    assert "does not support ETRN" in etrn


def test_when_it_is_dialled_again_is_kept_and_an_older_record_is_dialled_soon() -> None:
    refused = replace(RECORD, result=DialResult.ERROR, again=Again.AFTER_CHANGE)
    assert CallRecord.from_json(refused.to_json()) == refused
    older = {key: value for key, value in refused.to_json().items() if key != "again"}
    assert CallRecord.from_json(older).again is Again.SOON


def test_a_refusal_is_reported_with_what_bars_calls_in_place_of_the_next_time() -> None:
    refused = replace(RECORD, result=DialResult.ERROR, detail="It refused the login.", again=Again.AFTER_CHANGE)
    [told] = attention(refused, 3, barred="It refused the login. Nothing is dialled by itself.")
    assert told == "The last call did not come up: It refused the login. Nothing is dialled by itself."
    assert "until a commit changes" in given_up_letter(refused, 1)
    assert "next scheduled time" in given_up_letter(replace(refused, again=Again.NEXT_TIME), 1)


@pytest.mark.parametrize("reason", CallReason)
def test_an_operator_asks_by_the_button_or_a_command(reason: CallReason) -> None:
    assert reason.by_hand is (reason.name in {"BUTTON", "COMMAND"})


def test_what_is_kept_of_a_call_is_rounded() -> None:
    exact = replace(RECORD, online_s=1.23456, connect_s=2.34567, paid_s=3.45678, cost=1.23456789)
    kept = exact.to_json()
    assert [kept[name] for name in ("online_s", "connect_s", "paid_s", "cost")] == [1.235, 2.346, 3.457, 1.234568]
