"""The line is gone: every session ends at once, and every message in it has its outcome."""

import asyncio
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dialpost.core.mail.envelope import Envelope, QueueId, Recipient
from dialpost.core.mail.esmtp.expected import MAX_UNANSWERED_MESSAGES
from dialpost.core.mail.outcomes import Deferred
from dialpost.core.mail.smtp_target import HostTarget, OutgoingMessage, SessionFate
from dialpost.edge.mail.smtp_client import SmtpClient
from dialpost.edge.mail.wire.connection import Connection
from known import is_a
from smtp_model import ALL, WITHOUT_CHUNKING, ModelServer
from smtp_peer import SETTINGS, Peer, Queue


@pytest.fixture
def store(tmp_path: Path) -> Callable[..., Any]:
    def make(number: int) -> OutgoingMessage:
        path = tmp_path / f"m{number}"
        path.write_bytes(b"Subject: x\n\nhello\n")
        envelope = Envelope("anna@clinic.example", (Recipient("bob@example.org"),))
        return OutgoingMessage(QueueId(f"q{number}"), envelope, 21, path)

    return make


def start(client: SmtpClient, target: HostTarget, queue: Queue) -> asyncio.Task[Any]:
    return asyncio.create_task(client.send(target, SETTINGS, queue.next_message, queue.on_outcome))


async def test_what_was_sent_whole_is_left_in_doubt_and_what_was_not_uses_up_nothing(
    store: Callable[..., Any],
) -> None:
    peer = Peer(ModelServer(WITHOUT_CHUNKING))
    peer.mute_from = b"\r\n.\r\n"
    queue, client = Queue([store(1), store(2), store(3)]), SmtpClient()
    async with peer.serving() as target:
        sending = start(client, target, queue)
        await asyncio.wait_for(peer.muted.wait(), 60)
        client.break_off("the line is down")
        end = await asyncio.wait_for(sending, 60)
    assert end.fate is SessionFate.LOST
    found = [(queue_id, is_a(Deferred, outcome).answer_unknown) for queue_id, (outcome,) in queue.reports]
    assert found[0] == ("q1", True)
    assert {unknown for _, unknown in found[1:]} <= {False}
    assert len(found) == 3 - len(queue.left)
    assert all(isinstance(outcome, Deferred) for _, (outcome,) in queue.reports)
    assert "the line is down" in queue.reports[0][1][0].reply.text


async def test_a_connection_being_made_is_given_up_and_no_other_address_is_tried(
    store: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def never(_: Callable[..., Any], address: str, port: int) -> None:
        asked.append(address)
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", never)
    queue, client = Queue([store(1)]), SmtpClient()
    sending = start(client, HostTarget("mail.example", ("192.0.2.1", "192.0.2.2"), 25), queue)
    await asyncio.sleep(0)
    client.break_off("the line is down")
    end = await asyncio.wait_for(sending, 60)
    assert (end.fate, end.ready, queue.asked) == (SessionFate.UNREACHABLE, False, 0)
    assert asked == ["192.0.2.1"]


async def test_with_nothing_under_way_nothing_happens() -> None:
    SmtpClient().break_off("the line is down")


@pytest.mark.parametrize("answered", range(MAX_UNANSWERED_MESSAGES + 1))
async def test_in_doubt_is_what_went_ahead_and_no_answer_came_to(store: Callable[..., Any], answered: int) -> None:
    """With CHUNKING several messages go ahead. Each answer that still came counts, whatever ends the connection."""
    model = ModelServer(ALL)
    peer = AnswersThenResets(model, answered)
    queue, client = Queue([store(number) for number in range(2 * MAX_UNANSWERED_MESSAGES)]), SmtpClient()
    async with peer.serving() as target:
        end = await asyncio.wait_for(start(client, target, queue), 60)
    assert end.fate is SessionFate.LOST
    assert end.messages == answered
    in_doubt = [queue_id for queue_id, (one,) in queue.reports if isinstance(one, Deferred) and one.answer_unknown]
    assert in_doubt == [f"q{number}" for number in range(answered, MAX_UNANSWERED_MESSAGES)]


class AnswersThenResets(Peer):
    """Answers this many messages of those that came together, all in one packet, and resets the connection."""

    def __init__(self, model: ModelServer, answered: int) -> None:
        super().__init__(model)
        self._answered = answered

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (data := await reader.read(65_536)).startswith(b"EHLO"):
            writer.write(self.model.receive(data))
        while data.count(b" LAST\r\n") < MAX_UNANSWERED_MESSAGES or not data.endswith(b"hello\r\n"):
            data += await reader.read(65_536)
        each = b"250 ok\r\n" * 4  # RSET, MAIL, RCPT, BDAT; the first has no RSET
        writer.write((each * self._answered)[8:])
        writer.transport.abort()


async def test_an_answer_that_came_is_read_though_writing_failed_before() -> None:
    heard: list[object] = []
    ended = asyncio.get_running_loop().create_future()
    listener = socket.create_server(("127.0.0.1", 0))
    connection = Connection(heard.append, ended.set_result)
    await asyncio.get_running_loop().create_connection(lambda: connection, *listener.getsockname())
    there, _ = listener.accept()
    there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close sends a reset
    there.sendall(b"250 taken\r\n")
    there.close()
    listener.close()
    connection.write(b"NOOP\r\n")
    assert await asyncio.wait_for(ended, 60) is not None
    assert heard == [b"250 taken\r\n"]
