"""The part of a long line that a row shows."""

from dialpost.core.console.row import Row


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
