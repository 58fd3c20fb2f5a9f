"""Who may hold a connection, and who gives way where all places are taken.

Four pools share `smtp.max_connections`: the provider, users who logged in, hosts of the LAN's networks, and
strangers. Each has a tenth for itself, so that none can shut out another; the rest goes to who comes first. Where a
newcomer finds no place, an idle connection of a pool that counts no more than its own ends for it: strangers first,
of these the one that got nowhere for longest. With none idle, the host with the most strangers' connections gives
one up to a host with fewer. A host is an IPv4 address or an IPv6 /64. Runs in the event loop.
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
"""One for each pool; the other six go to who comes first, so that one host may have its whole measure."""


class Pool(IntEnum):
    """Whose connections are counted together; a greater number counts for more."""

    STRANGERS = 0
    LAN = 1
    USERS = 2
    PROVIDER = 3


class ConnectionPools:
    """The connections there are. `pool_of` tells where one belongs before a login, which moves it to the users'."""

    def __init__(self, most: int, most_per_host: int, pool_of: Callable[[Peer], Pool]) -> None:
        self._most, self._most_per_host, self._pool_of = most, most_per_host, pool_of
        self._kept = max(most // _SHARES, int(most > len(Pool)))
        self._callers: dict[Caller, tuple[Pool, str]] = {}  # as they came; pool and host of each

    def admit(self, caller: Caller) -> Reply | None:
        """Let it in, perhaps in another's place; or why not."""
        pool, host = self._pool_of(caller.peer), host_of(caller.peer.address)
        counts = Counter(map(self._pool, self._callers))
        of_host = Counter(self._host(one) for one in self._callers if self._pool(one) is pool)
        if of_host[host] >= self._most_per_host:
            return TOO_MANY_FROM_YOU
        kept = sum(max(0, self._kept - counts[other]) for other in Pool if other is not pool)
        if counts.total() + kept >= self._most:
            yields = self._idle(pool, counts) or self._crowding(pool, of_host, host)
            if yields is None:
                return TOO_MANY_HERE
            self.gone(yields)
            yields.give_way(GAVE_WAY)
        self._callers[caller] = (pool, host)
        return None

    def make_room(self, count: int) -> None:
        """End this many idle ones, or all there are: the system gives no more connections."""
        idle = [one for one in self._callers if one.is_idle]
        for one in sorted(idle, key=lambda one: (self._pool(one), one.progress_s))[:count]:
            self.gone(one)
            one.give_way(GAVE_WAY)

    def gone(self, caller: Caller) -> None:
        """It holds no place any more."""
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
        """Only among strangers: a message under way is broken off for nothing less than fairness."""
        if pool is not Pool.STRANGERS:
            return None
        found = [
            one
            for one in self._callers
            if one.is_waiting and self._pool(one) is pool and of_host[self._host(one)] > of_host[host] + 1
        ]
        return max(found, key=lambda one: (of_host[self._host(one)], -one.progress_s), default=None)
