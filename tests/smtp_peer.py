"""The model SMTP server on a real socket, with the faults a line and a server may have; and a queue to send."""

import asyncio
import contextlib
import copy
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from dialpost.core.config.model import TlsMode
from dialpost.core.mail.outcomes import Outcome
from dialpost.core.mail.smtp_target import ConnectSettings, HostTarget, OutgoingMessage
from smtp_model import ModelServer

SETTINGS = ConnectSettings(helo="station.example", tls=TlsMode.NONE, timeout_scale=0.1)


class Queue:
    """Messages to send, and what was reported of them."""

    def __init__(self, messages: Iterator[Any] | list[OutgoingMessage]) -> None:
        self.left = list(messages)
        self.reports: list[tuple[str, tuple[Outcome, ...]]] = []
        self.asked = 0

    async def next_message(self) -> OutgoingMessage | None:
        self.asked += 1
        return self.left.pop(0) if self.left else None

    async def on_outcome(self, message: OutgoingMessage, outcomes: tuple[Outcome, ...]) -> None:
        self.reports.append((message.queue_id, outcomes))


class Peer:
    """Serves `model`; `discard` keeps no content. See the attributes for the faults it can be given."""

    def __init__(
        self,
        model: ModelServer,
        *,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        discard: bool = False,
        read_bytes: int = 65_536,
        pause_s: float = 0.0,
    ) -> None:
        self.model = model
        self.reads: list[bytes] = []
        self.bytes_in = self.bytes_out = self.connections = 0
        self.mute_from: bytes | None = None  # say nothing more once this was read
        self.drop_at: bytes | None = None  # reset the connection once this was read
        self.stop_reading_after: int | None = None
        self.small_buffers = False
        self.new_model: Callable[[], ModelServer] | None = None  # where connections are served side by side
        self.on_read: Callable[[bytes], object] = lambda data: None
        self.muted, self.gone = asyncio.Event(), asyncio.Event()
        self.resumed: list[bool] = []  # of each TLS connection
        self._tls, self._implicit, self._discard = tls, implicit, discard
        self._read_bytes, self._pause_s = read_bytes, pause_s
        self._closing = asyncio.Event()
        self._open, self._none_open = 0, asyncio.Event()
        self._one_at_a_time = asyncio.Lock()  # where they share a model

    async def quiet(self) -> None:
        """Wait until every connection is gone: a client that has said QUIT waits for nothing."""
        await self._none_open.wait()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[HostTarget]:
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        if self.small_buffers:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        context = self._tls if self._implicit else None
        server = await asyncio.start_server(self._serve, sock=listening, ssl=context, limit=16_384)
        try:
            yield HostTarget("mail.example", ("127.0.0.1",), listening.getsockname()[1])
        finally:
            self._closing.set()
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open += 1
        self._none_open.clear()
        try:
            await self._serve_one(reader, writer)
        finally:
            self._open -= 1
            if not self._open:
                self._none_open.set()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.new_model is not None:
            served = copy.copy(self)
            served.model, served.new_model = self.new_model(), None
            await served._serve_alone(reader, writer)
            return
        async with self._one_at_a_time:
            await self._serve_alone(reader, writer)

    async def _serve_alone(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.model.closed = False
        self.model._forget()
        self.model._mode, self.model._buffer = "command", b""
        try:
            self._note_tls(writer)
            self._write(writer, self.model.greet())
            await self._talk(reader, writer)
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()
            self.gone.set()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not self.model.closed:
            if self.stop_reading_after is not None and self.bytes_in > self.stop_reading_after:
                await self._closing.wait()
                return
            data = await reader.read(self._read_bytes)
            if not data:
                return
            self.bytes_in += len(data)
            if self._pause_s:
                await asyncio.sleep(self._pause_s)
            self.on_read(data)
            if not self._discard:
                self.reads.append(data)
            if self.drop_at is not None and self.drop_at in data:
                writer.transport.abort()
                return
            if self.mute_from is not None and self.mute_from in data:
                self.muted.set()
                await reader.read()
                return
            if data == b"STARTTLS\r\n" and self._tls is not None:
                self._write(writer, b"220 go\r\n")
                await writer.start_tls(self._tls)
                self._note_tls(writer)
                continue
            if data[:1] == b"\x16":  # a TLS handshake, where none is spoken
                self._write(writer, b"500 what\r\n")
                return
            self._write(writer, self.model.receive(data))
            if self._discard:
                self._forget_content()
            await writer.drain()

    def _forget_content(self) -> None:
        model = self.model
        if model._mode == "data" and len(model._buffer) > 1000:
            model._buffer = model._buffer[-5:]

    def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        self.bytes_out += len(data)
        writer.write(data)

    def _note_tls(self, writer: asyncio.StreamWriter) -> None:
        inside = writer.get_extra_info("ssl_object")
        if inside is not None:
            self.resumed.append(inside.session_reused)
