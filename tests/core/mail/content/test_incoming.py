"""Content on its way in: the end of DATA, dots, line endings, in any split."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialpost.core.mail.content.incoming import DotDecoder, LineEnds

NASTY = st.lists(
    st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"\r\n.", b"\r\n.\r\n", b"a", b"\0"]), max_size=30
).map(b"".join)


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(data) + 1) for place in cuts}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def decode(pieces: list[bytes]) -> tuple[bytes, bytes | None]:
    decoder, content, rest = DotDecoder(), b"", None
    for number, piece in enumerate(pieces):
        more, rest = decoder.feed(piece)
        content += more
        if rest is not None:
            return content, rest + b"".join(pieces[number + 1 :])
    return content, None


def reference(data: bytes) -> tuple[bytes, bytes | None] | None:
    """RFC 5321 §4.5.2 line by line, without a stream."""
    content = b""
    while True:
        line, crlf, data = data.partition(b"\r\n")
        if not crlf:
            return None
        if line == b".":
            return content, data
        content += line.removeprefix(b".") + crlf


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b".\r\nNOOP", (b"", b"NOOP")),
        (b"..\r\n.\r\n", (b".\r\n", b"")),
        (b"a\r\n.b\r\n..c\r\n.\r\n.\r\n", (b"a\r\nb\r\n.c\r\n", b".\r\n")),
        (b"\r\n.\r\n", (b"\r\n", b"")),
        (b"a\n.\nb\r.\rc\r\n.\nd\n.\r\n.\r\n", (b"a\n.\nb\r.\rc\r\n\nd\n.\r\n", b"")),
    ],
)
def test_where_data_ends(data: bytes, expected: tuple[bytes, bytes]) -> None:
    assert decode([data]) == expected
    assert decode([data[at : at + 1] for at in range(len(data))]) == expected


@given(NASTY, st.lists(st.integers(0, 200), max_size=6))
def test_any_content_in_any_split_is_what_line_by_line_gives(data: bytes, cuts: list[int]) -> None:
    data += b"\r\n.\r\nREST"
    assert decode(cut(data, cuts)) == reference(data)


@given(NASTY, st.lists(st.integers(0, 200), max_size=6))
def test_line_ends_in_any_split(data: bytes, cuts: list[int]) -> None:
    ends = LineEnds()
    stored = b"".join(ends.feed(piece) for piece in cut(data, cuts)) + ends.finish()
    *lines, rest = re.split(rb"\r*\n", data)
    lines += [rest.rstrip(b"\r")] if rest.strip(b"\r") else []
    assert stored == b"".join(re.sub(rb"\r+", b" ", line.lstrip(b"\r")) + b"\n" for line in lines)
    assert ends.finish() == b""


@pytest.mark.parametrize(
    ("data", "stored"),
    [
        (b"a\r\r\nb\r\r\n\r\r\nc", b"a\nb\n\nc\n"),  # line endings converted twice: the empty line stays one
        (b"a\r\r\r\n", b"a\n"),
        (b"a\n\rb\n\r\n\rc", b"a\nb\n\nc\n"),  # LF CR: no line becomes the fold of the one before
        (b"a\rb\r\rc\r", b"a b c\n"),
        (b"\r\ra\0\r\n\n", b"a\0\n\n"),
        (b"\r", b""),
    ],
)
def test_normalising_keeps_the_lines(data: bytes, stored: bytes) -> None:
    whole, bytewise = LineEnds(), LineEnds()
    assert whole.feed(data) + whole.finish() == stored
    assert b"".join(bytewise.feed(data[at : at + 1]) for at in range(len(data))) + bytewise.finish() == stored


def test_a_long_run_of_crs_takes_no_memory_and_no_time() -> None:
    ends = LineEnds()
    assert b"".join(ends.feed(b"\r" * 65_536) for _ in range(50)) + ends.feed(b"a\r\n") == b"a\n"


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=6))
def test_what_is_stuffed_on_the_way_out_comes_in_as_it_was(body: bytes, cuts: list[int]) -> None:
    from dialpost.core.mail.content.outgoing import DotStuffing

    ends = LineEnds()
    stored = ends.feed(body) + ends.finish()
    out = DotStuffing()
    content, rest = decode(cut(out.convert(stored) + out.finish(), cuts))
    again = LineEnds()
    assert (again.feed(content) + again.finish(), rest) == (stored, b"")
