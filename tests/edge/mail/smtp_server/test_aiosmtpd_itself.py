"""Why the commands are not aiosmtpd's own: what its class, used as documented, does with a station's mail.

One test a reason of decision 39. One that fails with a newer aiosmtpd is good news: look at the decision again.
"""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from known import known

MAIL = ("EHLO x.example", "MAIL FROM:<a@world.example>", "RCPT TO:<anna@clinic.example>")


Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Handler:
    """The hooks that a handler may have; notes what it was given."""

    def __init__(self) -> None:
        self.contents: list[bytes | str | None] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.fault: Exception | None = None
        self.storing = asyncio.Event()
        self.may_store: asyncio.Event | None = None

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.fault is not None:
            raise self.fault
        self.storing.set()
        if self.may_store is not None:
            await self.may_store.wait()
        self.contents.append(envelope.content)
        return "250 2.0.0 Ok"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        self.logins.append((data.login, data.password))
        return AuthResult(success=True)


@contextlib.asynccontextmanager
async def plain_server(handler: Handler, **settings: Any) -> AsyncIterator[Wire]:
    """aiosmtpd alone; gives a stream reader and writer, the greeting read."""
    made: list[SMTP] = []

    def protocol() -> SMTP:
        made.append(SMTP(handler, hostname="mail.clinic.example", enable_SMTPUTF8=True, **settings))
        return made[-1]

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    assert (await reader.readline()).startswith(b"220 ")
    try:
        yield reader, writer
    finally:
        writer.close()
        server.close()
        session = known(made[0]._handler_coroutine)
        await asyncio.wait([session], timeout=60)
        assert session.done()


async def answer(reader: asyncio.StreamReader) -> str:
    """The last line of the next reply."""
    while (line := (await asyncio.wait_for(reader.readline(), 60)).decode())[3:4] == "-":
        pass
    return line.rstrip()


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *commands: str) -> list[str]:
    """One reply a command."""
    replies = []
    for command in commands:
        writer.write(command.encode() + b"\r\n")
        replies.append(await answer(reader))
    return replies


async def test_it_refuses_the_parameters_of_notices() -> None:
    """RFC 3461: NOTIFY and ORCPT; a server that lists DSN must take them."""
    async with plain_server(Handler()) as wire:
        await talk(*wire, *MAIL[:2])
        (refused,) = await talk(*wire, f"{MAIL[2]} NOTIFY=SUCCESS ORCPT=rfc822;Anna@x.example")
    assert refused.startswith("555")


async def test_it_bounces_mail_at_a_fault_of_ours_and_tells_its_text() -> None:
    handler = Handler()
    handler.fault = RuntimeError("secret /path")
    async with plain_server(handler) as wire:
        replies = await talk(*wire, *MAIL, "DATA", "hello\r\n.")
    assert replies[-1] == "500 Error: (RuntimeError) secret /path"


async def test_it_refuses_a_message_for_one_long_line() -> None:
    """And the handler's hook is called with the whole message in memory, so it can't take it in pieces."""
    handler = Handler()
    async with plain_server(handler) as wire:
        replies = await talk(*wire, *MAIL, "DATA", "x" * 2000 + "\r\n.")
    assert replies[-1].startswith("500")
    assert handler.contents == []


async def test_it_knows_no_chunks() -> None:
    async with plain_server(Handler()) as wire:
        replies = await talk(*wire, *MAIL, "BDAT 0 LAST")
    assert replies[-1].startswith("500")


async def test_it_breaks_off_the_storing_when_the_client_closes_its_side() -> None:
    handler = Handler()
    handler.may_store = asyncio.Event()  # never set
    async with plain_server(handler) as (reader, writer):
        await talk(reader, writer, *MAIL, "DATA")
        writer.write(b"hello\r\n.\r\n")
        await asyncio.wait_for(handler.storing.wait(), 60)
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 60) == b""
    assert handler.contents == []


async def test_a_login_as_somebody_else_is_taken_for_ones_own() -> None:
    """RFC 4616 §2: who may act as whom is to be checked; the authorization identity is thrown away here."""
    handler = Handler()
    login = base64.b64encode(b"director\0anna\0right").decode()
    async with plain_server(handler, authenticator=handler.authenticate, auth_require_tls=False) as wire:
        replies = await talk(*wire, "EHLO x.example", f"AUTH PLAIN {login}")
    assert replies[-1].startswith("235")
    assert handler.logins == [(b"anna", b"right")]


async def test_it_repeats_control_characters_of_the_client() -> None:
    async with plain_server(Handler()) as wire:
        (reply,) = await talk(*wire, "\x1b[31mABC")
    assert "\x1b[31M" in reply


async def test_it_takes_lines_that_end_without_cr() -> None:
    async with plain_server(Handler()) as (reader, writer):
        writer.write(b"EHLO x.example\n")
        assert (await answer(reader)).startswith("250")
