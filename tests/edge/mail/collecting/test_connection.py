"""A mailbox session over real sockets: plain, in TLS, resumed, and with servers that stop, stall or flood."""

import asyncio
import contextlib
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dialpost.core.config.model import TlsMode, TlsVerify
from dialpost.core.mail.esmtp.tls_use import TlsUse
from dialpost.core.mail.inbound.collected import CollectFate
from dialpost.core.mail.inbound.dialogue import BoxEvent, Complete, Content, Deleted, Ended, Listed
from dialpost.core.mail.inbound.imap import client
from dialpost.core.mail.inbound.imap.client import ImapDialogue
from dialpost.core.mail.inbound.imap.settings import ImapSettings
from dialpost.core.mail.smtp_target import HostTarget
from dialpost.edge.mail.collecting import connection
from dialpost.edge.mail.collecting.connection import BoxSession
from dialpost.edge.mail.wire.tls import TlsMemory
from imap_model import Box, ModelImap

USE = TlsUse("imap.example", TlsVerify.FULL, "")


@pytest.fixture(scope="module")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Certificate and key of imap.example."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command is missing")
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    name = ["-subj", "/CN=imap.example", "-addext", "subjectAltName=DNS:imap.example"]
    made: list[str | Path] = ["openssl", "req", "-x509", *curve, *name, "-keyout", key, "-out", certificate]
    subprocess.run(made, check=True, capture_output=True)
    return certificate, key


@dataclass
class Host:
    """Serves one box on a loopback socket; `mute_at`: says nothing more once a command begins like this."""

    box: Box
    tls: ssl.SSLContext | None = None
    is_implicit: bool = False
    mute_at: str = ""
    drop_at: str = ""
    sessions: list[ModelImap] = field(default_factory=list)
    resumed: list[bool] = field(default_factory=list)
    muted: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[HostTarget]:
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        context = self.tls if self.is_implicit else None
        server = await asyncio.start_server(self._serve, sock=listening, ssl=context)
        try:
            yield HostTarget("imap.example", ("127.0.0.1",), listening.getsockname()[1])
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        offers = ("STARTTLS",) if self.tls is not None and not self.is_implicit else ()
        model = ModelImap(self.box)
        model.offers = (*offers, *model.offers)
        self.sessions.append(model)
        try:
            self._note(writer)
            writer.write(model.greeting())
            while not model.closed and (data := await reader.read(65_536)):
                answer = model.receive(data)
                if self.mute_at and any(line.startswith(self.mute_at) for line in model.commands):
                    self.muted.set()
                    await reader.read()
                    return
                if self.drop_at and any(line.startswith(self.drop_at) for line in model.commands):
                    writer.transport.abort()
                    return
                writer.write(answer)
                if model.is_tls_wanted and self.tls is not None:
                    await writer.start_tls(self.tls)
                    self._note(writer)
                    model.is_tls_wanted = False
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()
            self.gone.set()

    def _note(self, writer: asyncio.StreamWriter) -> None:
        inside = writer.get_extra_info("ssl_object")
        if inside is not None:
            self.resumed.append(inside.session_reused)


def box_of(*sizes: int) -> Box:
    box = Box()
    for number, size in enumerate(sizes, 1):
        box.add(f"Subject: {number}\r\n\r\n".encode().ljust(size, b"x"))
    return box


def server_tls(files: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context


def session(target: HostTarget, tls: TlsMode, memory: TlsMemory | None = None) -> BoxSession:
    settings = ImapSettings(target.host, target.port, "anna", "geheim", tls=tls, clear_password=tls is TlsMode.NONE)
    is_implicit = tls is TlsMode.IMPLICIT

    def begin() -> ImapDialogue:
        return ImapDialogue(settings, tls=is_implicit, verified=is_implicit)

    return BoxSession(begin, target, tls, USE, memory or TlsMemory())


async def collect(talk: BoxSession) -> tuple[dict[str, bytes], list[str], Ended]:
    """Fetch and delete everything: what came, what was deleted, how it ended."""
    content: dict[str, bytes] = {}
    complete: list[str] = []
    deleted: list[str] = []
    wanted: list[str] = []
    seen: list[BoxEvent] = []
    async with contextlib.aclosing(talk.events()) as events:
        async for event in events:
            seen.append(event)
            if isinstance(event, Listed):
                wanted = [message.uid for message in event.messages]
                open_ = len(wanted)
            elif isinstance(event, Content):
                content[event.uid] = content.get(event.uid, b"") + event.data
            elif isinstance(event, Complete):
                complete.append(event.uid)
            elif isinstance(event, Deleted):
                deleted += event.uids
            while wanted and talk.can_ask:
                talk.fetch(wanted.pop(0))
            if not isinstance(event, Ended) and len(complete) == open_ and not wanted:
                open_ = -1
                talk.delete(complete)
                talk.quit()
    assert isinstance(seen[-1], Ended)
    return content, deleted, seen[-1]


@pytest.mark.parametrize("tls", [TlsMode.NONE, TlsMode.STARTTLS, TlsMode.IMPLICIT])
async def test_a_box_is_emptied_and_the_next_session_resumes_tls(
    tls: TlsMode, tls_files: tuple[Path, Path]
) -> None:
    box = box_of(200, 500_000, 3000)
    contents = {f"7.{stored.uid}": stored.content for stored in box.messages}
    context = None if tls is TlsMode.NONE else server_tls(tls_files)
    host = Host(box, context, is_implicit=tls is TlsMode.IMPLICIT)
    memory = TlsMemory(tls_files[0])
    async with host.serving() as target:
        first = session(target, tls, memory)
        assert await collect(first) == (contents, list(contents), Ended(CollectFate.DONE))
        await host.gone.wait()
        assert box.uids == [] and host.sessions[0].violations == []
        box.add(b"Subject: later\r\n\r\n")
        _, deleted, ended = await collect(session(target, tls, memory))
        assert (deleted, ended.fate) == (["7.4"], CollectFate.DONE)
    assert host.resumed == ([] if context is None else [False, True])
    assert first.address == "127.0.0.1" and 1000 < first.bytes_down < 30_000  # compressed
    assert 0 < first.bytes_up < 5000


async def test_a_certificate_that_is_not_acceptable(tls_files: tuple[Path, Path]) -> None:
    async with Host(box_of(200), server_tls(tls_files), is_implicit=True).serving() as target:
        content, _, ended = await collect(session(target, TlsMode.IMPLICIT))
    assert content == {} and ended.fate is CollectFate.NEEDS_OPERATOR and "certificate" in ended.words


async def test_a_host_that_refuses_the_lean_handshake_gets_another(tls_files: tuple[Path, Path]) -> None:
    memory = TlsMemory(tls_files[0], is_lean=True)  # offers a group that this host refuses
    context = server_tls(tls_files)
    context.set_ecdh_curve("secp384r1")
    host = Host(box_of(200), context, is_implicit=True)
    async with host.serving() as target:
        talk = session(target, TlsMode.IMPLICIT, memory)
        content, _, ended = await collect(talk)
    assert list(content) == ["7.1"] and ended.fate is CollectFate.DONE
    assert len(host.resumed) == 1


async def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        target = HostTarget("imap.example", ("127.0.0.1",), unused.getsockname()[1])
        _, _, ended = await collect(session(target, TlsMode.NONE))
    assert ended.fate is CollectFate.UNREACHABLE and ended.words.startswith("imap.example can't be reached: ")
    _, _, ended = await collect(session(HostTarget("imap.example", (), 1), TlsMode.NONE))
    assert ended.words == "imap.example can't be reached: it has no address"


async def test_a_server_that_goes_away() -> None:
    async with Host(box_of(200), drop_at="UID FETCH").serving() as target:
        _, _, ended = await collect(session(target, TlsMode.NONE))
    assert ended.fate is CollectFate.CUT


async def test_silence_ends_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ANSWER_WAIT_S", 0.2)
    async with Host(box_of(200), mute_at="SELECT").serving() as target:
        content, _, ended = await collect(session(target, TlsMode.NONE))
    assert content == {} and ended.fate is CollectFate.CUT and "no answer to " in ended.words


async def test_a_line_that_is_gone_ends_the_session_at_once() -> None:
    host = Host(box_of(200), mute_at="COMPRESS")
    async with host.serving() as target:
        talk = session(target, TlsMode.NONE)
        running = asyncio.ensure_future(collect(talk))
        await host.muted.wait()
        assert talk.patience_ends_s < asyncio.get_running_loop().time() + 100
        talk.break_off("the line is down")
        _, _, ended = await running
    assert ended == Ended(CollectFate.CUT, "the line is down")


async def test_a_handshake_that_is_not_answered_is_given_up_like_anything_else(
    tls_files: tuple[Path, Path],
) -> None:
    begun = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        begun.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    talk = session(HostTarget("imap.example", ("127.0.0.1",), server.sockets[0].getsockname()[1]), TlsMode.IMPLICIT)
    running = asyncio.ensure_future(collect(talk))
    await begun.wait()
    assert talk.patience_ends_s < asyncio.get_running_loop().time() + 61
    talk.break_off("nobody waits any longer")
    _, _, ended = await running
    server.close()
    assert ended.fate is CollectFate.CUT


async def test_a_line_that_is_gone_before_the_connection() -> None:
    talk = session(HostTarget("imap.example", ("127.0.0.1",), 1), TlsMode.NONE)
    talk.break_off("the line is down")
    _, _, ended = await collect(talk)
    assert ended == Ended(CollectFate.CUT, "the line is down")


async def test_content_that_nobody_takes_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MOST_WAITING_BYTES", 20_000)
    async with Host(box_of(5_000_000)).serving() as target:
        talk = session(target, TlsMode.NONE)
        most = 0
        async with contextlib.aclosing(talk.events()) as events:
            async for event in events:
                if isinstance(event, Listed):
                    talk.fetch(event.messages[0].uid)
                elif isinstance(event, Content):
                    for _ in range(20):
                        await asyncio.sleep(0)  # what the network has is read meanwhile
                    most = max(most, talk._waiting_bytes)
                elif isinstance(event, Complete):
                    talk.quit()
    assert 20_000 < most < 1_000_000  # otherwise nearly all of it
