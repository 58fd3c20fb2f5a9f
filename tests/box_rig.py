"""A station's intake, spool and queue, and mailboxes at a simulated provider, without sockets or time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Protocol

from dialpost.core.config.model import Config, SmtpConfig, StationConfig, TlsMode
from dialpost.core.mail.accounts import Account, Alias, Directory
from dialpost.core.mail.esmtp.line_trust import LineTrust
from dialpost.core.mail.inbound.collected import Collected, Way
from dialpost.core.mail.inbound.dialogue import BoxEvent, BoxLogin, Ended, MailboxDialogue
from dialpost.core.mail.inbound.imap.client import ImapDialogue
from dialpost.core.mail.inbound.imap.settings import ImapSettings
from dialpost.core.mail.inbound.owner import OwnerRule
from dialpost.core.mail.inbound.picking import Limits
from dialpost.core.mail.inbound.pop3.client import Pop3Dialogue
from dialpost.core.mail.queue.records import MessageRecord
from dialpost.core.mail.smtp_target import HostTarget
from dialpost.edge.mail.collecting.partials import Partials
from dialpost.edge.mail.spool import Spool
from dialpost.edge.mail.store import Store
from dialpost.flow.mail.inbound.mailboxes import MailboxCollector
from dialpost.flow.mail.inbound.session import Box, BoxTools
from dialpost.flow.mail.incoming.inbound_activity import InboundActivity
from dialpost.flow.mail.incoming.intake import Intake
from dialpost.sim.pop3 import Box as ThereBox
from dialpost.sim.pop3 import Manners, Pop3Server
from fakes import FakePace
from imap_model import ALL as IMAP_OFFERS
from imap_model import Answers, ModelImap
from imap_model import Box as ImapBox

HOST = "mail.clinic.example"
CONFIG = Config(
    station=StationConfig(hostname=HOST, domains=("clinic.example",)),
    smtp=replace(SmtpConfig(), disk_reserve_bytes=0),
)
DOMAIN = OwnerRule.of_box("", "", "clinic", ("clinic.example",))


def letter(
    subject: str, to: str = "anna@clinic.example", text: str = "text\r\n", sender: str = "eve@far.example"
) -> bytes:
    """As a provider files it, with the envelope recipient on top."""
    return (
        f"Return-Path: <{sender}>\r\nDelivered-To: {to}\r\n"
        f"Received: from far.example by mx.provider.example with ESMTP id {subject}; Mon\r\n"
        f"From: {sender}\r\nTo: everybody@far.example\r\nSubject: {subject}\r\n\r\n{text}"
    ).encode()


class Accounts:
    """Anna, Ben and an alias for both."""

    is_restored = False
    directory = Directory(
        {"anna": Account("anna"), "ben": Account("ben")},
        {"team@clinic.example": Alias("team@clinic.example", ("anna", "ben"))},
        ("clinic.example",),
        postmaster="anna",
    )
    quota_bytes = 0

    async def verify(self, name: str, password: str) -> None:
        return None

    def quota_of(self, name: str) -> int:
        return self.quota_bytes


class Mailboxes:
    async def measure(self, account: str) -> int:
        return 0


class Addresses:
    async def addresses(self, host: str) -> tuple[str, ...]:
        return ("192.0.2.1",)


@dataclass
class Letters:
    """The letters that the station wrote."""

    written: list[tuple[str, str, str]] = field(default_factory=list)

    async def tell(self, address: str, subject: str, words: str) -> None:
        self.written.append((address, subject, words))


class Server(Protocol):
    """One session of a provider's server."""

    def greeting(self) -> bytes: ...

    def receive(self, data: bytes) -> bytes: ...


@dataclass
class Session:
    """A dialogue and a server, in one process. The line is cut after `cut_after` bytes in both directions."""

    dialogue: MailboxDialogue
    server: Server
    cut_after: float = inf
    is_cancelled: bool = False  # the line's end cancels the collector; otherwise the session sees it
    address: str = "192.0.2.1"
    patience_ends_s: float = inf
    moved: int = 0
    broken: str = ""

    @property
    def can_ask(self) -> bool:
        return self.dialogue.can_ask

    def look(self, uid: str) -> None:
        self.dialogue.look(uid)

    def fetch(self, uid: str, offset: int = 0) -> None:
        self.dialogue.fetch(uid, offset)

    def delete(self, uids: Sequence[str]) -> None:
        self.dialogue.delete(uids)

    def quit(self) -> None:
        self.dialogue.quit()

    def break_off(self, why: str) -> None:
        self.broken = why

    def carried(self, data: bytes) -> bytes:
        """What of it crosses the line."""
        there = data[: max(0, int(min(self.cut_after - self.moved, len(data))))]
        self.moved += len(there)
        return there

    async def events(self) -> AsyncGenerator[BoxEvent, None]:
        down = self.server.greeting()
        while True:
            for event in self.dialogue.receive(self.carried(down)):
                yield event
                if isinstance(event, Ended):
                    return
            if self.moved >= self.cut_after and self.is_cancelled:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
                await asyncio.sleep(0)
            if self.broken or self.moved >= self.cut_after:
                for event in self.dialogue.failed(self.broken or "the line is gone"):
                    yield event
                return
            up = self.dialogue.data_to_send()
            assert up, "neither side has anything to say"
            down = self.server.receive(self.carried(up))


@dataclass
class Rig:
    """One station. `there` is the box at the provider."""

    folder: Path
    there: ThereBox = field(default_factory=ThereBox)
    manners: Manners = field(default_factory=Manners)
    limits: Limits = field(default_factory=lambda: Limits(50_000_000, None))
    letters: Letters = field(default_factory=Letters)
    accounts: Accounts = field(default_factory=Accounts)
    sessions: list[Session] = field(default_factory=list)
    config: Config = CONFIG
    now_s: float = 1_800_000_000.0
    offers: tuple[str, ...] = IMAP_OFFERS
    answers: Answers = lambda command: None
    on_session: Callable[[Session], None] = lambda session: None
    on_accepted: Callable[[MessageRecord], object] = lambda message: None

    async def __aenter__(self) -> Rig:
        self.spool = Spool(self.folder / "spool", 0)
        self.spool.prepare()
        self.store = await Store.open(self.folder / "queue.db")
        self.partials = Partials(self.folder / "partials")
        self.accepted: list[MessageRecord] = []
        self.activity = InboundActivity(lambda: 0.0)
        self.intake = Intake(
            self.config,
            self.accounts,
            self.store,
            self.spool,
            Mailboxes(),
            activity=self.activity,
            pace=FakePace(),
            on_accepted=self._accept,
            line_trust=LineTrust(self.config),
        )
        return self

    def _accept(self, message: MessageRecord) -> None:
        self.accepted.append(message)
        self.on_accepted(message)

    async def __aexit__(self, *args: object) -> None:
        await self.store.close()
        self.spool.close()

    def collector(
        self, rule: OwnerRule = DOMAIN, key: str = "clinic@pop", there: ThereBox | ImapBox | None = None
    ) -> MailboxCollector:
        tools = BoxTools(
            self.store.boxes,
            self.intake,
            self.accounts,
            self.letters,
            lambda: self.limits,
            lambda: self.now_s,
            partials=self.partials,
        )
        there = self.there if there is None else there

        def opened(target: HostTarget) -> Session:
            session = self._imap(there) if isinstance(there, ImapBox) else self._pop3(there)
            self.sessions.append(session)
            self.on_session(session)
            return session

        way = Way.IMAP if isinstance(there, ImapBox) else Way.POP3
        box = Box("office", way, key, "pop.provider.example", 995, rule)
        return MailboxCollector(box, tools, Addresses(), opened)

    def _pop3(self, there: ThereBox) -> Session:
        login = BoxLogin(self.manners.user, self.manners.password, TlsMode.NONE, clear_password=True)
        return Session(Pop3Dialogue(login, lambda: "nonce"), Pop3Server(there, self.manners))

    def _imap(self, there: ImapBox) -> Session:
        settings = ImapSettings("imap.provider.example", 993, "anna", "geheim")
        return Session(ImapDialogue(settings, tls=True, verified=True), ModelImap(there, self.offers, self.answers))

    async def collect(self, rule: OwnerRule = DOMAIN) -> Collected:
        return await self.collector(rule).collect()

    def copies(self) -> Counter[tuple[str, str]]:
        """What each mailbox got: account and subject."""
        return Counter(
            (one.local_account or one.address, message.subject)
            for message in self.accepted
            for one in message.recipients
        )

    def body(self, message: MessageRecord) -> bytes:
        with self.spool.open_body(message.queue_id) as file:
            return file.read()
