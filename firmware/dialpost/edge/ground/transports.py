"""Ending asyncio's transports at once, whatever state they are in."""

from __future__ import annotations

import asyncio


def abort(transport: asyncio.BaseTransport) -> None:
    """Close at once; what was not sent is forgotten. Harmless on a transport that has closed already.

    `transport.abort()` is not: where the last of its buffer went out after a `close()`, Python raises an
    AttributeError (3.11 to 3.13).
    """
    sock = transport.get_extra_info("socket")
    if isinstance(transport, asyncio.WriteTransport) and sock is not None and sock.fileno() != -1:
        transport.abort()
