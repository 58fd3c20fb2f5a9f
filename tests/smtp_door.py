"""The SMTP server on a real socket with a policy that only notes what it is asked; and a plain client."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import ssl
import struct
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from dialpost.core.config.model import SmtpConfig
from dialpost.core.mail.envelope import Envelope, Recipient
from dialpost.core.mail.esmtp.tls_cost import TlsCost
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.session import Caller, Listener, Peer, Turn
from dialpost.edge.mail.listeners import bind
from dialpost.edge.mail.smtp_server import SmtpServer, smtp_protocol_factory
from dialpost.edge.mail.smtp_server.session import Session

HOST = "mail.clinic.example"
QUEUED = Reply(250, ("Ok: queued as D0000001",), "2.0.0")


class NotingSink:
    """Keeps the content; `finish` waits for `policy.may_finish` where that is an event."""

    def __init__(self, policy: NotingPolicy, envelope: Envelope) -> None:
        self.policy, self.envelope = policy, envelope
        self.content = bytearray()
        self.size = 0
        self.fate = "open"
        self.heard: list[object] = []

    def write(self, data: bytes) -> None:
        self.size += len(data)
        if self.policy.keeps_content:
            self.content += data

    async def finish(self) -> Reply:
        self.fate = "finishing"
        self.policy.finishing.set()
        if self.policy.may_finish is not None:
            await self.policy.may_finish.wait()
        if self.policy.finish_error is not None:
            self.fate = "failed"
            raise self.policy.finish_error
        self.fate = "done"
        self.policy.done.set()
        return self.policy.finish_reply

    def abort(self) -> None:
        self.fate = "aborted"

    def seen(self, *, spoke: bool) -> None:
        self.heard.append("spoke" if spoke else "acknowledged")

    def left(self) -> None:
        self.heard.append("left")


class NotingPolicy:
    """Lets everything through unless told otherwise, and notes it."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.sinks: list[NotingSink] = []
        self.connections = 0
        self.callers: list[Session] = []
        self.pauses = 0
        self.pause_s: float | None = 0.0
        self.refusals: dict[str, Any] = {}
        self.errors: dict[str, Any] = {}
        self.finish_reply = QUEUED
        self.finish_error: Exception | None = None
        self.may_finish: asyncio.Event | None = None
        self.finishing, self.done = asyncio.Event(), asyncio.Event()
        self.keeps_content = True
        self.home_domain = ""
        self.has_tls = True
        self.tls_costs: list[TlsCost] = []

    def _answer(self, stage: str, *details: object) -> Reply | None:
        self.calls.append((stage, *details))
        if stage in self.errors:
            raise self.errors[stage]
        return self.refusals.get(stage)

    def connected(self, caller: Caller) -> Reply | None:
        refusal = self._answer("connected", caller.peer.address, caller.peer.listener)
        self.connections += refusal is None
        if refusal is None:
            assert isinstance(caller, Session)
            self.callers.append(caller)
        return refusal

    async def turn(self, peer: Peer) -> Turn | None:
        return None

    def offers_tls(self, peer: Peer) -> bool:
        return self.has_tls

    def shook_hands(self, peer: Peer, cost: TlsCost) -> None:
        self.tls_costs.append(cost)

    def disconnected(self, caller: Caller) -> None:
        self.connections -= 1

    def pause_after_refusal(self, peer: Peer) -> float | None:
        self.pauses += 1
        return self.pause_s

    async def login(self, peer: Peer, name: str, password: str, acts_as: str = "") -> str | Reply:
        refusal = self._answer("login", name, password, *filter(None, [acts_as]))
        if refusal is not None:
            return refusal
        return name if password == "right" else Reply(535, ("wrong",), "5.7.8")

    def home(self, peer: Peer) -> str:
        return self.home_domain

    async def mail_from(self, peer: Peer, envelope: Envelope, declared_bytes: int) -> Reply | None:
        return self._answer("mail", peer, envelope, declared_bytes)

    async def rcpt_to(self, peer: Peer, envelope: Envelope, recipient: Recipient) -> Reply | None:
        return self._answer("rcpt", envelope, recipient)

    async def begin(self, peer: Peer, envelope: Envelope) -> Reply | NotingSink:
        refusal = self._answer("begin", peer, envelope)
        if refusal is not None:
            return refusal
        self.sinks.append(NotingSink(self, envelope))
        return self.sinks[-1]

    def refused(self, peer: Peer, stage: str, reply: Reply) -> None:
        self.calls.append(("refused", stage, str(reply)))

    def of(self, stage: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.calls if call[0] == stage]

    @property
    def contents(self) -> list[bytes]:
        return [bytes(sink.content) for sink in self.sinks if sink.fate == "done"]


class Client:
    """One connection; replies are lists of lines."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes | str) -> None:
        self.writer.write(data.encode() if isinstance(data, str) else data)

    async def reply(self) -> list[str]:
        lines: list[str] = []
        while not lines or lines[-1][3:4] == "-":
            raw = await asyncio.wait_for(self.reader.readline(), 60)
            if not raw:
                raise EOFError(lines)
            assert raw.endswith(b"\r\n")
            lines.append(raw[:-2].decode())
        return lines

    async def talk(self, *commands: str) -> list[str]:
        """The last line of each command's reply, in lock-step."""
        replies = []
        for command in commands:
            self.send(command + "\r\n")
            replies.append((await self.reply())[-1])
        return replies

    async def rest(self) -> bytes:
        return await asyncio.wait_for(self.reader.read(), 60)

    async def starttls(self) -> None:
        assert (await self.talk("STARTTLS"))[0].startswith("220")
        await self.writer.start_tls(client_tls())

    def vanish(self) -> None:
        """As a cable pulled out looks in the end: a reset, not an orderly end."""
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


class Door:
    """Where a served listener is reached; called, a client that has been greeted."""

    def __init__(self, server: SmtpServer, port: int, *, implicit: bool) -> None:
        self.server, self.port, self._implicit = server, port, implicit
        self.writers: list[asyncio.StreamWriter] = []

    async def __call__(self, *, greeted: bool = True) -> Client:
        tls = client_tls() if self._implicit else None
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=tls)
        self.writers.append(writer)
        client = Client(reader, writer)
        if greeted:
            assert (await client.reply())[0].startswith("220 ")
        return client


@contextlib.asynccontextmanager
async def door(
    policy: NotingPolicy, *, listener: Listener = Listener.MX, tls: ssl.SSLContext | None = None, **settings: Any
) -> AsyncIterator[Door]:
    """A served listener: `async with door(policy) as connect`, then `await connect()` for a greeted client."""
    factory = smtp_protocol_factory(policy, replace(SmtpConfig(), **settings), HOST, listener, tls)
    server = await asyncio.get_running_loop().create_server(factory, sock=bind("127.0.0.1:0"))
    port = server.sockets[0].getsockname()[1]
    connect = Door(factory, port, implicit=listener is Listener.SUBMISSIONS)
    try:
        yield connect
    finally:
        for writer in connect.writers:
            with contextlib.suppress(AttributeError):  # TLS that was closed twice, on Python 3.11.2
                writer.transport.abort()
        server.close()
        await asyncio.wait_for(factory.close(), 60)


def client_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@functools.cache
def server_tls() -> ssl.SSLContext:
    """A context with a certificate made for this run."""
    with tempfile.TemporaryDirectory() as directory:
        key, certificate = Path(directory, "key"), Path(directory, "cert")
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-keyout",
                key,
                "-out",
                certificate,
                "-days",
                "2",
                "-subj",
                f"/CN={HOST}",
            ],
            check=True,
            capture_output=True,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
    return context


async def eventually(condition: Callable[..., Any]) -> None:
    """Wait until it holds; for what happens at the other end of a socket."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)
