"""What contradicts itself in the settings about fetching mail from a provider."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from dialpost.core.config.model import (
    Config,
    EtrnUse,
    InboundUse,
    LinkKind,
    MailboxConfig,
    MailboxKind,
    TlsMode,
    TlsVerify,
)

_NEEDS_MAILBOX = {InboundUse.IMAP: MailboxKind.IMAP, InboundUse.POP3: MailboxKind.POP3}


def inbound_faults(config: Config) -> Iterator[str]:
    """One sentence for each contradiction that makes the configuration unusable."""
    use = config.inbound.use
    for way, count in Counter(use).items():
        if count > 1:
            yield f'inbound.use names "{way.value}" {count} times; name it once.'
    if InboundUse.AUTO in use and len(set(use)) > 1:
        yield 'inbound.use: "auto" stands alone. Remove it, or the other ways.'
    if InboundUse.ETRN in use and config.etrn.use is EtrnUse.NEVER:
        yield 'inbound.use names "etrn", but etrn.use = "never". Remove one of them.'
    if InboundUse.ATRN in use and not config.atrn.user:
        yield 'inbound.use names "atrn", which needs a login: set atrn.user and atrn.password.'
    kinds = {box.kind for box in config.inbound.mailbox}
    for way in use:
        if way in _NEEDS_MAILBOX and _NEEDS_MAILBOX[way] not in kinds:
            yield f'inbound.use names "{way.value}", but no inbound.mailbox is of that kind: add one.'
    if config.atrn.user and not config.atrn_host:
        yield "atrn.host is not set: enter the provider's ATRN host."
    for name, count in Counter(box.name for box in config.inbound.mailbox).items():
        if count > 1:
            yield f'inbound.mailbox: {count} are called "{name}"; give each a name of its own.'
    for number, box in enumerate(config.inbound.mailbox, 1):
        yield from _mailbox_faults(f"inbound.mailbox[{number}]", box)


def _mailbox_faults(label: str, box: MailboxConfig) -> Iterator[str]:
    if bool(box.password) == bool(box.token_file):
        yield f"{label} needs either {label}.password or {label}.token_file."
    if (box.tls_verify is TlsVerify.FINGERPRINT) != bool(box.tls_fingerprint):
        yield f'{label}.tls_verify = "fingerprint" and {label}.tls_fingerprint belong together.'
    if box.account and box.recipient_header:
        yield f"{label}.recipient_header has no use: all mail of the mailbox is for {label}.account. Remove one."


def inbound_warnings(config: Config) -> Iterator[str]:
    """One sentence for each setting that works but deserves attention."""
    is_fetched = bool(config.atrn.user or config.inbound.mailbox)
    if config.link.kind is LinkKind.GATEWAY and is_fetched and not config.schedule.entry:
        yield (
            "There is no schedule.entry: on a dedicated line the provider's mail is fetched at the times of the "
            "schedule, and else only by `dialpost call now`. Set how often (start, end, every_min)."
        )
    for number, box in enumerate(config.inbound.mailbox, 1):
        label = f"inbound.mailbox[{number}]"
        if box.tls in {TlsMode.NONE, TlsMode.OPPORTUNISTIC}:
            yield f'{label}.tls = "{box.tls.value}" may expose the mailbox and its password; use implicit.'
        elif box.tls_verify is TlsVerify.NONE:
            yield f'{label}.tls_verify = "none": somebody along the way could read the mailbox and its password.'
