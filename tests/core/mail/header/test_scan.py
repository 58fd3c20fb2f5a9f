"""What a message's header tells the intake."""

import pytest

from dialpost.core.mail.header.scan import HeaderFacts, HeaderScan, fields_of
from dialpost.core.mail.queue.records import Priority

HOST = "mail.clinic.example"


def scan(text: bytes | str) -> HeaderFacts:
    header = HeaderScan(HOST)
    for line in (text.encode() if isinstance(text, str) else text).split(b"\n"):
        header.line(line)
    return header.facts()


@pytest.mark.parametrize(
    ("line", "priority"),
    [
        ("X-Priority: 1 (Highest)", Priority.URGENT),
        ("Importance: High", Priority.URGENT),
        ("Priority: URGENT", Priority.URGENT),
        ("X-Priority: 3", Priority.NORMAL),
        ("X-Priority: 5", Priority.BULK),
        ("Precedence: list", Priority.BULK),
        ("Importance: low", Priority.BULK),
        ("Priority: x", Priority.NORMAL),
        ("Precedence: bulk\nImportance: high", Priority.URGENT),
        ("Subject: urgent", Priority.NORMAL),
    ],
)
def test_priority(line: str, priority: Priority) -> None:
    assert scan(line + "\n\n").priority is priority


@pytest.mark.parametrize(
    "subject",
    ["=?utf-8?b?!!!?=", "=?no-such?q?x?=", "=?utf-8?q?=ZZ?=", "\x80\xff", "a\x1b[31m", "=?utf-8?q?=C2=9B31m?="],
)
def test_a_spoilt_subject_is_harmless_to_show(subject: str) -> None:
    shown = scan(b"Subject: " + subject.encode("latin-1") + b"\n\n").subject
    assert shown.isprintable()


def test_an_encoded_line_end_in_a_subject_is_no_line_end() -> None:
    assert scan("Subject: =?utf-8?q?a=0D=0Ab?=\n\n").subject == "a b"


def test_the_fields_of_a_block() -> None:
    block = b"A: b\n c\nno field\nFrom : d\n\nE: f\n"
    assert fields_of(block) == [(b"a", b" b c"), (b"from", b" d")]


def test_the_authors_of_senders_are_kept() -> None:
    named = scan("Sender: a@x.example\nResent-Sender: b@x.example\nResent-From: c@x.example, d@x.example\n").named
    assert (named.senders, named.resent_senders) == (("a@x.example",), ("b@x.example",))
    assert named.resent_authors == ("c@x.example", "d@x.example")


def test_only_from_names_authors() -> None:
    facts = scan("Subject: x@y.example\nFrom: Anna <anna@clinic.example>\nTo: bob@z.example\nFrom: eve@z.example\n")
    assert list(facts.named.authors) == ["anna@clinic.example", "eve@z.example"]
