"""Writes the log to stderr from its own thread, because the reader of the log may stall.

A pipe that nobody reads is full after 64 KiB, and a write to it then blocks for ever. So the event loop only queues
lines. If the queue is full, lines are dropped and counted, and the count is logged as soon as writing works again.
For each kind of fault a few lines per minute are written, and then the number of the others. A handler of
`logging`: any thread may log.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from dialpost.core.amounts import count_words
from dialpost.core.logged_faults import bare, kind_of

MOST_QUEUED = 2000
MOST_OF_A_KIND = 5
WINDOW_S = 60.0
_MOST_AT_ONCE = 100
"""The most lines of one write."""
_CLOSE_S = 1.0
_MOST_KINDS = 200


class Stream(Protocol):
    """The destination: an open file with a descriptor."""

    def fileno(self) -> int:
        """Its descriptor."""


@dataclass(slots=True)
class _Kind:
    """The lines of one kind of fault within a time window."""

    began_s: float
    level: str
    written: int = 0
    withheld: int = 0

    def words(self, key: str) -> str:
        more = count_words(self.withheld, "more line")
        return f"{self.level} {more} like this in {WINDOW_S:.0f} s: {key}"


class LogWriter(logging.Handler):
    """Writes to the descriptor of `stream`. `lost` counts the dropped lines."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self._descriptor = stream.fileno()
        self._lines: deque[bytes] = deque()
        self._kinds: dict[str, _Kind] = {}
        self._some = threading.Condition()
        self._is_closing = False
        self._is_idle = True
        self.lost = 0
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the line; never waits."""
        try:
            if not self._is_one_too_many(record):
                self._queue(self.format(record))
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Write the queued lines, for a moment at most."""
        with self._some:
            self._summarize(float("inf"))
            self._is_closing = True
            self._some.notify_all()
            self._some.wait_for(lambda: self._is_idle and not self._lines, _CLOSE_S)
        super().close()

    def _queue(self, line: str) -> None:
        with self._some:
            if len(self._lines) >= MOST_QUEUED:
                self.lost += 1
            else:
                self._lines.append(line.encode("utf-8", "replace") + b"\n")
            if self._thread is None or not self._thread.is_alive():  # no thread survives a fork
                self._begin()
            if self._is_idle:
                self._some.notify_all()

    def _begin(self) -> None:
        """Start the thread; if that fails, the lines wait for the next attempt."""
        thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        with contextlib.suppress(RuntimeError):
            thread.start()
            self._thread = thread

    def _is_one_too_many(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return False
        now_s, key = time.monotonic(), bare(kind_of(record.msg, record.args))
        with self._some:
            self._summarize(now_s)
            if len(self._kinds) >= _MOST_KINDS:
                return False
            kind = self._kinds.setdefault(key, _Kind(now_s, record.levelname))
            kind.written += 1
            kind.withheld += kind.written > MOST_OF_A_KIND
            return kind.written > MOST_OF_A_KIND

    def _summarize(self, now_s: float) -> None:
        """Log how many lines were withheld in the time windows that are over."""
        for key in [key for key, kind in self._kinds.items() if now_s - kind.began_s >= WINDOW_S]:
            kind = self._kinds.pop(key)
            if kind.withheld:
                self._queue(kind.words(key))

    # -- the thread -----------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._some:
                self._is_idle = not self._lines
                self._some.notify_all()
                while not self._lines and not self._is_closing:
                    self._some.wait(WINDOW_S)
                    self._summarize(time.monotonic())
                if not self._lines:
                    return
                self._is_idle = False
                most = min(len(self._lines), _MOST_AT_ONCE)
                lines, lost = b"".join(self._lines.popleft() for _ in range(most)), self.lost
            words = count_words(lost, "line of the log was", "lines of the log were")
            if lost and self._write(f"WARNING {words} lost: nobody read it\n".encode()):
                with self._some:
                    self.lost -= lost
            self._write(lines)

    def _write(self, lines: bytes) -> bool:
        rest = memoryview(lines)
        try:
            while rest:
                try:
                    rest = rest[os.write(self._descriptor, rest) :]
                except BlockingIOError:
                    select.select([], [self._descriptor], [])
        except (OSError, ValueError):  # the reader is gone
            return False
        return True
