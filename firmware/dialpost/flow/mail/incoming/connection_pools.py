"""Who may hold a connection, and who has to make room if all places are taken.

Four pools share `smtp.max_connections`: the provider, users who logged in, hosts of the LAN's networks, and
strangers. A tenth is reserved for each, so that no pool can shut out another; the rest is first come, first served.
If a newcomer finds no place, an idle connection of its own or a lower pool is closed in its favour: strangers
first, and of these the one that has made no progress for longest. If none is idle, the host with the most
strangers' connections gives one up to a host with fewer. A host is an IPv4 address or an IPv6 /64. Runs in the
event loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import IntEnum

from dialpost.core.mail.peer_host import host_of
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.session import Caller, Peer

TOO_MANY_HERE = Reply(421, ("Too many connections: try again later",), "4.7.0")
TOO_MANY_FROM_YOU = Reply(421, ("Too many connections from your address: try again later",), "4.7.0")
GAVE_WAY = Reply(421, ("Closing this idle connection to make room: try again later",), "4.7.0")

_SHARES = 10
"""Tenths: one for each pool. Six are for whoever comes first, so that one host may use its full allowance."""


class Pool(IntEnum):
    """Connections counted together; the greater number has the higher rank."""

    STRANGERS = 0
    LAN = 1
    USERS = 2
    PROVIDER = 3


class ConnectionPools:
    """The open connections. `pool_of` returns the pool of one without a login; a login moves it to the users'."""

    def __init__(self, most: int, most_per_host: int, pool_of: Callable[[Peer], Pool]) -> None:
        self._most, self._most_per_host, self._pool_of = most, most_per_host, pool_of
        # With a very low limit there is nothing to reserve: four reserved places would leave no free one.
        self._kept = max(most // _SHARES, int(most > len(Pool)))
        self._few = min(most_per_host, most - self._kept * (len(Pool) - 1))
        """With fewer connections than that none can be one too many: nothing needs to be counted."""
        self._callers: dict[Caller, tuple[Pool, str]] = {}  # as they came; pool and host of each

    def admit(self, caller: Caller) -> Reply | None:
        """Admit it, perhaps in another's place; else the reply that refuses it."""
        pool, host = self._pool_of(caller.peer), host_of(caller.peer.address)
        refusal = None if len(self._callers) < self._few else self._find_place(pool, host)
        if refusal is None:
            self._callers[caller] = (pool, host)
        return refusal

    def _find_place(self, pool: Pool, host: str) -> Reply | None:
        counts = Counter(map(self._pool, self._callers))
        of_host = Counter(self._host(one) for one in self._callers if self._pool(one) is pool)
        if of_host[host] >= self._most_per_host:
            return TOO_MANY_FROM_YOU
        kept = sum(max(0, self._kept - counts[other]) for other in Pool if other is not pool)
        if counts.total() + kept >= self._most:
            yields = self._idle(pool, counts) or self._crowding(pool, of_host, host)
            if yields is None:
                return TOO_MANY_HERE
            # Its place is free from here on, although its 421 has yet to be sent: the newcomer must not wait for a
            # peer that may never read.
            self.gone(yields)
            yields.give_way(GAVE_WAY)
        return None

    def make_room(self, count: int) -> None:
        """Close this many idle connections, or all there are: the process has run out of descriptors."""
        idle = [one for one in self._callers if one.is_idle]
        for one in sorted(idle, key=lambda one: (self._pool(one), one.progress_s))[:count]:
            self.gone(one)
            one.give_way(GAVE_WAY)

    def gone(self, caller: Caller) -> None:
        """It no longer holds a place."""
        self._callers.pop(caller, None)

    def _pool(self, caller: Caller) -> Pool:
        return self._callers[caller][0] if caller.peer.account is None else Pool.USERS

    def _host(self, caller: Caller) -> str:
        return self._callers[caller][1]

    def _idle(self, pool: Pool, counts: Counter[Pool]) -> Caller | None:
        def may_yield(its: Pool) -> bool:
            return its is pool or (its < pool and counts[its] > self._kept)

        found = [one for one in self._callers if one.is_idle and may_yield(self._pool(one))]
        return min(found, key=lambda one: (self._pool(one), one.progress_s), default=None)

    def _crowding(self, pool: Pool, of_host: Counter[str], host: str) -> Caller | None:
        """Only among strangers: nothing but fairness justifies interrupting a message under way."""
        if pool is not Pool.STRANGERS:
            return None
        # A difference of at least two: with one, two hosts would take turns evicting each other.
        found = [
            one
            for one in self._callers
            if one.is_waiting and self._pool(one) is pool and of_host[self._host(one)] > of_host[host] + 1
        ]
        return max(found, key=lambda one: (of_host[self._host(one)], -one.progress_s), default=None)
