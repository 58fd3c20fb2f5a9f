"""A connection as the model's providers read it: lines and pieces, and whether more is there already."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

from call_model.tls_client import TlsClient


class GoneError(Exception):
    """The other side closed the connection, or the line is down."""


class Channel(asyncio.Protocol):
    """The protocol of one connection. Writes never wait: the model's kernel takes what it can, the rest queues."""

    def __init__(self) -> None:
        self._input = bytearray()
        self._came = asyncio.Event()
        self._is_over = False
        self._transport: asyncio.Transport | None = None
        self._tls: TlsClient | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._input += data if self._tls is None else self._tls.received(data)
        self._came.set()

    def eof_received(self) -> bool:
        self._is_over = True
        self._came.set()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        del error
        self._is_over = True
        self._came.set()

    @property
    def has_line(self) -> bool:
        """Whether another line is here already: its reply can go with the one before (RFC 2920 §3.2)."""
        return b"\n" in self._input

    async def line(self) -> bytes:
        """The next line. Raises: GoneError."""
        await self._until(lambda: b"\n" in self._input)
        end = self._input.index(b"\n") + 1
        line = bytes(self._input[:end])
        del self._input[:end]
        return line

    async def exactly(self, count: int) -> bytes:
        """This many bytes. Raises: GoneError."""
        await self._until(lambda: len(self._input) >= count)
        piece = bytes(self._input[:count])
        del self._input[:count]
        return piece

    async def reply(self) -> tuple[int, list[str]]:
        """A whole reply of a server. Raises: GoneError."""
        lines: list[str] = []
        while True:
            line = (await self.line()).decode()
            lines.append(line[4:].strip())
            if line[3:4] != "-":
                return int(line[:3]), lines

    def write(self, data: bytes) -> None:
        """Send. Raises: GoneError."""
        if self._transport is None or self._is_over:
            raise GoneError
        if self._tls is None:
            self._transport.write(data)
        else:
            self._tls.send(data)

    async def secure(self, context: ssl.SSLContext, kept: list[ssl.SSLSession] | None) -> None:
        """As a client; `kept` is the session of the last connection, and gets this one's. Raises: GoneError."""
        assert self._transport is not None
        tls = self._tls = TlsClient(context, self._transport.write, kept)
        await self._until(lambda: tls.is_ready)

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """As a server. Raises: GoneError."""
        loop = asyncio.get_running_loop()
        assert self._transport is not None
        try:
            transport = await loop.start_tls(
                self._transport, self, context, server_side=True, ssl_handshake_timeout=600.0
            )
        except (OSError, ssl.SSLError) as error:
            raise GoneError from error
        self._transport = cast("asyncio.Transport", transport)

    def close(self) -> None:
        """Close in order."""
        if self._transport is not None:
            self._transport.close()

    async def _until(self, is_there: Callable[[], bool]) -> None:
        while not is_there():
            if self._is_over:
                raise GoneError
            self._came.clear()
            await self._came.wait()
