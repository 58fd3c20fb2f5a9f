"""A model of a terminal that shows text: enough of a VT100 to see what an operator would see."""

from __future__ import annotations

import re

_SEQUENCE = re.compile(r"\x1b\[([0-9;]*)([A-Za-z])")


class Screen:
    """Rows without end (nothing scrolls away); `width` columns, wrapping as a VT100 does."""

    def __init__(self, width: int = 80) -> None:
        self.width = width
        self.everything = ""
        self.cursor = (0, 0)
        self._rows: list[list[str]] = [[]]

    def show(self, data: bytes) -> None:
        """Take output. An unknown sequence or control character fails the test."""
        text = data.decode()
        self.everything += text
        index = 0
        while index < len(text):
            if text[index] == "\x1b":
                match = _SEQUENCE.match(text, index)
                assert match, f"no sequence a VT100 knows: {text[index : index + 10]!r}"
                self._sequence(match[2], match[1])
                index = match.end()
            else:
                self._character(text[index])
                index += 1

    def rows(self) -> list[str]:
        """What is shown. Blanks at a row's end count only where the cursor is behind them."""
        found = ["".join(row).rstrip() for row in self._rows]
        row, column = self.cursor
        found[row] = "".join(self._rows[row]).ljust(column)
        found[row] = found[row].rstrip().ljust(column) if column > len(found[row].rstrip()) else found[row].rstrip()
        return found

    def _character(self, char: str) -> None:
        row, column = self.cursor
        if char == "\r":
            self.cursor = (row, 0)
        elif char == "\n":
            if row + 1 == len(self._rows):
                self._rows.append([])
            self.cursor = (row + 1, column)
        elif char == "\b":
            self.cursor = (row, max(0, column - 1))
        elif char != "\a":
            assert char.isprintable(), f"{char!r} is no character to print"
            if column == self.width:
                self._character("\r")
                self._character("\n")
                row, column = self.cursor
            line = self._rows[row]
            line.extend(" " * (column + 1 - len(line)))
            line[column] = char
            self.cursor = (row, column + 1)

    def _sequence(self, final: str, arguments: str) -> None:
        row, column = self.cursor
        number = int(arguments or 1)
        if final == "K" and not arguments:
            del self._rows[row][column:]
        elif final == "D":
            self.cursor = (row, max(0, column - number))
        elif final == "C":
            self.cursor = (row, min(self.width - 1, column + number))
        elif final == "H" and not arguments:
            self.cursor = (0, 0)
        elif final == "J" and number == 2:
            self._rows, self.cursor = [[]], (0, 0)
        else:
            raise AssertionError(f"unexpected sequence {arguments}{final}")
