"""One row of a terminal: the fewest bytes that change what it shows.

The row never reaches the last column, so that no terminal wraps. Its width is all that is known about the terminal,
which is never queried. A line longer than the row is shown in part, with "<" and ">" where it continues. A dumb
terminal knows BS, CR and LF only: there the line may wrap, and the cursor stays at its end.
"""

from __future__ import annotations

import unicodedata

_ERASE_REST = b"\x1b[K"
_CLEAR_SCREEN = b"\x1b[H\x1b[2J"


def one_column(text: str, *, utf8: bool) -> str:
    """The text as it is drawn: one column per character, with "?" for whatever the terminal can't show."""
    if text.isascii():
        return text.replace("\t", " ")
    return "".join(char if _is_narrow(char, utf8) else " " if char == "\t" else "?" for char in text)


def _is_narrow(char: str, utf8: bool) -> bool:
    if " " <= char <= "~":
        return True
    return utf8 and char.isprintable() and not unicodedata.combining(char) and _width(char) == 1


def _width(char: str) -> int:
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


class Row:
    """What a VT100 shows of one line. `width` is the terminal's number of columns, at least 20."""

    def __init__(self, width: int, *, utf8: bool) -> None:
        self._width, self._utf8 = max(20, width), utf8
        self.forget()

    def draw(self, prompt: str, text: str, cursor: int) -> bytes:
        """The bytes that change what is shown to this."""
        prompt = one_column(prompt, utf8=self._utf8)[: self._width - 9]  # the line has eight columns at least
        room = self._width - 1 - len(prompt)
        row = prompt + self._window(one_column(text, utf8=self._utf8), cursor, room)
        return self._change_to(row, len(prompt) + cursor - self._left)

    def forget(self) -> None:
        """The cursor is at the start of an empty row now (after a newline)."""
        self._start_empty()
        self._left = 0

    def finish(self, prompt: str, text: str) -> bytes:
        """Leave the line and go to the next row."""
        out = self.draw(prompt, text, len(text)) + b"\r\n"
        self.forget()
        return out

    def wipe(self) -> bytes:
        """Make the row empty, for other output."""
        out = (b"\r" + _ERASE_REST) if self._shown else b""
        self._start_empty()
        return out

    def clear_screen(self) -> bytes:
        """An empty screen; the row is drawn again after it."""
        self._start_empty()
        return _CLEAR_SCREEN

    def _start_empty(self) -> None:
        self._shown, self._column = "", 0

    def _window(self, text: str, cursor: int, room: int) -> str:
        """The part of the text that is shown. It moves by two thirds of the row, so that it rarely moves."""
        if len(text) < room:
            self._left = 0
        elif self._left and cursor <= self._left:
            self._left = max(0, cursor - room * 2 // 3)
        elif cursor > self._left + room - 1:
            self._left = cursor - room // 3
        part = text[self._left : self._left + room]
        if self._left:
            part = "<" + part[1:]
        if self._left + room < len(text):
            part = part[:-1] + ">"
        return part

    def _change_to(self, row: str, column: int) -> bytes:
        same = _common(self._shown, row)
        out = b""
        if row != self._shown:
            out += self._move(same, self._shown) + self._encode(row[same:])
            at = len(row)
            if len(row) < len(self._shown):
                out += _erase(len(self._shown) - len(row))
            self._shown, self._column = row, at
        return out + self._move(column, row)

    def _move(self, column: int, row: str) -> bytes:
        """Go to a column of the row in the cheapest way."""
        start, self._column = self._column, column
        if column < start:
            back = start - column
            ways = [b"\b" * back, b"\x1b[%dD" % back, b"\r" + self._encode(row[:column])]
        else:
            forth = column - start
            ways = [self._encode(row[start:column]), b"\x1b[%dC" % forth if forth else b""]
        return min(ways, key=len)

    def _encode(self, text: str) -> bytes:
        return text.encode("utf-8" if self._utf8 else "ascii", "replace")


def _erase(columns: int) -> bytes:
    """Clear everything right of the cursor without moving it."""
    return b" \b" if columns == 1 else _ERASE_REST


def _common(one: str, other: str) -> int:
    most = min(len(one), len(other))
    return next((index for index in range(most) if one[index] != other[index]), most)


class DumbRow:
    """The same for a terminal without cursor keys: nothing but characters, BS, CR and LF."""

    def __init__(self, width: int, *, utf8: bool) -> None:
        self._width, self._utf8 = max(20, width), utf8
        self._shown = ""

    def draw(self, prompt: str, text: str, cursor: int) -> bytes:
        """The bytes that change what is shown to this. The cursor is shown at the end, wherever it is."""
        wanted = one_column(prompt + text, utf8=self._utf8)
        same = _common(self._shown, wanted)
        shown, self._shown = self._shown, wanted
        erased = len(shown) - same
        if erased and same // self._width != (len(shown) - 1) // self._width:
            # BS does not go up a row: write it again on the next.
            return b"\r\n" + self._encode(wanted)
        return b"\b \b" * erased + self._encode(wanted[same:])

    def forget(self) -> None:
        """The cursor is at the start of an empty row now."""
        self._shown = ""

    def finish(self, prompt: str, text: str) -> bytes:
        """Leave the line and go to the next row."""
        out = self.draw(prompt, text, len(text)) + b"\r\n"
        self.forget()
        return out

    def wipe(self) -> bytes:
        """Other output follows: it goes to the next row."""
        out = b"\r\n" if self._shown else b""
        self.forget()
        return out

    def clear_screen(self) -> bytes:
        """No screen to clear: the line is written again on the next row."""
        return self.wipe()

    def _encode(self, text: str) -> bytes:
        return text.encode("utf-8" if self._utf8 else "ascii", "replace")
