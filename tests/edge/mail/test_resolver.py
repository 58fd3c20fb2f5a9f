"""The resolver against the test's own name server, with the faults name servers have."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from dialpost.core.config.model import DnsConfig
from dialpost.core.mail.mx import DnsTrouble, MxRecord, NoRecords, NoSuchName
from dialpost.edge.mail import resolver as resolver_module
from dialpost.edge.mail.resolver import Resolver
from dialpost.sim.free_ports import free_port

Answer = Callable[[dns.message.Message], dns.message.Message | bytes | None]
SOA = "ns.x.test. root.x.test. 1 3600 600 86400 300"


def may_bind() -> bool:
    with socket.socket() as sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
        except OSError:
            return False
    return True


def rrset(name: str, kind: str, *records: str, ttl: int = 60) -> dns.rrset.RRset:
    return dns.rrset.from_text_list(name, ttl, "IN", kind, records)


def reply(
    *answer: dns.rrset.RRset, rcode: str = "NOERROR", flags: int = dns.flags.RA, soa: str = "", tc: bool = False
) -> Answer:
    def make(query: dns.message.Message) -> dns.message.Message:
        response = dns.message.make_response(query)
        response.flags |= flags | (dns.flags.TC if tc else 0)
        response.set_rcode(dns.rcode.from_text(rcode))
        response.answer += [*answer]
        if soa:
            response.authority.append(rrset(soa, "SOA", SOA))
        return response

    return make


def silence(query: dns.message.Message) -> None:
    return None


class NameServer(asyncio.DatagramProtocol):
    """Answers each (name, kind) as scripted, NXDOMAIN with a SOA to the rest; `asked` is all that came."""

    def __init__(self) -> None:
        self.script: dict[tuple[str, str], Answer] = {}
        self.over_tcp: dict[tuple[str, str], Answer] = {}
        self.asked: list[tuple[str, str, str]] = []
        self.port = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        for packet in self._answers(data, "udp", self.script):
            self.transport.sendto(packet, address)

    async def serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        for packet in self._answers(await reader.readexactly(length), "tcp", self.over_tcp):
            writer.write(struct.pack("!H", len(packet)) + packet)
        writer.close()

    def _answers(self, data: bytes, way: str, script: dict[tuple[str, str], Answer]) -> list[bytes]:
        query = dns.message.from_wire(data)
        name = query.question[0].name.to_text(omit_final_dot=True)
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        self.asked.append((way, name, kind))
        made = script.get((name, kind), reply(rcode="NXDOMAIN", soa="test."))(query)
        if made is None:
            return []
        return [made] if isinstance(made, bytes) else [made.to_wire()]


@pytest.fixture
async def server() -> AsyncIterator[NameServer]:
    loop = asyncio.get_running_loop()
    made = NameServer()
    made.port = free_port()  # the kernel's choice for TCP may be in use for UDP
    tcp = await asyncio.start_server(made.serve_tcp, "127.0.0.1", made.port)
    udp, _ = await loop.create_datagram_endpoint(lambda: made, local_addr=("127.0.0.1", made.port))
    yield made
    udp.close()
    tcp.close()


@pytest.fixture
def resolver(server: NameServer, tmp_path: Path) -> Resolver:
    hosts = tmp_path / "hosts"
    hosts.write_text(
        "# a comment\n192.0.2.9 Printer.lan printer # the one upstairs\n::9 printer.lan\nrubbish x.test\n"
    )
    config = DnsConfig(servers=("127.0.0.1",), port=server.port, try_s=0.5, total_s=0.8)
    return Resolver(config, hosts=hosts)


@pytest.fixture(autouse=True)
def no_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver_module, "_has_ipv6", lambda: False)


async def test_mx_records(server: NameServer, resolver: Resolver) -> None:
    server.script["x.test", "MX"] = reply(rrset("x.test.", "MX", "10 A.x.test.", "20 b.x.test."))
    found = await resolver.mx("X.test.")
    assert isinstance(found, tuple)
    assert set(found) == {MxRecord(10, "a.x.test"), MxRecord(20, "b.x.test")}


async def test_null_mx_is_an_empty_host(server: NameServer, resolver: Resolver) -> None:
    server.script["x.test", "MX"] = reply(rrset("x.test.", "MX", "0 ."))
    assert await resolver.mx("x.test") == (MxRecord(0, ""),)


async def test_records_are_told_as_a_zone_file_has_them(server: NameServer, resolver: Resolver) -> None:
    server.script["x.test", "MX"] = reply(rrset("x.test.", "MX", "10 a.x.test."))
    server.script["_dmarc.x.test", "TXT"] = reply(rrset("_dmarc.x.test.", "TXT", '"v=DMARC1"'))
    server.script["9.2.0.192.in-addr.arpa", "PTR"] = reply(rrset("9.2.0.192.in-addr.arpa.", "PTR", "a.x.test."))
    assert await resolver.records("x.test", "MX") == ("10 a.x.test.",)
    assert await resolver.records("_dmarc.x.test", "TXT") == ('"v=DMARC1"',)
    assert await resolver.records("9.2.0.192.in-addr.arpa", "PTR") == ("a.x.test.",)
    assert await resolver.records("none.test", "A") == NoSuchName("none.test")


async def test_an_international_domain_is_asked_in_ascii(server: NameServer, resolver: Resolver) -> None:
    server.script["xn--bcher-kva.test", "MX"] = reply(rrset("xn--bcher-kva.test.", "MX", "1 m.test."))
    assert await resolver.mx("Bücher.test") == (MxRecord(1, "m.test"),)


async def test_aliases_in_one_answer(server: NameServer, resolver: Resolver) -> None:
    server.script["x.test", "MX"] = reply(
        rrset("x.test.", "CNAME", "y.test."),
        rrset("y.test.", "CNAME", "z.test."),
        rrset("z.test.", "MX", "1 m.test."),
    )
    assert await resolver.mx("x.test") == (MxRecord(1, "m.test"),)
    assert server.asked == [("udp", "x.test", "MX")]


async def test_an_alias_whose_target_is_not_in_the_answer_is_followed(
    server: NameServer, resolver: Resolver
) -> None:
    server.script["x.test", "MX"] = reply(rrset("x.test.", "CNAME", "z.test."))
    server.script["z.test", "MX"] = reply(rrset("z.test.", "MX", "1 m.test."))
    assert await resolver.mx("x.test") == (MxRecord(1, "m.test"),)


async def test_aliases_in_a_ring_are_trouble(server: NameServer, resolver: Resolver) -> None:
    server.script["x.test", "MX"] = reply(rrset("x.test.", "CNAME", "y.test."))
    server.script["y.test", "MX"] = reply(rrset("y.test.", "CNAME", "x.test."))
    assert isinstance(await resolver.mx("x.test"), DnsTrouble)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (reply(rcode="NXDOMAIN", soa="test.", flags=0), NoSuchName("x.test")),
        (reply(rcode="NXDOMAIN", flags=dns.flags.RA), NoSuchName("x.test")),
        (reply(rcode="NXDOMAIN", flags=dns.flags.AA), NoSuchName("x.test")),
        (reply(rcode="NXDOMAIN", flags=0), NoSuchName("x.test", certain=False)),
        (reply(soa="test.", flags=0), NoRecords("x.test")),
        (reply(flags=0), NoRecords("x.test", certain=False)),
        (reply(rcode="SERVFAIL"), DnsTrouble("x.test", "127.0.0.1 answered SERVFAIL")),
        (reply(rcode="REFUSED"), DnsTrouble("x.test", "127.0.0.1 answered REFUSED")),
        (reply(rcode="NOTIMP"), DnsTrouble("x.test", "127.0.0.1 answered NOTIMP")),
        (silence, DnsTrouble("x.test", "127.0.0.1 does not answer")),
    ],
)
async def test_absence_and_trouble_are_told_apart(
    server: NameServer, resolver: Resolver, answer: Answer, expected: object
) -> None:
    server.script["x.test", "MX"] = answer
    assert await resolver.mx("x.test") == expected


async def test_a_truncated_answer_is_fetched_by_tcp(server: NameServer, resolver: Resolver) -> None:
    server.script["x.test", "MX"] = reply(tc=True)
    server.over_tcp["x.test", "MX"] = reply(rrset("x.test.", "MX", "1 m.test."))
    assert await resolver.mx("x.test") == (MxRecord(1, "m.test"),)
    assert [way for way, _, _ in server.asked] == ["udp", "tcp"]


async def test_answers_to_other_questions_are_passed_over(server: NameServer, resolver: Resolver) -> None:
    good = reply(rrset("x.test.", "MX", "1 m.test."))

    def wrong_id(query: dns.message.Message) -> bytes:
        forged = reply(rrset("x.test.", "MX", "1 evil.test."))(query)
        assert isinstance(forged, dns.message.Message)
        forged.id ^= 1
        server.script["x.test", "MX"] = good
        return forged.to_wire()

    server.script["x.test", "MX"] = wrong_id
    assert await resolver.mx("x.test") == (MxRecord(1, "m.test"),)


async def test_garbage_is_passed_over(server: NameServer, resolver: Resolver) -> None:
    server.script["x.test", "MX"] = lambda query: b"\x00\xff garbage"
    assert await resolver.mx("x.test") == DnsTrouble("x.test", "127.0.0.1 does not answer")


async def test_a_lost_packet_is_asked_again(server: NameServer, resolver: Resolver) -> None:
    def lost(query: dns.message.Message) -> None:
        server.script["x.test", "MX"] = reply(rrset("x.test.", "MX", "1 m.test."))

    server.script["x.test", "MX"] = lost
    assert await resolver.mx("x.test") == (MxRecord(1, "m.test"),)


async def test_the_second_server_is_asked_where_the_first_refuses(server: NameServer, tmp_path: Path) -> None:
    config = DnsConfig(servers=("127.0.0.1", "127.0.0.1"), port=server.port, try_s=0.5, total_s=1)

    def once(query: dns.message.Message) -> dns.message.Message | bytes | None:
        server.script["x.test", "MX"] = reply(rrset("x.test.", "MX", "1 m.test."))
        return reply(rcode="REFUSED")(query)

    server.script["x.test", "MX"] = once
    assert await Resolver(config).mx("x.test") == (MxRecord(1, "m.test"),)


async def test_a_step_of_the_wall_clock_disturbs_nothing(
    server: NameServer, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_time = time.time

    def step(query: dns.message.Message) -> None:
        monkeypatch.setattr(time, "time", lambda: true_time() + 1_000_000_000)
        server.script["x.test", "MX"] = reply(rrset("x.test.", "MX", "1 m.test."))

    server.script["x.test", "MX"] = step
    assert await resolver.mx("x.test") == (MxRecord(1, "m.test"),)


async def test_answers_are_kept_for_their_ttl_and_absence_too(server: NameServer, resolver: Resolver) -> None:
    server.script["x.test", "MX"] = reply(rrset("x.test.", "MX", "1 m.test."))
    for _ in range(3):
        await resolver.mx("x.test")
        await resolver.mx("gone.test")
    assert sorted(server.asked) == [("udp", "gone.test", "MX"), ("udp", "x.test", "MX")]


@pytest.mark.parametrize(
    "answer",
    [reply(rcode="SERVFAIL"), reply(rcode="NXDOMAIN", flags=0), reply(rrset("x.test.", "MX", "1 m.", ttl=0))],
)
async def test_trouble_and_doubt_are_not_kept(server: NameServer, resolver: Resolver, answer: Answer) -> None:
    server.script["x.test", "MX"] = answer
    await resolver.mx("x.test")
    await resolver.mx("x.test")
    assert len(server.asked) == 2


async def test_addresses_of_both_kinds_ipv4_first(
    server: NameServer, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver_module, "_has_ipv6", lambda: True)
    server.script["m.test", "A"] = reply(rrset("m.test.", "A", "192.0.2.1"))
    server.script["m.test", "AAAA"] = reply(rrset("m.test.", "AAAA", "2001:db8::1"))
    assert await resolver.addresses("m.test") == ("192.0.2.1", "2001:db8::1")


async def test_without_ipv6_only_ipv4_is_asked_if_there_is_any(server: NameServer, resolver: Resolver) -> None:
    server.script["m.test", "A"] = reply(rrset("m.test.", "A", "192.0.2.1"))
    server.script["six.test", "A"] = reply()
    server.script["six.test", "AAAA"] = reply(rrset("six.test.", "AAAA", "2001:db8::1"))
    assert await resolver.addresses("m.test") == ("192.0.2.1",)
    assert await resolver.addresses("six.test") == ("2001:db8::1",)
    assert [kind for _, _, kind in server.asked] == ["A", "A", "AAAA"]


async def test_no_address_is_not_certain_while_half_of_the_answer_is_missing(
    server: NameServer, resolver: Resolver
) -> None:
    server.script["m.test", "A"] = reply()
    server.script["m.test", "AAAA"] = reply(rcode="SERVFAIL")
    assert isinstance(await resolver.addresses("m.test"), DnsTrouble)
    assert await resolver.host_addresses("m.test") == ()


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("192.0.2.1", ("192.0.2.1",)),
        ("[192.0.2.1]", ("192.0.2.1",)),
        ("[IPv6:2001:DB8::1]", ("2001:db8::1",)),
        ("localhost", ("127.0.0.1", "::1")),
        ("PRINTER.lan", ("192.0.2.9", "::9")),
        ("printer", ("192.0.2.9",)),
    ],
)
async def test_what_needs_no_question(
    server: NameServer, resolver: Resolver, host: str, expected: tuple[str, ...]
) -> None:
    assert await resolver.addresses(host) == expected
    assert server.asked == []


async def test_what_cant_be_a_name_is_not_asked(server: NameServer, resolver: Resolver) -> None:
    assert await resolver.mx("a..b") == NoSuchName("a..b")
    assert await resolver.mx("x" * 64 + ".test") == NoSuchName("x" * 64 + ".test")
    assert server.asked == []


async def test_text_records_are_joined(server: NameServer, resolver: Resolver) -> None:
    server.script["_dmarc.x.test", "TXT"] = reply(
        rrset("_dmarc.x.test.", "TXT", '"v=DMARC1; " "p=none"', '"other"')
    )
    found = await resolver.txt("_dmarc.x.test")
    assert isinstance(found, tuple)
    assert set(found) == {"v=DMARC1; p=none", "other"}


async def test_the_servers_of_the_line_come_and_go(server: NameServer, tmp_path: Path) -> None:
    resolv_conf = tmp_path / "resolv.conf"
    resolver = Resolver(DnsConfig(port=server.port, try_s=0.5, total_s=0.5), resolv_conf=resolv_conf)
    server.script["x.test", "MX"] = reply(rrset("x.test.", "MX", "1 m.test."))
    assert await resolver.mx("x.test") == DnsTrouble("x.test", "no name server is known")
    resolver.use_servers(["127.0.0.1"])
    assert await resolver.mx("x.test") == (MxRecord(1, "m.test"),)
    resolver.use_servers([])
    assert isinstance(await resolver.mx("x.test"), DnsTrouble)
    resolv_conf.write_text("search lan\nnameserver 127.0.0.1\nnameserver\n")
    assert await resolver.mx("x.test") == (MxRecord(1, "m.test"),)


@pytest.mark.skipif(not may_bind(), reason="the kernel lets only root bind a socket to a device (before 5.7)")
@pytest.mark.parametrize("way", ["udp", "tcp"])
async def test_on_a_trusted_line_its_servers_are_asked_on_its_interface_alone(
    server: NameServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """The loopback device plays the line; what the sockets were bound to is noted as the kernel has it."""
    bound: list[bytes] = []

    class Socket(socket.socket):
        def close(self) -> None:
            if self.fileno() >= 0 and self.family == socket.AF_INET and self.gettimeout() == 0:
                bound.append(self.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16))
            super().close()

    resolver = Resolver(DnsConfig(port=server.port, try_s=5, total_s=5), resolv_conf=tmp_path / "none")
    answer = reply(rrset("x.test.", "MX", "1 m.test."))
    server.script["x.test", "MX"] = answer if way == "udp" else reply(tc=True)
    server.over_tcp["x.test", "MX"] = answer
    resolver.use_servers(["127.0.0.1"], "lo")
    monkeypatch.setattr(socket, "socket", Socket)
    assert await resolver.mx("x.test") == (MxRecord(1, "m.test"),)
    assert bound.count(b"lo\0") == (1 if way == "udp" else 2)


async def test_where_sockets_cant_be_bound_the_servers_are_asked_as_any_others(
    server: NameServer, tmp_path: Path
) -> None:
    resolver = Resolver(DnsConfig(port=server.port, try_s=5, total_s=5), resolv_conf=tmp_path / "none")
    server.script["x.test", "MX"] = reply(rrset("x.test.", "MX", "1 m.test."))
    resolver.use_servers(["127.0.0.1"], "ppp77")
    assert await resolver.mx("x.test") == (MxRecord(1, "m.test"),)


async def test_where_no_file_names_servers_networkd_tells_them(server: NameServer, tmp_path: Path) -> None:
    """As on the board: the LAN's servers come by DHCP, and nobody writes resolv.conf."""
    state = tmp_path / "state"
    config = DnsConfig(port=server.port, try_s=0.5, total_s=0.5)
    resolver = Resolver(config, resolv_conf=tmp_path / "none", networkd=state)
    server.script["x.test", "MX"] = reply(rrset("x.test.", "MX", "1 m.test."))
    state.write_text("# This is private data. Do not parse.\nOPER_STATE=routable\nNTP=192.0.2.1\n")
    assert await resolver.mx("x.test") == DnsTrouble("x.test", "no name server is known")
    state.write_text("OPER_STATE=routable\nDNS=evil.name 127.0.0.1 [::1]:53\nDOMAINS=lan\n")
    assert await resolver.mx("x.test") == (MxRecord(1, "m.test"),)
