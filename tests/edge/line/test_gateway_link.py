"""Links without a modem, against real sockets of this machine."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import dns.message
import dns.rcode
import pytest

from dialpost.core.config.model import LinkKind
from dialpost.core.line.link import DialResult
from dialpost.core.mail.places import Host
from dialpost.edge.line.gateway_link import DialupGateway, Gateway
from fakes import VirtualTimeLoop, now, run_virtual

HANGS_S = 60.0
"""Only what hangs takes this long."""


@pytest.fixture
def deaf() -> Iterator[socket.socket]:
    """A port of ours, where connections are refused until somebody listens."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        yield made


def at(served: socket.socket | asyncio.Server, *, is_name_server: bool = False) -> Host:
    host, port = (served.sockets[0] if isinstance(served, asyncio.Server) else served).getsockname()
    return Host(host, port, is_name_server)


async def serve(sock: socket.socket | None = None) -> asyncio.Server:
    where = {"sock": sock} if sock is not None else {"host": "127.0.0.1", "port": 0}
    return await asyncio.start_server(lambda reader, writer: writer.close(), **where)


class Link(DialupGateway):
    """Tells how often it has looked for the provider."""

    def __init__(self, *hosts: Host, timeout_s: float = HANGS_S) -> None:
        super().__init__(hosts, timeout_s, try_s=HANGS_S, pause_s=0.02)
        self.looked = asyncio.Semaphore(0)

    async def _knock_all(self) -> str | None:
        found = await super()._knock_all()
        self.looked.release()
        return found


def link(*hosts: Host, timeout_s: float = HANGS_S) -> Link:
    return Link(*hosts, timeout_s=timeout_s)


async def test_a_dedicated_line_is_always_up() -> None:
    gateway = Gateway()
    assert gateway.kind is LinkKind.GATEWAY
    assert [(await gateway.dial()).result, (await gateway.negotiate()).result] == [DialResult.CONNECTED] * 2
    await gateway.hang_up()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(gateway.lost(), 0.05)


async def test_it_knocks_until_the_provider_answers(deaf: socket.socket) -> None:
    gateway = link(at(deaf))
    dialling = asyncio.create_task(gateway.dial())
    for _ in range(3):
        await gateway.looked.acquire()
    assert not dialling.done(), "a refused connection is no answer: routers refuse while they dial"
    server = await serve(deaf)
    assert (await dialling).result is DialResult.CONNECTED
    server.close()


async def test_a_name_server_is_asked_by_udp() -> None:
    """Many answer only that. A router drops packets while it dials, or fails in place of the provider's server."""

    class Server(asyncio.DatagramProtocol):
        asked = 0

        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.asked += 1
            assert dns.message.from_wire(data).question[0].to_text() == ". IN NS"
            if self.asked > 1:
                answer = dns.message.make_response(dns.message.from_wire(data))
                answer.set_rcode(dns.rcode.SERVFAIL if self.asked == 2 else dns.rcode.NOERROR)
                self.transport.sendto(answer.to_wire(), addr)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        host = Host("127.0.0.1", silent.getsockname()[1], is_name_server=True)
        dialling = asyncio.create_task(link(host).dial())
        transport, server = await asyncio.get_running_loop().create_datagram_endpoint(Server, sock=silent)
        assert (await dialling).result is DialResult.CONNECTED
        assert server.asked >= 3
        transport.close()


async def test_a_name_server_that_is_not_there_is_no_answer() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.3.5.7", 0))
        host = Host("127.3.5.7", gone.getsockname()[1], is_name_server=True)
    gateway = link(host)
    dialling = asyncio.create_task(gateway.dial())
    for _ in range(3):
        await gateway.looked.acquire()
    assert not dialling.done(), "a shut port is no answer: routers refuse while they dial"
    dialling.cancel()
    await asyncio.wait([dialling])


async def test_any_of_the_hosts_will_do(deaf: socket.socket) -> None:
    server = await serve()
    assert (await link(at(deaf), at(server)).dial()).result is DialResult.CONNECTED
    server.close()


def test_why_it_did_not_come_up_is_reported_before_the_callers_deadline(deaf: socket.socket) -> None:
    async def story() -> None:
        outcome = await link(at(deaf), timeout_s=60.0).dial()
        assert outcome.result is DialResult.TIMEOUT
        assert f"127.0.0.1 port {at(deaf).port} can't be reached" in outcome.detail
        assert 50.0 < now() < 60.0

    run_virtual(story())


def test_a_name_that_is_not_found_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    async def not_found(*of: object, **how: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def story() -> None:
        outcome = await link(Host("no-such-host.invalid", 25)).dial()
        assert outcome.result is DialResult.TIMEOUT
        assert "no-such-host.invalid can't be found in DNS (Name or" in outcome.detail

    monkeypatch.setattr(VirtualTimeLoop, "getaddrinfo", not_found)
    run_virtual(story())


async def test_no_host_configured() -> None:
    outcome = await link().dial()
    assert outcome.result is DialResult.ERROR
    assert "outbound.smarthost" in outcome.detail


async def test_a_doubt_is_checked_before_the_line_counts_as_lost() -> None:
    server = await serve()
    gateway = link(at(server))
    assert (await gateway.dial()).result is DialResult.CONNECTED
    await gateway.looked.acquire()
    lost = asyncio.create_task(gateway.lost())
    gateway.doubt("the flush could not connect")
    await gateway.looked.acquire()
    await asyncio.sleep(0)
    assert not lost.done()
    server.close()
    await server.wait_closed()
    gateway.doubt("the flush could not connect")
    assert "can't be reached" in await lost


async def test_a_doubt_of_a_former_call_does_not_count() -> None:
    server = await serve()
    gateway = link(at(server))
    gateway.doubt("long ago")
    assert (await gateway.dial()).result is DialResult.CONNECTED
    server.close()
    await server.wait_closed()
    await gateway.looked.acquire()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(gateway.lost(), 0.05)
    assert gateway.looked.locked(), "nothing was looked for"


async def test_a_cancelled_dial_ends(deaf: socket.socket) -> None:
    gateway = link(at(deaf))
    dialling = asyncio.create_task(gateway.dial())
    await gateway.looked.acquire()
    dialling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dialling
