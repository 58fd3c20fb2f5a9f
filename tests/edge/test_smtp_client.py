"""The ESMTP client on sockets: one connection, look-ahead, time-outs, TLS, faults of the card."""

import asyncio
import contextlib
import dataclasses
from pathlib import Path

import pytest

from dialpost.core.config import TlsMode
from dialpost.core.envelope import Envelope, QueueId, Recipient
from dialpost.core.outcomes import Delivered
from dialpost.core.smtp_target import ConnectSettings, HostTarget, OutgoingMessage, SessionFate
from dialpost.edge.smtp_client import SmtpClient
from smtp_model import ALL, WITHOUT_CHUNKING, ModelServer

SETTINGS = ConnectSettings(helo="station.example", tls=TlsMode.NONE, timeout_scale=0.1)


class Peer:
    """The model server on a real socket. `pause` is a hook awaited before each reply is sent."""

    def __init__(self, model: ModelServer) -> None:
        self.model = model
        self.reads: list[bytes] = []
        self.connections = 0
        self.hang = asyncio.Event()
        self.hang.set()
        self.drop_after: int | None = None

    @contextlib.asynccontextmanager
    async def serving(self):
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield HostTarget("mail.example", ("127.0.0.1",), server.sockets[0].getsockname()[1])
        finally:
            server.close()
            self.hang.set()

    async def _serve(self, reader, writer):
        self.connections += 1
        taken = 0
        try:
            writer.write(self.model.greet())
            while not self.model.closed and (data := await reader.read(65536)):
                await self.hang.wait()
                self.reads.append(data)
                taken += len(data)
                if self.drop_after is not None and taken >= self.drop_after:
                    writer.transport.abort()
                    return
                writer.write(self.model.receive(data))
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


class Queue:
    """Messages to send, and what was reported."""

    def __init__(self, messages):
        self.left = list(messages)
        self.reports = []
        self.asked = 0

    async def next_message(self):
        self.asked += 1
        return self.left.pop(0) if self.left else None

    async def on_outcome(self, message, outcomes):
        self.reports.append((message.queue_id, outcomes))


@pytest.fixture
def store(tmp_path):
    def make(number: int, body: bytes = b"Subject: x\n\nhello\n", recipients=("bob@example.org",), **more):
        path: Path = tmp_path / f"m{number}"
        path.write_bytes(b"Return-Path: <a@b>\n" + body)
        envelope = Envelope("anna@clinic.example", tuple(Recipient(r) for r in recipients))
        wire_size = len(body) + body.count(b"\n")
        message = OutgoingMessage(QueueId(f"q{number}"), envelope, wire_size, path, local_prefix=19)
        return dataclasses.replace(message, **more)

    return make


@pytest.mark.parametrize("offers", [ALL, WITHOUT_CHUNKING, ("8BITMIME",)])
async def test_messages_go_out_in_order_over_one_connection(store, offers):
    peer = Peer(ModelServer(offers))
    queue = Queue(store(number) for number in range(7))
    async with peer.serving() as target:
        end = await SmtpClient().send(target, SETTINGS, queue.next_message, queue.on_outcome)
    assert (end.fate, end.messages, end.ready, end.connected) == (SessionFate.DONE, 7, True, True)
    assert [queue_id for queue_id, _ in queue.reports] == [f"q{number}" for number in range(7)]
    assert all(isinstance(outcomes[0], Delivered) for _, outcomes in queue.reports)
    assert [taken.content for taken in peer.model.delivered] == [b"Subject: x\r\n\r\nhello\r\n"] * 7
    assert peer.connections == 1
    assert peer.model.violations == []
    assert end.bytes_up == sum(map(len, peer.reads))


async def test_nothing_to_send_is_a_session_without_mail(store):
    peer = Peer(ModelServer())
    queue = Queue([])
    async with peer.serving() as target:
        end = await SmtpClient().send(target, SETTINGS, queue.next_message, queue.on_outcome)
    assert (end.fate, end.messages) == (SessionFate.DONE, 0)
    assert peer.model.commands[-1] == "QUIT"
