"""Content on its way out: line endings, dots, facts; the same whatever the split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialpost.core.mail.content.outgoing import ContentFacts, DotStuffing, LineEnds, LineFold, Survey
from dialpost.core.mail.esmtp.framing import ChunkFraming, DataFraming

CASES = [
    (b"a\nb\n", b"a\r\nb\r\n.\r\n"),
    (b"a\nb", b"a\r\nb\r\n.\r\n"),
    (b"", b".\r\n"),
    (b".\n", b"..\r\n.\r\n"),
    (b"..\n.x\nx.\n", b"...\r\n..x\r\nx.\r\n.\r\n"),
    (b"\n.\n\n", b"\r\n..\r\n\r\n.\r\n"),
    # A stored CR can't smuggle an end of DATA: no bare CR, no bare LF, no line that is one dot.
    (b"a\r\n.\r\nMAIL", b"a\r\n..\r\nMAIL\r\n.\r\n"),
    (b"a\r.\rb", b"a . b\r\n.\r\n"),
    (b"a\n.\r", b"a\r\n.. \r\n.\r\n"),
]


@pytest.mark.parametrize("content, wire", CASES)
@pytest.mark.parametrize("step", [1, 2, 100])
def test_content_for_data(content: bytes, wire: bytes, step: int) -> None:
    stuffing = DotStuffing()
    pieces = [stuffing.convert(content[start : start + step]) for start in range(0, len(content), step)]
    assert b"".join(pieces) + stuffing.finish() == wire


pieces = st.lists(st.sampled_from([b"\r", b"\n", b".", b"x", b"\r\n", b"\n.\n", b"\r\n.\r\n"]), max_size=30)


@given(pieces)
def test_no_content_ends_data_early_and_it_arrives_as_it_was(parts: list[bytes]) -> None:
    stuffing = DotStuffing()
    wire = b"".join(stuffing.convert(part) for part in parts) + stuffing.finish()
    content, end, rest = (b"\r\n" + wire).partition(b"\r\n.\r\n")
    assert (end, rest) == (b"\r\n.\r\n", b"")
    bare = wire.replace(b"\r\n", b"")
    assert b"\r" not in bare and b"\n" not in bare
    line_ends = LineEnds()
    plain = b"".join(line_ends.convert(part) for part in parts) + line_ends.finish()
    assert (content + b"\r\n").replace(b"\r\n.", b"\r\n")[2:] == plain


@given(st.lists(st.sampled_from([b"\n", b"x", b"ab", b"\xfc", b"\n\n"]), max_size=20))
def test_facts_do_not_depend_on_the_split(parts: list[bytes]) -> None:
    content = b"".join(parts)
    split, whole = Survey(), Survey()
    for part in parts:
        split.feed(part)
    whole.feed(content)
    assert split.facts() == whole.facts()
    line_ends = LineEnds()
    assert whole.facts().wire_size == len(line_ends.convert(content) + line_ends.finish())
    header = content[:0] if content.startswith(b"\n") else content.partition(b"\n\n")[0]
    assert whole.facts().eight_bit_header == (not header.isascii())


def test_facts_of_a_message() -> None:
    survey = Survey()
    survey.feed("Subject: x\n\nGrüße".encode())
    assert survey.facts() == ContentFacts(19, 23, eight_bit=True, eight_bit_header=False, has_long_line=False)


@given(st.lists(st.sampled_from([b"\n", b"x" * 500, b"y" * 499, b"z" * 998, b"a"]), max_size=12))
def test_long_lines_are_found_and_broken_in_any_split(parts: list[bytes]) -> None:
    content = b"".join(parts)
    survey, fold, whole = Survey(), LineFold(), LineFold()
    for part in parts:
        survey.feed(part)
    assert survey.facts().has_long_line == any(len(line) > 998 for line in content.split(b"\n"))
    folded = b"".join(fold.feed(part) for part in parts) + fold.finish()
    assert folded == whole.feed(content) + whole.finish()
    assert max(map(len, folded.split(b"\n"))) <= 998
    assert folded.replace(b"\n ", b"") == content


@pytest.mark.parametrize(
    ("line", "folded"),
    [
        (b"a" * 500 + b" " + b"b" * 600, b"a" * 500 + b"\n " + b"b" * 600),
        (b" " + b"a" * 1000, b" " + b"a" * 997 + b"\n aaa"),
        (b"\x80" * 1000, b"\x80" * 995 + b"\n " + b"\x80" * 5),  # no UTF-8: four such bytes are no character
        ("ü".encode() * 500, "ü".encode() * 499 + b"\n " + "ü".encode()),
        ("aü".encode() * 400, "aü".encode() * 332 + b"a\n " + "ü".encode() + "aü".encode() * 67),
    ],
)
def test_where_a_long_line_is_broken(line: bytes, folded: bytes) -> None:
    fold = LineFold()
    assert fold.feed(line + b"\n") + fold.finish() == folded + b"\n"


@pytest.mark.parametrize("prefix", range(4))
def test_no_character_is_broken(prefix: int) -> None:
    line = b"a" * prefix + "\U0001f600".encode() * 300
    fold = LineFold()
    folded = (fold.feed(line) + fold.finish()).decode()
    assert folded.replace("\n ", "").encode() == line and len(folded.split("\n")) == 2
    assert len(folded.split("\n")[0].encode()) > 998 - 4


def test_a_chunk_counts_the_bytes_that_follow_it() -> None:
    framing = ChunkFraming()
    assert framing.frame(b"a\n.\n\r", last=False) == b"BDAT 6\r\na\r\n.\r\n"
    assert framing.frame(b"", last=False) == b""
    assert framing.frame(b"b", last=True) == b"BDAT 4 LAST\r\n b\r\n"
    assert ChunkFraming().frame(b"", last=True) == b"BDAT 0 LAST\r\n"
    assert DataFraming().frame(b".", last=True) == b"..\r\n.\r\n"


def test_a_line_that_ends_where_a_block_begins_is_over() -> None:
    survey = Survey()
    for block in (b"y" * 998, b"\n" + b"x" * 997, b"x", b"\n"):
        survey.feed(block)
    assert not survey.facts().has_long_line
    survey.feed(b"z" * 999)
    assert survey.facts().has_long_line


def test_a_line_in_two_blocks_is_as_long_as_both_parts() -> None:
    for rest, is_long in ((498, False), (499, True)):
        survey = Survey()
        survey.feed(b"\n" + b"y" * 500)
        survey.feed(b"x" * rest + b"\n")
        assert survey.facts().has_long_line is is_long
