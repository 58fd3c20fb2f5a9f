"""What a flush remembers between its runs, and how others steer it. Runs in the event loop, without a lock."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence, Set
from dataclasses import dataclass, field

from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.routing import NextHop
from dialpost.core.mail.smtp_target import SessionFate
from dialpost.flow.mail.outgoing.lane import Lane


@dataclass(slots=True)
class Standing:
    """The state that outlives a run, and by which others steer it.

    `tried` holds the messages deferred in this call, by host; `resting` the hosts and domains left alone, and until
    when (monotonic); `unreached` the hosts for which all mail is on record as deferred, and how. `stopping`: end
    after the current messages; `aborted`: the line is gone. `more`: look at the queue again.
    """

    tried: dict[tuple[NextHop, str], set[QueueId]] = field(default_factory=dict)
    resting: dict[Hashable, float] = field(default_factory=dict)
    lanes: list[Lane] = field(default_factory=list)
    stopping: bool = False
    aborted: bool = False
    more: asyncio.Event = field(default_factory=asyncio.Event)
    unreached: set[tuple[NextHop, str, SessionFate | None]] = field(default_factory=set)

    def lane(self, hop: NextHop, host: str, domains: set[str] | None) -> Lane:
        """A new lane that knows what was already tried in this call."""
        made = Lane(hop, host, domains, self.tried.setdefault((hop, host), set()))
        self.lanes.append(made)
        return made

    def share(self, in_doubt: Set[QueueId], hop: NextHop, hosts: Sequence[str], host: str) -> None:
        """A message that may have arrived at one host of a domain is not offered to the next in this call (RFC
        1047)."""
        tried = self.tried.setdefault((hop, host), set())
        for other in hosts:
            tried |= in_doubt & self.tried.get((hop, other), set())

    def is_news(self, lane: Lane, fate: SessionFate | None) -> bool:
        """Whether it has yet to be recorded in this call, for all mail, that the host can't be used in this way."""
        key = (lane.hop, lane.host, fate)
        is_news = key not in self.unreached
        self.unreached.add(key)
        return is_news

    def retry(self, left: Set[QueueId]) -> None:
        """Have these tried again in this call, wherever they were tried before."""
        for tried in self.tried.values():
            tried.difference_update(left)
        self.resting.clear()

    def let_rest(self, key: Hashable, rest_s: float) -> None:
        """Leave a host or a domain alone for a while."""
        self.resting[key] = asyncio.get_running_loop().time() + rest_s

    def is_resting(self, key: Hashable) -> bool:
        """Whether to leave it alone."""
        return self.resting.get(key, 0.0) > asyncio.get_running_loop().time()
