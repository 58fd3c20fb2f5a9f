"""The newest lines of the station's own log, kept in memory for whoever asks at the console.

A journal has them all; this is for a machine without one, and costs a few kilobytes. A handler of `logging`: any
thread may log.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import Any

from dialpost.core.logged_faults import SHOWN_S, LoggedFault, kind_of
from dialpost.core.printable import lines, one_line

MOST_LINES = 500
_LONGEST = 4000
_MOST_FAULTS = 100
_LOGGERS = ("dialpost", "dialpost.mail")  # the second may not propagate (as with the simulated panel)


def listen() -> LogTail:
    """The process's only LogTail; from the first call on it listens to the station's loggers, across stations."""
    there = logging.getLogger(_LOGGERS[0]).handlers
    tail = next((handler for handler in there if isinstance(handler, LogTail)), None) or LogTail()
    for name in _LOGGERS:
        logging.getLogger(name).addHandler(tail)  # harmless if it is already there
    return tail


class LineFormatter(logging.Formatter):
    """Makes a record one harmless line, whatever was put into it; a traceback follows in its own lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return one_line(super().formatMessage(record), _LONGEST)

    def formatException(self, ei: Any) -> str:
        return lines(super().formatException(ei))


class LogTail(logging.Handler):
    """Keeps the last `MOST_LINES` lines."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S"))
        self._lines: deque[str] = deque(maxlen=MOST_LINES)
        self._last: logging.LogRecord | None = None
        self._faults: dict[str, LoggedFault] = {}  # in the order in which they were last seen

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record once: it may come from both loggers."""
        if record is not self._last:
            self._last = record
            # A traceback may be far longer than any line; its beginning is enough here.
            self._lines.extend(self.format(record)[: 5 * _LONGEST].split("\n"))
            if record.levelno >= logging.WARNING:
                self._note(record)

    def _note(self, record: logging.LogRecord) -> None:
        key = kind_of(record.msg, record.args)
        before = self._faults.pop(key, None)
        self._faults[key] = LoggedFault(
            key,
            one_line(record.getMessage()),
            record.levelno >= logging.ERROR,
            before.count + 1 if before is not None else 1,
            time.monotonic(),
        )
        if len(self._faults) > _MOST_FAULTS:
            del self._faults[next(iter(self._faults))]

    def faults(self, since_s: float) -> list[LoggedFault]:
        """The kinds of faults logged after `since_s` (monotonic) and within the last day, newest last."""
        begin_s = max(since_s, time.monotonic() - SHOWN_S)
        return [fault for fault in self._faults.copy().values() if fault.last_s >= begin_s]

    def lines(self, most: int) -> list[str]:
        """The newest `most` lines, oldest first."""
        return list(self._lines)[-most:] if most > 0 else []
