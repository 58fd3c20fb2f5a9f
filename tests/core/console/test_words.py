"""Command lines cut into words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cases import cases
from dialpost.core.console.words import Cut, Word, cut


@cases(
    ("line", "words", "is_open"),
    [
        ("", [], False),
        (" \t ", [], False),
        ("show queue", [("show", 0, 4), ("queue", 5, 10)], False),
        ("  set\ta  ", [("set", 2, 5), ("a", 6, 7)], False),
        ('set a "b c" d', [("set", 0, 3), ("a", 4, 5), ("b c", 6, 11), ("d", 12, 13)], False),
        ("'b c'", [("b c", 0, 5)], False),
        ('"it\'s"', [("it's", 0, 6)], False),
        ('""', [("", 0, 2)], False),
        ("it's", [("it's", 0, 4)], False),
        ('"a b"c', [("a b", 0, 5), ("c", 5, 6)], False),
        ('a "b c', [("a", 0, 1), ("b c", 2, 6)], True),
        ('ab "c', [("ab", 0, 2), ("c", 3, 5)], True),
        ('ab "c" d', [("ab", 0, 2), ("c", 3, 6), ("d", 7, 8)], False),
        ("'", [("", 0, 1)], True),
    ],
)
def test_blanks_part_words_and_quotes_keep_them_together(
    line: str, words: list[tuple[str, int, int]], is_open: bool
) -> None:
    assert cut(line) == Cut(tuple(Word(*word) for word in words), is_open)


@given(st.lists(st.text("ab c\t'", min_size=0, max_size=5), max_size=5))
def test_whatever_stands_in_quotes_comes_back(texts: list[str]) -> None:
    assert [word.text for word in cut(" ".join(f'"{text}"' for text in texts)).words] == texts
