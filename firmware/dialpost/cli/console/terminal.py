"""The console's terminal for dialogues and commands: the line editor on a real tty, a pager, the idle time-out.

Blocking; one thread, apart from the tty's own reader.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from dialpost.core.console.editor import Event, Helper, Line, LineEditor, Mode, TooLong
from dialpost.core.console.hints import at_console
from dialpost.core.console.keys import Key
from dialpost.core.console.page import MORE, Page, plain, rows
from dialpost.core.errors import AskCancelledError, IdleTooLongError

POLL_S = 2.0
"""How often to ask for news while waiting for a line."""
_PAUSE_S = 0.3
_DRAW_LATER_S = 0.02
_WRITE_S = 120.0


class Tty(Protocol):
    """The subset of edge/console/tty needed here."""

    def read(self, timeout_s: float) -> bytes:
        """What was typed; b"" if nothing was. Raises: TerminalGoneError."""

    def write(self, data: bytes, timeout_s: float) -> None:
        """Send all. Raises: TerminalGoneError, IdleTooLongError."""

    def is_busy(self) -> bool:
        """Whether output is still waiting."""

    def size(self) -> tuple[int, int]:
        """Columns and rows."""

    def interruptible(self) -> AbstractContextManager[None]:
        """Within, Ctrl-C raises KeyboardInterrupt."""

    def lent(self) -> AbstractContextManager[int]:
        """Within, the descriptor is the caller's."""


class ConsoleTerminal:
    """A `core/console/terminal.Terminal`, and what the command line needs besides. `idle_s` 0: no time-out."""

    def __init__(self, tty: Tty, *, dumb: bool, utf8: bool, idle_s: float) -> None:
        self.tty = tty
        self.idle_s = idle_s
        self._dumb, self._utf8 = dumb, utf8
        self._width, height = tty.size()
        self._editor = LineEditor(width=self._width, dumb=dumb, utf8=utf8)
        self._page = Page(height, self._width)
        self._is_paged = self._is_muted = False

    @property
    def utf8(self) -> bool:
        """Whether it shows more than ASCII."""
        return self._utf8

    # -- saying ---------------------------------------------------------------------------------------

    def say(self, text: str = "") -> None:
        """Print a line, or several. Raises: TerminalGoneError."""
        for row in rows(at_console(text), self._width, utf8=self._utf8):
            self._row(row)

    def say_exactly(self, text: str) -> None:
        """Print lines for a program or for pasting back: unfolded and without paging. Raises: TerminalGoneError."""
        self.paged(False)
        for line in text.split("\n"):
            self._row(plain(line, utf8=self._utf8))

    def paged(self, wanted: bool) -> None:
        """From here on, stop at the end of each screen, or don't. The current screen counts as read."""
        self._is_paged, self._is_muted = wanted and not self._dumb, False
        self._page.start()

    def _row(self, row: str) -> None:
        if self._is_paged and not self._is_muted and self._page.is_full():
            self._more()
        if not self._is_muted:
            self._page.add(row)
            self._send(row.encode("utf-8" if self._utf8 else "ascii", "replace") + b"\r\n")

    def _more(self) -> None:
        """Wait for a key. Input typed ahead (a paste) is not consumed: then there is no stop."""
        self._editor.receive(self.tty.read(0))
        if self._editor.has_input:
            self._page.start()
            return
        self._send(MORE.encode())
        key = self._key()
        self._send(b"\r\x1b[K")
        if key in {"q", "Q", Key.INTERRUPT, Key.END_OF_INPUT}:
            self._is_muted = True
        elif key is Key.ENTER:
            self._page.one_more()
        else:
            self._page.start()

    def _key(self) -> Key | str:
        since_s = time.monotonic()
        while (key := self._editor.key()) is None:
            self._editor.receive(self.tty.read(POLL_S))
            self._check_idle(since_s)
        return key

    # -- asking ---------------------------------------------------------------------------------------

    def ask(self, prompt: str, *, secret: bool = False) -> str:
        """One answer. Raises: AskCancelledError, IdleTooLongError, TerminalGoneError."""
        while True:
            event = self.line(prompt, Mode.SECRET if secret else Mode.ANSWER)
            if isinstance(event, Line):
                return event.text
            if not isinstance(event, TooLong):
                raise AskCancelledError("Cancelled.")
            self.say("That was too long. Try again.")

    def line(
        self,
        prompt: str,
        mode: Mode,
        helper: Helper | None = None,
        news: Callable[[], Sequence[str]] | None = None,
    ) -> Event:
        """Wait for a line. `news` is called every `POLL_S` for anything to show meanwhile."""
        editor, pressed, since_s = self._editor, -1, 0.0
        polled_s = time.monotonic()
        editor.begin(plain(prompt, utf8=self._utf8), mode, helper)
        while True:
            event = editor.event()
            if event is not None:
                self._send(editor.data_to_send())
                self._page.start()
                return event
            is_late = self.tty.is_busy()
            if not is_late:
                self._send(editor.data_to_send())
            data = self.tty.read(_DRAW_LATER_S if is_late else _PAUSE_S)
            editor.receive(data)
            now_s = time.monotonic()
            if not data and not is_late:
                editor.pause()
            if editor.keys_pressed != pressed:
                pressed, since_s = editor.keys_pressed, now_s
            self._check_idle(since_s)
            if news is not None and now_s - polled_s >= POLL_S:
                polled_s = now_s
                self._tell(news())

    def _tell(self, news: Sequence[str]) -> None:
        for text in news:
            for row in rows(text, self._width, utf8=self._utf8):
                self._editor.interject(row.encode("utf-8" if self._utf8 else "ascii", "replace") + b"\r\n")

    def forget_newest(self) -> None:
        """Remove the last command from the history."""
        self._editor.forget_newest()

    def drop_typed_ahead(self) -> None:
        """Discard what was typed while nothing was asked."""
        while data := self.tty.read(0):
            self._editor.receive(data)
        self._editor.drop_input()

    def _check_idle(self, since_s: float) -> None:
        if self.idle_s and time.monotonic() - since_s > self.idle_s:
            self._send(b"\r\n")
            raise IdleTooLongError("The session timed out.")

    def _send(self, data: bytes) -> None:
        if data:
            self.tty.write(data, self.idle_s or _WRITE_S)
