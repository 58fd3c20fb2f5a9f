"""The provider's mail server as the station's mail meets it: greeting, replies, what ETRN sets off.

Replies to commands that came together go out together (RFC 2920). What it says is what Postfix 3.10, Exim 4.98 and
sendmail 8.18 say, byte for byte near enough: replies take line, too.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from call_model.channel import Channel, GoneError

_NAME = "mail.provider.example"


class Processes:
    """Processes of a mail server: they start one after another, take their time, and idle ones are used again.

    `starts_s`: what one takes to start; `idle`: how many wait already.
    """

    def __init__(self, starts_s: float, idle: int = 0) -> None:
        self._starts_s, self._idle = starts_s, idle
        self._starting = asyncio.Lock()
        self.started_s = 0.0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """One to work in; afterwards it is idle."""
        if self._idle:
            self._idle -= 1
        else:
            async with self._starting:
                await asyncio.sleep(self._starts_s)
                self.started_s += self._starts_s
        try:
            yield
        finally:
            self._idle += 1


@dataclass(frozen=True)
class Manners:
    """What the server says. `extensions` are EHLO's; `commits_s`: until a message has its reply."""

    extensions: tuple[str, ...]
    greeting: str
    etrn: str = "250 2.0.0 Queuing started"
    accepted: str = "250 2.0.0 Ok: queued as 4bKxYz1sQvz3Q"
    sender: str = "250 2.1.0 Ok"
    recipient: str = "250 2.1.5 Ok"
    commits_s: float = 0.02
    greets_after_s: float = 0.0
    refuses: int = 0  # the first recipients, with a 450 each


@dataclass
class Received:
    """What the server took: when each message was accepted."""

    times_s: list[float] = field(default_factory=list)
    connections: int = 0


class MailHost:
    """Serves the connections that come to it. `on_etrn` is called at each ETRN."""

    def __init__(
        self,
        manners: Manners,
        processes: Processes,
        on_etrn: Callable[[], None],
        tls: ssl.SSLContext | None,
    ) -> None:
        self.manners, self._processes, self._on_etrn, self._tls = manners, processes, on_etrn, tls
        self.received = Received()
        self._refusals = manners.refuses
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self) -> Channel:
        """A new connection."""
        channel = Channel()
        self.received.connections += 1
        task = asyncio.get_running_loop().create_task(self._serve(channel))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return channel

    async def _serve(self, channel: Channel) -> None:
        try:
            async with self._processes.one():
                await asyncio.sleep(self.manners.greets_after_s)
                channel.write(f"220 {_NAME} {self.manners.greeting}\r\n".encode())
                await _Session(self, channel, self._tls).converse()
        except GoneError:
            pass
        finally:
            channel.close()

    async def etrn(self) -> str:
        """The reply to ETRN; the queue runs."""
        self._on_etrn()
        return self.manners.etrn

    def refuses(self) -> bool:
        """Whether it refuses a recipient for now (RFC 6647)."""
        self._refusals -= 1
        return self._refusals >= 0

    async def accept(self) -> str:
        """The reply to a whole message."""
        await asyncio.sleep(self.manners.commits_s)
        self.received.times_s.append(asyncio.get_running_loop().time())
        return self.manners.accepted


class _Session:
    def __init__(self, host: MailHost, channel: Channel, tls: ssl.SSLContext | None) -> None:
        self._host, self._channel, self._tls = host, channel, tls
        self._replies: list[str] = []
        self._has_recipient = False

    async def converse(self) -> None:
        while True:
            command = (await self._channel.line()).decode().strip()
            verb = command.split(" ")[0].upper()
            if verb == "STARTTLS" and self._tls is not None:
                self._flush("220 2.0.0 Ready to start TLS")
                await self._channel.start_tls(self._tls)
                self._tls = None
                continue
            answer = await self._answer(verb, command)  # it may flush what waited before
            self._replies += answer
            if not self._channel.has_line:
                self._flush()
            if verb == "QUIT":
                return

    def _flush(self, *replies: str) -> None:
        said = [*self._replies, *replies]
        self._replies = []
        if said:
            self._channel.write("".join(f"{line}\r\n" for line in said).encode())

    async def _answer(self, verb: str, command: str) -> list[str]:
        manners = self._host.manners
        if verb in {"EHLO", "HELO"}:
            return self._ehlo(manners)
        if verb == "ETRN":
            return [await self._host.etrn()]
        if verb == "RCPT" and self._host.refuses():
            return ["450 4.2.0 Greylisted, try again later"]
        self._has_recipient = verb == "RCPT" or (self._has_recipient and verb != "MAIL")
        if verb == "DATA" and not self._has_recipient:
            return ["554 5.5.1 No valid recipients"]
        if verb == "DATA":
            self._flush("354 End data with <CR><LF>.<CR><LF>")
            while await self._channel.line() != b".\r\n":
                pass
            return [await self._host.accept()]
        if verb == "BDAT":
            _, size, *last = command.split()
            await self._channel.exactly(int(size))
            if not self._has_recipient:
                return ["554 5.5.1 No valid recipients"]
            return [await self._host.accept() if last else f"250 2.0.0 Ok: {size} bytes"]
        said = {"MAIL": manners.sender, "RCPT": manners.recipient, "QUIT": "221 2.0.0 Bye"}
        return [said.get(verb, "250 2.0.0 Ok")]

    def _ehlo(self, manners: Manners) -> list[str]:
        offered = [_NAME, *manners.extensions, *(["STARTTLS"] if self._tls is not None else [])]
        return [*(f"250-{word}" for word in offered[:-1]), f"250 {offered[-1]}"]
