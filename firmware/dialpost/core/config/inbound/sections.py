"""The sections of the configuration about fetching mail from a provider that can't connect to the station."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dialpost.core.config.mail import TlsMode, TlsVerify
from dialpost.core.config.setting import setting


class InboundUse(Enum):
    """A way in which the provider's mail comes in."""

    AUTO = "auto"  # ETRN, and what else is configured where that can't work
    ETRN = "etrn"
    ATRN = "atrn"
    IMAP = "imap"
    POP3 = "pop3"


class MailboxKind(Enum):
    """The protocol in which a mailbox is read."""

    IMAP = "imap"
    POP3 = "pop3"


@dataclass(frozen=True, slots=True)
class MailboxConfig:
    """One [[inbound.mailbox]]: a mailbox at a provider, from which the station collects mail."""

    name: str = setting(
        "", "What the station calls this mailbox in its messages.", required=True, maximum=40, example="office"
    )
    kind: MailboxKind = setting(MailboxKind.IMAP, "How the mailbox is read. IMAP resumes a message that was cut.")
    host: str = setting("", "The provider's host.", kind="host", required=True, example="imap.provider.example")
    port: int = setting(
        0, "Its port. 0: 993 (IMAP) or 995 (POP3) with tls = implicit, else 143 or 110.", minimum=0, maximum=65_535
    )
    tls: TlsMode = setting(TlsMode.IMPLICIT, "How to protect the connection; values as for `outbound.tls`.")
    tls_verify: TlsVerify = setting(TlsVerify.FULL, "How to check the server's certificate.")
    tls_fingerprint: str = setting(
        "", "The certificate's fingerprint, for tls_verify = fingerprint.", kind="fingerprint"
    )
    user: str = setting("", "User name of the mailbox.", required=True, example="clinic")
    password: str = setting("", "The password for `user`.", secret=True)
    token_file: str = setting("", "A file with an OAuth bearer token, used in place of a password.", kind="path")
    folder: str = setting("INBOX", "The folder to collect from (IMAP only).")
    account: str = setting(
        "",
        "The account that gets all mail of this mailbox. Empty: the mailbox holds a whole domain's mail, and the "
        "envelope recipient that the provider writes into each header decides.",
        kind="account",
    )
    recipient_header: str = setting(
        "",
        "The header field with the envelope recipient. Empty: Delivered-To, X-Original-To, Envelope-To or "
        "X-Envelope-To.",
        maximum=76,
        example="X-Original-To",
    )

    @property
    def port_used(self) -> int:
        """The port, or the usual one of its kind."""
        if self.port:
            return self.port
        is_implicit = self.tls is TlsMode.IMPLICIT
        if self.kind is MailboxKind.IMAP:
            return 993 if is_implicit else 143
        return 995 if is_implicit else 110


@dataclass(frozen=True, slots=True)
class InboundConfig:
    """How the provider's mail comes in."""

    use: tuple[InboundUse, ...] = setting(
        (InboundUse.AUTO,),
        "auto: ETRN; ATRN instead where [atrn] has a login for the same provider; mailboxes where the provider "
        "supports neither. Otherwise exactly the listed ways, all of them in every call.",
        minimum=1,
        maximum=4,
        example='["etrn", "imap"]',
    )
    mailbox: tuple[MailboxConfig, ...] = setting((), "Mailboxes at providers.", maximum=20)


@dataclass(frozen=True, slots=True)
class AtrnConfig:
    """Fetching the mail the provider holds over the station's own connection (RFC 2645)."""

    host: str = setting("", "The provider's ATRN host; empty: the ETRN host.", kind="host")
    port: int = setting(
        366, "Its port: 366 by the RFC; some providers use 386, 587 or 465.", minimum=1, maximum=65_535
    )
    domains: tuple[str, ...] = setting(
        (), "The domains to ask for. Empty: those that the provider has for the login.", kind="domain", maximum=100
    )
    tls: TlsMode = setting(TlsMode.AUTO, "How to protect the connection; values as for `outbound.tls`.")
    tls_verify: TlsVerify = setting(TlsVerify.FULL, "How to check the server's certificate.")
    tls_fingerprint: str = setting(
        "", "The certificate's fingerprint, for tls_verify = fingerprint.", kind="fingerprint"
    )
    user: str = setting("", "User name; ATRN needs a login. Empty: ATRN is not used.")
    password: str = setting("", "The password for `user`.", secret=True)
    clear_password: bool = setting(
        False, "Whether to send the password even without TLS. Anybody along the way can then read it."
    )
