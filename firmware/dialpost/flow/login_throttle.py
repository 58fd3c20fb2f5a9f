"""Slowing down who guesses passwords: after some failures an address has to wait.

A success wipes the address's failures, so phones behind one LAN address are not locked out for ever by one of them
that has an old password: they wait with it at most `pause_s`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MOST_ADDRESSES = 10_000


@dataclass(slots=True)
class _Failures:
    count: int
    until_s: float


class LoginThrottle:
    """Failures by address; memory bounded whatever comes."""

    def __init__(self, failures: int, pause_s: float, monotonic: Callable[[], float]) -> None:
        self._allowed, self._pause_s, self._monotonic = failures, pause_s, monotonic
        self._known: dict[str, _Failures] = {}

    def wait_s(self, address: str) -> float:
        """Seconds this address has to wait before the next try, 0 = none."""
        found = self._known.get(address)
        if found is None:
            return 0.0
        left = found.until_s - self._monotonic()
        if left <= 0:
            del self._known[address]
            return 0.0
        return left if found.count >= self._allowed else 0.0

    def failed(self, address: str) -> None:
        """A login failed."""
        until_s = self._monotonic() + self._pause_s
        found = self._known.pop(address, None)
        self._known[address] = _Failures((found.count if found else 0) + 1, until_s)
        if len(self._known) > MOST_ADDRESSES:
            self._known.pop(next(iter(self._known)))

    def succeeded(self, address: str) -> None:
        """A login was right."""
        self._known.pop(address, None)
