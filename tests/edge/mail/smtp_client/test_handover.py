"""ETRN and mail for one host over one connection, where TLS would be paid for twice; and what may come between."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from dialpost.core.config.model import TlsMode, TlsVerify
from dialpost.core.mail.envelope import Envelope, QueueId, Recipient
from dialpost.core.mail.smtp_target import (
    ConnectSettings,
    EtrnDialogue,
    HostTarget,
    OutgoingMessage,
    SessionEnd,
    SessionFate,
)
from dialpost.edge.mail.smtp_client import SmtpClient, handover
from dialpost.edge.mail.smtp_client.driver import SessionDriver
from smtp_door import server_tls
from smtp_model import ALL, ModelServer
from smtp_peer import SETTINGS, Peer, Queue

OFFERS = ("STARTTLS", "ETRN", *ALL)
REQUIRED = dataclasses.replace(SETTINGS, tls=TlsMode.STARTTLS, tls_verify=TlsVerify.NONE)
OPPORTUNISTIC = dataclasses.replace(SETTINGS, tls=TlsMode.OPPORTUNISTIC)
NAMES = ("clinic.example", "second.example")


@pytest.fixture
def message(tmp_path: Path) -> OutgoingMessage:
    path = tmp_path / "m1"
    path.write_bytes(b"Subject: x\n\nhello\n")
    envelope = Envelope("anna@clinic.example", (Recipient("bob@example.org"),))
    return OutgoingMessage(QueueId("q1"), envelope, 20, path)


def parallel_peer() -> Peer:
    """One that serves several connections at a time."""
    peer = Peer(ModelServer(OFFERS), tls=server_tls())
    peer.new_model = lambda: ModelServer(OFFERS)
    return peer


async def both(
    client: SmtpClient,
    target: HostTarget,
    queue: Queue,
    settings: ConnectSettings = REQUIRED,
    *,
    mail_at: HostTarget | None = None,
) -> tuple[EtrnDialogue, SessionEnd]:
    """ETRN, and at the same moment the mail, as a call begins."""
    return await asyncio.gather(
        client.etrn(target, settings, NAMES),
        client.send(mail_at or target, settings, queue.next_message, queue.on_outcome),
    )


def commands(peer: Peer) -> list[str]:
    return [command.partition(" ")[0] for command in peer.model.commands]


@pytest.mark.parametrize("verify", [TlsVerify.NONE, TlsVerify.FULL])
async def test_mail_goes_on_in_the_session_that_asked(message: OutgoingMessage, verify: TlsVerify) -> None:
    """What is not verified anyway makes no other session of it (the defaults for ETRN and mail differ in that)."""
    peer, client = Peer(ModelServer(OFFERS), tls=server_tls()), SmtpClient()
    mail = dataclasses.replace(OPPORTUNISTIC, tls_verify=verify)
    async with peer.serving() as target:
        await client.send(target, OPPORTUNISTIC, Queue([message]).next_message, Queue([]).on_outcome)
        queue = Queue([message])
        dialogue, end = await asyncio.gather(
            client.etrn(target, dataclasses.replace(OPPORTUNISTIC, tls_verify=TlsVerify.NONE), NAMES),
            client.send(target, mail, queue.next_message, queue.on_outcome),
        )
    assert [(name, reply.code) for name, reply in dialogue.answers] == [(name, 250) for name in NAMES]
    assert (dialogue.error, dialogue.fate, dialogue.address) == (None, SessionFate.DONE, "127.0.0.1")
    assert (end.fate, end.messages, end.tls) == (SessionFate.DONE, 1, "TLSv1.3")
    assert peer.resumed == [False, True]
    assert client.tls_cost.handshakes == 2


async def test_the_answers_to_etrn_do_not_wait_for_the_mail(message: OutgoingMessage) -> None:
    asked = asyncio.Event()
    peer, client, queue = Peer(ModelServer(OFFERS), tls=server_tls()), SmtpClient(), Queue([message])

    async def next_message() -> OutgoingMessage | None:
        await asked.wait()
        return await queue.next_message()

    async with peer.serving() as target:
        asking = asyncio.create_task(client.etrn(target, REQUIRED, NAMES))
        await asyncio.sleep(0)
        sending = asyncio.create_task(client.send(target, REQUIRED, next_message, queue.on_outcome))
        dialogue = await asking
        assert len(dialogue.answers) == 2
        asked.set()
        end = await sending
    assert end.messages == 1 and len(peer.resumed) == 1


async def test_without_mail_the_dialogue_ends_as_ever() -> None:
    peer = Peer(ModelServer(OFFERS), tls=server_tls())
    async with peer.serving() as target:
        dialogue = await SmtpClient().etrn(target, REQUIRED, NAMES)
        await peer.quiet()
    assert (len(dialogue.answers), dialogue.fate, commands(peer)[-1]) == (2, SessionFate.DONE, "QUIT")


@pytest.mark.parametrize("settings", [SETTINGS, OPPORTUNISTIC], ids=["none", "not known to do TLS"])
async def test_where_no_tls_is_known_they_go_side_by_side(
    message: OutgoingMessage, settings: ConnectSettings
) -> None:
    peer = parallel_peer()
    async with peer.serving() as target:
        _, end = await both(SmtpClient(), target, Queue([message]), settings)
    assert (end.messages, peer.connections) == (1, 2)


async def test_other_settings_are_another_session(message: OutgoingMessage) -> None:
    peer, client, queue = parallel_peer(), SmtpClient(), Queue([message])
    async with peer.serving() as target:
        _, end = await asyncio.gather(
            client.etrn(target, REQUIRED, NAMES),
            client.send(
                target, dataclasses.replace(REQUIRED, pipelining=False), queue.next_message, queue.on_outcome
            ),
        )
    assert (end.messages, peer.connections) == (1, 2)


async def test_mail_takes_no_session_at_an_address_that_is_not_the_hosts_any_more(message: OutgoingMessage) -> None:
    peer = Peer(ModelServer(OFFERS), tls=server_tls())
    async with peer.serving() as target:
        elsewhere = dataclasses.replace(target, addresses=("127.0.0.9",))
        dialogue, end = await both(SmtpClient(), target, Queue([message]), mail_at=elsewhere)
    assert len(dialogue.answers) == 2
    assert (end.fate, peer.connections) == (SessionFate.UNREACHABLE, 1)


async def test_a_host_that_can_not_be_reached_is_tried_once(
    message: OutgoingMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    connect = SessionDriver.connect

    async def counted(self: SessionDriver, address: str) -> None:
        tried.append(address)
        await connect(self, address)

    monkeypatch.setattr(SessionDriver, "connect", counted)
    async with Peer(ModelServer(OFFERS)).serving() as target:
        pass
    dialogue, end = await both(SmtpClient(), target, Queue([message]))
    assert (dialogue.fate, end.fate, end.ready) == (SessionFate.UNREACHABLE, SessionFate.UNREACHABLE, False)
    assert tried == ["127.0.0.1"]
    other = dataclasses.replace(target, addresses=("127.0.0.1", "127.0.0.9"))
    await both(SmtpClient(), target, Queue([message]), mail_at=other)
    assert tried == ["127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.9"], "it has another address"


@pytest.mark.parametrize("reply", ["421 enough", "502 no"])
async def test_mail_connects_by_itself_where_the_dialogue_leaves_nothing(
    message: OutgoingMessage, reply: str
) -> None:
    peer = Peer(ModelServer(OFFERS), tls=server_tls())
    peer.model.answers = lambda verb, *_: reply if verb == "ETRN" else None
    async with peer.serving() as target:
        _, end = await both(SmtpClient(), target, Queue([message]))
    assert (end.fate, end.messages) == (SessionFate.DONE, 1)


async def test_a_host_out_of_step_gets_a_plainer_session_after_the_one_left_to_mail(
    message: OutgoingMessage,
) -> None:
    peer = Peer(ModelServer(OFFERS), tls=server_tls())
    peer.model.answers = lambda verb, *_: "502 what" if verb == "LAST" else None
    async with peer.serving() as target:
        _, end = await both(SmtpClient(), target, Queue([message]))
    assert (end.messages, peer.resumed) == (1, [False, True])
    assert "CHUNKING" in end.learnt


async def test_a_slow_answer_to_etrn_does_not_hold_the_mail(
    message: OutgoingMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "MOST_WAIT_S", 0.0)
    peer, client = parallel_peer(), SmtpClient()
    async with peer.serving() as target:
        dialogue, end = await both(client, target, Queue([message]))
    assert (len(dialogue.answers), end.messages, peer.connections) == (2, 1, 2)


async def test_a_line_that_goes_down_ends_both_without_another_connection(message: OutgoingMessage) -> None:
    peer, client = Peer(ModelServer(OFFERS), tls=server_tls()), SmtpClient()
    peer.mute_from = b"ETRN"
    async with peer.serving() as target:
        working = asyncio.create_task(both(client, target, Queue([message])))
        await peer.muted.wait()
        client.break_off("the line is down")
        dialogue, end = await working
    assert (dialogue.fate, dialogue.answers) == (SessionFate.LOST, ())
    assert (end.fate, end.reason, end.ready, peer.connections) == (SessionFate.LOST, "the line is down", False, 1)


@pytest.mark.parametrize("at", ["waiting", "given"])
async def test_mail_that_is_cancelled_leaves_no_session_behind(message: OutgoingMessage, at: str) -> None:
    peer, client, queue = Peer(ModelServer(OFFERS), tls=server_tls()), SmtpClient(), Queue([message])
    sending: asyncio.Task[Any]
    give = handover.Handover.give

    def cancelled(self: handover.Handover, talk: SessionDriver) -> bool:
        given = give(self, talk) if at == "given" else False
        sending.cancel()
        return given

    async with peer.serving() as target:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(handover.Handover, "give", cancelled)
            asking = asyncio.create_task(client.etrn(target, REQUIRED, NAMES))
            await asyncio.sleep(0)
            sending = asyncio.create_task(client.send(target, REQUIRED, queue.next_message, queue.on_outcome))
            dialogue = await asking
            with contextlib.suppress(asyncio.CancelledError):
                await sending
        assert sending.cancelled() and len(dialogue.answers) == 2
        await peer.gone.wait()
    assert client._talks == set() and client.bytes_up > 0
