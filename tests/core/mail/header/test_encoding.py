"""Header fields made ASCII: what a reader sees stays, addresses are not touched."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import cases
from dialpost.core.mail.header.encoding import ascii_field, text_field
from dialpost.core.mail.header.words import readable


def word(text: str, charset: str = "utf-8", label: str | None = None) -> bytes:
    return f"=?{label or charset}?B?".encode() + base64.b64encode(text.encode(charset)) + b"?="


@cases(
    ("field", "done"),
    [
        (b"Subject: plain\n", b"Subject: plain\n"),
        ("no field with ü\n".encode(), None),
        ("Subject: a ü b\n".encode(), b"Subject: a " + word("ü") + b" b\n"),
        ("Subject: ü ö b ä\n".encode(), b"Subject: " + word("ü ö") + b" b " + word("ä") + b"\n"),
        ("Subject: xü\n öy\n".encode(), b"Subject: " + word("xü öy") + b"\n"),
        (b"Subject: \xfc\n", b"Subject: " + word("\xfc", "latin-1", "unknown-8bit") + b"\n"),
        ("Message-ID: <ü@x>\n".encode(), b"Message-ID: <??@x>\n"),
        ("DKIM-Signature: ü\n".encode(), b"DKIM-Signature: ??\n"),
        ("Sübject: x\n".encode(), b"S??bject: x\n"),
        ("To: ü <a@b>\n".encode(), b"To: " + word("ü") + b" <a@b>\n"),
        ('To: "ü \\" x" <a@b>\n'.encode(), b"To: " + word('ü " x') + b" <a@b>\n"),
        ("To: a@b (ü)\n".encode(), b"To: a@b (" + word("ü") + b")\n"),
        ("To: a@b (\\ü)\n".encode(), b"To: a@b (" + word("ü") + b")\n"),
        ("To: ü@b\n".encode(), None),
        ('To: "ü"@b\n'.encode(), None),
        ('To: "ü".x@b\n'.encode(), None),
        ("Bcc: <ü@b>\n".encode(), None),
        ("Errors-To: x <a@ü>\n".encode(), None),
        ("X-To: ü@b\n".encode(), b"X-To: " + word("ü@b") + b"\n"),
        ("Content-Type: a/b; name=ü.txt\n".encode(), b"Content-Type: a/b;\n name*=utf-8''%C3%BC.txt\n"),
        ('Content-Type: a/b; name="ü x"; c=d\n'.encode(), b"Content-Type: a/b;\n name*=utf-8''%C3%BC%20x; c=d\n"),
        (b'Content-Type: a/b; name="\xc3\xbc; c=d\n', b"Content-Type: a/b;\n name*=utf-8''%22%C3%BC; c=d\n"),
        (b"Content-Disposition: a; filename=\xfc\n", b"Content-Disposition: a;\n filename*=unknown-8bit''%FC\n"),
        (
            "Content-Disposition: a; filename*=utf-8''ü\n".encode(),
            b"Content-Disposition: a;\n filename*=utf-8''%C3%BC\n",
        ),
        ('Content-Type: a/b (ü); c="d"\n'.encode(), b'Content-Type: a/b (??); c="d"\n'),
        ('Content-Type: a/b; c="(ü)"\n'.encode(), b"Content-Type: a/b;\n c*=utf-8''%28%C3%BC%29\n"),
        ("Content-Type: a/b (; c=ü)\n".encode(), b"Content-Type: a/b (; c=??)\n"),
        ("Content-Type: a/ü\n".encode(), b"Content-Type: a/??\n"),
        (b'Content-Type: a/b; name="\n' + b"\xfc\n", b'Content-Type: a/b; name="\n?\n'),
        ("Subject: =?utf-8?q?ü?= x\n".encode(), b"Subject: " + word("ü") + b" x\n"),
        ("Subject: =?utf-8?q?u?= ö\n".encode(), b"Subject: =?utf-8?q?u?= " + word("ö") + b"\n"),
    ],
)
def test_a_field_in_ascii(field: bytes, done: bytes | None) -> None:
    assert ascii_field(field) == done


def test_the_bodys_character_set_is_believed_where_text_is_no_utf_8() -> None:
    assert ascii_field(b"Subject: \xfc\n", "iso-8859-1") == b"Subject: " + word("ü") + b"\n"
    assert ascii_field("Subject: ü\n".encode(), "iso-8859-1") == b"Subject: " + word("ü") + b"\n"
    assert ascii_field(b"Content-Type: a; name=\xfc\n", "iso-8859-1") == b"Content-Type: a;\n name*=utf-8''%C3%BC\n"


@pytest.mark.parametrize("before", range(42, 47))
@pytest.mark.parametrize("character", ["ü", "漢", "\U0001f600"])
def test_no_character_is_cut_between_two_encoded_words(before: int, character: str) -> None:
    text = "x" * before + character + "yü"
    done = ascii_field(f"Subject: {text}\n".encode())
    assert done is not None
    words = done.decode().removeprefix("Subject: ").strip().split("\n ")
    pieces = [base64.b64decode(one.removeprefix("=?utf-8?B?").removesuffix("?=")).decode() for one in words]
    assert "".join(pieces) == text
    assert all(len(piece.encode()) <= 45 and len(one) <= 75 for piece, one in zip(pieces, words, strict=True))
    assert len(pieces[0].encode()) + len(character.encode()) > 45  # as long as may be


def test_eight_bit_text_nobody_can_read_is_cut_where_it_must() -> None:
    done = ascii_field(b"Subject: " + b"\xfc" * 46 + b"\n")
    assert (
        done
        == b"Subject: " + b"\n ".join(word("\xfc" * count, "latin-1", "unknown-8bit") for count in (45, 1)) + b"\n"
    )


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("plain", "Subject: plain"),
        (" two\r\nlines\t", "Subject: two lines"),
        ("x" * 69, "Subject: " + "x" * 69),
        ("x" * 60 + " yyyyyyyyyy", "Subject: " + "x" * 60 + "\n yyyyyyyyyy"),
        ("", "Subject: "),
        ("=?", "Subject: =?utf-8?B?PT8=?="),
        ("ü", "Subject: =?utf-8?B?w7w=?="),
    ],
)
def test_a_field_of_our_own(text: str, field: str) -> None:
    assert text_field("Subject", text) == field


@given(st.text(max_size=200))
def test_any_text_reads_the_same_and_fits(text: str) -> None:
    field = text_field("Subject", text)
    assert field.isascii() and all(len(line) <= 78 for line in field.split("\n"))
    wanted = "".join(" " if char < " " or char == "\x7f" else char for char in text).split(" ")
    shown = readable(field.removeprefix("Subject:").encode())
    if all(char.isprintable() for char in "".join(wanted)):
        assert shown.split() == " ".join(wanted).split()


def test_no_field_begins_with_an_empty_line() -> None:
    assert text_field("Subject", "x" * 77).startswith("Subject: =?utf-8?B?")


def test_a_field_is_folded_between_words_never_within_one() -> None:
    begin = "x" * 60
    assert text_field("Subject", f"{begin} over-the-horizon") == f"Subject: {begin}\n over-the-horizon"
