"""Closing asyncio's transports and servers, whatever their state."""

from __future__ import annotations

import asyncio


def abort(transport: asyncio.BaseTransport) -> None:
    """Close at once and drop unsent data. Harmless on a transport that is already closed.

    `transport.abort()` is not: if its buffer was emptied after a `close()`, Python raises an AttributeError (3.11
    to 3.13).
    """
    sock = transport.get_extra_info("socket")
    if isinstance(transport, asyncio.WriteTransport) and sock is not None and sock.fileno() != -1:
        transport.abort()


async def close_server(server: asyncio.Server) -> None:
    """Accept no more connections; the port is free when this returns. Existing connections stay."""
    close_server_soon(server)
    await asyncio.sleep(0)


def close_server_soon(server: asyncio.Server) -> None:
    """Close it in the loop's next round.

    A connection accepted a moment before becomes a transport in the loop's next round. Python 3.12 and newer can't
    make one in a closed server: it would be left half made, and raise when it is garbage-collected.
    """
    loop = asyncio.get_running_loop()
    for sock in server.sockets:
        loop.remove_reader(sock.fileno())
    loop.call_soon(server.close)
