"""The providers of the model: how each mail program empties its queue after ETRN.

Postfix: its queue manager gives each message to an smtp process, up to the destination's limit (five at first, one
more for each success; qmgr(8)). Its processes start one after another. The first connections are ended
after a message each; once deliveries follow each other within a second, connections are kept in the cache
(on demand), and each further message begins with RSET on one of them (scache(8), smtp(8)). With TLS it reuses no
connection (smtp_tls_connection_reuse = no), but resumes its sessions.

Exim: one queue run, one message at a time, a process each; the connection is handed on to the next process
(`-MC`), and with CHUNKING and PIPELINING a message is one stream. sendmail: one queue run, one connection, RSET
before each message (smtpprobe), MAIL alone, RCPT and DATA in a group.

The seconds are those of the guests of the real cells (their mail logs); each is a parameter.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass

from call_model.channel import GoneError
from call_model.mail_host import Manners, Processes
from call_model.mail_sender import DeferredError, Message, Sender
from call_model.network import Network

_FIRST_CONCURRENCY = 5  # initial_destination_concurrency
_CACHED_S = 2.0  # smtp_connection_cache_time_limit

_POSTFIX = Manners(
    (
        "PIPELINING",
        "SIZE 20000000",
        "VRFY",
        "ETRN",
        "ENHANCEDSTATUSCODES",
        "8BITMIME",
        "DSN",
        "SMTPUTF8",
        "CHUNKING",
    ),
    "ESMTP Postfix (Debian/GNU)",
)
_EXIM = Manners(
    ("SIZE 104857600", "LIMITS MAILMAX=1000 RCPTMAX=50000", "8BITMIME", "ETRN", "PIPELINING", "CHUNKING", "PRDR"),
    "ESMTP Exim 4.98.2 Mon, 30 Nov 2026 05:17:00 +0000",
    etrn="250 OK",
    accepted="250 OK id=1xXtl7-000000000EF-0ivm",
    sender="250 OK",
    recipient="250 Accepted",
)
_SENDMAIL = Manners(
    ("ENHANCEDSTATUSCODES", "PIPELINING", "EXPN", "VERB", "8BITMIME", "SIZE", "DSN", "ETRN", "DELIVERBY", "HELP"),
    "ESMTP Sendmail 8.18.1/8.18.1/Debian-6; Mon, 30 Nov 2026 05:17:00 GMT",
    etrn="250 2.0.0 Queuing for node clinic.example started",
    accepted="250 2.0.0 4AU5H1Zx000123 Message accepted for delivery",
    sender="250 2.1.0 <anna@clinic.example>... Sender ok",
    recipient="250 2.1.5 <friend@world.example>... Recipient ok",
    commits_s=0.1,
)


@dataclass(frozen=True)
class ProviderKind:
    """`connections` at most; `begins_s` from ETRN until the queue runs; `activates_s` for each message of it;
    `starts_s` of a process; `between_s` before each message (a process of its own, a look at a database); `gap_s`
    is a pause that nobody asked for.
    """

    name: str = "postfix"
    manners: Manners = _POSTFIX
    connections: int = 20
    begins_s: float = 0.5
    activates_s: float = 0.04
    starts_s: float = 0.3
    between_s: float = 0.0
    offers_tls: bool = True
    gap_s: float = 0.0


KINDS = {
    "postfix-2": ProviderKind(connections=2),
    "postfix-20": ProviderKind(),
    "exim": ProviderKind("exim", _EXIM, 1, between_s=0.4, offers_tls=False),
    "sendmail": ProviderKind("sendmail", _SENDMAIL, 1, between_s=0.05),
}


class Provider:
    """The sending side. `asked` is called at ETRN; `sent` counts what the station took."""

    def __init__(self, kind: ProviderKind, network: Network, tls: ssl.SSLContext | None) -> None:
        self.kind, self._network, self._tls = kind, network, tls
        self.queue: deque[Message] = deque()
        self.sent = 0
        self.first_s: float | None = None
        self._processes = Processes(kind.starts_s)
        self._sessions: list[ssl.SSLSession] | None = [] if kind.name == "postfix" else None
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner: asyncio.Task[None] | None = None

    def asked(self) -> None:
        """ETRN: run the queue, unless it runs."""
        if self._runner is None or self._runner.done():
            runs = {"postfix": self._postfix, "exim": self._exim, "sendmail": self._sendmail}
            self._runner = self._start(runs[self.kind.name]())

    @property
    def starts_s(self) -> float:
        """How long its processes took to start, in all."""
        return self._processes.started_s

    async def stop(self) -> None:
        """The guests are switched off."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _connect(self) -> Sender:
        sender = await Sender.connected(self._network)
        await sender.hello()
        await sender.secure(self._tls, self._sessions)
        return sender

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    # -- Postfix --------------------------------------------------------------------------------------

    async def _postfix(self) -> None:
        await asyncio.sleep(self.kind.begins_s)
        began_s, count = self._now(), len(self.queue)
        self._cache: deque[tuple[Sender, asyncio.TimerHandle]] = deque()
        self._keeps = False
        self._last_done_s = -10.0
        busy: set[asyncio.Task[None]] = set()
        limit = min(_FIRST_CONCURRENCY, self.kind.connections)
        done = 0
        while self.queue or busy:
            active = min(count, int((self._now() - began_s) / self.kind.activates_s) + 1) if count else 0
            while self.queue and len(busy) < limit and count - len(self.queue) < active:
                busy.add(self._start(self._deliver(self.queue.popleft())))
            pause_s = self.kind.activates_s if active < count and len(busy) < limit else None
            if not busy:
                await asyncio.sleep(self.kind.activates_s)
                continue
            ended, busy = await asyncio.wait(busy, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
            done += len(ended)
            limit = min(limit + len(ended), self.kind.connections)

    async def _deliver(self, message: Message) -> None:
        if not self._keeps and int(self._now()) <= int(self._last_done_s) + 1:
            self._keeps = True
        keeps = self._keeps
        try:
            async with self._processes.one():
                await asyncio.sleep(self.kind.gap_s)
                sender = await self._cached() or await self._connect()
                keeps = keeps and not sender.is_secure  # smtp_tls_connection_reuse = no, as it comes
                await sender.pipelined(message, quits=not keeps)
        except (GoneError, DeferredError):
            self.queue.append(message)
            await asyncio.sleep(1.0)
            return
        self._took()
        self._last_done_s = self._now()
        if keeps:
            timer = asyncio.get_running_loop().call_later(_CACHED_S, self._expires, sender)
            self._cache.append((sender, timer))

    async def _cached(self) -> Sender | None:
        while self._cache:
            sender, timer = self._cache.popleft()
            timer.cancel()
            try:
                await sender.reset()
            except (GoneError, DeferredError):
                continue
            return sender
        return None

    def _expires(self, sender: Sender) -> None:
        self._cache = deque(one for one in self._cache if one[0] is not sender)
        sender.close()

    def _took(self) -> None:
        self.sent += 1
        if self.first_s is None:
            self.first_s = self._now()

    # -- Exim and sendmail ----------------------------------------------------------------------------

    async def _exim(self) -> None:
        await self._one_by_one(lambda sender, message: sender.chunked(message), resets=False)

    async def _sendmail(self) -> None:
        await self._one_by_one(lambda sender, message: sender.in_steps(message), resets=True)

    async def _one_by_one(self, send: Callable[[Sender, Message], Awaitable[None]], *, resets: bool) -> None:
        await asyncio.sleep(self.kind.begins_s + self.kind.starts_s)
        sender: Sender | None = None
        while self.queue:
            message = self.queue.popleft()
            await asyncio.sleep(self.kind.between_s + self.kind.gap_s)
            try:
                if sender is None:
                    sender = await self._connect()
                elif resets:
                    await sender.reset()
                await send(sender, message)
                self._took()
            except (GoneError, DeferredError):
                self.queue.append(message)
                return
        if sender is not None:
            with contextlib.suppress(GoneError, DeferredError):
                await sender.quit()
