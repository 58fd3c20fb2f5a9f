"""What a session that only waits is worth on a paid line, and its end where that is over."""

from __future__ import annotations

import asyncio
from math import inf, isinf
from pathlib import Path

import pytest

from dialpost.core.config.model import TlsMode
from dialpost.core.mail.envelope import Envelope, QueueId, Recipient
from dialpost.core.mail.esmtp.expected import LEAST_WAIT_S
from dialpost.core.mail.outcomes import Deferred, Outcome
from dialpost.core.mail.smtp_target import ConnectSettings, HostTarget, OutgoingMessage, SessionEnd, SessionFate
from dialpost.edge.mail.smtp_client import SmtpClient
from smtp_model import ALL, WITHOUT_CHUNKING, ModelServer
from smtp_peer import Peer, Queue

SETTINGS = ConnectSettings(helo="station.example", tls=TlsMode.NONE)
"""With time-outs as they are: what ends here ends because `stop_waiting` ended it."""


class Saying:
    """A server that gives one of `answers` for each line it reads, byte for byte, and then nothing."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)
        self.has_said_all = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in self._answers:
            writer.write(answer)
            if answer is self._answers[-1]:
                self.has_said_all.set()
            await reader.readline()
        await reader.read()
        writer.close()

    async def target(self) -> tuple[asyncio.Server, HostTarget]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        return server, HostTarget("mail.example", ("127.0.0.1",), server.sockets[0].getsockname()[1])


def message(tmp_path: Path, number: int = 1) -> OutgoingMessage:
    path = tmp_path / f"m{number}"
    path.write_bytes(b"Subject: x\n\nhello\n")
    envelope = Envelope("anna@clinic.example", (Recipient("bob@example.org"),))
    return OutgoingMessage(QueueId(f"q{number}"), envelope, 21, path)


async def worth(client: SmtpClient) -> float:
    """Wait until a session waits for the other side; how long that is worth from now, in s."""
    while isinf(ends_s := client.patience_ends_s):
        await asyncio.sleep(0)
    return ends_s - asyncio.get_running_loop().time()


@pytest.mark.parametrize(
    "answers",
    [
        (b"220-hold the li",),
        (b"220 hi\r\n", b"250-mail.example\r\n250-SIZE"),
        (b"220 hi\r\n", b"250-mail.example\r\n250 ETRN\r\n", b"250-"),
    ],
    ids=["greeting", "EHLO", "ETRN"],
)
async def test_a_session_with_half_a_reply_ends(answers: tuple[bytes, ...]) -> None:
    saying, client = Saying(*answers), SmtpClient()
    server, target = await saying.target()
    async with server:
        asking = asyncio.create_task(client.etrn(target, SETTINGS, ["clinic.example"]))
        await saying.has_said_all.wait()
        assert await worth(client) <= LEAST_WAIT_S
        client.stop_waiting("nobody else needs the line")
        dialogue = await asyncio.wait_for(asking, 60)
    assert (dialogue.fate, dialogue.error) == (SessionFate.LOST, "nobody else needs the line")
    assert client.patience_ends_s == inf


async def test_a_connection_being_made_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    began = asyncio.Event()

    async def never(*args: object, **kwargs: object) -> None:
        began.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", never)
    client = SmtpClient()
    target = HostTarget("mail.example", ("127.0.0.1",), 25)
    asking = asyncio.create_task(client.etrn(target, SETTINGS, ["clinic.example"]))
    await began.wait()
    assert await worth(client) <= LEAST_WAIT_S
    client.stop_waiting("nobody else needs the line")
    await asyncio.sleep(0)
    client.break_off("the line is down while it ends")
    dialogue = await asyncio.wait_for(asking, 60)
    assert (dialogue.fate, dialogue.answers) == (SessionFate.UNREACHABLE, ())


class Outcomes(Queue):
    """Keeps what was reported, once it `may_record`."""

    def __init__(self, message: OutgoingMessage) -> None:
        super().__init__([message])
        self.reported: list[Outcome] = []
        self.asked_to_record, self.may_record = asyncio.Event(), asyncio.Event()

    async def on_outcome(self, message: OutgoingMessage, outcomes: tuple[Outcome, ...]) -> None:
        self.asked_to_record.set()
        await self.may_record.wait()
        self.reported += outcomes


def sending(client: SmtpClient, target: HostTarget, queue: Queue) -> asyncio.Task[SessionEnd]:
    return asyncio.create_task(client.send(target, SETTINGS, queue.next_message, queue.on_outcome))


async def test_a_message_sent_whole_is_left_in_doubt(tmp_path: Path) -> None:
    peer = Peer(ModelServer(WITHOUT_CHUNKING))
    peer.mute_from = b"\r\n.\r\n"
    queue, client = Outcomes(message(tmp_path)), SmtpClient()
    queue.may_record.set()
    async with peer.serving() as target:
        task = sending(client, target, queue)
        await asyncio.wait_for(peer.muted.wait(), 60)
        client.stop_waiting("nobody else needs the line")
        end = await asyncio.wait_for(task, 60)
    assert end.fate is SessionFate.LOST
    [outcome] = queue.reported
    assert isinstance(outcome, Deferred)
    assert outcome.answer_unknown
    assert "nobody else needs the line" in outcome.reply.text


async def test_a_session_that_waits_for_us_is_left_alone(tmp_path: Path) -> None:
    queue, client = Outcomes(message(tmp_path)), SmtpClient()
    async with Peer(ModelServer(ALL)).serving() as target:
        task = sending(client, target, queue)
        await asyncio.wait_for(queue.asked_to_record.wait(), 60)
        assert client.patience_ends_s == inf
        client.stop_waiting("nobody else needs the line")
        queue.may_record.set()
        end = await asyncio.wait_for(task, 60)
    assert (end.fate, end.messages) == (SessionFate.DONE, 1)
