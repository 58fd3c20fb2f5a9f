"""The part of a long line that a row shows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialpost.core.console.row import DumbRow, Row, one_column
from screen import Screen


def test_the_window_moves_by_two_thirds_of_the_row() -> None:
    row, text = Row(80, utf8=False), "".join(chr(ord("a") + number % 26) for number in range(200))
    assert row._window(text, 0, 30) == text[:29] + ">"
    assert row._window(text, 29, 30) == text[:29] + ">"
    assert row._window(text, 30, 30) == "<" + text[21:49] + ">"
    assert row._window(text, 21, 30) == "<" + text[21:49] + ">"
    assert row._window(text, 20, 30) == text[:29] + ">"
    assert row._window(text, 200, 30) == "<" + text[191:]
    assert row._window(text, 150, 30) == "<" + text[131:159] + ">"
    assert row._window("short", 5, 30) == "short"


@pytest.mark.parametrize(
    ("text", "in_utf8", "in_ascii"),
    [
        ("a\tb ~", "a b ~", "a b ~"),
        ("\u00e4\tb", "\u00e4 b", "? b"),
        ("\u00e4\x1f\x7f ~", "\u00e4?? ~", "??? ~"),
        ("\u00e4\x01", "\u00e4?", "??"),
        ("\u6f22e\u0301\uff21", "?e??", "?e??"),
    ],
)
def test_each_character_takes_one_column(text: str, in_utf8: str, in_ascii: str) -> None:
    assert (one_column(text, utf8=True), one_column(text, utf8=False)) == (in_utf8, in_ascii)


def test_the_fewest_bytes_that_change_a_row() -> None:
    row = Row(40, utf8=False)
    steps = [
        ("abcdef", 6, b"> abcdef"),
        ("abcdef", 6, b""),
        ("abcdefg", 7, b"g"),
        ("abcdefg", 5, b"\b\b"),
        ("abcdefg", 6, b"f"),
        ("abcdef", 6, b" \b"),
        ("abc", 3, b"\b\b\b\x1b[K"),
        ("abc", 0, b"\b\b\b"),
        ("a" * 30, 30, b"a" * 30),
        ("a" * 30, 20, b"\x1b[10D"),
        ("a" * 30, 27, b"\x1b[7C"),
        ("a" * 30, 1, b"\r> a"),
        ("", 0, b"\b\x1b[K"),
    ]
    for text, cursor, sent in steps:
        assert (text, row.draw("> ", text, cursor)) == (text, sent)
    assert row.finish("> ", "x") == b"x\r\n"
    assert row.draw("> ", "", 0) == b"> "
    assert (row.wipe(), row.wipe()) == (b"\r\x1b[K", b"")
    assert row.draw("> ", "", 0) == b"> "
    assert row.clear_screen() == b"\x1b[H\x1b[2J"
    assert row.draw("> ", "", 0) == b"> "


def test_a_line_begins_with_its_first_character() -> None:
    row, text = Row(20, utf8=False), "abcdefghijklmnopqrstuvwxyz"
    assert row.draw("> ", text, 3).startswith(b"> abc")
    row.finish("> ", text)
    assert row.draw("> ", text, 3).startswith(b"> abc")


def test_a_prompt_leaves_eight_columns_for_the_line() -> None:
    for width, prompt, shown in ((20, "p" * 11, "p" * 11), (20, "p" * 12, "p" * 11), (5, "p" * 30, "p" * 11)):
        assert Row(width, utf8=False).draw(prompt, "", 0) == shown.encode()
    assert Row(20, utf8=False).draw("p" * 11, "x" * 9, 9) == b"p" * 11 + b"<x"


@given(st.lists(st.tuples(st.text("ab \u00e4", max_size=40), st.integers(0, 40)), max_size=12))
def test_a_terminal_shows_the_row_and_the_cursor_in_it(steps: list[tuple[str, int]]) -> None:
    row, screen = Row(20, utf8=True), Screen(20)
    for text, place in steps:
        cursor = min(place, len(text))
        screen.show(row.draw("> ", text, cursor))
        [shown] = screen.rows()
        assert len(shown) < 20
        if len(text) < 17:
            assert (shown.rstrip(), screen.cursor) == (("> " + text).rstrip(), (0, 2 + cursor))
        else:  # in part: what is at the cursor is seen
            at = screen.cursor[1]
            assert cursor == len(text) or shown.ljust(20)[at] in (text[cursor], "<", ">")


def test_a_dumb_terminal_gets_backspaces_and_never_goes_up_a_row() -> None:
    row = DumbRow(20, utf8=False)
    steps = [
        ("abc", b"> abc"),
        ("abd", b"\b \bd"),
        ("a", b"\b \b" * 2),
        ("a" * 18, b"a" * 17),
        ("a" * 17, b"\b \b"),
        ("a" * 19, b"aa"),
        ("a" * 18, b"\b \b"),
        ("a" * 20, b"aa"),
        ("a" * 17, b"\r\n> " + b"a" * 17),
        ("a" * 17, b""),
    ]
    for text, sent in steps:
        assert (text, row.draw("> ", text, 0)) == (text, sent)
    assert (row.wipe(), row.wipe()) == (b"\r\n", b"")
    assert row.finish("> ", "x") == b"> x\r\n"
    assert (row.draw("> ", "x", 0), row.clear_screen()) == (b"> x", b"\r\n")


def test_a_text_that_fits_again_is_shown_whole() -> None:
    row = Row(40, utf8=False)
    assert row._window("x" * 30, 30, 20).startswith("<")
    assert row._window("y" * 18, 18, 20) == "y" * 18


def test_a_dumb_row_has_twenty_columns_at_least() -> None:
    def drawn(width: int) -> bytes:
        row = DumbRow(width, utf8=False)
        row.draw("> ", "x" * 19, 19)
        return row.draw("> ", "x" * 17, 17)

    assert drawn(5) == drawn(20) != drawn(21)
