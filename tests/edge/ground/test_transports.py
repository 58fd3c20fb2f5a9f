"""A transport is ended at once in each of its states."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from dialpost.edge.ground.transports import abort, close_server

_TREE = Path(__file__).parent.parent / "firmware" / "dialpost"


class Lost(asyncio.Protocol):
    def __init__(self) -> None:
        self.lost = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()


async def connect() -> tuple[asyncio.Transport, Lost, socket.socket]:
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    transport, protocol = await asyncio.get_running_loop().create_connection(Lost, sock=near)
    return transport, protocol, far


async def test_open_and_closed_in_order() -> None:
    for closes_first in (False, True):
        transport, protocol, far = await connect()
        if closes_first:
            transport.close()
            await protocol.lost.wait()
        abort(transport)
        await protocol.lost.wait()
        abort(transport)
        far.close()


async def test_closed_while_something_was_left_to_send() -> None:
    """Python's own raises here."""
    transport, protocol, far = await connect()
    far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
    transport.write(b"x" * 1_000_000)
    transport.close()
    while not protocol.lost.is_set():
        await asyncio.get_running_loop().sock_recv(far, 65_536)
    abort(transport)
    far.close()


async def test_closed_with_something_left_that_nobody_reads() -> None:
    transport, protocol, far = await connect()
    transport.write(b"x" * 10_000_000)
    transport.close()
    abort(transport)
    await protocol.lost.wait()
    far.close()


def test_nobody_ends_a_transport_otherwise() -> None:
    found = [
        f"{path.relative_to(_TREE)}:{number}"
        for path in sorted(_TREE.rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if "transport.abort" in line and path.name != "transports.py"
    ]
    assert found == []


async def test_a_server_closes_behind_what_it_has_accepted() -> None:
    """A plain close leaves half a transport of a connection that comes in the same round of the loop."""
    loop = asyncio.get_running_loop()
    made: list[Lost] = []

    def protocol() -> Lost:
        made.append(Lost())
        return made[-1]

    server = await loop.create_server(protocol, "127.0.0.1", 0)
    with socket.create_connection(server.sockets[0].getsockname()):
        (listening,) = server.sockets
        loop._accept_connection(  # type: ignore[attr-defined]
            protocol,
            listening._sock,  # type: ignore[attr-defined]
            server=server,
        )
        await close_server(server)
        assert len(made) == 1
    await asyncio.wait_for(made[0].lost.wait(), 60)  # one left half made hears nothing
    assert not server.is_serving()


def test_nobody_closes_a_server_otherwise() -> None:
    found = [
        f"{path.relative_to(_TREE)}:{number}"
        for path in sorted(_TREE.rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if ("server.close()" in line or "server.close)" in line) and path.name != "transports.py"
    ]
    assert found == []
