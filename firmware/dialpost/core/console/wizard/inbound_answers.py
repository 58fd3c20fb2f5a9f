"""What the answers about incoming mail make of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dialpost.core.config.model import Config, EtrnUse, InboundUse, MailboxConfig, MailboxKind, TlsMode

UNASKED = "unasked"
"""The provider delivers the mail by itself; the other answers are the values of `InboundUse`."""
BOX_KINDS = {InboundUse.IMAP.value: MailboxKind.IMAP, InboundUse.POP3.value: MailboxKind.POP3}
BOX_NAME = "provider"
"""What the wizard calls the mailbox that it sets up."""


def present_way(config: Config) -> str:
    """The answer that fits the present configuration."""
    for way in (InboundUse.IMAP, InboundUse.POP3):
        if way in config.inbound.use:
            return str(way.value)
    if config.atrn.user:
        return str(InboundUse.ATRN.value)
    return UNASKED if config.etrn.use is EtrnUse.NEVER else str(InboundUse.ETRN.value)


def box_of(config: Config, way: str) -> MailboxConfig | None:
    """The mailbox with the domain's mail that is read this way."""
    return next((box for box in config.inbound.mailbox if box.kind.value == way and not box.account), None)


def with_inbound(config: Config, answers: Mapping[str, str]) -> Config:
    """With the way that was answered, as soon as all that it needs is known."""
    way = answers.get("inbound", "")
    if way == InboundUse.ATRN.value:
        return _with_atrn(config, answers)
    if way in BOX_KINDS:
        return _with_box(config, way, answers)
    if way:
        config = replace(config, inbound=replace(config.inbound, use=(InboundUse.AUTO,)))
        config = replace(config, atrn=replace(config.atrn, user="", password=""))
    if way == UNASKED:
        return replace(config, etrn=replace(config.etrn, use=EtrnUse.NEVER, host=""))
    return config


def _with_atrn(config: Config, answers: Mapping[str, str]) -> Config:
    """In place of ETRN, which stays in reserve; so ETRN's own host must not be another one."""
    user, password = answers.get("atrn_user", ""), answers.get("atrn_password", "")
    if not (user and password):
        return config
    host = answers.get("atrn_host", "")
    atrn = replace(
        config.atrn,
        host="" if host == config.outbound.smarthost else host,
        port=int(answers.get("atrn_port") or config.atrn.port),
        user=user,
        password=password,
    )
    etrn = replace(config.etrn, host="")
    return replace(config, atrn=atrn, etrn=etrn, inbound=replace(config.inbound, use=(InboundUse.AUTO,)))


def _with_box(config: Config, way: str, answers: Mapping[str, str]) -> Config:
    host, user, password = (answers.get(f"box_{name}", "") for name in ("host", "user", "password"))
    if not (host and user and password):
        return config
    before = box_of(config, way)
    box = before or MailboxConfig(BOX_NAME, BOX_KINDS[way], tls=TlsMode.IMPLICIT)
    box = replace(box, host=host, user=user, password=password, token_file="")
    others = tuple(one for one in config.inbound.mailbox if one is not before)
    return replace(config, inbound=replace(config.inbound, use=(InboundUse(way),), mailbox=(*others, box)))
