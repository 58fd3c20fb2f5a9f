"""What each reply means for each recipient of a message."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cases import cases
from dialpost.core.mail.content.outgoing import ContentFacts
from dialpost.core.mail.envelope import Notify, Recipient
from dialpost.core.mail.esmtp.extensions import Extensions
from dialpost.core.mail.esmtp.lessons import Lesson
from dialpost.core.mail.esmtp.transaction import Mail, Transaction
from dialpost.core.mail.outcomes import Deferred, Delivered, Outcome, Refused
from dialpost.core.mail.reply import Reply
from esmtp_talk import make_message

OK, LATER, NO = Reply(250, ("ok",)), Reply(451, ("later",)), Reply(550, ("no",), "5.1.1")
CUT = Reply(451, ("cut",), "4.4.2")
EVERYTHING = Extensions(size=True, dsn=True, eight_bit=True, smtputf8=True)
FACTS = ContentFacts(10, 12, eight_bit=False, eight_bit_header=False, has_long_line=False)


def a_mail(
    count: int = 2, offered: Extensions = EVERYTHING, facts: ContentFacts = FACTS, **envelope: object
) -> Mail:
    recipients = [f"r{number}@x.example" for number in range(count)]
    return Mail(make_message(1, recipients=recipients, **envelope), facts, offered, "station.example")


def answered(
    mail: Reply | None, rcpts: list[Reply | None], content: Reply | None, offered: Extensions = EVERYTHING
) -> Transaction:
    made = Transaction(a_mail(len(rcpts), offered), range(len(rcpts)))
    made.mail_reply, made.content_reply = mail, content
    made.verdicts = {number: reply for number, reply in enumerate(rcpts) if reply is not None}
    return made


def kinds(outcomes: dict[int, Outcome]) -> dict[int, tuple[type[Outcome], int]]:
    return {number: (type(outcome), outcome.reply.code) for number, outcome in outcomes.items()}


@cases(
    ("mail", "rcpts", "content", "outcomes"),
    [
        (OK, [OK, OK], OK, {0: (Delivered, 250), 1: (Delivered, 250)}),
        (OK, [OK, NO], OK, {0: (Delivered, 250), 1: (Refused, 550)}),
        (OK, [LATER, NO], Reply(354, ("go",)), {0: (Deferred, 451), 1: (Refused, 550)}),
        (OK, [OK, OK], NO, {0: (Refused, 550), 1: (Refused, 550)}),
        (OK, [OK, NO], LATER, {0: (Deferred, 451), 1: (Refused, 550)}),
        (NO, [], None, {}),
        (NO, [Reply(503, ("x",))], None, {0: (Refused, 550)}),
        (LATER, [NO], None, {0: (Deferred, 451)}),
        (Reply(530, ("log in",)), [NO], None, {0: (Deferred, 530)}),
        (Reply(535, ("log in",)), [NO], None, {0: (Deferred, 535)}),
        (OK, [Reply(502, ("x",))], None, {0: (Deferred, 502)}),
        (OK, [Reply(503, ("x",))], None, {0: (Deferred, 503)}),
        (OK, [Reply(552, ("too many",))], None, {0: (Deferred, 552)}),
        (OK, [Reply(552, ("full",), "5.2.2")], None, {0: (Refused, 552)}),
        (OK, [OK], Reply(552, ("too big",)), {0: (Refused, 552)}),
        (Reply(552, ("too big",)), [Reply(552, ("x",))], None, {0: (Refused, 552)}),
    ],
)
def test_what_comes_of_the_replies(
    mail: Reply, rcpts: list[Reply | None], content: Reply | None, outcomes: dict[int, tuple[type[Outcome], int]]
) -> None:
    transaction = answered(mail, rcpts, content)
    transaction.conclude("mail.example")
    assert kinds(transaction.mail.outcomes) == outcomes


@pytest.mark.parametrize(
    ("codes", "left"),
    [
        ([250, 452], (1,)),
        ([250, 552], (1,)),
        ([250, 451], ()),
        ([452, 452], ()),
        ([452, 250, 552], (0, 2)),
    ],
)
def test_who_was_only_too_many_goes_in_another_transaction(codes: list[int], left: tuple[int, ...]) -> None:
    verdicts: list[Reply | None] = [Reply(code, ("x",)) for code in codes]
    assert answered(OK, verdicts, OK).left_over() == left
    for content in (None, LATER):
        assert answered(OK, verdicts, content).left_over() == ()
    transaction = answered(OK, verdicts, OK)
    transaction.conclude("mail.example")
    assert set(transaction.mail.outcomes).isdisjoint(left)


def test_too_many_says_so_or_says_nothing() -> None:
    for enhanced, left in ((None, (1,)), ("4.5.3", (1,)), ("5.5.3", (1,)), ("4.2.2", ())):
        assert answered(OK, [OK, Reply(452, ("x",), enhanced)], OK).left_over() == left


@cases(
    ("mail", "rcpts", "content", "is_hopeless"),
    [
        (None, [None, None], None, False),
        (NO, [None, None], None, True),
        (OK, [NO, None], None, False),
        (OK, [NO, NO], None, True),
        (OK, [NO, OK], None, False),
        (None, [NO, NO], None, False),
        (OK, [OK, OK], LATER, True),
        (OK, [OK, OK], Reply(354, ("go",)), False),
    ],
)
def test_when_nobody_can_be_reached_any_more(
    mail: Reply | None, rcpts: list[Reply | None], content: Reply | None, is_hopeless: bool
) -> None:
    assert answered(mail, rcpts, content).is_hopeless is is_hopeless


@pytest.mark.parametrize("code", [530, 534, 535, 538])
def test_what_is_about_the_session(code: int) -> None:
    told = Reply(code, ("x",))
    for transaction in (answered(told, [], None), answered(OK, [OK, told], None), answered(OK, [OK], told)):
        assert transaction.about_the_session() == told
    assert answered(OK, [OK, NO], OK).about_the_session() is None
    for one in (502, 503):
        assert answered(Reply(one, ("x",)), [], None).about_the_session() == Reply(one, ("x",))
        assert answered(OK, [Reply(one, ("x",))], None).about_the_session() is None


@pytest.mark.parametrize("code", [501, 504, 555])
def test_a_refused_parameter_is_left_out_once(code: int) -> None:
    odd = Reply(code, ("x",))
    assert answered(odd, [odd, odd], None).plainer() == (Lesson.NO_SIZE, (0, 1))
    dsn = Extensions(dsn=True)
    assert answered(odd, [odd], None, dsn).plainer() is None  # no RET, no ENVID was said
    assert answered(NO, [odd], None).plainer() is None
    assert answered(OK, [odd, OK], OK).plainer() is None  # RCPT had no parameter
    mail = Mail(make_message(1, recipients=["a@x.example"]), FACTS, dsn, "station.example")
    assert mail.to_leave_out(0, frozenset()) is None


def test_a_refused_wish_for_reports_is_left_out_for_those_alone() -> None:
    message = make_message(1, recipients=["a@x.example", "b@x.example"])
    envelope = message.envelope
    wishes = tuple(
        Recipient(one.address, frozenset({Notify.NEVER}) if number else None)
        for number, one in enumerate(envelope.recipients)
    )
    message = replace(message, envelope=replace(envelope, recipients=wishes))
    made = Transaction(Mail(message, FACTS, EVERYTHING, "station.example"), (0, 1))
    made.mail_reply, made.verdicts = OK, {0: Reply(501, ("x",)), 1: Reply(501, ("x",))}
    assert made.plainer() == (Lesson.NO_DSN, (1,))
    made.conclude("mail.example")
    assert kinds(made.mail.outcomes) == {0: (Refused, 501)}


@pytest.mark.parametrize(
    ("in_step", "was_in_step", "kind"),
    [(True, False, Refused), (False, True, Refused), (False, False, Deferred), (True, True, Refused)],
)
def test_at_the_end_of_the_session_a_refusal_counts_if_it_is_sure(
    in_step: bool, was_in_step: bool, kind: type[Outcome]
) -> None:
    transaction = answered(OK, [NO, OK], None)
    transaction.was_in_step = was_in_step
    transaction.break_off(CUT, "station.example", "mail.example", lost=True, in_step=in_step)
    assert [type(outcome) for outcome in transaction.mail.in_order()] == [kind, Deferred]


@pytest.mark.parametrize(("unheard_bytes", "carried_bytes"), [(0, 90_000), (30_000, 60_000), (99_000, 0)])
def test_what_the_server_had_not_received_was_not_carried(unheard_bytes: int, carried_bytes: int) -> None:
    transaction = answered(None, [None], None)
    transaction.content_bytes = 90_000
    transaction.break_off(
        CUT, "station.example", "mail.example", lost=True, in_step=True, unheard_bytes=unheard_bytes
    )
    [outcome] = transaction.mail.in_order()
    assert isinstance(outcome, Deferred) and outcome.carried_bytes == carried_bytes


@pytest.mark.parametrize(
    ("lost", "whole", "answered_before", "content_bytes", "unknown", "counts"),
    [
        (True, True, False, 5, True, True),
        (True, False, False, 5, False, True),
        (False, True, False, 5, False, False),
        (True, False, False, 0, False, False),
        (False, False, True, 0, False, True),
        (True, True, False, 0, True, False),
        (True, False, False, 1, False, True),
    ],
)
def test_what_is_known_of_a_message_cut_off(
    lost: bool, whole: bool, answered_before: bool, content_bytes: int, unknown: bool, counts: bool
) -> None:
    transaction = answered(None, [None], None)
    transaction.content_whole, transaction.content_bytes = whole, content_bytes
    transaction.answered = answered_before
    transaction.break_off(CUT, "station.example", "mail.example", lost=lost, in_step=True)
    carried = content_bytes if lost else 0
    assert transaction.mail.in_order() == (
        Deferred(CUT, "station.example", answer_unknown=unknown, counts_as_attempt=counts, carried_bytes=carried),
    )


@pytest.mark.parametrize(("limit", "taken"), [(0, True), (12, True), (13, True), (11, False)])
def test_a_message_as_large_as_the_limit_is_offered(limit: int, taken: bool) -> None:
    mail = a_mail(2, Extensions(size=True, size_limit=limit))
    assert (mail.to_send, mail.is_finished) == (((0, 1), False) if taken else ((), True))


@pytest.mark.parametrize(
    ("offered", "smtputf8", "eight_bit", "header", "sender", "words"),
    [
        (EVERYTHING, True, True, False, "a@b.example", " SMTPUTF8"),
        (EVERYTHING, True, False, False, "a@b.example", ""),
        (EVERYTHING, False, True, True, "a@b.example", ""),
        (EVERYTHING, False, False, False, "ü@b.example", " SMTPUTF8"),
        (Extensions(), True, True, False, "a@b.example", ""),
        (Extensions(), False, False, True, "a@b.example", ""),
        (Extensions(), True, True, True, "a@b.example", None),
    ],
)
def test_when_smtputf8_is_said(
    offered: Extensions, smtputf8: bool, eight_bit: bool, header: bool, sender: str, words: str | None
) -> None:
    facts = ContentFacts(10, 0, eight_bit=eight_bit, eight_bit_header=header, has_long_line=False)
    mail = a_mail(1, offered, facts, smtputf8=smtputf8, sender=sender)
    if words is None:
        assert kinds(mail.outcomes) == {0: (Refused, 550)}
    else:
        assert (b" SMTPUTF8" in mail.line(None, frozenset())) == bool(words)


def test_the_first_so_many_recipients_stay() -> None:
    transaction = answered(None, [None, None, None], None)
    assert (transaction.keep_first(2), transaction.numbers) == ((2,), (0, 1))
    assert transaction.keep_first(5) == ()
    transaction.begin({Lesson.NO_DSN})
    assert transaction.without == {Lesson.NO_DSN}
