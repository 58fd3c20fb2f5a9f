"""The mailboxes of a configuration, collected over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC
from pathlib import Path

from box_rig import Addresses, Rig, letter
from dialpost.core.config.model import BudgetConfig, Config, InboundConfig, MailboxConfig, MailboxKind, TlsMode
from dialpost.core.control import inbound as api
from dialpost.core.control.serving import answer_here
from dialpost.core.mail.inbound.collected import CollectFate, Way
from dialpost.edge.mail.wire.outlet import no_limit
from dialpost.edge.mail.wire.tls import TlsMemory
from dialpost.flow.mail.inbound.mailboxes import MailboxCollector
from dialpost.provider_mailboxes import ProviderMail, configured_boxes
from dialpost.sim.pop3 import Box, Manners, Pop3Server

BOX = MailboxConfig(
    name="office",
    kind=MailboxKind.POP3,
    host="pop.provider.example",
    tls=TlsMode.NONE,
    user="clinic",
    password="secret",
)


class Here(Addresses):
    async def addresses(self, host: str) -> tuple[str, ...]:
        return ("127.0.0.1",)


@contextlib.asynccontextmanager
async def serving(box: Box, manners: Manners) -> AsyncIterator[int]:
    """A POP3 server on a free port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Pop3Server(box, manners)
        writer.write(session.greeting())
        with contextlib.suppress(OSError):
            while not session.is_over and (data := await reader.read(65_536)):
                writer.write(session.receive(data))
                await writer.drain()
        writer.close()

    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = await asyncio.start_server(serve, sock=listening)
    try:
        yield listening.getsockname()[1]
    finally:
        server.close()


def config_of(rig: Rig, *boxes: MailboxConfig, **changes: object) -> Config:
    return replace(rig.config, inbound=InboundConfig(mailbox=boxes), **changes)  # type: ignore[arg-type]


def provider_mail(rig: Rig, config: Config) -> ProviderMail:
    return ProviderMail(
        config,
        rig.store.boxes,
        rig.accounts,
        rig.letters,
        Here(),
        TlsMemory(),
        no_limit,
        UTC,
        lambda: rig.now_s,
        lambda: False,
        intake=rig.intake,
    )


def collectors(rig: Rig, config: Config) -> tuple[MailboxCollector, ...]:
    return provider_mail(rig, config).collectors(config.inbound.mailbox)


async def test_a_configured_mailbox_is_collected(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig, serving(rig.there, rig.manners) as port:
        rig.there.add(letter("hello"))
        rig.there.add(letter("big", text="x" * 5000 + "\r\n"))
        config = config_of(rig, replace(BOX, port=port), budget=BudgetConfig(big_message_bytes=3000))
        [collector] = collectors(rig, config)
        result = await collector.collect()
        assert (result.way, result.box, result.fate) == (Way.POP3, "office", CollectFate.DONE)
        assert (result.messages, result.held) == (1, 1)
        assert rig.copies() == {("anna", "hello"): 1}
        assert len(rig.letters.written) == 1
        methods = provider_mail(rig, config).methods()
        [left] = await answer_here(methods, api.LIST)
        assert (left.mailbox, left.subject, left.recipients) == ("office", "big", ("anna@clinic.example",))
        assert left.state == "held" and "by hand" in left.words
        assert "next call" in (await answer_here(methods, api.FETCH, id=left.id)).words
        assert (await collector.collect()).messages == 1
        assert rig.copies()["anna", "big"] == 1 and await answer_here(methods, api.LIST) == ()


async def test_a_wrong_login_and_a_wrong_port_say_what_to_do(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig, serving(rig.there, rig.manners) as port:
        gone = socket.socket()
        gone.bind(("127.0.0.1", 0))
        wrong = replace(BOX, port=port, password="guessed"), replace(BOX, port=gone.getsockname()[1])
        results = [await collector.collect() for collector in collectors(rig, config_of(rig, *wrong))]
        gone.close()
        assert [result.fate for result in results] == [CollectFate.LOGIN_REFUSED, CollectFate.UNREACHABLE]
        assert "user and password" in results[0].advice


async def test_a_token_file_that_is_missing_needs_the_operator(tmp_path: Path) -> None:
    async with Rig(tmp_path) as rig:
        box = replace(BOX, password="", token_file=str(tmp_path / "missing"))
        [collector] = collectors(rig, config_of(rig, box))
        result = await collector.collect()
        assert result.fate is CollectFate.NEEDS_OPERATOR and "No such file" in result.words


def test_a_box_is_the_same_whatever_it_is_called(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    one, two, other = configured_boxes(
        config_of(rig, BOX, replace(BOX, name="desk", account="ben"), replace(BOX, kind=MailboxKind.IMAP))
    )
    assert one.key == two.key == "pop3:clinic@pop.provider.example:110"
    assert other.key == "imap:clinic@pop.provider.example:143/INBOX"
    assert (one.rule.address, two.rule.address) == ("", "ben@clinic.example")
