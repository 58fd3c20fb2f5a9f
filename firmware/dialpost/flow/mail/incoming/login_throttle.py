"""Slowing down password guessing without locking out the phones that share the guesser's address.

Failures are counted per address, and per name tried from it. After too many, a stranger has to wait; a name that
has logged in from there before waits only for its own failures. A name over the limit gets one attempt per pause
from then on, so a phone with an old password, which never stops trying, does not use up its neighbours' attempts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from weakref import WeakValueDictionary

from dialpost.core.mail.peer_host import host_of

MOST_REMEMBERED = 10_000
_NAME_CHARACTERS = 100

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(slots=True)
class _Failures:
    count: int
    until_s: float


class LoginThrottle:
    """Failures by address and name, in bounded memory. IPv6 hosts count by their /64."""

    def __init__(self, failures: int, pause_s: float, monotonic: Callable[[], float]) -> None:
        self._allowed, self._pause_s, self._monotonic = failures, pause_s, monotonic
        self._by_address: dict[str, _Failures] = {}
        self._by_name: dict[tuple[str, str], _Failures] = {}
        self._known_good: dict[tuple[str, str], None] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def turn(self, address: str) -> asyncio.Lock:
        """One login at a time per address: many at once would all pass the check before the first has failed."""
        host = host_of(address)
        lock = self._turns.get(host)
        if lock is None:
            lock = self._turns[host] = asyncio.Lock()
        return lock

    def wait_s(self, address: str, name: str) -> float:
        """Seconds this name has to wait before its next attempt from this address, 0 = none."""
        host, key = host_of(address), _key(address, name)
        wait_s = self._left_s(self._by_name.get(key))
        if key in self._known_good:
            return wait_s
        return max(wait_s, self._left_s(self._by_address.get(host)))

    def failed(self, address: str, name: str) -> None:
        """A login failed."""
        host, key = host_of(address), _key(address, name)
        now_s = self._monotonic()
        whole = self._by_address.get(host)
        count = whole.count if whole is not None and whole.until_s > now_s else 0
        _remember(self._by_address, host, _Failures(count + 1, now_s + self._pause_s))
        own = self._by_name.get(key)
        # Below the limit a pause resets the count; above it only a success does.
        count = own.count if own is not None and (own.until_s > now_s or own.count >= self._allowed) else 0
        _remember(self._by_name, key, _Failures(count + 1, now_s + self._pause_s))

    def succeeded(self, address: str, name: str) -> None:
        """A login succeeded: this name's failures were typing errors. Those of other names still count."""
        host, key = host_of(address), _key(address, name)
        own, whole = self._by_name.pop(key, None), self._by_address.get(host)
        if own is not None and whole is not None:
            whole.count = max(0, whole.count - own.count)
        _remember(self._known_good, key, None)

    def _left_s(self, found: _Failures | None) -> float:
        if found is None or found.count < self._allowed:
            return 0.0
        return max(0.0, found.until_s - self._monotonic())


def _remember(known: dict[_Key, _Value], key: _Key, value: _Value) -> None:
    """Put it last; the one untouched for longest makes room."""
    known.pop(key, None)
    known[key] = value
    if len(known) > MOST_REMEMBERED:
        del known[next(iter(known))]


def _key(address: str, name: str) -> tuple[str, str]:
    return host_of(address), name.strip().lower()[:_NAME_CHARACTERS]
