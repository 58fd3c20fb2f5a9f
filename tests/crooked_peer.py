"""A fake SMTP server that keeps to the protocol only where its script says so, and the client before it.

Time is virtual. The script is one list for all connections: each step says what is done with the next thing the
client sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import re
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dialpost.core.config.model import TlsMode
from dialpost.core.mail.envelope import Envelope, QueueId, Recipient
from dialpost.core.mail.outcomes import Outcome
from dialpost.core.mail.smtp_target import ConnectSettings, EtrnDialogue, HostTarget, OutgoingMessage, SessionEnd
from dialpost.edge.mail.smtp_client import SmtpClient
from fakes import now, run_virtual
from known import known
from smtp_model import WITHOUT_CHUNKING, ModelServer

CLEAR = ConnectSettings(helo="station.example", tls=TlsMode.NONE)
FLOOD_BYTES = 8_000_000
"""Where a client goes on reading so much, it reads without end."""


@dataclass(frozen=True)
class Step:
    """What is done once. `say` goes out in place of the usual answer, or after it (`keeps`).

    Then what `then` says: "" (go on), "close", "mute" (nothing more), "flood" (`say` without end); "trickle": `say`
    goes out a byte a second.
    """

    say: bytes = b""
    keeps: bool = False
    then: str = ""
    delay_s: float = 0.0


USUAL = Step(keeps=True)


@dataclass
class _Count:
    """In one connection: what came from the client, and 2yz lines said since the end of a content was there.

    What came counts when it reaches the host, whether its program has read it or not: then nobody on the wire can
    tell an answer too many from the one to this content.
    """

    reader: asyncio.StreamReader
    sock: socket.socket
    came: bytes = b""
    positive: int = 0

    def ends(self) -> int:
        """Ends of content that have reached the host."""
        came = self.came + bytes(self.reader._buffer)  # type: ignore[attr-defined]
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self.sock.fileno())) as same:
            came += same.recv(1_000_000, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        chunks = re.finditer(rb"BDAT (\d+) LAST\r\n", came)
        return came.count(b"\r\n.\r\n") + sum(chunk.end() + int(chunk[1]) <= len(came) for chunk in chunks)


@dataclass
class CrookedPeer:
    """`said` is everything it sent, `took` how often, at most, it said 2yz to the end of a content.

    One 2yz too many after such an end has reached the host counts: on the wire it is the answer.
    """

    script: deque[Step]
    offers: tuple[str, ...] = WITHOUT_CHUNKING
    said: bytearray = field(default_factory=bytearray)
    took: int = 0
    connections: int = 0
    models: list[ModelServer] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[HostTarget]:
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        self._tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._serve, sock=listening)
        try:
            yield HostTarget("mail.example", ("127.0.0.1",), listening.getsockname()[1])
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(known(asyncio.current_task()))
        self.connections += 1
        model = ModelServer(self.offers)
        self.models.append(model)
        count = _Count(reader, writer.get_extra_info("socket"))
        count.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is said leaves at once
        try:
            usual = model.greet()
            while await self._step(model, writer, usual, count):
                data = await reader.read(65_536)
                if not data:
                    break
                count.came += data
                usual = model.receive(data)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.took += min(count.ends(), count.positive)
            writer.transport.abort()

    async def _step(self, model: ModelServer, writer: asyncio.StreamWriter, usual: bytes, count: _Count) -> bool:
        step = self.script.popleft() if self.script else USUAL
        if step.delay_s:
            await asyncio.sleep(step.delay_s)
        if step.keeps:
            await self._say(count, writer, usual)
        if step.then == "trickle":
            for byte in step.say:
                await self._say(count, writer, bytes([byte]))
                await asyncio.sleep(1.0)
        else:
            await self._say(count, writer, step.say)
        while step.then == "flood" and step.say:
            assert len(self.said) < FLOOD_BYTES, "the client reads without end"
            await self._say(count, writer, step.say * (50_000 // len(step.say) + 1))
            await asyncio.sleep(0)
        if step.then == "mute":
            await asyncio.Event().wait()
        return step.then != "close" and not model.closed

    async def _say(self, count: _Count, writer: asyncio.StreamWriter, data: bytes) -> None:
        self.said += data
        count.positive += len(re.findall(rb"^2", data, re.MULTILINE)) if count.ends() else 0
        writer.write(data)
        await writer.drain()

    @property
    def delivered(self) -> int:
        """Messages it took as the protocol wants."""
        return sum(len(model.delivered) for model in self.models)

    def codes(self) -> set[str]:
        """The codes of all lines that could be a reply's last."""
        return set(re.findall(r"^([2-5]\d\d)(?= |\r?$)", self.said.decode("latin-1"), re.MULTILINE))


class _InLine(ThreadPoolExecutor):
    """Threads know no virtual time."""

    def submit(self, fn: Callable[..., Any], /, *args: object, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


@dataclass
class Played:
    """The result."""

    peer: CrookedPeer
    took_s: float
    bytes_down: int
    end: SessionEnd | EtrnDialogue
    reports: list[tuple[str, tuple[object, ...]]] = field(default_factory=list)
    offered: list[str] = field(default_factory=list)


def play(
    folder: Path,
    script: list[Step],
    *,
    offers: tuple[str, ...] = WITHOUT_CHUNKING,
    messages: int = 2,
    recipients: int = 2,
    etrn: tuple[str, ...] = (),
    client: SmtpClient | None = None,
    **settings: Any,
) -> Played:
    """One `send` (or `etrn`) against the script. What would take hours takes none."""
    path = folder / "body"
    path.write_bytes(b"Subject: x\n\nhello\n")
    peer = CrookedPeer(deque(script), offers)
    to = tuple(Recipient(f"r{number}@example.org") for number in range(recipients))
    queue = deque(
        OutgoingMessage(QueueId(f"q{number}"), Envelope("anna@clinic.example", to), 21, path)
        for number in range(messages)
    )
    here = dataclasses.replace(CLEAR, **settings)
    played: list[Played] = []

    async def scene() -> None:
        asyncio.get_running_loop().set_default_executor(_InLine())
        speaker = client or SmtpClient()
        reports: list[tuple[str, tuple[object, ...]]] = []
        offered: list[str] = []

        async def next_message() -> OutgoingMessage | None:
            if queue:
                offered.append(queue[0].queue_id)
            return queue.popleft() if queue else None

        async def on_outcome(message: OutgoingMessage, outcomes: tuple[Outcome, ...]) -> None:
            reports.append((message.queue_id, outcomes))

        async with peer.serving() as target:
            began_s = now()
            if etrn:
                end: SessionEnd | EtrnDialogue = await speaker.etrn(target, here, etrn)
            else:
                end = await speaker.send(target, here, next_message, on_outcome)
            played.append(Played(peer, now() - began_s, speaker.bytes_down, end, reports, offered))

    run_virtual(scene())
    return played[0]
