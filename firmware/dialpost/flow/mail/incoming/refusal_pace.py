"""Slowing down hosts that guess names or try to relay: after the first few, each refusal takes longer.

Counted per host, whatever the number of its connections; a quiet period resets the count. Memory is bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dialpost.core.mail.peer_host import host_of

MOST_REMEMBERED = 10_000
_FREE = 10
"""The number of refusals answered at once: typing errors, or a list with some old addresses."""
_STEP_S = 0.25
_LONGEST_S = 5.0
"""Enough to make guessing useless, and far below any client's time-out (5 minutes, RFC 5321 §4.5.3.2)."""
_QUIET_S = 600.0
"""The quiet period that resets a host's count."""


@dataclass(slots=True)
class _Refused:
    count: int
    last_s: float


class RefusalPace:
    """The delay of refusals, by host."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._by_host: dict[str, _Refused] = {}

    def refused(self, address: str) -> float:
        """Count a refusal; returns the seconds to delay its reply."""
        host, now_s = host_of(address), self._monotonic()
        found = self._by_host.pop(host, None)
        if found is None or now_s - found.last_s > _QUIET_S:
            found = _Refused(0, now_s)
        found.count, found.last_s = found.count + 1, now_s
        self._by_host[host] = found
        if len(self._by_host) > MOST_REMEMBERED:
            del self._by_host[next(iter(self._by_host))]  # the one longest untouched
        return min(_LONGEST_S, _STEP_S * max(0, found.count - _FREE))
