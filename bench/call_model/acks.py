"""When a TCP end of the model acknowledges, and who takes what arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

DELAYED_S = 0.04
_QUICK = 16
"""How many segments of a young connection are acknowledged at once (tcp_input.c, TCP_MAX_QUICKACKS)."""


class Reader(Protocol):
    """Who takes what arrives."""

    def came(self, data: bytes) -> None:
        """Data in order."""

    def ended(self) -> None:
        """The peer sends no more."""

    def broke(self) -> None:
        """The peer reset the connection."""

    def drained(self) -> None:
        """The peer acknowledged something."""


class DelayedAcks:
    """Decides when to call `acknowledge`: at once for each second segment, else after some time (RFC 1122)."""

    def __init__(self, loop: asyncio.AbstractEventLoop, mss: int, acknowledge: Callable[[], None]) -> None:
        self._loop, self._mss, self._acknowledge = loop, mss, acknowledge
        self._acked_to, self._quick = 1, _QUICK
        self._timer: asyncio.TimerHandle | None = None

    def answers(self) -> None:
        """This end sends data: later acknowledgements may wait for data to go with."""
        self._quick = 0

    def sent(self, came_to: int) -> None:
        """An acknowledgement up to here is sent, alone or with data."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._acked_to = came_to

    def owes(self, came_to: int) -> None:
        """Data up to here arrived."""
        waiting = came_to - self._acked_to
        if waiting <= 0:  # data of ours took it along
            return
        if self._quick > 0 or waiting > self._mss:
            self._quick -= 1
            self._acknowledge()
        elif self._timer is None:
            self._timer = self._loop.call_later(DELAYED_S, self._acknowledge)
