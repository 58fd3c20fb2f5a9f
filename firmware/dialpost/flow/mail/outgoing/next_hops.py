"""From a domain to the hosts to try, and from a host to its addresses, for the flush.

DNS trouble never bounces mail. It uses up an attempt only if DNS works for other names: then the trouble is the
domain's own, and its mail must not wait for ever. Keeps no state beyond one run.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from dialpost.core.config.model import Config, Via
from dialpost.core.mail.mx import AddressAnswer, DnsProblem, DnsTrouble, MxAnswer, NoWay, mx_hosts, no_addresses
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.routing import NextHop, RouteTable
from dialpost.flow.mail.needs import HostAddresses


class NameService(HostAddresses, Protocol):
    """The subset of edge/mail/resolver the flush needs."""

    async def mx(self, domain: str) -> MxAnswer:
        """MX records."""


@dataclass(frozen=True, slots=True)
class Way:
    """A next hop and its hosts, in the order to try them."""

    hop: NextHop
    hosts: tuple[str, ...]


class NextHops:
    """Finds the next hop for each domain. One object per run, so that equal MX hosts are shuffled again each
    time."""

    def __init__(
        self, config: Config, table: RouteTable, names: NameService, chance: Callable[[], float] = random.random
    ) -> None:
        self._config, self._table, self._names, self._chance = config, table, names, chance
        self._ranks: dict[str, float] = {}
        self.hears_dns = False
        """Whether DNS answered anything in this run: a sign that the line is up."""

    async def way(self, domain: str) -> Way | NoWay:
        """The next hop for mail to `domain`, or the reason why there is none."""
        hop = self._table.next_hop(domain)
        if hop is None:
            text = "No host for outgoing mail is configured: set outbound.smarthost"
            return NoWay(Reply(451, (text,), "4.3.5"), counts_as_attempt=False)
        if hop.via is Via.SMARTHOST:
            return Way(hop, (hop.host,))
        if domain.startswith("["):  # RFC 5321 §4.1.3: an address literal is its own host
            return Way(hop, (domain,))
        answer = await self._names.mx(domain)
        self._heard(answer)
        found = mx_hosts(domain, answer, self._own_names, self._rank)
        return await self._weighed(found) if isinstance(found, NoWay) else Way(hop, found)

    async def addresses(self, host: str) -> AddressAnswer:
        """The addresses of one host."""
        answer = await self._names.addresses(host)
        if answer != (host,):  # an address literal is its own answer and says nothing about the line
            self._heard(answer)
        return answer

    async def unreachable(self, hop: NextHop, domain: str, problems: Sequence[DnsProblem]) -> NoWay:
        """No host has an address; `problems` holds one for each."""
        found = no_addresses(domain, problems)
        if hop.via is Via.MX:
            return await self._weighed(found)
        if not found.reply.is_permanent:
            return found
        # If DNS does not know the smarthost, the configuration or the DNS answer is wrong: no reason to bounce
        # mail.
        text = f"The address of the mail host {hop.host} can't be found: check its name in the configuration"
        return NoWay(Reply(451, (text,), "4.4.4"), counts_as_attempt=False)

    @property
    def _own_names(self) -> frozenset[str]:
        return frozenset({self._config.station.hostname.lower().rstrip(".")})

    def _rank(self, host: str) -> float:
        """Random, but fixed for each host within a run: domains with the same hosts then share a connection."""
        return self._ranks.setdefault(host, self._chance())

    def _heard(self, answer: MxAnswer | AddressAnswer) -> None:
        self.hears_dns = self.hears_dns or not isinstance(answer, DnsTrouble)

    async def _weighed(self, found: NoWay) -> NoWay:
        """Count trouble as an attempt if DNS works for the station's own domain."""
        if found.counts_as_attempt or found.reply.is_permanent:
            return found
        control = await self._names.mx(self._config.station.domains[0])
        return replace(found, counts_as_attempt=not isinstance(control, DnsTrouble))
