"""The parts of a TCP end of the model: what it offers, when it acknowledges, when it sends something again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Protocol

LEAST_CLAMP = 1152
"""Half of SOCK_MIN_RCVBUF."""
_GROWS_FROM_BYTES = 128
DELAYED_S = 0.04
_QUICK = 16
"""How many segments of a young connection are acknowledged at once (tcp_input.c, TCP_MAX_QUICKACKS)."""


@dataclass(frozen=True, slots=True)
class TcpSettings:
    """Of a side: the largest segment, the segments it begins with, its first receive window, its shortest RTO."""

    mss: int = 536
    first_segments: int = 10
    window: int = 64_240
    least_rto_s: float = 0.2


class ReceiveWindow:
    """What is offered (tcp_output.c, `__tcp_select_window`): whole segments, never withdrawn.

    TCP_WINDOW_CLAMP as in Linux 6.7 and newer (`tcp_set_window_clamp`, `tcp_grow_window`).
    """

    def __init__(self, settings: TcpSettings) -> None:
        self._mss = settings.mss
        self.clamp = self._grown = settings.window
        self.edge = 1 + self._width()

    def set_clamp(self, value: int) -> None:
        """A smaller one withdraws nothing; a larger one grows into the window with what comes."""
        self.clamp = max(value, LEAST_CLAMP)
        self._grown = min(self._grown, self.clamp)

    def came(self, count: int) -> None:
        """This much data arrived in a segment."""
        if count >= _GROWS_FROM_BYTES:
            self._grown = min(self.clamp, self._grown + 2 * self._mss)

    def offer(self, came_to: int, *, is_open: bool) -> int:
        """The window of an acknowledgement up to here; `is_open`: the program reads."""
        if is_open:
            self.edge = max(self.edge, came_to + self._width())
        return self.edge - came_to

    def _width(self) -> int:
        return min(self.clamp, self._grown) // self._mss * self._mss


class RoundTrips:
    """The shortest round trip, and the time-out for a retransmission (RFC 6298 §2)."""

    def __init__(self, least_rto_s: float) -> None:
        self._least_s = least_rto_s
        self._smoothed_s: float | None = None
        self._varies_s = 0.0
        self._backed_off = 1
        self.shortest_s = inf

    def took(self, seconds: float) -> None:
        """A segment's acknowledgement took that long."""
        self.shortest_s = min(self.shortest_s, seconds)
        self._backed_off = 1
        if self._smoothed_s is None:
            self._smoothed_s, self._varies_s = seconds, seconds / 2
        else:
            self._varies_s += (abs(self._smoothed_s - seconds) - self._varies_s) / 4
            self._smoothed_s += (seconds - self._smoothed_s) / 8

    def timed_out(self) -> None:
        """Wait twice as long the next time."""
        self._backed_off *= 2

    @property
    def time_out_s(self) -> float:
        """One second while nothing is known."""
        known_s = 1.0 if self._smoothed_s is None else self._smoothed_s + max(self._least_s, 4 * self._varies_s)
        return max(known_s, self._least_s) * self._backed_off


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
