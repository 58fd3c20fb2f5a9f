"""Text in the columns of a terminal."""

from hypothesis import given
from hypothesis import strategies as st

from dialpost.core.columns import _head, cut, pad, width, wrap


def test_width_counts_columns_not_characters() -> None:
    assert [width(text) for text in ("", "abc", "日本", "e\u0301", "Grüße")] == [0, 3, 4, 1, 5]


def test_a_mark_has_no_width_whether_it_combines_or_not() -> None:
    """In turn: combining, spacing and combining, enclosing, not combining, and a format character."""
    assert [width(f"a{mark}") for mark in "\u0301\u302e\u20dd\u0900\u200d"] == [1] * 5


def test_cut_and_pad() -> None:
    assert [cut("日本語", columns) for columns in (6, 5, 4)] == ["日本語", "日本…", "日…"]
    assert pad("日", 4) == "日  "


def test_wrap() -> None:
    assert wrap("one two three", 7) == ["one two", "three"]
    assert wrap("  one two three", 9, indent=4) == ["  one two", "    three"]
    assert wrap("a dialpost-queue-release b", 8) == ["a", "dialpost-queue-release", "b"]
    assert wrap("日本語のメール", 6) == ["日本語", "のメー", "ル"]
    assert wrap("日本語 メー", 6) == ["日本語", "メー"]
    assert wrap("日本 語のメ", 6, indent=2) == ["日本", "  語の", "  メ"]
    assert wrap("a" * 320, 8) == ["a" * 320]
    assert wrap("a" * 321, 80) == ["a" * 80, "a" * 241]
    assert wrap("", 8) == [""]
    assert wrap("日", 1) == ["日"]
    assert wrap("日ab", 1) == ["日", "ab"]
    assert wrap("日a", 1) == ["日", "a"]
    assert cut("ab", 3) == "ab"


@given(st.text(max_size=80), st.integers(1, 30), st.integers(0, 10))
def test_wrap_keeps_every_word_and_fits(text: str, columns: int, indent: int) -> None:
    rows = wrap(text, columns, indent)
    assert "".join("".join(rows).split()) == "".join(text.split())
    for row in rows:
        assert width(row) <= max(columns, indent + 2) or row.isascii() or width(row.split()[-1]) > columns - indent


def test_a_text_narrower_than_its_room_stays_whole() -> None:
    assert _head("abc", 3) == _head("abc", 9) == "abc"
    assert _head("日本", 3) == "日"
