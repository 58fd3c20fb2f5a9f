"""The one thread that waits for edges on all lines of a factory; only the kernel wakes it.

Callbacks run in this thread, one after the other; `remove` returns when no call is under way and none will follow.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import threading
from collections.abc import Callable

_log = logging.getLogger("dialpost.panel")


class EdgeWatcher:
    """Started with the first descriptor, ended by `close`."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._ready: dict[int, Callable[[], None]] = {}
        self._thread: threading.Thread | None = None
        self._wake_out, self._wake_in = -1, -1

    def add(self, descriptor: int, on_ready: Callable[[], None]) -> None:
        """Call `on_ready`, in the thread, whenever there is something to read."""
        with self._lock:
            self._ready[descriptor] = on_ready
            if self._thread is None:
                self._wake_out, self._wake_in = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
                self._thread = threading.Thread(target=self._run, name="gpio-edges", daemon=True)
                self._thread.start()
        self._wake()

    def remove(self, descriptor: int) -> None:
        """Stop watching it. Harmless if it was not watched."""
        with self._lock:
            self._ready.pop(descriptor, None)
        self._wake()

    def close(self) -> None:
        """End the thread. Harmless if it never ran."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._ready.clear()
        if thread is None:
            return
        self._wake()
        if thread is not threading.current_thread():
            thread.join()
        for descriptor in (self._wake_in, self._wake_out):
            os.close(descriptor)
        self._wake_out = self._wake_in = -1

    def _wake(self) -> None:
        if self._wake_in >= 0:
            with contextlib.suppress(BlockingIOError):
                os.write(self._wake_in, b"w")

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._thread is None:
                    return
                watched = list(self._ready)
            poll = select.poll()
            for descriptor in (self._wake_out, *watched):
                poll.register(descriptor, select.POLLIN)
            for descriptor, happened in poll.poll():
                if descriptor == self._wake_out:
                    with contextlib.suppress(BlockingIOError):
                        os.read(descriptor, 512)
                else:
                    self._call(descriptor, happened)

    def _call(self, descriptor: int, happened: int) -> None:
        with self._lock:
            on_ready = self._ready.get(descriptor)
            if on_ready is None:
                return  # removed while we waited
            if not happened & select.POLLIN:  # the chip is gone: its descriptor would be ready for ever
                self._ready.pop(descriptor)
                _log.error("gpio: a line is gone; its button no longer works")
                return
            try:
                on_ready()
            except Exception:
                _log.exception("gpio: what an edge should have done failed")
