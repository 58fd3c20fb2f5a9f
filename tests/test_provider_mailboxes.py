"""The mailboxes of a configuration, collected over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest

from box_rig import Addresses, Rig, letter
from dialpost.core.call_reason import CallReason
from dialpost.core.config.model import BudgetConfig, Config, InboundConfig, MailboxConfig, MailboxKind, TlsMode
from dialpost.core.config.text import parse_config
from dialpost.core.control import inbound as api
from dialpost.core.control.serving import answer_here
from dialpost.core.findings import Severity
from dialpost.core.line.call.record import CallRecord
from dialpost.core.mail.inbound.collected import CollectFate, Way
from dialpost.edge.mail.wire.outlet import no_limit
from dialpost.edge.mail.wire.tls import TlsMemory
from dialpost.edge.system import clock
from dialpost.flow.mail.inbound.check import check_mailbox
from dialpost.flow.mail.inbound.mailboxes import MailboxCollector
from dialpost.provider_mailboxes import ProviderMail, boxes_to_check, configured_boxes
from dialpost.sim.pop3 import Box, Manners, Pop3Server
from dialpost.station import Station
from fakes import FakeLink
from imap_model import Box as ImapBox
from imap_model import ModelImap

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
    talks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks[task] = writer
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
        for writer in talks.values():
            writer.transport.abort()
        await asyncio.gather(*talks, return_exceptions=True)


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


async def test_a_cut_message_goes_on_at_its_byte_by_imap(tmp_path: Path) -> None:
    there = ImapBox()
    there.add(letter("big", text="a line of text\r\n" * 10_000))
    left = 100_000  # bytes until the line is cut

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal left
        session = ModelImap(there, ("IMAP4rev1", "SASL-IR", "AUTH=PLAIN", "UIDPLUS"))
        said = session.greeting()
        with contextlib.suppress(OSError):
            while True:
                writer.write(said[:left])
                left -= len(said)
                await writer.drain()
                if left <= 0 or session.closed or not (data := await reader.read(65_536)):
                    break
                said = session.receive(data)
        writer.close()

    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = await asyncio.start_server(serve, sock=listening)
    async with Rig(tmp_path) as rig:
        box = replace(BOX, kind=MailboxKind.IMAP, port=listening.getsockname()[1], user="anna", password="geheim")
        station = replace(rig.config.station, data_dir=str(tmp_path))
        [collector] = collectors(rig, config_of(rig, box, station=station))
        assert (await collector.collect()).fate is CollectFate.CUT
        assert len(list((tmp_path / "partial").iterdir())) == 2
        left = 90_000  # less than the message
        result = await collector.collect()
        assert (result.fate, result.messages) == (CollectFate.DONE, 1)
        assert rig.copies() == {("anna", "big"): 1} and there.messages == []
        assert list((tmp_path / "partial").iterdir()) == []
    server.close()


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


@pytest.mark.parametrize(
    ("change", "manners", "severity", "said"),
    [
        ({}, Manners(), Severity.OK, "the login works; 2 messages are there"),
        ({"password": "guessed"}, Manners(), Severity.FAULT, "wrong user or password"),
        ({}, Manners(greeting=b"* OK IMAP4rev1 ready"), Severity.FAULT, 'set kind = "imap"'),
        ({}, Manners(greeting=b"220 mx ESMTP"), Severity.FAULT, "a mail server (SMTP)"),
        ({"recipient_header": "X-Nothing"}, Manners(), Severity.FAULT, "set recipient_header"),
        ({"token_file": "/nowhere"}, Manners(), Severity.FAULT, "Check token_file"),
        ({"account": "anna"}, Manners(), Severity.OK, "the login works"),
        ({}, Manners(login_answer=b"-ERR [IN-USE] locked"), Severity.WARNING, "the only one that collects it"),
    ],
)
async def test_doctor_finds_what_is_wrong_with_a_mailbox(
    tmp_path: Path, change: dict[str, str], manners: Manners, severity: Severity, said: str
) -> None:
    there = Box()
    there.add(letter("one"))
    there.add(letter("two"))
    async with serving(there, manners) as port:
        config = config_of(Rig(tmp_path), replace(BOX, port=port, **change))  # type: ignore[arg-type]
        [one] = boxes_to_check(config)
        found = await check_mailbox(one, Here(), Rig(tmp_path).accounts.directory)
    assert (found.subject, found.severity) == ("mailbox", severity)
    assert said in f"{found.what} {found.advice}" and "office" in found.what
    assert len(there.messages) == 2 and there.retrieved == [], "it takes nothing"


async def test_doctor_finds_a_port_at_which_nobody_is(tmp_path: Path) -> None:
    with socket.socket() as gone:
        gone.bind(("127.0.0.1", 0))
        [one] = boxes_to_check(config_of(Rig(tmp_path), replace(BOX, port=gone.getsockname()[1])))
        found = await check_mailbox(one, Here(), Rig(tmp_path).accounts.directory)
    assert found.severity is Severity.FAULT and "can't be reached" in found.what


def test_a_box_is_the_same_whatever_it_is_called(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    one, two, other = configured_boxes(
        config_of(rig, BOX, replace(BOX, name="desk", account="ben"), replace(BOX, kind=MailboxKind.IMAP))
    )
    assert one.key == two.key == "pop3:clinic@pop.provider.example:110"
    assert other.key == "imap:clinic@pop.provider.example:143/INBOX"
    assert (one.rule.address, two.rule.address) == ("", "ben@clinic.example")


@pytest.mark.parametrize("kind", ["dialup-gateway", "gateway"])
async def test_a_call_collects_the_mailbox_and_ends_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(clock, "RELEASED_S", 0)
    there = Box()
    there.add(letter("first"))
    there.add(letter("second"))
    async with serving(there, Manners()) as port:
        config = parse_config(
            '[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example"]\n'
            f'data_dir = "{tmp_path}/data"\nrun_dir = "{tmp_path}/run"\n'
            '[smtp]\nlisten = ["127.0.0.1:0"]\nsubmission_listen = []\nsubmissions_listen = []\n'
            f'disk_reserve_bytes = 0\n[link]\nkind = "{kind}"\n[etrn]\nuse = "never"\n'
            "[call]\nredial_attempts = 0\ncooldown_s = 0.1\n"
            '[[inbound.mailbox]]\nname = "office"\nkind = "pop3"\nhost = "127.0.0.1"\ntls = "none"\n'
            f'port = {port}\nuser = "clinic"\npassword = "secret"\n'
        )
        link = FakeLink(dial_s=0.01)
        link.negotiate_s = link.hang_up_s = 0.01
        station = Station(config, link=link)
        await station.start()
        try:
            await station.accounts.add("anna", "correct-horse")
            station.calls.request(CallReason.BUTTON)
            new = tmp_path / "data" / "mail" / "anna" / "new"
            async with asyncio.timeout(60):
                while not (calls := await station.store.calls(10)) or len(list(new.iterdir())) < 2:
                    await asyncio.sleep(0.01)  # neither says when it is there
        finally:
            await station.stop()
    assert there.messages == {}
    [record] = [CallRecord.from_json(call) for call in calls]
    [collected] = record.inbound
    assert (collected.label, collected.messages, collected.fate) == ("POP3 office", 2, CollectFate.DONE)
    assert record.received == 2
