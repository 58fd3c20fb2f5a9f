"""Leaf parts rewritten, at the lengths where a line ends."""

from __future__ import annotations

import base64
import quopri

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import cases
from dialpost.core.mail.content.encoders import (
    Base64,
    Encoder,
    QuestionMarks,
    QuotedPrintable,
    RepairedBase64,
    RepairedQuotedPrintable,
)


def encoded(encoder: Encoder, *pieces: bytes, keep_line_end: bool = True) -> bytes:
    return b"".join(map(encoder.feed, pieces)) + encoder.finish(keep_line_end=keep_line_end)


@pytest.mark.parametrize("size", [55, 56, 57, 58, 113, 114, 115])
def test_base64_lines_are_full_and_the_last_line_end_may_be_the_boundarys(size: int) -> None:
    text = b"x" * size
    for keep, content in ((True, text + b"\r\n"), (False, text)):
        assert encoded(Base64(), text[:30], text[30:] + b"\n", keep_line_end=keep) == base64.encodebytes(content)


def test_base64_of_two_lines_in_pieces() -> None:
    assert encoded(Base64(), b"a\n", b"b") == base64.encodebytes(b"a\r\nb")
    assert encoded(Base64(), b"a\n", b"\n", b"b\n", keep_line_end=False) == base64.encodebytes(b"a\r\n\r\nb")
    assert encoded(Base64()) == b""


def test_quoted_printable_keeps_line_ends_and_joins_pieces() -> None:
    assert encoded(QuotedPrintable(), b"a\xfc=", b"b \n", b"c\n") == b"a=FC=3D=\nb=20\nc\n"


@pytest.mark.parametrize("size", [75, 76, 77, 78])
def test_a_base64_line_in_order_stays_and_a_longer_one_is_broken(size: int) -> None:
    line = b"A" * size
    wanted = line + b"\n" if size <= 76 else line[:76] + b"\n" + line[76:] + b"\n"
    assert encoded(RepairedBase64(), line + b"\n", b"BBBB\n") == wanted + b"BBBB\n"
    assert encoded(RepairedBase64(), b"AA AA\n") == b"AA AA\n"


def test_a_base64_line_with_a_blank_stays_as_long_as_a_line_may_be() -> None:
    longest = b"A" * 38 + b" " + b"A" * 37 + b"\n"
    assert encoded(RepairedBase64(), longest) == longest
    assert encoded(RepairedBase64(), b"A" + longest) == b"A" * 76 + b"\n"


def test_base64_in_pieces_and_with_foreign_octets_is_put_in_order() -> None:
    assert (
        encoded(RepairedBase64(), b"A" * 70, b"\xff" + b"B" * 10 + b" \tC\n") == b"A" * 70 + b"B" * 6 + b"\nBBBBC\n"
    )
    assert encoded(RepairedBase64(), b"A" * 152 + b"\n") == (b"A" * 76 + b"\n") * 2
    assert encoded(RepairedBase64(), b"AAAA") == b"AAAA"


@cases(
    ("pieces", "wanted"),
    [
        ([b"x" * 76 + b"\n"], b"x" * 76 + b"\n"),
        ([b"x" * 77 + b"\n"], b"x" * 75 + b"=\nxx\n"),
        ([b"x" * 74 + b"=41yz\n"], b"x" * 74 + b"=\n=41yz\n"),
        ([b"x" * 73 + b"=41yz\n"], b"x" * 73 + b"=\n=41yz\n"),
        ([b"x" * 72 + b"=41yz\n"], b"x" * 72 + b"=41=\nyz\n"),
        ([b"x" * 73 + b"\xfc" + b"y\n"], b"x" * 73 + b"=\n=FCy\n"),
        ([b"a\xfc", b"b\n", b"c"], b"a=FCb\nc"),
        ([b"x" * 70, b"y" * 7, b"\n"], b"x" * 70 + b"y" * 5 + b"=\nyy\n"),
    ],
)
def test_a_quoted_printable_line_is_never_broken_inside_a_pair(pieces: list[bytes], wanted: bytes) -> None:
    assert encoded(RepairedQuotedPrintable(), *pieces) == wanted


@given(st.lists(st.sampled_from([b"x" * 30, b"=41", b"\xfc", b"y", b"\n"]), max_size=20))
def test_repaired_quoted_printable_stands_for_the_same(pieces: list[bytes]) -> None:
    made = encoded(RepairedQuotedPrintable(), *pieces)
    assert quopri.decodestring(made) == quopri.decodestring(b"".join(pieces))
    assert made.isascii() and all(len(line) <= 76 for line in made.split(b"\n"))


def test_fields_for_programs_get_question_marks() -> None:
    assert encoded(QuestionMarks(), b"a\x7f\x80\xff\n") == b"a\x7f??\n"
