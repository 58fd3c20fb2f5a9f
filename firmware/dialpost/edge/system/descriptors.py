"""File descriptors: the highest limit the system allows, connections by their number, and what happens without any.

After accept(2) found no descriptor, asyncio retries a second later, once for each place in the listener's backlog,
with a traceback each time. Here that is one log line, and idle connections are closed, so that the next attempt
succeeds.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import time
from collections.abc import Callable
from typing import Any

_FOR_THE_STATION = 40
"""Listeners, database, modem, control socket, a connection to the next host ..."""
_PER_CONNECTION = 2
"""Its socket, and the body of the current message."""
_LEAST = 4
_TOLD_EVERY_S = 60.0
_ROOM_EVERY_S = 0.5
_NO_ACCEPT = "socket.accept() out of system resource"

_log = logging.getLogger(__name__)


def take_all() -> None:
    """Raise this process's limit as far as allowed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def connections_for(wanted: int) -> int:
    """The number of connections, up to `wanted`, for which there are descriptors."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return wanted
    # Never fewer than _LEAST, or one mail program would be enough to shut everybody else out.
    return min(wanted, max(_LEAST, (limit - _FOR_THE_STATION) // _PER_CONNECTION))


class Shortage:
    """An exception handler for the event loop. `make_room` closes idle connections."""

    def __init__(self, make_room: Callable[[], None], monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._make_room, self._monotonic_s = make_room, monotonic_s
        self._told_s = self._made_room_s = float("-inf")

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Handle a shortage; report anything else as usual."""
        if context.get("message") != _NO_ACCEPT:
            loop.default_exception_handler(context)
            return
        now_s = self._monotonic_s()
        if now_s - self._told_s >= _TOLD_EVERY_S:
            self._told_s = now_s
            _log.error("connections: the system gives no more: %s", context.get("exception"))
        if now_s - self._made_room_s >= _ROOM_EVERY_S:
            self._made_room_s = now_s
            self._make_room()
