"""What a message's header tells the intake."""

import pytest

from cases import cases
from dialpost.core.mail.header.scan import _BODY_LOOK_BYTES, HeaderFacts, HeaderScan, fields_of
from dialpost.core.mail.queue.records import Priority

HOST = "mail.clinic.example"


def scan(text: bytes | str) -> HeaderFacts:
    header = HeaderScan(HOST)
    for line in (text.encode() if isinstance(text, str) else text).split(b"\n"):
        header.line(line)
    return header.facts()


@cases(
    ("line", "priority"),
    [
        ("X-Priority: 1 (Highest)", Priority.URGENT),
        ("Importance: High", Priority.URGENT),
        ("Priority: URGENT", Priority.URGENT),
        ("X-Priority: 3", Priority.NORMAL),
        ("X-Priority: 5 (Lowest)", Priority.BULK),
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


@cases(
    ("line", "priority"),
    [
        ("X-Priority: 2", Priority.URGENT),
        ("X-Priority: 4", Priority.BULK),
        ("X-Priority:", Priority.NORMAL),
        ("Priority: non-urgent", Priority.BULK),
        ("Priority: normal", Priority.NORMAL),
        ("Importance: normal", Priority.NORMAL),
        ("Precedence: bulk", Priority.BULK),
        ("Precedence: junk", Priority.BULK),
        ("Precedence: first-class", Priority.NORMAL),
        ("X-Priority: 1\nX-Priority: 5", Priority.URGENT),  # the first of several
        ("Importance: low\nPriority: urgent", Priority.URGENT),
    ],
)
def test_each_way_to_tell_a_priority(line: str, priority: Priority) -> None:
    assert scan(line).priority is priority


@pytest.mark.parametrize(
    ("value", "is_own"),
    [
        (f"from x by {HOST} with ESMTP", True),
        (f"from x\n\tby {HOST.upper()}\n with ESMTP", True),
        (f"from x by {HOST}", True),
        (f"from x by {HOST}.example", False),
        (f"from x by x{HOST}", False),
        (f"from {HOST} by x", False),
    ],
)
def test_a_hop_of_this_host(value: str, is_own: bool) -> None:
    facts = scan(f"Received: {value}\nReceived: from y by z")
    assert (facts.received, facts.own_received) == (2, is_own)


def test_who_it_was_delivered_to() -> None:
    assert scan("Delivered-To: <Anna@B.example> \nDelivered-To: c@d").delivered_to == ("anna@b.example", "c@d")
    many = scan("".join(f"Delivered-To: {number}\n" for number in range(1002))).delivered_to
    assert len(many) == 1000 and many[-1] == "999"
    assert scan("Delivered-To: " + "x" * 300).delivered_to == ("x" * 250,)


def test_which_fields_are_there() -> None:
    for name, facts in (
        ("From", (True, False, False)),
        ("Date", (False, True, False)),
        ("Message-ID", (False, False, True)),
    ):
        found = scan(f"{name}:\n")
        assert (found.has_from, found.has_date, found.has_message_id) == facts
    assert scan("From x\n").has_from is False
    assert scan("Message-ID: <1@x>\nMessage-ID: <2@x>").message_id == "<1@x>"
    assert scan("Message-ID: <1\x00\x7f@x>").message_id == "<1 @x>"
    assert scan("Message-ID: " + "x" * 251).message_id == "x" * 250
    assert scan("Subject: " + "x" * 101).subject == "x" * 100


def test_only_the_last_of_many_authors_is_looked_at_beyond_ten() -> None:
    lines = [f"a{number}@x.example" for number in range(13)]
    for name in ("From", "Sender"):
        facts = scan("".join(f"{name}: {one}\n" for one in lines))
        assert list(facts.named.authors or facts.named.senders) == [*lines[:10], lines[12]]
    assert list(scan("".join(f"From: {one}\n" for one in lines[:11])).named.authors) == lines[:11]


def test_a_value_is_read_up_to_4096_bytes() -> None:
    fold = "\n " + "x" * 1023
    facts = scan("Subject:" + fold * 3 + "\n " + "y" * 2000 + "\n z")
    assert len(facts.subject) == 100
    long = scan("Message-ID: " + " " * 4094 + "\n <1@x>")
    assert long.message_id == "<1@x>"
    assert scan("Message-ID: " + " " * 4095 + "\n <1@x>").message_id == ""


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ('text/plain; charset="windows-1250"', b""),
        ("text/plain;\n charset=Windows-1250", b""),
        ("text/plain; charset*=us-ascii'en'windows-1250", b""),
        ("multipart/mixed; boundary=x", b"--x\nContent-Type: text/plain; charset=windows-1250\n"),
        ("multipart/mixed", b"x" * (4096 - 20) + b"charset=windows-1250"),
    ],
)
def test_where_a_raw_subject_finds_its_character_set(content_type: str, body: bytes) -> None:
    header = HeaderScan(HOST)
    lines = [b"Subject: " + "Łódź".encode("cp1250"), *(b"Content-Type: " + content_type.encode()).split(b"\n")]
    for line in lines:
        header.line(line)
    assert body == b"" or header.facts().subject != "Łódź"
    for start in range(0, len(body), 1000):
        header.body(body[start : start + 1000])
    assert header.facts().subject == "Łódź"


def test_the_body_is_looked_at_only_so_far() -> None:
    header = HeaderScan(HOST)
    header.line(b"Subject: " + "Łódź".encode("cp1250"))
    header.body(b"x" * (4096 - 19) + b"charset=windows-1250")
    header.body(b"charset=windows-1250")
    assert header.facts().subject != "Łódź"


def test_the_header_is_not_read_again_for_a_body_that_cannot_matter() -> None:
    header = HeaderScan(HOST)
    header.line(b"Subject: figures")
    before = header.facts()
    header.body(b"charset=windows-1250")
    assert header.facts() is before


def test_a_fold_belongs_to_the_field_before_it() -> None:
    assert fields_of(b"A: b\nC: d\n e\n\n") == [(b"a", b" b"), (b"c", b" d e")]


def test_as_much_of_the_body_is_kept_as_is_looked_at() -> None:
    scan = HeaderScan("x.example")
    for size in (_BODY_LOOK_BYTES - 1, 5, 5):
        scan.body(b"y" * size)
    assert scan._body == b"y" * _BODY_LOOK_BYTES
