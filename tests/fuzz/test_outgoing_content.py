"""Stored mail of any bytes on its way out: as the next host takes it, or refused with a reason; never a crash."""

import email
import re

from hypothesis import strategies as st

from dialpost.core.mail.content.downgrade import CannotDowngradeError, Downgrade, Goal, plan
from dialpost.core.mail.content.outgoing import DotStuffing, Survey
from dialpost.core.mail.header.encoding import ascii_field
from fuzzing import fuzz

PIECES = st.sampled_from(
    [
        b"\n",
        b"\n\n",
        b"--a\n",
        b"--a--\n",
        b"--b\n",
        b"Content-Type: multipart/mixed; boundary=a\n",
        b"Content-Type: multipart/signed; boundary=b\n",
        b"Content-Type: message/rfc822\n",
        b"Content-Type: text/html\n",
        b"Content-Type: text/plain; charset=koi8-r\n",
        b"Content-Type: multipart/digest\n",
        b"MIME-Version: 1.0\n",
        b"Content-Transfer-Encoding: base64\n",
        b"Content-Transfer-Encoding: quoted-printable\n",
        b"Content-Transfer-Encoding: 8bits\n",
        b"=C3=BC=\n",
        b"Subject: =?utf-8?q?\xc3\xbc?= \xff\n",
        b'From: "\xfc" <a@b> (\xfc\n',
        b"x" * 700,
        b"y z" * 300,
        b"\xfc",
        b"\xc3\xbc",
        b"\0",
        b".",
        b"QUJD",
        b"\t",
        b" ",
    ]
)
CONTENT = st.one_of(st.lists(PIECES, max_size=25).map(b"".join), st.binary(max_size=400)).map(
    lambda content: content.replace(b"\r", b"")  # as stored
)
GOALS = st.builds(Goal, st.booleans(), st.booleans(), st.booleans())
FIELD_PIECES = st.sampled_from(
    [
        b'"',
        b"(",
        b")",
        b"<",
        b">",
        b"\\",
        b"@",
        b",",
        b";",
        b"=",
        b"*",
        b" ",
        b"\n ",
        b"\xfc",
        b"\xc3\xbc",
        b"a",
        b"=?",
        b"?=",
        b"=?utf-8?q?",
        b"?b?",
        b"filename",
        b"boundary=",
        b"\0",
    ]
)
CHARSETS = st.sampled_from(["", "koi8-r", "gb2312", "utf-16", "no-such"])
NAMES = st.sampled_from([b"Subject", b"From", b"Content-Type", b"Content-Disposition", b"Date", b"X-\xfc", b"\0"])


def rewritten(content: bytes, goal: Goal, step: int = 1 << 20) -> bytes:
    blocks = [content[at : at + step] for at in range(0, len(content), step)]
    walker = Downgrade(plan(lambda: blocks, goal))
    return b"".join(walker.feed(block) for block in blocks) + walker.finish()


@fuzz(CONTENT, GOALS, st.integers(1, 50), examples=600)
def test_any_content_is_rewritten_or_refused_with_a_reason(content: bytes, goal: Goal, step: int) -> None:
    try:
        out = rewritten(content, goal)
    except CannotDowngradeError as error:
        assert str(error) and goal.ascii_body | goal.ascii_header
        return
    assert out == rewritten(content, goal, step)
    assert max(map(len, out.split(b"\n"))) <= 998
    if goal.ascii_header and goal.ascii_body:
        assert out.isascii()
    if content.isascii() and max(map(len, content.split(b"\n"))) <= 998 and not re.search(rb"8bits", content):
        assert out in (content, content + b"\n")  # a header without an end gets one
    assert rewritten(out, goal) == out
    assert len(out) < 4 * len(content) + 2000
    survey, stuffing = Survey(), DotStuffing()
    survey.feed(out)
    wire = stuffing.convert(out) + stuffing.finish()
    assert b"\r\n.\r\n" not in wire[:-3] and wire.endswith(b".\r\n") and not re.search(rb"\r(?!\n)|(?<!\r)\n", wire)
    assert survey.facts().wire_size == len(re.sub(rb"(?m)^\.\.", b".", wire)) - 3


@fuzz(NAMES, st.lists(FIELD_PIECES, max_size=30), CHARSETS, examples=600)
def test_any_field_becomes_one_field_in_ascii(name: bytes, pieces: list[bytes], charset: str) -> None:
    field = name + b": " + b"".join(pieces) + b"\n"
    done = ascii_field(field, charset)
    if done is None:
        assert name == b"From"
        return
    assert done.isascii() and done.endswith(b"\n")
    assert ascii_field(done, charset) == done
    if not re.search(rb"\n[ \t\n]*\n", field + b"\n"[:0]) and b"\0" not in name:
        assert len(email.message_from_bytes(done + b"\n").items()) == 1
