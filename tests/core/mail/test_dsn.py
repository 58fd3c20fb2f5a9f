"""Reports read back with the standard library's parser: structure, fields, words, and nothing breaking out."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from email.message import EmailMessage, Message
from typing import cast

import pytest

from dialpost.core.mail.dsn import (
    Report,
    ReportedRecipient,
    ReportFrame,
    _boundary,
    _field,
    _head,
    _status,
    _with_sendable_original,
    build_report,
)
from dialpost.core.mail.queue.records import RecipientRecord
from dialpost.core.mail.reply import Reply
from fakes import a_record, to_world

ORIGINAL = b"From: anna@clinic.example\nSubject: x\nMessage-ID: <1@x>\n\nHello Bob\n.\n"
FRAME = ReportFrame(
    hostname="mail.clinic.example",
    to="anna@clinic.example",
    date="Mon, 24 Nov 2025 10:00:00 +0100",
    arrival="Mon, 24 Nov 2025 09:00:00 +0100",
    unique="D0000001.abc",
    original=ORIGINAL,
    is_whole=True,
)
MESSAGE = a_record("D0000001", sender="anna@clinic.example", subject="Order 12", message_id_header="<1@x>")
NO_USER = Reply(550, ("No such user",), "5.1.1")


def gone(recipient: RecipientRecord | None = None, reply: Reply | None = NO_USER) -> ReportedRecipient:
    return ReportedRecipient(recipient or to_world("bob@far.example", attempts=1), reply, "mx.far.example")


def parsed(data: bytes) -> EmailMessage:
    assert b"\r" not in data
    assert all(len(line) <= 998 for line in data.split(b"\n"))
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert [defect for part in message.walk() for defect in part.defects] == []
    return message


def parts(data: bytes) -> list[EmailMessage]:
    return [cast(EmailMessage, part) for part in parsed(data).iter_parts()]


def blocks(data: bytes) -> list[list[tuple[str, str]]]:
    """The fields of the report: of the message first, then of each recipient."""
    status = parts(data)[1]
    payload = status.get_payload()
    assert isinstance(payload, list)
    return [
        [(name, str(value)) for name, value in block.items()]
        for block in cast(list[Message], payload)
        if block.items()
    ]


def words(data: bytes) -> str:
    return str(parts(data)[0].get_content())


def test_a_failure_report_whole() -> None:
    data = build_report(Report.FAILED, MESSAGE, [gone()], FRAME)
    message = parsed(data)
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert {name: str(message[name]) for name in ("From", "To", "Subject", "Auto-Submitted", "In-Reply-To")} == {
        "From": "Mail station <postmaster@mail.clinic.example>",
        "To": "anna@clinic.example",
        "Subject": "Your message could not be delivered: Order 12",
        "Auto-Submitted": "auto-replied",
        "In-Reply-To": "<1@x>",
    }
    assert [part.get_content_type() for part in parts(data)] == [
        "text/plain",
        "message/delivery-status",
        "message/rfc822",
    ]
    assert blocks(data) == [
        [
            ("Reporting-MTA", "dns; mail.clinic.example"),
            ("Arrival-Date", "Mon, 24 Nov 2025 09:00:00 +0100"),
            ("X-Dialpost-Queue-ID", "D0000001"),
        ],
        [
            ("Final-Recipient", "rfc822; bob@far.example"),
            ("Action", "failed"),
            ("Status", "5.1.1"),
            ("Remote-MTA", "dns; mx.far.example"),
            ("Diagnostic-Code", "smtp; 550 5.1.1 No such user"),
        ],
    ]
    assert data.endswith(b"\n\n" + ORIGINAL + b"\n--=_D0000001.abc.0--\n")


def test_the_words_come_first_and_a_clerk_understands_them() -> None:
    lines = words(build_report(Report.FAILED, MESSAGE, [gone()], FRAME)).splitlines()
    assert lines[:6] == [
        "This is the mail station mail.clinic.example.",
        "",
        "Your message could NOT be delivered to:",
        "",
        "    bob@far.example",
        "      Nobody has that address. Check the part before the @.",
    ]
    assert "bob@far.example, tries: 1; mx.far.example said: 550 5.1.1 No such user" in " ".join(lines)
    assert lines.index("* * *") > lines.index("    Subject: Order 12")


def test_each_recipient_has_its_block_and_what_the_sender_said_of_it() -> None:
    first = gone(to_world("bob@far.example", orcpt="rfc822;Bob+2BX+40far.example"))
    second = gone(to_world("c@far.example", original_address="team@clinic.example"), Reply(452, ("full",)))
    data = build_report(Report.FAILED, replace(MESSAGE, envid="a+2Bb+3D"), [first, second], FRAME)
    head, one, two = blocks(data)
    assert head[0] == ("Original-Envelope-Id", "a+b=")
    assert one[0] == ("Original-Recipient", "rfc822; Bob+X@far.example")
    assert two[:4] == [
        ("Original-Recipient", "rfc822; team@clinic.example"),
        ("Final-Recipient", "rfc822; c@far.example"),
        ("Action", "failed"),
        ("Status", "4.0.0"),  # what was given up keeps the status of its problem
    ]


def test_a_sentence_that_goes_on_stays_below_its_beginning() -> None:
    data = build_report(Report.FAILED, MESSAGE, [gone(reply=Reply(552, ("big",), "5.3.4"))], FRAME)
    assert [line for line in words(data).splitlines() if line.startswith("     ")] == [
        "      The message is too large. Send smaller attachments, or several",
        "      messages.",
    ]


def test_a_doubtful_one_is_told_as_such() -> None:
    data = build_report(Report.FAILED, MESSAGE, [gone(to_world(answer_unknown=True))], FRAME)
    assert "so it may have arrived" in " ".join(words(data).split())


def test_a_delay_before_any_try() -> None:
    frame = replace(FRAME, is_whole=False, original=b"Subject: x\n", retry_until="Sat, 29 Nov 2025 09:00:00 +0100")
    data = build_report(Report.DELAYED, MESSAGE, [ReportedRecipient(to_world("bob@far.example"), None)], frame)
    assert blocks(data)[1] == [
        ("Final-Recipient", "rfc822; bob@far.example"),
        ("Action", "delayed"),
        ("Status", "4.4.7"),
        ("Will-Retry-Until", "Sat, 29 Nov 2025 09:00:00 +0100"),
    ]
    text = " ".join(words(data).split())
    assert "has not been delivered yet. You need not do anything" in text
    assert "The station has not had a line to the world since." in text


@pytest.mark.parametrize(
    ("report", "reply", "expected"),
    [
        (Report.RELAYED, Reply(250, ("queued",), "2.6.0"), [("Action", "relayed"), ("Status", "2.6.0")]),
        (Report.RELAYED, Reply(250, ("queued",)), [("Action", "relayed"), ("Status", "2.0.0")]),
        (Report.DELIVERED, Reply(250, ("ok",)), [("Action", "delivered"), ("Status", "2.0.0")]),
    ],
)
def test_good_news(report: Report, reply: Reply, expected: list[tuple[str, str]]) -> None:
    data = build_report(report, MESSAGE, [gone(reply=reply)], FRAME)
    assert blocks(data)[1][1:3] == expected


def test_headers_only() -> None:
    data = build_report(Report.FAILED, MESSAGE, [gone()], replace(FRAME, is_whole=False, original=b"Subject: x\n"))
    assert parts(data)[2].get_content_type() == "text/rfc822-headers"
    assert "The header of the message is attached" in " ".join(words(data).split())


def test_without_the_original() -> None:
    data = build_report(Report.FAILED, MESSAGE, [gone()], replace(FRAME, original=b"", is_whole=False))
    assert len(parts(data)) == 2
    assert "can no longer be read" in " ".join(words(data).split())


def test_eight_bit_content_is_named_as_such() -> None:
    original = "Subject: x\nContent-Type: text/plain; charset=utf-8\n\nGrüße\n".encode()
    data = build_report(Report.FAILED, MESSAGE, [gone()], replace(FRAME, original=original))
    assert parts(data)[2]["Content-Transfer-Encoding"] == "8bit"
    assert original in data
    assert data.partition(original)[0].isascii()


def test_words_with_other_letters_go_in_seven_bits() -> None:
    data = build_report(Report.FAILED, replace(MESSAGE, subject="Grüße"), [gone(reply=Reply(550, ("né",)))], FRAME)
    assert data.isascii()
    assert "Subject: Grüße" in words(data)
    assert str(parsed(data)["Subject"]).endswith("Grüße")
    assert ("Diagnostic-Code", "smtp; 550 n\\xe9") in blocks(data)[1]


@pytest.mark.parametrize(
    "subject", ["order " * 16, "Grüße aus Köln " * 6, "x" * 100, "日本語" * 30, "=?utf-8?q?x?=", "a\tb", ""]
)
def test_the_subject_is_folded_and_reads_the_same(subject: str) -> None:
    data = build_report(Report.FAILED, replace(MESSAGE, subject=subject), [gone()], FRAME)
    assert max(map(len, data.partition(b"\n\n")[0].split(b"\n"))) <= 78
    text = str(parsed(data)["Subject"])
    about = subject.replace("\t", " ").strip()
    assert text == "Your message could not be delivered" + (f": {about}" if about else "")


def test_international_addresses_make_an_international_report() -> None:
    recipient = to_world("jürgen@far.example")
    message = replace(MESSAGE, sender="ännchen@clinic.example", smtputf8=True)
    data = build_report(Report.FAILED, message, [gone(recipient)], replace(FRAME, to="ännchen@clinic.example"))
    assert "To: <ännchen@clinic.example>".encode() in data
    raw = data.decode()
    assert "Content-Type: message/global-delivery-status\nContent-Transfer-Encoding: 8bit\n" in raw
    assert "\nFinal-Recipient: utf-8; jürgen@far.example\n" in raw
    assert "Content-Type: message/global\n" in raw


def test_an_international_alias_makes_one_too() -> None:
    recipient = to_world("bob@far.example", original_address="grüße@clinic.example")
    data = build_report(Report.FAILED, MESSAGE, [gone(recipient)], FRAME)
    assert b"Content-Type: message/global-delivery-status\n" in data
    assert data.partition(b"\n\n")[0].isascii()


@pytest.mark.parametrize("is_whole", [True, False])
def test_only_the_smtputf8_flag_matters_for_the_kind_of_part(is_whole: bool) -> None:
    data = build_report(Report.FAILED, replace(MESSAGE, smtputf8=True), [gone()], replace(FRAME, is_whole=is_whole))
    assert (b"message/global\n" in data, b"message/global-headers\n" in data) == (is_whole, not is_whole)


def test_nothing_from_outside_breaks_out_of_its_field() -> None:
    evil = "x\r\nBcc: all@far.example\n\nbody\x00\u2028y"
    recipient = to_world("bob@far.example", orcpt="rfc822;a+0D+0AAction:+20delivered", original_address=evil)
    message = replace(MESSAGE, subject=evil, message_id_header=f"<{evil}>", envid="e+0D+0AX-Evil:+201")
    data = build_report(Report.FAILED, message, [gone(recipient, Reply(550, (evil,)))], FRAME)
    report = parsed(data)
    assert report["Bcc"] is None
    head, one = blocks(data)
    assert [name for name, _ in head] == [
        "Original-Envelope-Id",
        "Reporting-MTA",
        "Arrival-Date",
        "X-Dialpost-Queue-ID",
    ]
    assert [name for name, _ in one] == [
        "Original-Recipient",
        "Final-Recipient",
        "Action",
        "Status",
        "Remote-MTA",
        "Diagnostic-Code",
    ]
    assert head[0][1] == "e+0D+0AX-Evil: 1"
    assert len(parts(data)) == 3


def test_long_answers_are_folded() -> None:
    data = build_report(Report.FAILED, MESSAGE, [gone(reply=Reply(550, ("word " * 500, "z" * 5000)))], FRAME)
    code = dict(blocks(data)[1])["Diagnostic-Code"]
    assert code.count("word") == 500
    assert code.count("z") == 5000


def test_the_boundary_is_in_no_part() -> None:
    original = ORIGINAL + b"--=_D0000001.abc.0\n--=_D0000001.abc.1--\n"
    data = build_report(Report.FAILED, MESSAGE, [gone()], replace(FRAME, original=original))
    assert parsed(data).get_boundary() == "=_D0000001.abc.2"
    assert len(parts(data)) == 3


def test_the_postmaster_is_told_what_nobody_else_can_be_told() -> None:
    data = build_report(
        Report.FAILED,
        replace(MESSAGE, sender=""),
        [gone()],
        replace(FRAME, to="postmaster@clinic.example", about_notice=True),
    )
    assert str(parsed(data)["Subject"]).startswith("A notice could not be delivered")
    assert "this notice goes to you, the postmaster" in " ".join(words(data).split())


def test_held_mail_is_reported_with_why_and_that_it_need_not_be_sent_again() -> None:
    text = words(build_report(Report.DELAYED, MESSAGE, [gone()], replace(FRAME, held_because="It is big.")))
    assert "It is big. Please do not send it again." in " ".join(text.split())
    assert "It waits for:" in text and "bob" in text


def test_an_original_that_can_not_be_made_seven_bit_comes_as_its_header() -> None:
    header = b"From: a\nContent-Type: multipart/signed; boundary=b\n"
    body = b"--b\nContent-Type: text/plain\n\n\xff\n--b--\n"
    frame = replace(FRAME, original=header + b"\n" + body, is_whole=True)
    assert _with_sendable_original(frame) == replace(frame, original=header, is_whole=False)
    only_in_part = replace(frame, is_whole=False)
    assert _with_sendable_original(only_in_part) is only_in_part
    plain = replace(FRAME, original=b"From: a\n\n\xff\n", is_whole=True)
    assert _with_sendable_original(plain) is plain


@pytest.mark.parametrize(("attempts", "tries"), [(0, "0 times"), (1, "once"), (2, "2 times")])
def test_how_often_it_was_tried_is_reported(attempts: int, tries: str) -> None:
    busy = gone(to_world("bob@far.example", attempts=attempts), Reply(450, ("busy",), "4.2.1"))
    text = " ".join(words(build_report(Report.FAILED, MESSAGE, [busy], FRAME)).split())
    assert f"The station tried {tries} and has now given up." in text


@pytest.mark.parametrize(
    ("by", "is_named"), [("a.example", True), ("z.example", True), ("", False), (FRAME.hostname, False)]
)
def test_a_host_is_named_where_it_is_not_this_one(by: str, is_named: bool) -> None:
    part = replace(gone(), by=by)
    fields = dict(blocks(build_report(Report.FAILED, MESSAGE, [part], FRAME))[1])
    assert fields.get("Remote-MTA") == (f"dns; {by}" if is_named else None)


def test_only_a_delay_names_the_time_of_the_next_notice() -> None:
    until = "Sat, 29 Nov 2025 09:00:00 +0100"
    for report, retry_until, is_named in (
        (Report.DELAYED, until, True),
        (Report.DELAYED, "", False),
        (Report.FAILED, until, False),
        (Report.RELAYED, until, False),
    ):
        data = build_report(report, MESSAGE, [gone()], replace(FRAME, retry_until=retry_until))
        assert ("you will get another notice" in " ".join(words(data).split())) is is_named
        assert ("Will-Retry-Until" in dict(blocks(data)[1])) is is_named


def test_who_was_not_tried_hides_nobody_behind() -> None:
    data = build_report(
        Report.DELAYED, MESSAGE, [gone(reply=None), gone(to_world("c@far.example", attempts=1))], FRAME
    )
    told = " ".join(words(data).split())
    assert "bob@far.example: not tried yet" in told and "c@far.example, tries: 1" in told


def test_a_delay_after_a_try_is_reported_by_its_reply_and_a_failure_without_one_by_nothing() -> None:
    def told(report: Report, reply: Reply | None) -> str:
        return " ".join(words(build_report(report, MESSAGE, [gone(reply=reply)], FRAME)).split())

    no_line, reason = "has not had a line to the world", "The receiving mail host is busy."
    delayed = told(Report.DELAYED, Reply(421, ("busy",)))
    assert reason in delayed and no_line not in delayed
    assert no_line in told(Report.DELAYED, None)
    assert no_line not in told(Report.FAILED, None)


@pytest.mark.parametrize(
    ("about", "is_named"),
    [("", False), ("<é@x>", False), ("<1@x>", True), ("x" * 899, True), ("x" * 900, False), ("x" * 901, False)],
)
def test_which_message_ids_a_notice_answers(about: str, is_named: bool) -> None:
    header = "\n".join(_head(Report.FAILED, replace(MESSAGE, message_id_header=about), FRAME, b"b"))
    assert (f"In-Reply-To: {about}" in header, f"References: {about}" in header) == (is_named, is_named)


def test_an_original_in_ascii_is_attached_whatever_its_header() -> None:
    frame = replace(FRAME, original=b"X: " + b"y" * 200_000 + b"\n\nbody\n", is_whole=True)
    assert _with_sendable_original(frame) is frame


def test_a_long_value_is_folded_at_blanks_alone() -> None:
    first = "x" * 880
    assert _field("Diagnostic-Code", f"{first} well-kept") == f"Diagnostic-Code: {first}\n well-kept"


def test_the_next_boundary_is_taken_where_the_first_occurs() -> None:
    assert [_boundary("u", parts) for parts in ([b""], [b"=_u.0"], [b"=_u.0", b"=_u.1"])] == [
        b"=_u.0",
        b"=_u.1",
        b"=_u.2",
    ]


def test_what_was_delivered_has_a_status_of_success() -> None:
    replies = (None, Reply(450, ("busy",)), Reply(250, ("ok",), "2.1.5"))
    assert [_status(Report.DELIVERED, reply) for reply in replies] == ["2.0.0", "2.0.0", "2.1.5"]


def test_what_is_attached_is_called_so() -> None:
    for is_whole, name in ((True, "Message"), (False, "Message header")):
        data = build_report(Report.FAILED, MESSAGE, [gone()], replace(FRAME, is_whole=is_whole))
        assert parts(data)[2]["Content-Description"] == name
