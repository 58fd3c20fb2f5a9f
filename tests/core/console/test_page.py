"""Rows that fit the screen, in characters the terminal has."""

from __future__ import annotations

import pytest

from dialpost.core.console.page import Page, plain, rows


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", [""]),
        ("one\ntwo", ["one", "two"]),
        ("a sentence of words that are many", ["a sentence of words", "that are many"]),
        ("  an indented sentence of words", ["  an indented", "  sentence of words"]),
        ("A  WORD about a thing", ["A  WORD about a", "   thing"]),
        ("A     WIDE   TABLE  IS  LEFT", ["A     WIDE   TABLE  IS  LEFT"]),
        ("averylongwordthatisbrokenbytheterminal", ["averylongwordthatisbrokenbytheterminal"]),
    ],
)
def test_sentences_are_broken_between_words(text: str, shown: list[str]) -> None:
    assert list(rows(text, 20, utf8=False)) == shown


def test_what_the_terminal_does_not_have_is_replaced_by_the_nearest() -> None:
    assert plain("Größe … 漢 → 5 €", utf8=False) == "Grosse ... ? -> 5 EUR"
    assert plain("Größe …", utf8=True) == "Größe …"
    assert plain("a\x1b[2Jb\x07\x00", utf8=True) == "a?[2Jb??"  # a peer's words can't draw on the screen


def test_a_page_is_full_before_its_first_row_would_be_lost() -> None:
    page = Page(24, 80)
    for row in ["x"] * 21 + ["y" * 81]:
        assert not page.is_full()
        page.add(row)
    assert page.is_full()
    page.one_more()
    assert not page.is_full()
    page.add("")
    assert page.is_full()
    page.start()
    for _ in range(23):
        assert not page.is_full()
        page.add("x")
    assert page.is_full()


def test_how_many_rows_a_row_takes() -> None:
    for columns, taken in ((0, 1), (10, 1), (11, 2), (20, 2), (21, 3)):
        page = Page(5, 10)
        page.add("x" * columns)
        rows_left = 0
        while not page.is_full():
            page.add("")
            rows_left += 1
        assert rows_left == 4 - taken


def test_a_tiny_screen_still_shows_three_rows() -> None:
    page = Page(1, 80)
    for _ in range(3):
        assert not page.is_full()
        page.add("x")
    assert page.is_full()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x" * 19, ["x" * 19]),
        ("ten letter words here", ["ten letter words", "here"]),
        ("ABCDEFGH  one two three", ["ABCDEFGH  one two", "          three"]),
        ("ABCDEFGHI  one two three", ["ABCDEFGHI  one two three"]),  # under half the row is left
        ("ab  cd   ", ["ab  cd"]),
        ("a\tb", ["a       b"]),
        ("one two three fourty", ["one two three", "fourty"]),  # the last column stays free
    ],
)
def test_where_a_row_is_broken(text: str, shown: list[str]) -> None:
    assert list(rows(text, 20, utf8=False)) == shown


def test_a_row_that_takes_several_may_fill_more_than_the_page() -> None:
    shown = Page(4, 10)
    shown.add("x" * 45)
    assert shown.is_full()
