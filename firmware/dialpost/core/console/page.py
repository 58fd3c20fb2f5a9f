"""Laying out output: rows that fit, characters the terminal has, a stop at the end of a screen."""

from __future__ import annotations

from collections.abc import Iterator

from dialpost.core import columns
from dialpost.core.printable import in_ascii, lines

MORE = "--more--"


def rows(text: str, width: int, *, utf8: bool) -> Iterator[str]:
    """The rows that show `text`: broken between words, within the last column of a table."""
    for line in text.split("\n"):
        shown = plain(line.rstrip().expandtabs(), utf8=utf8)
        lead = _last_column(shown)
        if columns.width(shown) < width or lead > width // 2:
            yield shown
        else:
            first, *rest = columns.wrap(shown[lead:], width - 1 - lead)
            yield shown[:lead] + first
            yield from (" " * lead + row for row in rest)


def _last_column(line: str) -> int:
    """Where the last column begins: after two spaces, or after the indentation."""
    gap = line.rfind("  ", 0, len(line.rstrip()))
    return gap + 2 if gap >= 0 else len(line) - len(line.lstrip(" "))


def plain(text: str, *, utf8: bool) -> str:
    """The text without control characters; without `utf8`, the nearest ASCII."""
    text = lines(text)
    if utf8 or text.isascii():
        return text
    return in_ascii(text)


class Page:
    """How much of the screen has been filled since the operator last pressed a key."""

    def __init__(self, height: int, width: int) -> None:
        self._room, self._width = max(4, height) - 1, width
        self._used = 0

    def start(self) -> None:
        """The operator is looking: a whole screen may be filled from here."""
        self._used = 0

    def one_more(self) -> None:
        """Room for one row (Enter at "--more--")."""
        self._used = self._room - 1

    def is_full(self) -> bool:
        """Whether the next row would scroll out one that nobody had time to read."""
        return self._used >= self._room

    def add(self, row: str) -> None:
        """A row was shown."""
        self._used += 1 + max(0, columns.width(row) - 1) // self._width
