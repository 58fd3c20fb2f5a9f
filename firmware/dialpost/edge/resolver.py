"""Asking DNS over the line, through dnspython's asyncio resolver; every outcome is a value (core/mx).

Nothing is asked before somebody sends: the servers are those of the configuration, or the system's, or those the line
names when it comes up (`use_servers`). dnspython measures its time-outs with the wall clock, so a clock step in
mid-query looks like a time-out: such a query is asked once more. The library is imported at the first question,
because a station that only knows a smarthost by address never needs it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dialpost.core.config import DnsConfig
from dialpost.core.mx import AddressAnswer, Addresses, DnsTrouble, MxAnswer, MxFound, MxHost, NoSuchName, NullMx

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver as DnsResolver
    from dns.resolver import Answer

CACHED_ANSWERS = 500
_EDNS_PAYLOAD = 1232  # no fragments on the line (DNS flag day 2020)


class Resolver:
    """MX, addresses and text records. Runs in the event loop; safe to use from many tasks."""

    def __init__(self, config: DnsConfig) -> None:
        self._config = config
        self._servers: tuple[str, ...] = config.servers
        self._dns: DnsResolver | None = None

    def use_servers(self, servers: Sequence[str]) -> None:
        """Ask these from now on (what the line names), unless the configuration names its own. () = the system's."""
        if not self._config.servers and tuple(servers) != self._servers:
            self._servers = tuple(servers)
            self._dns = None

    async def mx(self, domain: str) -> MxAnswer:
        """The domain's MX records."""
        found = await self._ask(domain, "MX")
        if isinstance(found, NoSuchName | DnsTrouble):
            return found
        if found is None:
            return MxFound(())
        hosts = tuple(MxHost(record.preference, _text(record.exchange)) for record in found)
        if any(host.host == "" for host in hosts):
            # RFC 7505 §3: a null MX stands alone; beside others it is a mistake and is passed over.
            hosts = tuple(host for host in hosts if host.host)
            return MxFound(hosts) if hosts else NullMx()
        return MxFound(hosts)

    async def addresses(self, host: str) -> AddressAnswer:
        """The host's IPv4 and IPv6 addresses, IPv4 first; an address is its own answer."""
        literal = _literal(host)
        if literal:
            return Addresses((literal,))
        if not self._servers:
            return await _system_addresses(host, self._config.total_s)
        four, six = await asyncio.gather(self._ask(host, "A"), self._ask(host, "AAAA"))
        found: list[str] = []
        for answer in (four, six):
            if not isinstance(answer, NoSuchName | DnsTrouble) and answer is not None:
                found += [record.address for record in answer]
        if found:
            return Addresses(tuple(found))
        for answer in (four, six):
            if isinstance(answer, DnsTrouble):
                return answer
        return four if isinstance(four, NoSuchName) else Addresses(())

    async def host_addresses(self, host: str) -> tuple[str, ...]:
        """The addresses, () where there are none or DNS does not answer."""
        answer = await self.addresses(host)
        return answer.addresses if isinstance(answer, Addresses) else ()

    async def txt(self, name: str) -> tuple[str, ...] | NoSuchName | DnsTrouble:
        """The name's text records, each with its pieces joined."""
        found = await self._ask(name, "TXT")
        if isinstance(found, NoSuchName | DnsTrouble):
            return found
        return tuple(b"".join(record.strings).decode("utf-8", "replace") for record in found or ())

    async def _ask(self, name: str, kind: str) -> Answer | None | NoSuchName | DnsTrouble:
        """The answer; None where the name exists without such a record."""
        import dns.exception
        import dns.name
        import dns.resolver

        for is_last in (False, True):
            begun = time.monotonic()
            try:
                return await self._resolver().resolve(name + ".", kind, lifetime=self._config.total_s)
            except dns.resolver.NXDOMAIN:
                return NoSuchName()
            except dns.resolver.NoAnswer:
                return None
            except dns.resolver.LifetimeTimeout:
                # Over long before its time: the wall clock was set meanwhile, not the server silent.
                if is_last or time.monotonic() - begun >= self._config.total_s * 0.9:
                    return DnsTrouble(f"no answer within {self._config.total_s:g} s")
            except dns.resolver.NoNameservers as error:
                return DnsTrouble(_no_servers_words(error))
            except (dns.resolver.NoResolverConfiguration, dns.exception.DNSException, OSError) as error:
                return DnsTrouble(str(error) or type(error).__name__)
        return DnsTrouble("no answer")

    def _resolver(self) -> DnsResolver:
        if self._dns is None:
            import dns.asyncresolver
            import dns.resolver

            made = dns.asyncresolver.Resolver(configure=not self._servers)
            if self._servers:
                made.nameservers = list(self._servers)
                made.port = self._config.port
            made.timeout, made.lifetime = self._config.try_s, self._config.total_s
            made.use_edns(0, 0, _EDNS_PAYLOAD)
            made.cache = dns.resolver.LRUCache(CACHED_ANSWERS)
            self._dns = made
        return self._dns


def _no_servers_words(error: Exception) -> str:
    """The server's own code where there is one: "SERVFAIL", "REFUSED"."""
    text = str(error)
    for code in ("REFUSED", "SERVFAIL", "NOTIMP", "FORMERR"):
        if code in text:
            return f"the name server answered {code}"
    return "no name server gave a usable answer"


async def _system_addresses(host: str, total_s: float) -> AddressAnswer:
    """Through the system's own resolver, which also knows /etc/hosts."""
    loop = asyncio.get_running_loop()
    try:
        found = await asyncio.wait_for(loop.getaddrinfo(host, None, type=socket.SOCK_STREAM), total_s)
    except TimeoutError:
        return DnsTrouble(f"no answer within {total_s:g} s")
    except socket.gaierror as error:
        if error.errno == socket.EAI_NONAME:
            return NoSuchName()
        return DnsTrouble(error.strerror or str(error))
    except (OSError, UnicodeError) as error:
        return DnsTrouble(str(error))
    known = dict.fromkeys(str(item[4][0]) for item in found)
    return Addresses(tuple(sorted(known, key=lambda address: ":" in address)))


def _literal(host: str) -> str:
    bare = host.strip("[]")
    try:
        return str(ipaddress.ip_address(bare[5:] if bare.lower().startswith("ipv6:") else bare))
    except ValueError:
        return ""


def _text(name: object) -> str:
    return str(name).rstrip(".").lower()
