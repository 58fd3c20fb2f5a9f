"""Wiring of the mailboxes at providers: for each of the configuration, its dialogue, its connection, and the flow
that collects it. Part of the daemon's wiring."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path

from dialpost.core.config.model import Config, MailboxConfig, MailboxKind, TlsMode
from dialpost.core.mail.esmtp.tls_use import TlsUse, tls_use
from dialpost.core.mail.inbound.collected import Way
from dialpost.core.mail.inbound.dialogue import BoxLogin, MailboxDialogue
from dialpost.core.mail.inbound.imap.client import ImapDialogue
from dialpost.core.mail.inbound.imap.settings import ImapSettings
from dialpost.core.mail.inbound.owner import OwnerRule
from dialpost.core.mail.inbound.picking import Limits
from dialpost.core.mail.inbound.pop3.client import Pop3Dialogue
from dialpost.core.mail.queue import big_messages
from dialpost.core.mail.routing import without_auto
from dialpost.core.mail.smtp_target import ConnectSettings, HostTarget
from dialpost.edge.mail.collecting.connection import BoxSession
from dialpost.edge.mail.wire.outlet import Room
from dialpost.edge.mail.wire.tls import TlsMemory
from dialpost.flow.mail.inbound.mailboxes import MailboxCollector
from dialpost.flow.mail.inbound.session import Box, BoxNotes, BoxTools, Letters
from dialpost.flow.mail.inbound.taking import Accounts, Intake
from dialpost.flow.mail.needs import HostAddresses


@dataclass(frozen=True, slots=True)
class MailboxParts:
    """What the collectors share with the rest of the station."""

    notes: BoxNotes
    intake: Intake
    accounts: Accounts
    letters: Letters
    addresses: HostAddresses
    memory: TlsMemory
    room: Room
    zone: tzinfo
    wall_clock: Callable[[], float]
    clock_trusted: Callable[[], bool]
    on_shared: Callable[[str], None] = lambda name: None


def mailbox_collectors(config: Config, parts: MailboxParts) -> tuple[MailboxCollector, ...]:
    """One for each mailbox, in the order of the configuration."""

    def limits() -> Limits:
        now = datetime.fromtimestamp(parts.wall_clock(), parts.zone) if parts.clock_trusted() else None
        is_open = big_messages.is_open(config.budget, now)
        return Limits(config.smtp.max_message_bytes, None if is_open else config.budget.big_message_bytes)

    tools = BoxTools(
        parts.notes,
        parts.intake,
        parts.accounts,
        parts.letters,
        limits,
        parts.wall_clock,
        big_messages.when_words(config.budget),
    )
    return tuple(_collector(config, box, tools, parts) for box in config.inbound.mailbox)


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


def _collector(config: Config, box: MailboxConfig, tools: BoxTools, parts: MailboxParts) -> MailboxCollector:
    tls = without_auto(box.tls)

    def opened(target: HostTarget) -> BoxSession:
        token = Path(box.token_file).read_text(errors="replace").strip() if box.token_file else ""
        use = _use(target, box, tls)

        def dialogue() -> MailboxDialogue:
            return _dialogue(box, tls, token, verified=use.is_proof)

        scale = config.outbound.timeout_scale
        return BoxSession(dialogue, target, tls, use, parts.memory, room=parts.room, timeout_scale=scale)

    return MailboxCollector(_box(config, box), tools, parts.addresses, opened, parts.on_shared)


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
