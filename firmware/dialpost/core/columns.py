"""How many terminal columns a text takes; cutting, padding and breaking text to fit (Unicode Standard Annex 11).

East Asian letters take two columns, combining marks none.
"""

from __future__ import annotations

import unicodedata

_LONGEST_WORD = 320


def width(text: str) -> int:
    """Columns of one line."""
    return len(text) if text.isascii() else sum(map(_char_width, text))


def cut(text: str, columns: int) -> str:
    """The text; if it takes more, its beginning and "…"."""
    if width(text) <= columns:
        return text
    return _head(text, columns - 1) + "…"


def pad(text: str, columns: int) -> str:
    """The text padded with spaces."""
    return text + " " * (columns - width(text))


def wrap(text: str, columns: int, indent: int = 0) -> list[str]:
    """Rows of at most `columns` columns, broken at spaces; all but the first begin with `indent` spaces.

    A longer word stays whole, so that addresses and commands can be copied. East Asian text and words longer than
    any address are broken.
    """
    lead = len(text) - len(text.lstrip(" "))
    rows, row = [], text[:lead]
    is_empty = True
    for found in text.split():
        word = found
        room = columns - width(row) - (not is_empty)
        if not is_empty and width(word) > room:
            rows.append(row)
            row, is_empty, room = " " * indent, True, columns - indent
        while width(word) > max(room, 2) and not (word.isascii() and len(word) <= _LONGEST_WORD):
            head = _head(word, max(room, 2))
            rows.append(row + head)
            word, row, room = word[len(head) :], " " * indent, columns - indent
        row += word if is_empty else " " + word
        is_empty = False
    return [*rows, row]


def _head(text: str, columns: int) -> str:
    used = 0
    for number, char in enumerate(text):
        used += _char_width(char)
        if used > columns:
            return text[:number]
    return text


def _char_width(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in {"Me", "Mn", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1
