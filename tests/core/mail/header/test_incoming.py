"""A header on its way in: repaired so that everybody divides it from the body in the same place, in any split."""

import pytest

from dialpost.core.mail.header.incoming import MAX_HELD_BYTES, MAX_LINE_BYTES, HeaderPass
from dialpost.core.mail.header.scan import HeaderFacts
from dialpost.core.mail.queue.records import Priority

HOST = "mail.clinic.example"
ADDED = b"Added: x\n"
MBOX = b"From a Mon Jan  1 10:00:00 2024\n"


def passed(content: bytes, step: int = 1 << 20) -> tuple[bytes, HeaderFacts]:
    header = HeaderPass(HOST, lambda facts: ADDED)
    out = b"".join(header.feed(content[at : at + step]) for at in range(0, len(content), step)) + header.finish()
    return out, header.facts()


CASES = [
    (b"A: b\n\nhello\n", b"A: b\n+\nhello\n"),
    (b"A: b\n c\n\nB: c\n", b"A: b\n c\n+\nB: c\n"),
    (b"", b"+\n"),
    (b"\nhello\n", b"+\nhello\n"),
    (b"A: b\n", b"A: b\n+\n"),
    (b"A: b", b"A: b\n+\n"),
    # a line that is not a field
    (b"hello\n\nthere\n", b"+\nhello\n\nthere\n"),
    (b"Hello,\nDate: tomorrow\n\nthere\n", b"+\nHello,\nDate: tomorrow\n\nthere\n"),
    (b"From now on\nhello\nDate: x\n\nthere\n", b"+\nFrom now on\nhello\nDate: x\n\nthere\n"),
    (b"A: b\nhello\n\nthere\n", b"A: b\n+\nhello\n\nthere\n"),
    (b"A: b\nhello\nodd: field\n", b"A: b\n+\nhello\nodd: field\n"),
    (b" A: b\n\nhello\n", b"+\n A: b\n\nhello\n"),
    (b"A: b\nspoilt line\nSubject: x\n\nhello\n", b"A: b\n+spoilt line\nSubject: x\n\nhello\n"),
    (b"A: b\nhello\nDate: tomorrow\n", b"A: b\n+\nhello\nDate: tomorrow\n"),
    # lines of an mbox file
    (MBOX + b"A: b\n\nhello\n", b"X-Mailbox-Line: " + MBOX + b"A: b\n+\nhello\n"),
    (b">From a\nA: b\n\n", b"X-Mailbox-Line: >From a\nA: b\n+\n"),
    (b"From - \n>From a\nA: b\n\n", b"X-Mailbox-Line: From - \nX-Mailbox-Line: >From a\nA: b\n+\n"),
    (b"A: b\nC: d\nFrom - now\nE: f\n\n", b"A: b\nC: d\nX-Mailbox-Line: From - now\nE: f\n+\n"),
    (MBOX + b"\nhello\n", b"X-Mailbox-Line: " + MBOX + b"+\nhello\n"),
    (b"From me to you\nhello\n\nthere\n", b"+\nFrom me to you\nhello\n\nthere\n"),
    (b"A: b\nFrom me to you\n\nthere\n", b"A: b\n+\nFrom me to you\n\nthere\n"),
    (b"A: b\n\nFrom here on\nE: f\n", b"A: b\n+\nFrom here on\nE: f\n"),
    # fields with spaces before the colon, and with odd names
    (b"From  : x\nFrom :x\nFrom\t: y\n\nhello\n", b"From  : x\nFrom :x\nFrom\t: y\n+\nhello\n"),
    (b"From:x\n>From: y\nGr\xc3\xb6\xc3\x9fe: 5\n\n", b"From:x\n>From: y\nGr\xc3\xb6\xc3\x9fe: 5\n+\n"),
    (b"n" * 300 + b": z\n\n", b"n" * 300 + b": z\n+\n"),
]


@pytest.mark.parametrize("step", [1, 3, 1 << 20])
@pytest.mark.parametrize(("content", "expected"), CASES)
def test_where_the_header_ends(content: bytes, expected: bytes, step: int) -> None:
    out, _ = passed(content, step)
    assert out == expected.replace(b"+", ADDED)


def test_facts() -> None:
    header = (
        b"Received: from a\n\tby mail.clinic.example with SMTP id D1; x\n"
        b"Received: by mail.clinic.example.evil with X\nDelivered-To: <Anna@x.example>\n"
        b"From: anna\nDate: x\nMESSAGE-id : <1@x>\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n aus =?x?=\n"
        b"Subject: another\nX-Priority: 1\n"
    )
    _, facts = passed(header + b"\nDate: in the body\nReceived: x\n", step=5)
    assert (facts.received, facts.own_received, facts.delivered_to) == (2, 1, ("anna@x.example",))
    assert (facts.has_from, facts.has_date, facts.has_message_id) == (True, True, True)
    assert (facts.message_id, facts.subject, facts.priority) == ("<1@x>", "Grüße aus =?x?=", Priority.URGENT)


def test_fields_on_both_sides_of_a_spoilt_line_are_seen() -> None:
    _, facts = passed(b"Subject: x\nspoilt\nDate: d\nMessage-ID: <1@x>\n\nhello\n")
    assert (facts.subject, facts.has_date, facts.message_id) == ("x", True, "<1@x>")
    _, facts = passed(b"Subject: x\nhello\nodd: field\n\nDate: d\n")
    assert not facts.has_date


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (b"text/plain; charset=koi8-r", b""),
        (b"multipart/mixed; boundary=b", b'--b\nContent-Type: text/plain;\n charset="KOI8-R"\n\n'),
    ],
)
def test_a_raw_subject_is_read_by_the_bodys_character_set(content_type: bytes, body: bytes) -> None:
    subject = "Смета".encode("koi8-r")
    _, facts = passed(b"Subject: " + subject + b"\nContent-Type: " + content_type + b"\n\n" + body)
    assert facts.subject == "Смета"


@pytest.mark.parametrize("step", [999, 65_536, 1 << 22])
def test_lines_and_headers_of_any_length_pass_in_bounded_memory(step: int) -> None:
    content = b"X: " + b"x" * 1_000_000 + b"\n y\nDate: d\n" + b"Z: z\n" * 50_000 + b"Message-ID: <1@x>\n\nhello\n"
    out, facts = passed(content, step)
    assert out == content.replace(b"\n\nhello", b"\n" + ADDED + b"\nhello")
    assert (facts.has_date, facts.message_id) == (True, "<1@x>")


def test_a_body_without_an_empty_line_is_not_held_for_ever() -> None:
    header = HeaderPass(HOST, lambda facts: b"")
    text = b"hello\n" * (MAX_HELD_BYTES // 6 + 2)
    assert header.feed(text) == b"\n" + text


@pytest.mark.parametrize(("first", "is_held"), [(b"hel\n", True), (b"hell\n", False)])
@pytest.mark.parametrize("before", [b"", b"From x\n"], ids=["at once", "after the line of a mailbox"])
def test_how_much_text_behind_a_field_is_held(before: bytes, first: bytes, is_held: bool) -> None:
    header = HeaderPass(HOST, lambda facts: b"")
    assert header.feed(before + b"Subject: x\n").endswith(b"Subject: x\n")
    text = first + b"hello\n" * (MAX_HELD_BYTES // 6)
    assert (header.feed(text) == b"") is is_held


def test_fields_are_cut_to_what_a_list_can_show() -> None:
    _, facts = passed(b"Subject: " + b"s" * 5000 + b"\nMessage-ID: <" + b"m" * 5000 + b">\n\n")
    assert (len(facts.subject), len(facts.message_id)) == (100, 250)


def test_a_very_long_line_that_never_ends_is_closed() -> None:
    line = b"X: ".ljust(MAX_LINE_BYTES, b"y")
    assert passed(line)[0] == line + b"\n" + ADDED + b"\n"


def test_an_author_s_line_is_repaired_unless_a_fold_belongs_to_it() -> None:
    def repaired_by(content: bytes, step: int) -> bytes:
        header = HeaderPass(HOST, lambda facts: ADDED, ("clinic.example",))
        pieces = (content[at : at + step] for at in range(0, len(content), step))
        return b"".join(map(header.feed, pieces)) + header.finish()

    for step in (1, 1 << 20):
        assert repaired_by(b"From: bert\nTo: anna\n\nx\n", step) == (
            b"From: bert@clinic.example\nTo: anna\n" + ADDED + b"\nx\n"
        )
        folded = b"Reply-To: bert\n (a fold)\nSubject: From: bert\n\nx\n"
        assert repaired_by(folded, step) == folded.replace(b"\n\nx", b"\n" + ADDED + b"\nx")


def test_only_an_authors_field_that_could_be_repaired_waits_for_the_next_line() -> None:
    header = HeaderPass(HOST, lambda facts: ADDED, ("clinic.example",))
    for line in (b"Subject: x\n", b"From: anna@clinic.example\n", b"Received: by x\n", b"\tfor y\n"):
        assert header.feed(line) == line
    assert header.feed(b"Sender: anna\n") == b""
    assert header.feed(b"Date: x\n") == b"Sender: anna@clinic.example\nDate: x\n"
