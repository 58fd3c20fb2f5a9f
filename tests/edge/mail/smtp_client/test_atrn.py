"""ATRN on real sockets: the provider's side is a script, ours is the client and the station's own server."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from dialpost.core.config.model import SmtpConfig, TlsMode, TlsVerify
from dialpost.core.mail.session import Listener
from dialpost.core.mail.smtp_target import AtrnDialogue, ConnectSettings, HostTarget, SessionFate
from dialpost.edge.mail.smtp_client import SmtpClient
from dialpost.edge.mail.smtp_server import smtp_protocol_factory
from smtp_door import HOST, NotingPolicy, server_tls

SETTINGS = ConnectSettings(helo=HOST, tls=TlsMode.NONE, timeout_scale=0.1)
IMPLICIT = replace(SETTINGS, tls=TlsMode.IMPLICIT, tls_verify=TlsVerify.NONE)
Script = Callable[["Provider"], Awaitable[None]]
TURNED = "250 OK now reversing the connection"


class Provider:
    """The provider's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, *lines: str) -> None:
        self.writer.write("".join(line + "\r\n" for line in lines).encode())

    async def heard(self) -> str:
        return (await self.reader.readline()).decode().rstrip("\r\n")

    async def replies(self, count: int = 1) -> list[str]:
        """The last line of each."""
        found: list[str] = []
        while len(found) < count:
            line = await self.heard()
            if not line:
                raise EOFError(found)
            if line[3:4] != "-":
                found.append(line)
        return found

    async def asked(self) -> str:
        """Greet, offer ATRN, and return the question."""
        self.send("220 mail.provider.example ESMTP")
        await self.heard()
        self.send("250-mail.provider.example", "250 ATRN")
        return await self.heard()

    async def turn(self) -> None:
        await self.asked()
        self.send(TURNED)
        assert (await self.replies())[0].startswith("220 ")


@contextlib.asynccontextmanager
async def serving(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[HostTarget]:
    scripts = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        scripts.append(task)
        with contextlib.suppress(ConnectionError, EOFError, ssl.SSLError):
            await script(Provider(reader, writer))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield HostTarget("mail.provider.example", ("127.0.0.1",), server.sockets[0].getsockname()[1])
    finally:
        server.close()
        if scripts:  # the station has closed its side, so that each ends
            await asyncio.wait(scripts)


def station(policy: NotingPolicy) -> SmtpClient:
    return SmtpClient(smtp_protocol_factory(policy, SmtpConfig(), HOST, Listener.PROVIDER, None).turned)


async def ask(
    script: Script, policy: NotingPolicy, settings: ConnectSettings = SETTINGS, tls: ssl.SSLContext | None = None
) -> AtrnDialogue:
    async with serving(script, tls) as target:
        return await station(policy).atrn(target, settings, ("clinic.example",))


async def deliver(provider: Provider) -> None:
    await provider.turn()
    provider.send("EHLO mail.provider.example")
    offered: list[str] = []
    while not offered or offered[-1][3] == "-":
        offered.append(await provider.heard())
    words = {line[4:].split()[0] for line in offered[1:]}
    assert {"PIPELINING", "CHUNKING", "SIZE", "DSN"} <= words
    assert not words & {"STARTTLS", "AUTH"}
    provider.send("AUTH PLAIN AGEAYg==", "STARTTLS", "ATRN clinic.example")
    assert [reply[:3] for reply in await provider.replies(3)] == [
        "502",
        "503" if is_tls(provider) else "502",
        "502",
    ]
    provider.send("MAIL FROM:<bob@world.example>", "RCPT TO:<anna@clinic.example>", "BDAT 9 LAST", "Hi\r\nthe")
    assert [reply[:3] for reply in await provider.replies(3)] == ["250", "250", "250"]
    provider.send("QUIT")
    assert (await provider.replies())[0].startswith("221 ")


def is_tls(provider: Provider) -> bool:
    return provider.writer.get_extra_info("ssl_object") is not None


@pytest.mark.parametrize("is_secure", [False, True])
async def test_the_station_serves_the_connection_that_it_made(is_secure: bool) -> None:
    policy = NotingPolicy()
    tls = server_tls() if is_secure else None
    dialogue = await ask(deliver, policy, IMPLICIT if is_secure else SETTINGS, tls)
    assert (dialogue.reply is not None and dialogue.reply.code, dialogue.is_whole, dialogue.messages) == (
        250,
        True,
        1,
    )
    assert (dialogue.fate, dialogue.error, dialogue.offered) == (SessionFate.DONE, None, True)
    assert dialogue.bytes > 100
    assert policy.contents == [b"Hi\r\nthe\r\n"]
    [(peer, _, _)] = policy.of("mail")
    assert (peer.listener, peer.address, peer.protocol) == (
        Listener.PROVIDER,
        "127.0.0.1",
        "ESMTPS" if is_secure else "ESMTP",
    )
    assert policy.connections == 0


async def test_a_no_ends_the_session_in_order() -> None:
    policy, heard = NotingPolicy(), []

    async def refuse(provider: Provider) -> None:
        heard.append(await provider.asked())
        provider.send("453 4.3.0 You have no mail")
        heard.append(await provider.heard())

    dialogue = await ask(refuse, policy)
    assert dialogue.reply is not None and (dialogue.reply.code, dialogue.is_whole) == (453, False)
    assert heard == ["ATRN clinic.example", "QUIT"]
    assert policy.calls == []


async def _quits_and_leaves(provider: Provider) -> None:
    await provider.turn()
    provider.send("EHLO x", "QUIT")
    await provider.writer.drain()
    provider.writer.close()


async def _greets_first(provider: Provider) -> None:
    await provider.asked()
    provider.send(TURNED, "220 mail.provider.example was first")
    await provider.reader.read()


async def _speaks_something_else(provider: Provider) -> None:
    await provider.asked()
    provider.send(TURNED, "GET / HTTP/1.1", "MAIL FROM:<>", "RCPT TO:<anna@clinic.example>")
    await provider.reader.read()


async def _sends_garbage(provider: Provider) -> None:
    await provider.asked()
    provider.writer.write(TURNED.encode() + b"\r\n" + bytes(range(256)) * 40 + b"\r\n")
    await provider.reader.read()


async def _sends_a_line_without_end(provider: Provider) -> None:
    await provider.turn()
    for _ in range(200):
        provider.writer.write(b"x" * 20_000)
        await provider.writer.drain()
    provider.writer.close()


async def _leaves_at_once(provider: Provider) -> None:
    await provider.asked()
    provider.send(TURNED)


async def _resets_in_a_message(provider: Provider) -> None:
    await provider.turn()
    provider.send("EHLO x", "MAIL FROM:<>", "RCPT TO:<anna@clinic.example>", "BDAT 1000 LAST", "half")
    await provider.replies(3)
    provider.writer.transport.abort()


async def test_a_provider_may_leave_with_its_quit() -> None:
    dialogue = await ask(_quits_and_leaves, NotingPolicy())
    assert dialogue.is_whole


@pytest.mark.parametrize(
    "script",
    [
        _greets_first,
        _speaks_something_else,
        _sends_garbage,
        _sends_a_line_without_end,
        _leaves_at_once,
        _resets_in_a_message,
    ],
)
async def test_whatever_comes_behind_the_250_ends_the_session_and_nothing_else(script: Script) -> None:
    policy = NotingPolicy()
    dialogue = await ask(script, policy)
    assert dialogue.reply is not None and dialogue.reply.code == 250
    assert (dialogue.is_whole, dialogue.messages) == (False, 0)
    assert (policy.contents, policy.connections) == ([], 0)


async def test_a_silent_provider_is_given_up_by_the_call() -> None:
    policy, turned = NotingPolicy(), asyncio.Event()

    async def fall_silent(provider: Provider) -> None:
        await provider.turn()
        turned.set()
        await provider.reader.read()

    client = station(policy)
    async with serving(fall_silent) as target:
        asking = asyncio.create_task(client.atrn(target, SETTINGS, ()))
        await turned.wait()
        assert client.atrn_patience_ends_s == 0.0, "the call's rule for idle connections decides"
        client.stop_atrn("the provider is silent")
        dialogue = await asking
    assert (dialogue.error, dialogue.is_whole) == ("the provider is silent", False)
    assert policy.connections == 0
    assert client.atrn_patience_ends_s == float("inf")
    client.stop_atrn("nobody is there")


async def test_a_question_without_an_answer_is_given_up_by_the_call() -> None:
    asked = asyncio.Event()

    async def never_answer(provider: Provider) -> None:
        await provider.asked()
        asked.set()
        await provider.reader.read()

    client = station(NotingPolicy())
    async with serving(never_answer) as target:
        asking = asyncio.create_task(client.atrn(target, SETTINGS, ()))
        await asked.wait()
        client.stop_atrn("no answer")
        dialogue = await asking
    assert (dialogue.reply, dialogue.fate, dialogue.error) == (None, SessionFate.LOST, "no answer")


async def test_a_cancelled_session_is_closed_and_its_message_dropped() -> None:
    policy, halfway, gone = NotingPolicy(), asyncio.Event(), asyncio.Event()

    async def send_half(provider: Provider) -> None:
        await provider.turn()
        provider.send("EHLO x", "MAIL FROM:<>", "RCPT TO:<anna@clinic.example>", "BDAT 1000 LAST", "half")
        await provider.replies(3)
        halfway.set()
        with contextlib.suppress(ConnectionError):
            await provider.reader.read()
        gone.set()

    async with serving(send_half) as target:
        asking = asyncio.create_task(station(policy).atrn(target, SETTINGS, ()))
        await halfway.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await gone.wait()
    assert policy.contents == []


async def test_a_client_without_a_server_can_not_be_turned() -> None:
    async with serving(_leaves_at_once) as target:
        with pytest.raises(NotImplementedError):
            await SmtpClient().atrn(target, SETTINGS, ())
