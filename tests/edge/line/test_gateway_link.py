"""Links without a modem, against real sockets of this machine."""

from __future__ import annotations

import asyncio
import socket

import pytest

from dialpost.core.config.model import LinkKind
from dialpost.core.line.link import DialResult
from dialpost.edge.line.gateway_link import DialupGateway, Gateway
from dialpost.sim.free_ports import free_port


async def serve(port: int = 0) -> asyncio.Server:
    return await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", port)


def link(*hosts: tuple[str, int], timeout_s: float = 5.0) -> DialupGateway:
    return DialupGateway(hosts, timeout_s, try_s=0.3, pause_s=0.02)


async def test_a_dedicated_line_is_always_up() -> None:
    gateway = Gateway()
    assert gateway.kind is LinkKind.GATEWAY
    assert [(await gateway.dial()).result, (await gateway.negotiate()).result] == [DialResult.CONNECTED] * 2
    await gateway.hang_up()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(gateway.lost(), 0.05)


async def test_it_knocks_until_the_provider_answers() -> None:
    port = free_port()
    dialling = asyncio.create_task(link(("127.0.0.1", port)).dial())
    await asyncio.sleep(0.1)
    assert not dialling.done(), "a refused connection is no answer: routers refuse while they dial"
    server = await serve(port)
    assert (await dialling).result is DialResult.CONNECTED
    server.close()


async def test_any_of_the_hosts_will_do() -> None:
    server = await serve()
    port = server.sockets[0].getsockname()[1]
    assert (await link(("127.0.0.1", free_port()), ("127.0.0.1", port)).dial()).result is DialResult.CONNECTED
    server.close()


async def test_why_it_did_not_come_up_is_told_before_the_callers_deadline() -> None:
    port = free_port()
    began = asyncio.get_running_loop().time()
    outcome = await link(("127.0.0.1", port), timeout_s=0.4).dial()
    assert outcome.result is DialResult.TIMEOUT
    assert f"127.0.0.1 port {port} can't be reached" in outcome.detail
    assert asyncio.get_running_loop().time() - began < 0.4


async def test_a_name_that_is_not_found_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)  # no name server is asked
    outcome = await link(("no-such-host.invalid", 25), timeout_s=0.4).dial()
    assert outcome.result is DialResult.TIMEOUT
    assert "no-such-host.invalid" in outcome.detail


async def test_no_host_configured() -> None:
    outcome = await link().dial()
    assert outcome.result is DialResult.ERROR
    assert "outbound.smarthost" in outcome.detail


async def test_a_doubt_is_checked_before_the_line_counts_as_lost() -> None:
    server = await serve()
    port = server.sockets[0].getsockname()[1]
    gateway = link(("127.0.0.1", port))
    assert (await gateway.dial()).result is DialResult.CONNECTED
    lost = asyncio.create_task(gateway.lost())
    gateway.doubt("the flush could not connect")
    await asyncio.sleep(0.2)
    assert not lost.done()
    server.close()
    await server.wait_closed()
    gateway.doubt("the flush could not connect")
    assert "can't be reached" in await asyncio.wait_for(lost, 2)


async def test_a_doubt_of_a_former_call_does_not_count() -> None:
    server = await serve()
    gateway = link(("127.0.0.1", server.sockets[0].getsockname()[1]))
    gateway.doubt("long ago")
    assert (await gateway.dial()).result is DialResult.CONNECTED
    server.close()
    await server.wait_closed()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(gateway.lost(), 0.1)


async def test_a_cancelled_dial_ends() -> None:
    dialling = asyncio.create_task(link(("127.0.0.1", free_port())).dial())
    await asyncio.sleep(0.1)
    dialling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dialling
