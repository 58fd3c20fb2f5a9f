"""DNS queries over the line; every result is a value (core/mail/mx), never an exception.

The servers are those of the configuration, else those announced when the line comes up (`use_servers`), else the
system's. dnspython builds and parses the messages. Its resolver is not used, because it measures time by the wall
clock, which on a board without a battery clock is set in the middle of a call. Here every wait is monotonic, and
answers are cached by monotonic time, for their TTL at most.

dnspython (5 MB) is imported at the first query: a station that reaches its smarthost through the system's resolver
never needs it. Runs in the event loop; safe to use from many tasks.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dialpost.core.address import normalise_domain
from dialpost.core.config.model import DnsConfig
from dialpost.core.errors import AddressError
from dialpost.core.mail.mx import (
    AddressAnswer,
    DnsProblem,
    DnsTrouble,
    MxAnswer,
    MxRecord,
    NoRecords,
    NoSuchName,
    TxtAnswer,
)

if TYPE_CHECKING:
    from dns.message import Message, QueryMessage

CACHED_ANSWERS = 500
LONGEST_CACHED_S = 3600.0
LONGEST_CACHED_ABSENCE_S = 300.0
MAX_ALIASES = 8  # the number of CNAMEs followed whose target is not in the same answer

_RESOLV_CONF = Path("/etc/resolv.conf")
_NETWORKD = Path("/run/systemd/netif/state")
"""The servers that networkd knows from DHCP or its configuration, for a system without resolved, like the board.
The file says it is private to systemd; sd-network(3) has read it in this form since 2013."""
_HOSTS = Path("/etc/hosts")

_Records = tuple[Any, ...]  # record data of one kind, as dnspython has it


@dataclass(frozen=True, slots=True)
class _Kept:
    answer: _Records | DnsProblem
    until_s: float


@dataclass(frozen=True, slots=True)
class _Alias:
    """The answer only names another name to ask for."""

    target: str


class _LineSocket:
    """A socket as dnspython uses it (dns.asyncbackend). The caller sets the time-out."""

    family = socket.AF_INET

    def __init__(self, sock: socket.socket) -> None:
        self._sock, self._loop = sock, asyncio.get_running_loop()

    async def connect(self, server: tuple[str, int]) -> None:
        await self._loop.sock_connect(self._sock, server)

    async def getpeername(self) -> object:
        return self._sock.getpeername()

    async def sendto(self, what: bytes, server: tuple[str, int], timeout: float | None) -> int:
        return await self._loop.sock_sendto(self._sock, what, server)

    async def recvfrom(self, size: int, timeout: float | None) -> tuple[bytes, object]:
        return await self._loop.sock_recvfrom(self._sock, size)

    async def sendall(self, what: bytes, timeout: float | None) -> None:
        await self._loop.sock_sendall(self._sock, what)

    async def recv(self, size: int, timeout: float | None) -> bytes:
        return await self._loop.sock_recv(self._sock, size)


class Resolver:
    """MX, addresses and text records."""

    def __init__(
        self,
        config: DnsConfig,
        *,
        resolv_conf: Path = _RESOLV_CONF,
        networkd: Path = _NETWORKD,
        hosts: Path = _HOSTS,
    ) -> None:
        self._networkd = networkd
        self._config = config
        self._resolv_conf = resolv_conf
        self._hosts = hosts
        self._of_line: tuple[str, ...] = ()
        self._interface = ""
        self._cache: dict[tuple[str, str], _Kept] = {}

    def use_servers(self, servers: Sequence[str], interface: str = "") -> None:
        """The line is up and announces these servers, or it is down: (). Clears the cache.

        `interface`: they are asked on it, whatever route to them somebody on the LAN has set. Where the system
        allows no such sockets, they are asked as any others.
        """
        self._of_line, self._interface = tuple(servers), interface
        self._cache.clear()

    async def mx(self, domain: str) -> MxAnswer:
        """The domain's MX records, unordered. CNAMEs are followed (RFC 5321 §5.1)."""
        found = await self._ask(domain, "MX")
        if not isinstance(found, tuple):
            return found
        return tuple(MxRecord(record.preference, _host_name(record.exchange)) for record in found)

    async def addresses(self, host: str) -> AddressAnswer:
        """The host's IP addresses, IPv4 first: a dialled line has nothing else. An address is its own answer."""
        known = _literal(host) or self._from_hosts_file(host)
        if known:
            return known
        if not (self._config.servers or self._of_line):
            return await _system_addresses(host, self._config.total_s)
        if _has_ipv6():
            four, six = await asyncio.gather(self._ask(host, "A"), self._ask(host, "AAAA"))
            return _both(four, six)
        four = await self._ask(host, "A")
        return _both(four, await self._ask(host, "AAAA")) if isinstance(four, NoRecords) else _both(four, four)

    async def addresses_in_dns(self, host: str) -> AddressAnswer:
        """Like `addresses`, but without /etc/hosts, where the station's own name is 127.0.1.1."""
        known = _literal(host)
        if known:
            return known
        four, six = await asyncio.gather(self._ask(host, "A"), self._ask(host, "AAAA"))
        return _both(four, six)

    async def host_addresses(self, host: str) -> tuple[str, ...]:
        """`addresses`; () if there are none or DNS does not answer."""
        found = await self.addresses(host)
        return found if isinstance(found, tuple) else ()

    async def txt(self, name: str) -> TxtAnswer:
        """The name's text records, with the pieces of each joined."""
        found = await self._ask(name, "TXT")
        if not isinstance(found, tuple):
            return found
        return tuple(b"".join(record.strings).decode("utf-8", "replace") for record in found)

    async def records(self, name: str, kind: str) -> tuple[str, ...] | DnsProblem:
        """The records of a type (MX, TXT ...) in zone file format; for the operator's `lookup`."""
        found = await self._ask(name, kind)
        return tuple(record.to_text() for record in found) if isinstance(found, tuple) else found

    async def _ask(self, name: str, kind: str) -> _Records | DnsProblem:
        try:
            wanted = normalise_domain(name)
        except AddressError:
            return NoSuchName(name)  # it can't be in DNS
        now_s = asyncio.get_running_loop().time()
        kept = self._cache.get((wanted, kind))
        if kept is not None and kept.until_s > now_s:
            return kept.answer
        answer, ttl_s = await self._ask_servers(wanted, kind)
        if ttl_s > 0:
            if len(self._cache) >= CACHED_ANSWERS:
                self._cache.pop(next(iter(self._cache)))
            self._cache[wanted, kind] = _Kept(answer, now_s + ttl_s)
        return answer

    def _system_servers(self) -> tuple[str, ...]:
        lines = _lines(self._resolv_conf)
        named = tuple(fields[1] for fields in lines if fields[0] == "nameserver" and len(fields) > 1)
        return named or _networkd_servers(self._networkd)

    async def _ask_servers(self, name: str, kind: str) -> tuple[_Records | DnsProblem, float]:
        """Ask the servers in turn, repeatedly, until one answers or the time is up."""
        deadline_s = asyncio.get_running_loop().time() + self._config.total_s
        servers = list(self._config.servers or self._of_line or self._system_servers())
        asked, aliases = name, 0
        why = "no name server is known"
        while servers:
            server = servers.pop(0)
            left_s = deadline_s - asyncio.get_running_loop().time()
            if left_s <= 0:
                break
            try:
                async with asyncio.timeout(min(self._config.try_s, left_s)):
                    result, ttl_s = _read(name, await self._exchange(asked, kind, server))
            except TimeoutError:
                why = f"{server} does not answer"
                servers.append(server)  # the packet may have been lost
            except Exception as error:  # dnspython and sockets raise many types for one fact: this did not work
                why = f"{server}: {error or type(error).__name__}"
            else:
                if isinstance(result, _Alias) and aliases < MAX_ALIASES:
                    asked, aliases = result.target, aliases + 1
                    servers.insert(0, server)
                elif isinstance(result, _Alias):
                    why = f"{name} is an alias of an alias without end"
                elif isinstance(result, DnsTrouble):
                    why = f"{server} {result.why}"
                else:
                    return result, ttl_s
        return DnsTrouble(name, why), 0.0

    async def _exchange(self, name: str, kind: str, server: str) -> Message:
        """One query, one answer; by TCP if it does not fit into a datagram. The caller sets the time-out.

        No EDNS: MX and address records fit without it, and some providers' old forwarders fail on it.
        """
        import dns.asyncquery
        import dns.message

        query = dns.message.make_query(f"{name}.", kind)
        port = self._config.port
        with self._socket_to(server, socket.SOCK_DGRAM) as sock, contextlib.suppress(dns.message.Truncated):
            return await dns.asyncquery.udp(
                query,
                server,
                port=port,
                ignore_unexpected=True,
                ignore_errors=True,
                raise_on_truncation=True,
                sock=sock,
            )
        with self._socket_to(server, socket.SOCK_STREAM) as sock:
            if sock is not None:
                await sock.connect((server, port))
            return await dns.asyncquery.tcp(query, server, port=port, sock=sock)

    @contextlib.contextmanager
    def _socket_to(self, server: str, kind: int) -> Iterator[Any]:
        """A socket that can't leave the line, for the line's servers if that is wanted; else None."""
        if not self._interface or server not in self._of_line:
            yield None
            return
        with socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK) as sock:
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._interface.encode() + b"\0")
            except OSError:
                yield None
            else:
                yield _LineSocket(sock)

    def _from_hosts_file(self, host: str) -> tuple[str, ...]:
        name = host.rstrip(".").lower()
        if name == "localhost" or name.endswith(".localhost"):
            return ("127.0.0.1", "::1")  # RFC 6761 §6.3: never send a query for it
        found = [fields[0] for fields in _lines(self._hosts) if name in (field.lower() for field in fields[1:])]
        return _in_order(address for text in found for address in _literal(text))


def _read(name: str, response: Message) -> tuple[_Records | DnsProblem | _Alias, float]:
    """What a response says about `name`, and its TTL."""
    import dns.message
    import dns.rcode

    if not isinstance(response, dns.message.QueryMessage):
        return DnsTrouble(name, "sent something that is not an answer"), 0.0
    rcode = response.rcode()
    if rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return DnsTrouble(name, f"answered {dns.rcode.to_text(rcode)}"), 0.0
    chain = response.resolve_chaining()
    if chain.answer is not None:
        return tuple(chain.answer), min(float(chain.minimum_ttl), LONGEST_CACHED_S)
    has_soa = _has_soa(response)
    certain = has_soa or _may_know(response)
    ttl_s = min(float(chain.minimum_ttl), LONGEST_CACHED_ABSENCE_S) if has_soa else 0.0
    if rcode == dns.rcode.NXDOMAIN:
        return NoSuchName(name, certain), ttl_s
    if chain.cnames and not has_soa:
        return _Alias(_host_name(chain.canonical_name)), 0.0
    return NoRecords(name, certain), ttl_s


def _has_soa(response: QueryMessage) -> bool:
    """A genuine negative answer carries the zone's SOA (RFC 2308 §2)."""
    import dns.rdatatype

    return any(rrset.rdtype == dns.rdatatype.SOA for rrset in response.authority)


def _may_know(response: QueryMessage) -> bool:
    """Whether the server claims authority or recursion: without either, its "no" is mere ignorance."""
    import dns.flags

    return bool(response.flags & (dns.flags.AA | dns.flags.RA))


def _both(four: _Records | DnsProblem, six: _Records | DnsProblem) -> AddressAnswer:
    """One answer from two: any address counts; without one, trouble with either query leaves it open."""
    found = [record.address for answer in (four, six) if isinstance(answer, tuple) for record in answer]
    if found:
        return tuple(dict.fromkeys(found))
    problems = [answer for answer in (four, six) if not isinstance(answer, tuple)]
    return next((problem for problem in problems if isinstance(problem, DnsTrouble)), problems[0])


async def _system_addresses(host: str, total_s: float) -> AddressAnswer:
    """Ask the system's own resolver. Its "no" is not certain, because it does not reveal its source."""
    try:
        name = normalise_domain(host)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(total_s):
            found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except AddressError:
        return NoSuchName(host)
    except TimeoutError:
        return DnsTrouble(host, "the system's name service does not answer")
    except socket.gaierror as error:
        if error.errno == socket.EAI_NONAME:
            return NoSuchName(host, certain=False)
        if error.errno == getattr(socket, "EAI_NODATA", None):
            return NoRecords(host, certain=False)
        return DnsTrouble(host, error.strerror or str(error))
    except OSError as error:
        return DnsTrouble(host, error.strerror or str(error))
    return _in_order(str(item[4][0]) for item in found)


def _in_order(addresses: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(dict.fromkeys(addresses), key=lambda address: ":" in address))


def _literal(host: str) -> tuple[str, ...]:
    bare = host.removeprefix("[").removesuffix("]")
    try:
        return (str(ipaddress.ip_address(bare[5:] if bare.lower().startswith("ipv6:") else bare)),)
    except ValueError:
        return ()


def _has_ipv6() -> bool:
    """Whether there is a route to IPv6 hosts. Sends nothing: `connect` of a datagram socket only looks for one."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.connect(("2001:db8::1", 53))
    except OSError:
        return False
    return True


def _networkd_servers(state: Path) -> tuple[str, ...]:
    """The plain addresses in a line like `DNS=192.168.1.1 fe80::1%2 192.0.2.1:5353#name`."""
    found = [word for fields in _lines(state) if fields[0].startswith("DNS=") for word in fields]
    servers = [word.removeprefix("DNS=").partition("#")[0] for word in found]
    return tuple(server for server in servers if _is_address(server))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _lines(path: Path) -> list[list[str]]:
    """The fields of each non-empty line, without comments; [] if the file can't be read."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    lines = (line.split("#", 1)[0].split(";", 1)[0].split() for line in text.splitlines())
    return [fields for fields in lines if fields]


def _host_name(name: object) -> str:
    return str(name).rstrip(".").lower()
