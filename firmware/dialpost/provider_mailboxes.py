"""Wiring of the mailboxes at providers: for each of the configuration, its dialogue, its connection, and the flow
that collects it. Part of the daemon's wiring."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import Protocol

from dialpost.core.config.model import Config, LinkKind, MailboxConfig, MailboxKind, TlsMode
from dialpost.core.control.serving import Served
from dialpost.core.mail.envelope import Envelope
from dialpost.core.mail.esmtp.tls_use import TlsUse, tls_use
from dialpost.core.mail.inbound.boxes import BoxUid
from dialpost.core.mail.inbound.collected import Way
from dialpost.core.mail.inbound.dialogue import BoxLogin, MailboxDialogue
from dialpost.core.mail.inbound.imap.client import ImapDialogue
from dialpost.core.mail.inbound.imap.settings import ImapSettings
from dialpost.core.mail.inbound.owner import OwnerRule
from dialpost.core.mail.inbound.picking import Limits
from dialpost.core.mail.inbound.pop3.client import Pop3Dialogue
from dialpost.core.mail.queue import big_messages
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.routing import without_auto
from dialpost.core.mail.session import MessageSink, Peer
from dialpost.core.mail.smtp_target import ConnectSettings, HostTarget
from dialpost.edge.mail.collecting.connection import BoxSession
from dialpost.edge.mail.collecting.partials import Partials
from dialpost.edge.mail.wire.outlet import Room, no_limit
from dialpost.edge.mail.wire.tls import TlsMemory
from dialpost.edge.system.clock import Clock, zone_of
from dialpost.flow.mail.inbound.check import BoxToCheck
from dialpost.flow.mail.inbound.control import BoxNotes as NotesForControl
from dialpost.flow.mail.inbound.control import InboundControl
from dialpost.flow.mail.inbound.mailboxes import MailboxCollector
from dialpost.flow.mail.inbound.session import Box, BoxNotes, BoxTools, Letters
from dialpost.flow.mail.inbound.taking import Accounts, Intake
from dialpost.flow.mail.needs import HostAddresses


class StoredNotes(BoxNotes, NotesForControl, Protocol):
    """The part of the store about mailboxes."""


@dataclass(slots=True)
class ProviderMail:
    """The mailboxes of a configuration. `intake` is set before a call begins: it is made after what calls need."""

    config: Config
    notes: StoredNotes
    accounts: Accounts
    letters: Letters
    addresses: HostAddresses
    memory: TlsMemory
    room: Room
    zone: tzinfo
    wall_clock: Callable[[], float]
    clock_trusted: Callable[[], bool]
    intake: Intake | None = None

    def collectors(self, boxes: Sequence[MailboxConfig]) -> tuple[MailboxCollector, ...]:
        """One for each of these mailboxes."""
        tools = BoxTools(
            self.notes,
            self,
            self.accounts,
            self.letters,
            self._limits,
            self.wall_clock,
            self._big_words,
            Partials(Path(self.config.station.data_dir) / "partial"),
        )
        return tuple(self._collector(box, tools) for box in boxes)

    def methods(self) -> dict[str, Served]:
        """What the operator sees and decides: `inbound.list` ..."""
        boxes = configured_boxes(self.config)
        return InboundControl(self.notes, boxes, self._limits, self.wall_clock, self._big_words).methods()

    async def begin_collected(self, peer: Peer, envelope: Envelope, taken: BoxUid) -> MessageSink | Reply:
        """The intake's."""
        assert self.intake is not None
        return await self.intake.begin_collected(peer, envelope, taken)

    @property
    def _big_words(self) -> str:
        return big_messages.when_words(self.config.budget)

    def _limits(self) -> Limits:
        budget = self.config.budget
        now = datetime.fromtimestamp(self.wall_clock(), self.zone) if self.clock_trusted() else None
        is_open = big_messages.is_open(budget, now)
        return Limits(self.config.smtp.max_message_bytes, None if is_open else budget.big_message_bytes)

    def _collector(self, box: MailboxConfig, tools: BoxTools) -> MailboxCollector:
        opened = partial(_opened, self.config, box, self.memory, self.room)
        return MailboxCollector(_box(self.config, box), tools, self.addresses, opened)


def provider_mail(
    config: Config,
    notes: StoredNotes,
    accounts: Accounts,
    letters: Letters,
    addresses: HostAddresses,
    clock: Clock,
    room: Room,
) -> ProviderMail:
    """For a station; `room` as in edge/mail/wire/outlet."""
    memory = TlsMemory(is_lean=config.link.kind is LinkKind.MODEM)
    zone = zone_of(config.schedule.timezone)
    return ProviderMail(
        config, notes, accounts, letters, addresses, memory, room, zone, clock.wall_s, clock.is_trusted
    )


def configured_boxes(config: Config) -> tuple[Box, ...]:
    """The mailboxes of the configuration."""
    return tuple(_box(config, box) for box in config.inbound.mailbox)


def _box(config: Config, box: MailboxConfig) -> Box:
    domains = config.station.domains
    address = f"{box.account}@{domains[0]}" if box.account else ""
    folder = f"/{box.folder}" if box.kind is MailboxKind.IMAP else ""
    return Box(
        box.name,
        Way(box.kind.value),
        f"{box.kind.value}:{box.user}@{box.host.lower()}:{box.port_used}{folder}",
        box.host,
        box.port_used,
        OwnerRule.of_box(address, box.recipient_header, box.user, domains),
    )


def boxes_to_check(config: Config) -> tuple[BoxToCheck, ...]:
    """The mailboxes of the configuration, for doctor."""
    memory = TlsMemory()
    return tuple(
        BoxToCheck(_box(config, box), partial(_opened, config, box, memory, no_limit))
        for box in config.inbound.mailbox
    )


def _opened(config: Config, box: MailboxConfig, memory: TlsMemory, room: Room, target: HostTarget) -> BoxSession:
    """Raises: OSError if the token can't be read."""
    token = Path(box.token_file).read_text(errors="replace").strip() if box.token_file else ""
    tls = without_auto(box.tls)
    use = _use(target, box, tls)

    def dialogue() -> MailboxDialogue:
        return _dialogue(box, tls, token, verified=use.is_proof)

    scale = config.outbound.timeout_scale
    return BoxSession(dialogue, target, tls, use, memory, room=room, timeout_scale=scale)


def _use(target: HostTarget, box: MailboxConfig, tls: TlsMode) -> TlsUse:
    return tls_use(
        target, ConnectSettings("", tls=tls, tls_verify=box.tls_verify, tls_fingerprint=box.tls_fingerprint)
    )


def _dialogue(box: MailboxConfig, tls: TlsMode, token: str, *, verified: bool) -> MailboxDialogue:
    is_clear = tls is TlsMode.NONE
    if box.kind is MailboxKind.POP3:
        login = BoxLogin(box.user, box.password, tls, clear_password=is_clear, token=token)
        return Pop3Dialogue(login, secrets.token_hex, verified=verified)
    settings = ImapSettings(
        box.host,
        box.port_used,
        box.user,
        box.password,
        token,
        box.folder,
        tls,
        clear_password=is_clear,
        nonce=secrets.token_hex(),
    )
    return ImapDialogue(settings, tls=tls is TlsMode.IMPLICIT, verified=verified)
