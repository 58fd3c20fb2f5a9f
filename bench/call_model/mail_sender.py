"""How the providers' mail programs send over one connection: the SMTP dialogue, by who waits for which reply."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass

from call_model.channel import Channel, GoneError
from call_model.network import PROVIDER, STATION, Network
from call_model.transport import ModelTransport

SENDER, RECIPIENT = "friend@world.example", "anna@clinic.example"


class DeferredError(Exception):
    """The station said no, for now."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message that waits at the provider, as it is sent."""

    content: bytes

    @property
    def stuffed(self) -> bytes:
        """As DATA sends it."""
        lines = self.content.splitlines(keepends=True)
        return b"".join(b"." + line if line.startswith(b".") else line for line in lines) + b".\r\n"


class Sender:
    """A connection to the station. Each method is one wait for replies. Raises: GoneError, DeferredError."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._offered: set[str] = set()
        self.is_secure = False

    @staticmethod
    async def connected(network: Network) -> Sender:
        """Connect, and wait for the greeting."""
        try:
            end, sock = await network.connect(PROVIDER, STATION, 25)
        except OSError as error:
            raise GoneError from error
        channel = Channel()
        ModelTransport(asyncio.get_running_loop(), end, sock).begins(channel)
        sender = Sender(channel)
        await sender._expect(220)
        return sender

    async def hello(self) -> None:
        """EHLO."""
        self._channel.write(b"EHLO mail.provider.example\r\n")
        self._offered = {line.split(" ")[0].upper() for line in (await self._expect(250))[1:]}

    async def secure(self, context: ssl.SSLContext | None, kept: list[ssl.SSLSession] | None) -> None:
        """STARTTLS and EHLO once more, if it is offered and wanted; `kept` as in Channel."""
        if context is None or "STARTTLS" not in self._offered:
            return
        self._channel.write(b"STARTTLS\r\n")
        await self._expect(220)
        await self._channel.secure(context, kept)
        self.is_secure = True
        await self.hello()

    async def reset(self) -> None:
        """RSET, with which Postfix and sendmail look whether a connection still lives."""
        self._channel.write(b"RSET\r\n")
        await self._expect(250)

    async def pipelined(self, message: Message, *, quits: bool) -> None:
        """As Postfix does it: MAIL, RCPT and DATA in a group; then the content (and QUIT)."""
        self._channel.write(self._mail(message) + self._rcpt() + b"DATA\r\n")
        await self._expect(250, 250, 354)
        self._channel.write(message.stuffed + (b"QUIT\r\n" if quits else b""))
        await self._expect(250)
        if quits:
            self._channel.close()

    async def chunked(self, message: Message) -> None:
        """As Exim does it: everything in one stream, the content as a chunk (RFC 3030)."""
        if "CHUNKING" not in self._offered:
            await self.pipelined(message, quits=False)
            return
        chunk = f"BDAT {len(message.content)} LAST\r\n".encode()
        self._channel.write(self._mail(message) + self._rcpt() + chunk + message.content)
        await self._expect(250, 250, 250)

    async def in_steps(self, message: Message) -> None:
        """As sendmail does it: MAIL alone, RCPT and DATA in a group, then the content."""
        self._channel.write(self._mail(message))
        await self._expect(250)
        self._channel.write(self._rcpt() + b"DATA\r\n")
        await self._expect(250, 354)
        self._channel.write(message.stuffed)
        await self._expect(250)

    async def quit(self) -> None:
        """QUIT, and close once it is answered."""
        self._channel.write(b"QUIT\r\n")
        await self._expect(221)
        self._channel.close()

    def close(self) -> None:
        """Close without a word."""
        self._channel.close()

    def _mail(self, message: Message) -> bytes:
        return f"MAIL FROM:<{SENDER}> SIZE={len(message.content)}\r\n".encode()

    def _rcpt(self) -> bytes:
        dsn = f" ORCPT=rfc822;{RECIPIENT}" if "DSN" in self._offered else ""
        return f"RCPT TO:<{RECIPIENT}>{dsn}\r\n".encode()

    async def _expect(self, *codes: int) -> list[str]:
        lines: list[str] = []
        for wanted in codes:
            code, lines = await self._channel.reply()
            if code != wanted:
                raise DeferredError(f"{code} {lines}")
        return lines
