"""Slowing down who tries names or relaying: each refusal beyond the first few is answered later.

Counted for the host, whatever the number of its connections; a quiet time wipes the slate. Memory is bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dialpost.core.mail.peer_host import host_of

MOST_REMEMBERED = 10_000
_FREE = 10
"""How many refusals are answered at once: they are slips, or a list with some old addresses."""
_STEP_S = 0.25
_LONGEST_S = 5.0
_QUIET_S = 600.0


@dataclass(slots=True)
class _Refused:
    count: int
    last_s: float


class RefusalPace:
    """How long each host waits for a refusal."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._by_host: dict[str, _Refused] = {}

    def refused(self, address: str) -> float:
        """One more; the seconds its answer waits."""
        host, now_s = host_of(address), self._monotonic()
        found = self._by_host.pop(host, None)
        if found is None or now_s - found.last_s > _QUIET_S:
            found = _Refused(0, now_s)
        found.count, found.last_s = found.count + 1, now_s
        self._by_host[host] = found
        if len(self._by_host) > MOST_REMEMBERED:
            del self._by_host[next(iter(self._by_host))]  # the one longest untouched
        return min(_LONGEST_S, _STEP_S * max(0, found.count - _FREE))
