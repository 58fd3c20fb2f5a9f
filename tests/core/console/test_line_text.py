"""A line's cursor word by word, and the history of lines."""

import pytest

from dialpost.core.console.keys import Key
from dialpost.core.console.line_text import History, LineText


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


def test_history() -> None:
    history = History(most=3)
    for text in ("one", "two", "two", "  ", "three", "four"):
        history.add(text)
    assert history.walk(1, "new") is None
    assert [history.walk(-1, "new") for _ in range(4)] == ["four", "three", "two", None]
    assert [history.walk(1, "x") for _ in range(4)] == ["three", "four", "new", None]
    history.forget_newest()
    assert history.walk(-1, "") == "three"
