"""The station's IMAP client against real servers: 44 messages, inside TLS, compressed, whole and exactly once."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from rig.mailboxes import make_message
from rig.needs import needs
from rig.servers.cyrus import Cyrus
from rig.servers.mailbox_server import HOST, MailboxServer
from rig.servers.provider_dovecot import Dovecot23, Dovecot24

from dialpost.core.config.model import TlsMode, TlsVerify
from dialpost.core.mail.esmtp.tls_use import TlsUse
from dialpost.core.mail.inbound.collected import CollectFate
from dialpost.core.mail.inbound.dialogue import Complete, Content, Deleted, Ended, Failed, Listed
from dialpost.core.mail.inbound.imap.client import ImapDialogue
from dialpost.core.mail.inbound.imap.settings import ImapSettings
from dialpost.core.mail.smtp_target import HostTarget
from dialpost.edge.mail.collecting.connection import BoxSession
from dialpost.edge.mail.wire.tls import TlsMemory

pytestmark = pytest.mark.system

USER, PASSWORD = "site1", "one secret"
SERVERS = [
    pytest.param(server, marks=needs(server.chroot), id=server.__name__) for server in (Dovecot24, Dovecot23, Cyrus)
]
SIZES = [1200] * 40 + [40_000, 60_000, 150_000, 200_000]
CUTS = 20


@pytest.fixture
def server(request: pytest.FixtureRequest, work: Path) -> Iterator[MailboxServer]:
    with request.param(work / "server", users={USER: PASSWORD}) as running:
        yield running


def fill(server: MailboxServer) -> list[bytes]:
    sent = [
        make_message(f"in.{number}@world.example", "friend@world.example", ["a@b.example"], size=size)
        for number, size in enumerate(SIZES)
    ]
    for message in sent:
        server.put(USER, message)
    return sorted(sent)


class Station:
    """What a collector does, with its memory: what was taken, and the beginnings of what was cut."""

    def __init__(self, server: MailboxServer, tls: TlsMode) -> None:
        port = server.imaps_port if tls is TlsMode.IMPLICIT else server.imap_port
        self.port = port
        self.settings = ImapSettings(
            HOST,
            port,
            USER,
            PASSWORD,
            tls=tls,
            nonce="x" + random.Random(1).randbytes(9).hex(),
        )
        self.memory = TlsMemory(server.authority.certificate)
        self.taken: dict[str, bytes] = {}
        self.begun: dict[str, bytes] = {}
        self.doubled: list[str] = []
        self.trace: list[str] = []
        self.bytes_down = 0

    async def call(self, port: int = 0) -> Ended:
        tls = self.settings.tls
        target = HostTarget(HOST, ("127.0.0.1",), port or self.port)
        implicit = tls is TlsMode.IMPLICIT
        session = BoxSession(
            lambda: ImapDialogue(self.settings, tls=implicit, verified=implicit, trace=self.trace.append),
            target,
            tls,
            TlsUse(HOST, TlsVerify.FULL, ""),
            self.memory,
        )
        wanted: list[str] = []
        due: set[str] = set()
        is_listed = False
        async with contextlib.aclosing(session.events()) as events:
            async for event in events:
                if isinstance(event, Listed):
                    assert event.is_whole
                    wanted = [one.uid for one in event.messages if one.uid not in self.taken]
                    due, is_listed = set(wanted), True
                    if len(wanted) < len(event.messages):
                        session.delete([one.uid for one in event.messages if one.uid in self.taken])
                elif isinstance(event, Content):
                    self.begun[event.uid] = self.begun.get(event.uid, b"") + event.data
                elif isinstance(event, Complete):
                    if event.uid in self.taken:
                        self.doubled.append(event.uid)
                    self.taken[event.uid] = self.begun.pop(event.uid)
                    due.remove(event.uid)
                assert not isinstance(event, Failed) or port  # the one at which the relay broke
                assert not isinstance(event, Deleted) or set(event.uids) <= set(self.taken)
                while wanted and session.can_ask:
                    uid = wanted.pop(0)
                    session.fetch(uid, len(self.begun.get(uid, b"")))
                if is_listed and not due and not isinstance(event, Ended):
                    is_listed = False
                    session.delete(list(self.taken))
                    session.quit()
        self.bytes_down = session.bytes_down
        assert isinstance(event, Ended)
        return event


@contextlib.asynccontextmanager
async def cut_after(port: int, down_bytes: int) -> AsyncIterator[int]:
    """A relay to the server that breaks once it has passed on this many of the server's bytes."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, up = await asyncio.open_connection("127.0.0.1", port)
        sending = asyncio.ensure_future(_pass_on(reader, up, None))
        await _pass_on(upstream, writer, down_bytes)
        sending.cancel()
        for broken in (writer, up):
            broken.transport.abort()

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int | None) -> None:
    passed = 0
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(4096):
            writer.write(data if most is None else data[: most - passed])
            await writer.drain()
            passed += len(data)
            if most is not None and passed >= most:
                return


@pytest.mark.parametrize("server", SERVERS, indirect=True)
@pytest.mark.parametrize("tls", [TlsMode.STARTTLS, TlsMode.IMPLICIT])
async def test_44_messages_come_compressed_and_once(server: MailboxServer, tls: TlsMode) -> None:
    sent = await asyncio.to_thread(fill, server)
    station = Station(server, tls)
    assert await station.call() == Ended(CollectFate.DONE)
    assert sorted(station.taken.values()) == sent and station.doubled == []
    assert any("COMPRESS" in line for line in station.trace)
    assert station.bytes_down < 0.8 * sum(map(len, sent))  # random digits, by half
    taken = dict(station.taken)
    assert await station.call() == Ended(CollectFate.DONE)
    assert station.taken == taken
    assert not any("BODY.PEEK[]" in line for line in station.trace[-12:])


@pytest.mark.parametrize("server", SERVERS, indirect=True)
async def test_a_login_by_scram_where_the_certificate_is_no_proof(server: MailboxServer) -> None:
    station = Station(server, TlsMode.NONE)
    assert (await station.call()).fate is CollectFate.DONE
    assert any("SCRAM-SHA-256" in line for line in station.trace)


@pytest.mark.parametrize("server", SERVERS, indirect=True)
async def test_a_wrong_password_is_told_in_the_servers_words(server: MailboxServer) -> None:
    station = Station(
        server,
        TlsMode.IMPLICIT,
    )
    station.settings = ImapSettings(HOST, station.port, USER, "wrong")
    ended = await station.call()
    assert ended.fate is CollectFate.LOGIN_REFUSED and ended.words.startswith("NO ")


@pytest.mark.parametrize("server", SERVERS, indirect=True)
async def test_a_line_cut_at_20_bytes_loses_and_doubles_nothing(server: MailboxServer) -> None:
    sent = await asyncio.to_thread(fill, server)
    station, places = Station(server, TlsMode.IMPLICIT), random.Random(type(server).__name__)
    fates = []
    for _ in range(CUTS):
        async with cut_after(station.port, places.randrange(1, sum(map(len, sent)) // 8)) as port:
            fates.append((await station.call(port)).fate)
    assert fates.count(CollectFate.CUT) > 5
    assert (await station.call()).fate is CollectFate.DONE
    assert sorted(station.taken.values()) == sent
    assert station.doubled == [] and station.begun == {}
    assert (await station.call()).fate is CollectFate.DONE
    assert len(station.taken) == len(sent)
