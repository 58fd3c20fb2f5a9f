"""The line being typed: its text, the cursor, what was killed. Knows no terminal."""

from __future__ import annotations

from dialpost.core.console.keys import Key

LONGEST = 8192
"""Characters in a line. One key of the configuration with its longest list needs fewer."""


class LineText:
    """Text with a cursor from 0 (before the first character) to len(text)."""

    def __init__(self) -> None:
        self.text = ""
        self.cursor = 0
        self._killed = ""

    def put(self, text: str) -> None:
        """Replace all; the cursor goes to the end."""
        self.text, self.cursor = text, len(text)

    def insert(self, text: str) -> bool:
        """Insert at the cursor. False, with nothing changed, if the line would become too long."""
        if len(self.text) + len(text) > LONGEST:
            return False
        self.text = self.text[: self.cursor] + text + self.text[self.cursor :]
        self.cursor += len(text)
        return True

    def edit(self, key: Key) -> bool:
        """Carry out one editing key; False if it changes nothing (at an end) or is not an editing key."""
        before = (self.text, self.cursor)
        text, at = before
        if key is Key.BACKSPACE and at:
            self.text, self.cursor = text[: at - 1] + text[at:], at - 1
        elif key is Key.DELETE:
            self.text = text[:at] + text[at + 1 :]
        elif key in _MOVES:
            self.cursor = _MOVES[key](text, at)
        elif key is Key.KILL_END:
            self._kill(at, len(text))
        elif key is Key.KILL_ALL:
            self._kill(0, len(text))
        elif key is Key.KILL_WORD:
            self._kill(_word_left(text, at), at)
        elif key is Key.YANK:
            self.insert(self._killed)
        return (self.text, self.cursor) != before

    def _kill(self, start: int, end: int) -> None:
        if killed := self.text[start:end]:
            self._killed = killed
            self.text, self.cursor = self.text[:start] + self.text[end:], start


def _word_left(text: str, at: int) -> int:
    while at and text[at - 1] == " ":
        at -= 1
    while at and text[at - 1] != " ":
        at -= 1
    return at


def _word_right(text: str, at: int) -> int:
    while at < len(text) and text[at] == " ":
        at += 1
    while at < len(text) and text[at] != " ":
        at += 1
    return at


_MOVES = {
    Key.LEFT: lambda text, at: max(0, at - 1),
    Key.RIGHT: lambda text, at: min(len(text), at + 1),
    Key.HOME: lambda text, at: 0,
    Key.END: lambda text, at: len(text),
    Key.WORD_LEFT: _word_left,
    Key.WORD_RIGHT: _word_right,
}


class History:
    """Lines entered before, browsed with the arrow keys; the line being typed is the newest."""

    def __init__(self, most: int = 100) -> None:
        self._lines: list[str] = []
        self._most = most
        self._at = 0
        self._draft = ""

    def add(self, line: str) -> None:
        """Keep a line, unless it is empty or the same as the previous one."""
        if line.strip() and line != (self._lines[-1] if self._lines else ""):
            self._lines = [*self._lines, line][-self._most :]
        self.rewind()

    def forget_newest(self) -> None:
        """Drop the line added last."""
        self._lines = self._lines[:-1]
        self.rewind()

    def rewind(self) -> None:
        """A new line begins: browsing starts from the newest."""
        self._at, self._draft = len(self._lines), ""

    def walk(self, step: int, current: str) -> str | None:
        """The line `step` further (-1 older, 1 newer); None at an end. `current` is kept while browsing."""
        target = self._at + step
        if not 0 <= target <= len(self._lines):
            return None
        if self._at == len(self._lines):
            self._draft = current
        self._at = target
        return self._draft if target == len(self._lines) else self._lines[target]
