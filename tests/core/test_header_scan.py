"""What a message's header tells the intake."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialpost.core.header_scan import MAX_HEADER_BYTES, HeaderFacts, header_is_whole, scan_header
from dialpost.core.queue_records import Priority

HOST = "mail.clinic.example"


def scan(text):
    return scan_header(text.encode() if isinstance(text, str) else text, HOST)


def test_an_ordinary_header():
    header = (
        "Received: from a\n\tby mail.clinic.example with SMTP id D1; x\n"
        "Received: by mail.clinic.example.evil with X\n"
        "From: anna\nDate: x\nMESSAGE-id : <1@x>\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n aus =?x?=\n"
    )
    assert scan(header + "\nDate: in the body\nReceived: x\n") == HeaderFacts(
        end=len(header), is_separated=True, received=2, own_received=1, has_from=True, has_date=True,
        message_id="<1@x>", subject="Grüße aus =?x?=",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("content", "end", "is_separated"),
    [("", 0, False), ("\nbody\n", 0, True), ("hello\n\nFrom: x\n", 0, False), ("A: b\nhello\n", 5, False),
     (" folded first\nA: b\n", 0, False)],
)  # fmt: skip
def test_what_is_no_header(content, end, is_separated):
    facts = scan(content)
    assert (facts.end, facts.is_separated, facts.has_from) == (end, is_separated, False)


@pytest.mark.parametrize(
    ("line", "priority"),
    [
        ("X-Priority: 1 (Highest)", Priority.URGENT), ("Importance: High", Priority.URGENT),
        ("Priority: URGENT", Priority.URGENT), ("X-Priority: 3", Priority.NORMAL), ("X-Priority: 5", Priority.BULK),
        ("Precedence: list", Priority.BULK), ("Importance: low", Priority.BULK), ("Priority: x", Priority.NORMAL),
        ("Precedence: bulk\nImportance: high", Priority.URGENT), ("Subject: urgent", Priority.NORMAL),
    ],
)  # fmt: skip
def test_priority(line, priority):
    assert scan(line + "\n\n").priority is priority


@pytest.mark.parametrize(
    "subject",
    ["=?utf-8?b?!!!?=", "=?no-such?q?x?=", "=?utf-8?q?=ZZ?=", "\x80\xff", "a\x1b[31m", "=?utf-8?q?=C2=9B31m?="],
)
def test_a_spoilt_subject_is_harmless_to_show(subject):
    shown = scan(b"Subject: " + subject.encode("latin-1") + b"\n\n").subject
    assert shown.isprintable()


def test_an_encoded_line_end_in_a_subject_is_no_line_end():
    assert scan("Subject: =?utf-8?q?a=0D=0Ab?=\n\n").subject == "a b"


def test_fields_are_cut_to_what_a_list_can_show():
    facts = scan("Subject: " + "s" * 5000 + "\nMessage-ID: <" + "m" * 5000 + ">\n\n")
    assert (len(facts.subject), len(facts.message_id)) == (100, 250)


def test_when_a_header_is_whole():
    cases = [b"", b"\n", b"A: b\n", b"A: b\n\n", b"x" * (MAX_HEADER_BYTES - 1), b"x" * MAX_HEADER_BYTES]
    assert [header_is_whole(case) for case in cases] == [False, True, False, True, False, True]


@given(
    st.lists(
        st.sampled_from([b"A: b", b"\n", b" ", b"Subject:", b"=?utf-8?b?", b"?=", b"\xff", b"\0", b"Received:"]),
        max_size=30,
    )
)
def test_no_header_makes_it_fail(parts):
    content = b"".join(parts)
    facts = scan(content)
    assert 0 <= facts.end <= len(content)
    assert facts.subject.isprintable() or "\ufffd" in facts.subject or facts.subject == ""
