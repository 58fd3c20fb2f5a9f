"""A small name server that knows what a test tells it (UDP and TCP), on its own port of 127.0.0.1."""

from __future__ import annotations

import errno
import socketserver
import struct
import threading
from collections.abc import Mapping

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

Zone = Mapping[tuple[str, str], tuple[str, ...]]
"""(name, type) -> records as text; e.g. ("world.example", "MX"): ("10 mx1.world.example.",)."""


class _ReusingTcpServer(socketserver.ThreadingTCPServer):
    """May listen where an earlier server's connections are in TIME_WAIT."""

    allow_reuse_address = True


def _on_one_port(
    listen: tuple[str, int],
    over_tcp: type[socketserver.BaseRequestHandler],
    over_udp: type[socketserver.BaseRequestHandler],
) -> tuple[socketserver.ThreadingTCPServer, socketserver.ThreadingUDPServer]:
    """Both servers; for port 0 another port is chosen while the one free for TCP is in use for UDP."""
    while True:
        tcp = _ReusingTcpServer(listen, over_tcp)
        try:
            return tcp, socketserver.ThreadingUDPServer((listen[0], tcp.server_address[1]), over_udp)
        except OSError as error:
            tcp.server_close()
            if listen[1] or error.errno != errno.EADDRINUSE:
                raise


class DnsServer:
    """Answers from `zone` as a recursive server would: NXDOMAIN for names it does not know.

    `failing` names get SERVFAIL. `asked` is every question that came, in order.
    """

    def __init__(
        self, zone: Zone, *, failing: frozenset[str] = frozenset(), listen: tuple[str, int] = ("127.0.0.1", 0)
    ) -> None:
        self.zone = dict(zone)
        self.failing = failing
        self.asked: list[tuple[str, str]] = []
        server = self

        class OverUdp(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                self.request[1].sendto(server._answer(self.request[0]), self.client_address)

        class OverTcp(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                (length,) = struct.unpack("!H", self.rfile.read(2))
                answer = server._answer(self.rfile.read(length))
                self.wfile.write(struct.pack("!H", len(answer)) + answer)

        self._tcp, self._udp = _on_one_port(listen, OverTcp, OverUdp)
        self.port: int = self._tcp.server_address[1]

    def __enter__(self) -> DnsServer:
        for server in (self._udp, self._tcp):
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        for server in (self._udp, self._tcp):
            server.shutdown()
            server.server_close()

    def _answer(self, packet: bytes) -> bytes:
        query = dns.message.from_wire(packet)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if name in self.failing:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif (name, "CNAME") in self.zone and kind != "CNAME":
            target = self.zone[name, "CNAME"][0]
            response.answer.append(dns.rrset.from_text(question.name, 60, "IN", "CNAME", target))
            self._add(response, dns.name.from_text(target), kind)
        elif not self._add(response, question.name, kind) and name not in {known for known, _ in self.zone}:
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response.to_wire(max_size=65_535)

    def _add(self, response: dns.message.Message, name: dns.name.Name, kind: str) -> bool:
        records = self.zone.get((name.to_text(omit_final_dot=True).lower(), kind), ())
        if records:
            response.answer.append(dns.rrset.from_text_list(name, 60, "IN", kind, records))
        return bool(records)
