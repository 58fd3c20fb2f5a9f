"""Brightness by switching: one thread for all dimmed lines of a factory, asleep while all are dark or full.

Cheap enough for lights: the thread wakes twice a period. It is not exact (Python's threads are not), but the eye
does not notice. Hardware PWM would need lines that have it and an interface common to all boards; there is none.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

SetLevel = Callable[[bool], None]

_log = logging.getLogger("dialpost.panel")


@dataclass(slots=True)
class _Dimmed:
    """One line: its `duty` (share of the period lit, 0 to 1) and how long a period is."""

    set_level: SetLevel
    duty: float
    period_s: float
    runs: int
    """The number of this `set`: the schedule of earlier ones is dropped."""


class SoftPwm:
    """Lines by a key chosen by the caller. Any thread may call; `set` and `drop` return once the level is as
    wanted."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._lines: dict[object, _Dimmed] = {}
        self._plan: list[tuple[float, int, object, int, bool]] = []
        self._count = itertools.count()
        self._thread: threading.Thread | None = None

    def set(self, key: object, set_level: SetLevel, duty: float, frequency_hz: float) -> None:
        """Give the line its share; 0 and 1 are set once and need no thread."""
        with self._changed:
            self._lines.pop(key, None)
            if duty <= 0 or duty >= 1:
                set_level(duty >= 1)
                return
            run = next(self._count)
            self._lines[key] = _Dimmed(set_level, duty, 1 / frequency_hz, run)
            # All periods begin together: the thread wakes twice a period, however many lines there are.
            begins_s = math.ceil(time.monotonic() * frequency_hz) / frequency_hz
            heapq.heappush(self._plan, (begins_s, next(self._count), key, run, True))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="gpio-pwm", daemon=True)
                self._thread.start()
            self._changed.notify()

    def drop(self, key: object) -> None:
        """Leave the line as it is."""
        with self._changed:
            self._lines.pop(key, None)

    def close(self) -> None:
        """End the thread; lines stay as they are."""
        with self._changed:
            thread, self._thread = self._thread, None
            self._lines.clear()
            self._changed.notify()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        with self._changed:
            while self._thread is threading.current_thread():
                if not self._plan:
                    self._changed.wait()
                    continue
                left_s = self._plan[0][0] - time.monotonic()
                if left_s > 0:
                    self._changed.wait(left_s)
                    continue
                self._step(*heapq.heappop(self._plan))

    def _step(self, due_s: float, number: int, key: object, run: int, lit: bool) -> None:
        line = self._lines.get(key)
        if line is None or line.runs != run:
            return
        try:
            line.set_level(lit)
        except Exception:  # the chip is gone: the other lights continue
            _log.exception("gpio: a light can't be set")
            del self._lines[key]
            return
        share = line.duty if lit else 1 - line.duty
        # Late by more than a period: continue from now, instead of catching up in a burst.
        next_s = max(due_s + share * line.period_s, time.monotonic() - line.period_s)
        heapq.heappush(self._plan, (next_s, next(self._count), key, run, not lit))
