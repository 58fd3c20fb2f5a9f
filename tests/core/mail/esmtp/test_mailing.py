"""What one message's replies mean where the session ends between them, and how far sending runs ahead."""

from __future__ import annotations

import pytest

from cases import cases
from dialpost.core.mail.esmtp.expected import (
    MAX_UNANSWERED_BYTES,
    MAX_UNANSWERED_MESSAGES,
    WAIT_S,
    Ask,
    Expected,
    limit_s,
    window_is_open,
)
from dialpost.core.mail.esmtp.extensions import Extensions
from dialpost.core.mail.esmtp.lessons import Lesson
from dialpost.core.mail.esmtp.mailing import Mailing
from dialpost.core.mail.esmtp.transaction import Mail, Transaction
from dialpost.core.mail.esmtp.wire import Finished, Wire
from dialpost.core.mail.outcomes import Deferred, Refused
from dialpost.core.mail.reply import Reply
from esmtp_talk import BODY, CoreTalk, facts_of, make_message
from smtp_model import ModelServer

OK, NO, CUT = Reply(250, ("ok",)), Reply(550, ("no",), "5.1.1"), Reply(451, ("cut",), "4.4.2")


@pytest.mark.parametrize(
    ("pipelining", "learnt", "in_step", "is_refused"),
    [
        (True, None, True, True),
        (True, None, False, False),
        (False, None, False, True),  # command by command a reply answers what it seems to
        (False, None, True, True),
        (True, Lesson.NO_PIPELINING, True, False),
        (False, Lesson.NO_CHUNKING, True, False),
    ],
)
def test_a_refusal_counts_where_the_session_ends_only_if_the_replies_were_in_step(
    pipelining: bool, learnt: Lesson | None, in_step: bool, is_refused: bool
) -> None:
    wire = Wire()
    mailing = Mailing(wire, Extensions(pipelining=pipelining), host="mail.example", station="station.example")
    mailing.submit(make_message(1, recipients=("a@x.example", "b@x.example")), facts_of(BODY))
    for reply in (OK, NO):
        wire.take_output()
        assert mailing.receive(reply)
    mailing.learnt = learnt
    mailing.break_off(CUT, "station.example", lost=True, in_step=in_step)
    [finished] = wire.take_events()
    assert isinstance(finished, Finished)
    first, second = finished.outcomes
    assert isinstance(first, Refused if is_refused else Deferred) and isinstance(second, Deferred)
    assert mailing.is_idle and mailing.can_submit and mailing.wait_s is None


def a_transaction(*, whole: bool = True, size: int = 0) -> Transaction:
    made = Transaction(Mail(make_message(1), facts_of(BODY), Extensions(), "station.example"), [0])
    made.content_whole, made.content_bytes = whole, size
    return made


@pytest.mark.parametrize(
    ("sizes", "is_open"),
    [
        ([], True),
        ([9 * MAX_UNANSWERED_BYTES], True),
        ([9 * MAX_UNANSWERED_BYTES, MAX_UNANSWERED_BYTES - 1], True),
        ([MAX_UNANSWERED_BYTES, 9 * MAX_UNANSWERED_BYTES], False),
        ([1, MAX_UNANSWERED_BYTES, MAX_UNANSWERED_BYTES - 2], True),
        ([1, MAX_UNANSWERED_BYTES, MAX_UNANSWERED_BYTES - 1], False),
        ([1] * (MAX_UNANSWERED_MESSAGES - 1), True),
        ([1] * MAX_UNANSWERED_MESSAGES, False),
        ([1] * (MAX_UNANSWERED_MESSAGES + 1), False),
    ],
)
def test_a_lost_line_leaves_the_fate_of_few_messages_unknown(sizes: list[int], is_open: bool) -> None:
    sent = [a_transaction(size=size) for size in sizes]
    assert window_is_open([*sent, a_transaction(whole=False, size=MAX_UNANSWERED_BYTES)]) is is_open


@cases(
    ("ask", "mail_reply", "verdict", "out_of_order"),
    [
        (Ask.MAIL, None, None, True),
        (Ask.RCPT, OK, None, True),
        (Ask.RCPT, NO, None, False),
        (Ask.RCPT, None, None, False),
        (Ask.DATA, OK, OK, True),
        (Ask.DATA, OK, NO, False),
        (Ask.DOT, OK, OK, False),
        (Ask.RSET, None, None, False),
    ],
)
def test_bad_sequence_to_a_command_in_its_place_says_what_was_before_it_got_lost(
    ask: Ask, mail_reply: Reply | None, verdict: Reply | None, out_of_order: bool
) -> None:
    transaction = a_transaction()
    transaction.mail_reply = mail_reply
    transaction.verdicts = {0: verdict} if verdict else {}
    due = Expected(ask, transaction)
    said = [
        due.is_out_of_order(Reply(code, ("x",)), answers_groups=answers_groups)
        for code, answers_groups in ((503, False), (503, True), (500, False), (502, False))
    ]
    assert said == [out_of_order] * 4
    for code, answers_groups in ((500, True), (502, True), (501, False), (250, False)):
        assert not due.is_out_of_order(Reply(code, ("x",)), answers_groups=answers_groups)


@pytest.mark.parametrize(("last", "resets"), [(None, 0), ("550 5.7.1 spam", 2)])
def test_command_by_command_only_a_refused_message_is_reset(last: str | None, resets: int) -> None:
    server = ModelServer(("CHUNKING",))
    server.answers = lambda verb, *_: last if verb == "LAST" else None
    CoreTalk(server).run([make_message(number) for number in (1, 2, 3)])
    assert server.commands.count("RSET") == resets


def test_one_message_taken_says_nothing_about_the_next_that_is_under_way() -> None:
    wire = Wire()
    offered = Extensions(pipelining=True, chunking=True)
    mailing = Mailing(wire, offered, host="mail.example", station="station.example")
    for number, begins in ((1, b"MAIL"), (2, b"RSET\r\nMAIL")):
        mailing.submit(make_message(number), facts_of(BODY))
        assert wire.take_output().startswith(begins)
        mailing.feed(BODY, last=True)
        wire.take_output()
    for _ in range(3):
        assert mailing.receive(OK)
    assert [type(event) for event in wire.take_events()] == [Finished]
    mailing.submit(make_message(3), facts_of(BODY))
    assert wire.take_output().startswith(b"RSET\r\nMAIL")


def at_work(mailing: Mailing) -> tuple[bool, bool]:
    return mailing.is_idle, mailing.has_unsent


def test_once_all_is_answered_no_reset_is_needed() -> None:
    wire = Wire()
    mailing = Mailing(wire, Extensions(chunking=True), host="mail.example", station="station.example")
    for number in (1, 2):
        assert at_work(mailing) == (True, False)
        mailing.submit(make_message(number), facts_of(BODY))
        assert at_work(mailing) == (False, True)
        assert wire.take_output().startswith(b"MAIL")
        for _ in range(2):
            assert mailing.receive(OK)
            wire.take_output()
        mailing.feed(BODY, last=True)
        wire.take_output()
        assert at_work(mailing) == (False, False)
        assert mailing.receive(OK)


def test_the_next_reply_is_waited_for_not_the_last() -> None:
    transaction = a_transaction()
    due = [Expected(Ask.DATA, transaction), Expected(Ask.DOT, transaction)]
    assert limit_s(due, answers_groups=True) == WAIT_S[Ask.DATA] < WAIT_S[Ask.DOT]
