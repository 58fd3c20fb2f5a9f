"""The line editor: a terminal's bytes in, its bytes out, and the lines an operator finished.

    editor.begin("dialpost> ")
    editor.receive(data)            # any piece of the stream, whole or byte by byte
    while (event := editor.event()) is not None: ...
    out = editor.data_to_send()     # what the terminal must be sent; the fewest bytes, see core/console/row

After `begin` the keys are processed up to the end of the line; what comes after it waits for the next `begin`, so
that pasted text answers one question after another and a password typed ahead is never echoed. `data_to_send` draws
the difference from what is on the screen at that moment: if many keys came at once (a paste, a slow line), the
states in between are never sent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeAlias

from dialpost.core.console.keys import Key, KeyDecoder
from dialpost.core.console.line_text import History, LineText
from dialpost.core.console.row import DumbRow, Row

_BELL = b"\a"
_QUOTE = "\x16"  # Ctrl-V: the next character is taken literally


class Mode(Enum):
    """What the line is for."""

    COMMAND = "command"  # history, Tab, "?"
    ANSWER = "answer"  # a question's answer: none of these
    SECRET = "secret"  # nothing is shown
    TEXT = "text"  # pasted lines of a text: Tab is a character


@dataclass(frozen=True, slots=True)
class Line:
    """A finished line, without its end."""

    text: str


@dataclass(frozen=True, slots=True)
class TooLong:
    """A finished line that was truncated, because it had more than `line_text.LONGEST` characters."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Ctrl-C; the line is dropped."""


@dataclass(frozen=True, slots=True)
class InputEnded:
    """Ctrl-D on an empty line."""


Event: TypeAlias = Line | TooLong | Interrupted | InputEnded


@dataclass(frozen=True, slots=True)
class Completion:
    """What Tab does: `insert` is inserted at the cursor; `choices` are shown if there are several."""

    insert: str = ""
    choices: tuple[str, ...] = ()


class Helper(Protocol):
    """Who knows the commands."""

    def complete(self, before: str) -> Completion:
        """What may follow the text before the cursor."""

    def help(self, before: str) -> Sequence[str]:
        """Lines about what may follow; none if "?" is an ordinary character (in quotes)."""


class LineEditor:
    """One terminal. `dumb`: it knows no escape sequences. `utf8`: it shows more than ASCII."""

    def __init__(self, *, width: int = 80, dumb: bool = False, utf8: bool = False) -> None:
        self._row: Row | DumbRow = DumbRow(width, utf8=utf8) if dumb else Row(width, utf8=utf8)
        self._width, self._dumb = width, dumb
        self._decoder = KeyDecoder()
        self._input: deque[int] = deque()
        self._output = b""
        self._line = LineText()
        self._history = History()
        self._helper: Helper | None = None
        self._prompt, self._mode = "", Mode.COMMAND
        self._is_open = self._is_literal = self._is_cut = False
        self.keys_pressed = 0
        """Keys so far; noise does not count, so that it keeps no session alive."""

    # -- input ----------------------------------------------------------------------------------------

    def begin(self, prompt: str, mode: Mode = Mode.COMMAND, helper: Helper | None = None) -> None:
        """Ask for a line. The prompt contains no line ending."""
        self._prompt, self._mode, self._helper = prompt, mode, helper
        self._line.put("")
        self._history.rewind()
        self._is_open, self._is_literal, self._is_cut = True, False, False

    def receive(self, data: bytes) -> None:
        """Feed in what the terminal sent."""
        self._input.extend(data)

    def pause(self) -> None:
        """Nothing came for a fraction of a second: an unfinished key was noise."""
        if not self._input:
            self._decoder.pause()

    @property
    def has_input(self) -> bool:
        """Whether anything typed (or pasted) ahead is waiting."""
        return bool(self._input)

    def forget_newest(self) -> None:
        """Drop the last finished line from the history: it contains something that must not be shown again."""
        self._history.forget_newest()

    def drop_input(self) -> None:
        """Forget what was typed ahead."""
        self._input.clear()
        self._decoder.pause()

    def event(self) -> Event | None:
        """Process keys until a line is finished; None once everything received is processed."""
        while self._is_open and self._input:
            byte = self._input.popleft()
            if byte == ord(_QUOTE) and self._mode is not Mode.TEXT and self._decoder.is_at_rest:
                self._is_literal = True
                continue
            key = self._decoder.receive(byte)
            if key is None:
                continue
            self.keys_pressed += 1
            if (event := self._press(key)) is not None:
                return event
        return None

    def key(self) -> Key | str | None:
        """One key that is not part of a line (for "--more--"); None if none came."""
        while self._input:
            key = self._decoder.receive(self._input.popleft())
            if key is not None:
                self.keys_pressed += 1
                return key
        return None

    # -- output ---------------------------------------------------------------------------------------

    def data_to_send(self) -> bytes:
        """All output, and the line in its current state."""
        out, self._output = self._output, b""
        if self._is_open:
            text, cursor = ("", 0) if self._mode is Mode.SECRET else (self._line.text, self._line.cursor)
            out += self._row.draw(self._prompt, text, cursor)
        return out

    def interject(self, data: bytes) -> None:
        """Show something above the line that is being typed; `data` ends with a line ending."""
        self._output += self._row.wipe() + data

    # -- keys -----------------------------------------------------------------------------------------

    def _press(self, key: Key | str) -> Event | None:
        literal, self._is_literal = self._is_literal, False
        if isinstance(key, str):
            self._character(key, literal)
            return None
        if key is Key.ENTER:
            return self._finish()
        if key is Key.INTERRUPT or (key is Key.END_OF_INPUT and not self._line.text):
            self._close("^C" if key is Key.INTERRUPT else "")
            return Interrupted() if key is Key.INTERRUPT else InputEnded()
        if key is Key.TAB:
            self._tab(literal)
        elif key is Key.END_OF_INPUT:
            self._line.edit(Key.DELETE)
        elif key in {Key.CLEAR, Key.REDRAW}:
            self._output += self._row.clear_screen() if key is Key.CLEAR else self._row.wipe()
        elif key in {Key.UP, Key.DOWN}:
            self._walk(-1 if key is Key.UP else 1)
        elif self._dumb and key in {Key.LEFT, Key.RIGHT, Key.HOME, Key.END, Key.WORD_LEFT, Key.WORD_RIGHT}:
            self._bell()  # there the cursor can't be shown anywhere but at the end
        elif not self._line.edit(key):
            self._bell()
        return None

    def _character(self, char: str, literal: bool) -> None:
        if char == "?" and not literal and self._mode is Mode.COMMAND and self._helper is not None:
            lines = self._helper.help(self._line.text[: self._line.cursor])
            if lines:
                self._show_under(lines)
                return
        if not self._line.insert(char):
            self._is_cut = True
            self._bell()

    def _finish(self) -> Event:
        text, is_cut = self._line.text, self._is_cut
        self._close("")
        if self._mode is Mode.COMMAND:
            self._history.add(text)
        return TooLong() if is_cut else Line(text)

    def _close(self, mark: str) -> None:
        shown = "" if self._mode is Mode.SECRET else self._line.text
        self._output += self._row.finish(self._prompt, shown + mark)
        self._line.put("")
        self._is_open = False

    def _tab(self, literal: bool) -> None:
        if literal or self._mode is Mode.TEXT:
            self._character("\t", literal=True)
            return
        if self._mode is not Mode.COMMAND or self._helper is None:
            self._bell()
            return
        found = self._helper.complete(self._line.text[: self._line.cursor])
        if found.insert:
            self._line.insert(found.insert)
        elif found.choices:
            self._show_under(columns(found.choices, self._width))
        else:
            self._bell()

    def _walk(self, step: int) -> None:
        found = self._history.walk(step, self._line.text) if self._mode is Mode.COMMAND else None
        if found is None:
            self._bell()
        else:
            self._line.put(found)

    def _show_under(self, lines: Sequence[str]) -> None:
        """Leave the line in place, print, and have it drawn again below."""
        self._output += self._row.finish(self._prompt, self._line.text)
        self._output += b"".join(line.encode("ascii", "replace") + b"\r\n" for line in lines)

    def _bell(self) -> None:
        if not self._output.endswith(_BELL):  # noise rings the bell once
            self._output += _BELL


def columns(words: Sequence[str], width: int) -> list[str]:
    """Words side by side, read downwards as `ls` has them."""
    cell = max(map(len, words)) + 2
    across = max(1, (width - 1) // cell)
    down = -(-len(words) // across)
    rows = [words[index::down] for index in range(down)]
    return ["".join(word.ljust(cell) for word in row).rstrip() for row in rows]
