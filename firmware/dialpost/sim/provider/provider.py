"""A simulated provider: accepts the station's mail for the world, holds mail for its domain, speaks ETRN.

When ETRN asks for it, held mail is delivered through the line with a real SMTP client; mail that was not
acknowledged stays and is tried at the next ETRN. As RFC 1047 advises, a message that returns because its answer was
lost is recognised (same envelope, same content) and answered without a second copy; `repeats_recognised` counts
these. Otherwise no sender could avoid a second copy after such a cut.

Runs in the world's event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from weakref import WeakSet

from dialpost.core.config.model import TlsMode
from dialpost.core.mail.envelope import BodyType, Envelope, QueueId, Recipient
from dialpost.core.mail.outcomes import Deferred, Delivered, Outcome, Refused
from dialpost.core.mail.smtp_target import ConnectSettings, HostTarget, OutgoingMessage
from dialpost.edge.ground.transports import close_server
from dialpost.edge.mail.smtp_client import SmtpClient
from dialpost.sim.provider.session import ProviderSession, Received
from dialpost.sim.provider.turned import Held

HOSTNAME = "mail.provider.example"
_BASE_KEYWORDS = ("SIZE 52428800", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN", "ETRN")

ETRN_TEXTS = {
    250: "2.0.0 OK, queuing for node {name} started",
    251: "2.0.0 OK, no messages waiting for node {name}",
    252: "2.0.0 OK, pending messages for node {name} started",
    253: "2.0.0 OK, {count} pending messages for node {name} started",
    458: "4.3.0 Unable to queue messages for node {name}",
    459: "4.7.1 Node {name} not allowed: ask for this service first",
    500: "5.5.1 Command unrecognised: ETRN",
    501: "5.5.4 Syntax error in the parameter {name}",
    502: "5.5.1 ETRN is not implemented here",
    504: "5.5.4 Parameter {name} not implemented",
    530: "5.7.0 Authentication required",
}
"""RFC 1985's examples (§5.3), and what occurs in the wild."""

ATRN_TEXTS = {
    250: "2.0.0 OK now reversing the connection",
    450: "4.7.1 ATRN request refused: too soon",
    451: "4.3.0 Unable to process the ATRN request now",
    453: "4.3.0 You have no mail",
    500: "5.5.1 Command unrecognised: ATRN",
    502: "5.5.1 ATRN is not implemented here",
    503: "5.5.1 Bad sequence of commands",
    530: "5.7.0 Authentication required",
}
"""RFC 2645 §5.2."""


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """How the provider behaves. `etrn_code` None: 253 with the true number, or 251.

    `start_s` passes between ETRN and its first connection, `gap_s` between two messages (each then has its own
    connection); `connections` deliver at the same time. With `atrn_user` it does ATRN for that login: `atrn_code`
    None: 250 if mail waits, else 453.
    """

    etrn_code: int | None = None
    pipelining: bool = True
    chunking: bool = True
    start_s: float = 0.0
    gap_s: float = 0.0
    connections: int = 1
    atrn_user: str = ""
    atrn_password: str = ""
    atrn_code: int | None = None


_RECEIVED_AT = "Tue, 3 Nov 2026 08:00:00 +0000"


@dataclass(slots=True)
class Ledger:
    """What went through the provider."""

    received: list[Received] = field(default_factory=list)
    repeats_recognised: int = 0
    acknowledged: int = 0  # held messages that the station accepted
    refused: list[str] = field(default_factory=list)  # held messages that the station refused, in its words
    etrn_asked: list[str] = field(default_factory=list)
    atrn_asked: list[str] = field(default_factory=list)


class Provider:
    """One provider for one station. `station_port` is where its line begins; set before the first call."""

    hostname = HOSTNAME

    def __init__(self, settings: ProviderSettings, folder: Path) -> None:
        self.settings = settings
        self._folder = folder
        extra = [word for word in ("PIPELINING", "CHUNKING") if getattr(settings, word.lower())]
        extra += ["ATRN", "AUTH CRAM-MD5 PLAIN"] if settings.atrn_user else []
        self.keywords = (*_BASE_KEYWORDS, *extra)
        self.ledger = Ledger()
        self.held: deque[Held] = deque()
        self.station_port = 0
        self.port = 0
        self._client = SmtpClient()
        self._server: asyncio.Server | None = None
        self._sessions: WeakSet[ProviderSession] = WeakSet()
        self._deliveries: set[asyncio.Task[None]] = set()
        self.under_way: set[Held] = set()
        self._seen: set[tuple[str, tuple[str, ...], bytes]] = set()
        self._number = self._asked = self._taken_in = 0

    async def start(self) -> None:
        """Listen on a free port of 127.0.0.1."""
        self._folder.mkdir(parents=True, exist_ok=True)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Deliver nothing more, accept nothing more."""
        for task in self._deliveries:
            task.cancel()
        await asyncio.gather(*self._deliveries, return_exceptions=True)
        if self._server is not None:
            await close_server(self._server)
        for session in set(self._sessions):
            session.abort()  # one whose station has fallen silent would outlive the event loop

    def _session(self) -> ProviderSession:
        session = ProviderSession(self)
        self._sessions.add(session)
        return session

    def hold(self, message: Held) -> None:
        """Mail for the station has arrived at the provider, which adds its trace header once (RFC 5321 §4.4)."""
        self._taken_in += 1
        trace = (
            f"Received: from world.example by {HOSTNAME} with ESMTP id {self._taken_in};\r\n\t{_RECEIVED_AT}\r\n"
        )
        message.content = trace.encode() + message.content
        self.held.append(message)

    @property
    def waiting(self) -> int:
        """The number of messages for the station, including those being delivered."""
        return len(self.held) + len(self.under_way)

    # -- what its server asks: session.Policy ---------------------------------------------------

    def etrn(self, name: str) -> str:
        """The reply to ETRN; a positive one starts the deliveries."""
        self.ledger.etrn_asked.append(name)
        code = self.settings.etrn_code or (253 if self.waiting else 251)
        if code in {250, 252, 253}:
            self._start_deliveries()
        return f"{code} {ETRN_TEXTS[code].format(name=name.lstrip('@#'), count=self.waiting)}"

    def take(self, message: Received) -> str:
        """Keep a message from the station, unless it is a repeat of one whose answer was lost."""
        key = (message.sender, tuple(sorted(message.recipients)), sha256(message.content).digest())
        if key in self._seen:
            self.ledger.repeats_recognised += 1
            return "250 2.0.0 Ok: it was here already"
        self._seen.add(key)
        self.ledger.received.append(message)
        return f"250 2.0.0 Ok: taken as {len(self.ledger.received)}"

    def password_of(self, user: str) -> str | None:
        """Only the station has a login."""
        return self.settings.atrn_password if user and user == self.settings.atrn_user else None

    def atrn(self, domains: str, user: str) -> str:
        """The reply to ATRN; after a 250 the session delivers what `deliverer` gives."""
        self.ledger.atrn_asked.append(domains)
        code = self.settings.atrn_code or (250 if self.waiting else 453)
        if not self.settings.atrn_user:
            code = 500
        elif not user:
            code = 530
        return f"{code} {ATRN_TEXTS[code]}"

    def deliverer(self) -> TurnedQueue:
        """What is held now, for one turned connection."""
        return TurnedQueue(self)

    # -- deliveries -----------------------------------------------------------------------------------

    def _start_deliveries(self) -> None:
        """Up to `connections` at once; a delivery under way continues, and restarts if it fails."""
        self._asked += 1
        for _ in range(self.settings.connections - len(self._deliveries)):
            task = asyncio.create_task(self._deliver())
            self._deliveries.add(task)
            task.add_done_callback(self._deliveries.discard)

    async def _deliver(self) -> None:
        """Deliver as long as ETRN asks for it: a dead connection from an earlier call must not swallow an ETRN."""
        done = 0
        while done < self._asked:
            done = self._asked
            await asyncio.sleep(self.settings.start_s)
            await self._deliver_once()

    async def _deliver_once(self) -> None:
        """Deliver until nothing is left or the station can't be reached."""
        offered: set[Held] = set()
        while any(message not in offered for message in self.held):
            before = len(offered)
            run = _Delivery(self, offered, only_one=self.settings.gap_s > 0)
            target = HostTarget("station", ("127.0.0.1",), self.station_port)
            end = await self._client.send(target, self._how(), run.next_message, run.on_outcome)
            if not end.ready or len(offered) == before:
                return
            if self.settings.gap_s:
                await asyncio.sleep(self.settings.gap_s)

    def _how(self) -> ConnectSettings:
        return ConnectSettings(
            helo=HOSTNAME,
            tls=TlsMode.NONE,
            pipelining=self.settings.pipelining,
            chunking=self.settings.chunking,
            timeout_scale=0.2,
        )

    def outgoing(self, message: Held) -> OutgoingMessage:
        """The message as a file the client can send."""
        self._number += 1
        path = self._folder / str(self._number)
        path.write_bytes(message.content.replace(b"\r\n", b"\n"))
        is_8bit = not message.content.isascii()
        envelope = Envelope(
            message.sender,
            tuple(Recipient(address) for address in message.recipients),
            BodyType.EIGHT_BIT if is_8bit else BodyType.SEVEN_BIT,
        )
        return OutgoingMessage(QueueId(f"P{self._number}"), envelope, len(message.content), path)

    def taken_up(self, message: Held) -> None:
        """It is on its way."""
        message.tries += 1
        self.under_way.add(message)

    def settled(self, message: Held, outcomes: tuple[Outcome, ...]) -> None:
        """The result: delivered, or waiting again."""
        self.under_way.discard(message)
        refusals = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
        if any(isinstance(outcome, Deferred) for outcome in outcomes):
            self.held.append(message)
        elif refusals:
            self.ledger.refused += [str(outcome.reply) for outcome in refusals]
        elif all(isinstance(outcome, Delivered) for outcome in outcomes):
            self.ledger.acknowledged += 1


class TurnedQueue:
    """The held messages, for a connection turned round by ATRN: each is offered once."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._left = [*provider.held]

    def next_held(self) -> Held | None:
        """The next one that nobody else delivers."""
        while self._left:
            message = self._left.pop(0)
            if message in self._provider.held:
                self._provider.held.remove(message)
                self._provider.taken_up(message)
                return message
        return None

    def delivered(self, message: Held, reply: int) -> None:
        """Acknowledged, refused or deferred."""
        provider, ledger = self._provider, self._provider.ledger
        provider.under_way.discard(message)
        if reply < 300:
            ledger.acknowledged += 1
        elif reply >= 500:
            ledger.refused.append(str(reply))
        else:
            provider.held.append(message)

    def left(self, message: Held | None) -> None:
        """It waits again."""
        if message is not None:
            self._provider.under_way.discard(message)
            self._provider.held.appendleft(message)


class _Delivery:
    """One connection to the station: gives the client the held messages, each once in `offered`."""

    def __init__(self, provider: Provider, offered: set[Held], *, only_one: bool) -> None:
        self._provider, self._offered, self._only_one = provider, offered, only_one
        self._sent: dict[QueueId, Held] = {}

    async def next_message(self) -> OutgoingMessage | None:
        """The next held message that was not yet offered in this run."""
        if self._only_one and self._sent:
            return None
        for _ in range(len(self._provider.held)):
            message = self._provider.held.popleft()
            if message not in self._offered:
                break
            self._provider.held.append(message)
        else:
            return None
        self._offered.add(message)
        self._provider.taken_up(message)
        outgoing = self._provider.outgoing(message)
        self._sent[outgoing.queue_id] = message
        return outgoing

    async def on_outcome(self, outgoing: OutgoingMessage, outcomes: tuple[Outcome, ...]) -> None:
        """Settle it."""
        assert isinstance(outgoing.body, Path)
        outgoing.body.unlink(missing_ok=True)
        self._provider.settled(self._sent[outgoing.queue_id], outcomes)
