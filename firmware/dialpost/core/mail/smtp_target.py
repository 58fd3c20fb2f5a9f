"""The interface between the flush and the ESMTP client: where to send, how, what, and how it ended.

The client (`edge/mail/smtp_client`) speaks over one connection; the flush (a flow) hands it messages and takes
outcomes. Both know only this module, so that the flush can be tested without a socket.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import BinaryIO, Literal, Protocol

from dialpost.core.config.model import AuthMechanism, TlsMode, TlsVerify
from dialpost.core.mail.envelope import Envelope, QueueId
from dialpost.core.mail.esmtp.lessons import Lesson
from dialpost.core.mail.reply import Reply


@dataclass(frozen=True, slots=True)
class HostTarget:
    """One host to connect to. `addresses` (IP addresses as text) are tried in their order.

    `host` is the name against which a certificate is checked, and the `by` of outcomes.
    """

    host: str
    addresses: tuple[str, ...]
    port: int


class Trust(Enum):
    """What the owner's trust in the line means for one host (core/mail/esmtp/line_trust)."""

    NONE = "none"  # the settings hold everywhere
    ON_THE_LINE = "on the line"  # no TLS on a connection that can only be on the line; the settings hold elsewhere
    IN_USE = "in use"  # this session is on the line


@dataclass(frozen=True, slots=True)
class ConnectSettings:
    """How to talk to a host. `helo` is this station's own name; `user` "" means no login.

    `tls_fingerprint` is the SHA-256 of the certificate (DER) in hex, with or without colons. `clear_password`: name
    and password may be sent without TLS. `timeout_scale` multiplies every time-out of RFC 5321 §4.5.3.2. `without`:
    what the host offers but turned out not to support.
    `early_etrn`: send ETRN right after the greeting, and EHLO only if that fails; ignored with a login, or where
    TLS is required.
    """

    helo: str
    tls: TlsMode = TlsMode.OPPORTUNISTIC
    tls_verify: TlsVerify = TlsVerify.FULL
    tls_fingerprint: str = ""
    user: str = ""
    password: str = ""
    auth: AuthMechanism = AuthMechanism.AUTO
    clear_password: bool = False
    pipelining: bool = True
    chunking: bool = True
    timeout_scale: float = 1.0
    without: frozenset[Lesson] = frozenset()
    trust: Trust = Trust.NONE
    early_etrn: bool = False

    def __repr__(self) -> str:
        """Without the password, because this may end up in a log or a traceback."""
        return f"ConnectSettings(helo={self.helo!r}, tls={self.tls.value}, user={self.user!r})"


class Body(Protocol):
    """A message's content in the spool. (A `pathlib.Path` is one, too; cores don't import pathlib.)"""

    def open(self, mode: Literal["rb"]) -> BinaryIO:
        """Open it for reading. Raises: FileNotFoundError, OSError."""


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message for the next hop: `envelope.recipients` are those to be tried now.

    `body` has LF line endings; its first `local_prefix` bytes stay here. `wire_size` is the length of the rest with
    CRLF line endings, before dot-stuffing. `checksum` is the CRC-32 of the whole body, if known.
    """

    queue_id: QueueId
    envelope: Envelope
    wire_size: int
    body: Body
    local_prefix: int = 0
    checksum: int | None = None


class SessionFate(Enum):
    """How a connection ended."""

    DONE = "done"  # there was nothing more to send; the dialogue ended properly
    UNREACHABLE = "unreachable"  # no address accepted a connection
    NOT_SERVED = "not served"  # the server greeted, but does not let us send now (421, 4yz, 554 ...)
    LOGIN_REFUSED = "login refused"  # 535 and the like: not to be tried again until something changes
    NEEDS_OPERATOR = "needs the operator"  # TLS, certificate or ways to log in not as configured
    CLOSED = "closed by server"  # the server closed the session early, with a reply (421 ...)
    LOST = "lost"  # line lost, time-out, or the server violated the protocol


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """The result of one `send`.

    `ready` is False if no message could be offered (no connection, no login ...): then `next_message` was never
    called, no outcome was reported, and `reply` says for all messages why (never None, and never a refusal of
    mail). `reason` is in plain words. `reply` is the server's last reply if that ended the session, otherwise ours.
    `messages` counts those with at least one recipient delivered. Bytes count everything on the TCP connection, TLS
    included. `learnt` says in words what the host offers but turned out not to support; the client continues
    without it. `idle_round_trips` counts the times the client had mail to send and could only wait for an answer.
    `address` is the one that was used.
    """

    fate: SessionFate
    reason: str
    ready: bool = False
    connected: bool = False
    messages: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    idle_round_trips: int = 0
    reply: Reply | None = None
    address: str = ""
    tls: str = ""
    learnt: str = ""

    @property
    def needs_operator(self) -> bool:
        """Whether trying again is pointless until the configuration (or something at the provider) changes."""
        return self.fate in NEEDS_OPERATOR


NEEDS_OPERATOR = frozenset({SessionFate.NEEDS_OPERATOR, SessionFate.LOGIN_REFUSED})


@dataclass(frozen=True, slots=True)
class AtrnDialogue:
    """The provider's answer to ATRN (RFC 2645), and what became of the connection whose roles it turned round.

    `reply` is None if there was none; `error` says in plain words why, or why the turned session broke. `offered`:
    ATRN is in its answer to EHLO. `is_whole`: the provider ended the turned session with QUIT, so that it has
    nothing more to send. `messages` came over it, and `bytes`.
    """

    reply: Reply | None
    error: str | None = None
    offered: bool = False
    fate: SessionFate = SessionFate.DONE
    address: str = ""
    is_whole: bool = False
    messages: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class EtrnDialogue:
    """The provider's answers to ETRN (RFC 1985), in the order asked.

    After a 5yz no further name is asked for. `error` says in plain words why not every name was answered, or is
    None. `offered`: the server lists ETRN in its answer to EHLO (some support it without listing it). `address` is
    the one used. `may_be_early`: neither TLS nor a login came between EHLO and ETRN, and ETRN was offered, so the
    next dialogue may begin with it. `early_failed`: this one began with ETRN, and that failed.
    """

    answers: tuple[tuple[str, Reply], ...]
    error: str | None
    offered: bool
    fate: SessionFate = SessionFate.DONE
    bytes_up: int = 0
    bytes_down: int = 0
    address: str = ""
    may_be_early: bool = False
    early_failed: bool = False
