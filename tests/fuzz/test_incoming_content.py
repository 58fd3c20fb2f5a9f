"""Mail that no program should write, on its way in: taken, in any split the same, its structure as it was."""

import email
import email.policy
import re

from hypothesis import example
from hypothesis import strategies as st

from dialpost.core.mail.content.incoming import LineEnds
from dialpost.core.mail.header.incoming import HeaderPass
from dialpost.core.mail.header.scan import HeaderFacts
from dialpost.core.mail.header.words import codec_of, decoded, read_words
from fuzzing import fuzz

PIECES = st.sampled_from(
    [
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\r\n",
        b"\n\r",
        b" ",
        b"\t",
        b":",
        b"\0",
        b"A: b",
        b"Date: x",
        b"From: y",
        b"From  : z",
        b"From a Mon Jan 1 10:00:00 2024",
        b">From b",
        b"From - ",
        b"Subject: =?utf-8?q?",
        b"?=",
        b"hello",
        b"\xff",
        b"\xc3\xbc",
    ]
)
CONTENT = st.one_of(st.lists(PIECES, max_size=40).map(b"".join), st.binary(max_size=400))
FIELDS = st.lists(
    st.tuples(
        st.sampled_from([b"To", b"Date", b"Subject", b"X-Y", b"Content-Type"]),
        st.binary(max_size=30).map(lambda value: b"v" + re.sub(rb"[\r\n]", b"", value)),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)
CHARSETS = (
    "utf-8",
    "gb2312",
    "iso-2022-jp",
    "iso-2022-kr",
    "hz",
    "utf-7",
    "utf-16",
    "big5",
    "euc-jp",
    "hex",
    "idna",
)
LABELS = st.one_of(st.sampled_from(CHARSETS), st.text(max_size=20))


def normalised(content: bytes, step: int) -> bytes:
    ends = LineEnds()
    return b"".join(ends.feed(content[at : at + step]) for at in range(0, len(content), step)) + ends.finish()


def passed(stored: bytes, step: int = 1 << 20, added: bytes = b"") -> tuple[bytes, HeaderFacts]:
    header = HeaderPass("mail.clinic.example", lambda facts: added)
    out = b"".join(header.feed(stored[at : at + step]) for at in range(0, len(stored), step)) + header.finish()
    return out, header.facts()


def lines_of(content: bytes) -> list[bytes]:
    """All that say something, as they were before mailbox lines became fields."""
    return [line for line in content.replace(b"X-Mailbox-Line: ", b"").split(b"\n") if line]


@example(content=b"X-Mailbox-Line: ", step=1)
@fuzz(CONTENT, st.integers(1, 9), examples=600)
def test_any_bytes_in_any_split_become_the_same_message(content: bytes, step: int) -> None:
    stored = normalised(content, 1 << 20)
    assert normalised(content, step) == stored
    assert b"\r" not in stored
    assert stored.count(b"\n") - content.count(b"\n") in (0, 1)
    assert normalised(stored, step) == stored
    whole = passed(stored)
    assert passed(stored, step) == whole
    out, _ = whole
    assert b"\n\n" in b"\n" + out, "there is always an empty line"
    assert passed(out)[0] == out
    assert lines_of(out) == lines_of(stored)


@fuzz(FIELDS, CONTENT, st.sampled_from([b"\r\n", b"\n", b"\r\r\n", b"\n\r"]), examples=400)
def test_a_header_keeps_its_fields_and_the_body_its_lines(
    fields: list[tuple[bytes, bytes, bool]], body: bytes, line_end: bytes
) -> None:
    """Python's own parser sees the same in what is stored as in the message as it would be written properly."""
    lines = [name + b": " + value + (line_end + b"\tfold" if folds else b"") for name, value, folds in fields]
    content = line_end.join(lines) + line_end * 2 + body
    out, facts = passed(normalised(content, 1 << 20), added=b"Added: x\n")
    seen = email.message_from_bytes(out, policy=email.policy.compat32)
    assert seen.keys() == [name.decode() for name, _, _ in fields] + ["Added"]
    assert facts.has_date == any(name == b"Date" for name, _, _ in fields)
    expected = normalised((line_end[:1] if line_end == b"\n\r" else b"") + body, 1 << 20)
    assert out.partition(b"\n\n")[2] == (expected[1:] if line_end == b"\n\r" else expected)


@fuzz(CONTENT, LABELS, examples=500)
def test_header_text_of_any_bytes_is_read(value: bytes, label: str) -> None:
    shown = read_words(value, label)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", shown)
    word = b"=?" + label.encode("utf-8", "replace") + b"?Q?" + value + b"?="
    read_words(b"a " + word + word, "")
    assert isinstance(decoded(value, label), str)
    assert codec_of(label) == "" or "".encode(codec_of(label)) is not None
