"""A line's cursor word by word, and the history of lines."""

import pytest

from cases import cases
from dialpost.core.console.keys import Key
from dialpost.core.console.line_text import LONGEST, History, LineText


@pytest.mark.parametrize(
    ("key", "stops"),
    [(Key.WORD_RIGHT, [2, 6, 9, 9]), (Key.WORD_LEFT, [7, 4, 0, 0])],
)
def test_word_by_word(key: Key, stops: list[int]) -> None:
    line = LineText()
    line.put("ab  cd ef")
    line.edit(Key.HOME if key is Key.WORD_RIGHT else Key.END)
    found = []
    for _ in stops:
        line.edit(key)
        found.append(line.cursor)
    assert found == stops


@pytest.mark.parametrize(
    ("key", "text", "stops"),
    [
        (Key.WORD_RIGHT, "a\tb c", [3, 5]),
        (Key.WORD_LEFT, "a\tb c", [4, 0]),
        (Key.WORD_RIGHT, "\t b", [1, 3]),
        (Key.WORD_LEFT, "b \t", [2, 0]),
    ],
)
def test_only_a_space_parts_words(key: Key, text: str, stops: list[int]) -> None:
    line = LineText()
    line.put(text)
    line.edit(Key.HOME if key is Key.WORD_RIGHT else Key.END)
    found = []
    for _ in stops:
        line.edit(key)
        found.append(line.cursor)
    assert found == stops


def test_history() -> None:
    history = History(most=3)
    for text in ("one", "two", "two", "  ", "three", "four"):
        history.add(text)
    assert history.walk(1, "new") is None
    assert [history.walk(-1, "new") for _ in range(4)] == ["four", "three", "two", None]
    assert [history.walk(1, "x") for _ in range(4)] == ["three", "four", "new", None]
    history.forget_newest()
    assert history.walk(-1, "") == "three"


@cases(
    ("text", "at", "left", "right"),
    [
        ("", 0, 0, 0),
        ("a", 0, 0, 1),
        ("a", 1, 0, 1),
        ("a b", 1, 0, 3),
        ("a b", 2, 0, 3),
        (" a", 1, 0, 2),
        ("  ", 1, 0, 2),
        ("a b c ", 6, 4, 6),
        ("ab cd", 4, 3, 5),
    ],
)
def test_where_a_word_begins_and_ends(text: str, at: int, left: int, right: int) -> None:
    for key, stop in ((Key.WORD_LEFT, left), (Key.WORD_RIGHT, right)):
        line = LineText()
        line.put(text)
        line.cursor = at
        line.edit(key)
        assert line.cursor == stop


@cases(
    ("key", "at", "text", "cursor", "changed"),
    [
        (Key.LEFT, 0, "abc", 0, False),
        (Key.LEFT, 1, "abc", 0, True),
        (Key.RIGHT, 2, "abc", 3, True),
        (Key.RIGHT, 3, "abc", 3, False),
        (Key.HOME, 2, "abc", 0, True),
        (Key.END, 1, "abc", 3, True),
        (Key.BACKSPACE, 0, "abc", 0, False),
        (Key.BACKSPACE, 1, "bc", 0, True),
        (Key.BACKSPACE, 3, "ab", 2, True),
        (Key.DELETE, 1, "ac", 1, True),
        (Key.DELETE, 3, "abc", 3, False),
        (Key.KILL_END, 1, "a", 1, True),
        (Key.KILL_END, 3, "abc", 3, False),
        (Key.KILL_ALL, 1, "", 0, True),
        (Key.KILL_WORD, 2, "c", 0, True),
        (Key.ENTER, 1, "abc", 1, False),
    ],
)
def test_what_an_editing_key_does(key: Key, at: int, text: str, cursor: int, changed: bool) -> None:
    line = LineText()
    line.put("abc")
    line.cursor = at
    assert (line.edit(key), line.text, line.cursor) == (changed, text, cursor)


def test_what_was_killed_last_can_be_yanked() -> None:
    line = LineText()
    assert not line.edit(Key.YANK)
    line.put("one two")
    line.edit(Key.KILL_WORD)
    line.edit(Key.KILL_END)  # kills nothing, so it forgets nothing
    line.edit(Key.HOME)
    line.edit(Key.YANK)
    assert (line.text, line.cursor) == ("twoone ", 3)


def test_a_line_has_its_longest() -> None:
    line = LineText()
    line.put("x" * (LONGEST - 2))
    assert line.insert("yz") and line.text.endswith("xyz") and line.cursor == LONGEST
    assert not line.insert("!") and len(line.text) == LONGEST


def test_a_new_line_is_empty_and_typed_into_at_its_start() -> None:
    line = LineText()
    assert not line.edit(Key.RIGHT) and not line.edit(Key.BACKSPACE)
    line.insert("ab")
    assert (line.text, line.cursor) == ("ab", 2)


def test_the_last_hundred_lines_are_kept() -> None:
    history = History()
    for number in range(102):
        history.add(str(number))
    walked = iter(lambda: history.walk(-1, ""), None)
    assert list(walked) == [str(number) for number in range(101, 1, -1)]


def test_before_any_line_there_is_none_to_walk_to() -> None:
    for step in (-1, 1):
        assert History().walk(step, "typed") is None


def test_only_the_line_before_is_not_kept_twice() -> None:
    history = History()
    for line in ("a", "b", "b", "a"):
        history.add(line)
    assert [history.walk(-1, "") for _ in range(4)] == ["a", "b", "a", None]
