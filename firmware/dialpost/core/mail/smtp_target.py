"""What the flush and the ESMTP client say to each other: where to, how, what, and how it ended.

The client (`edge/mail/smtp_client`) speaks over one connection; the flush (a flow) hands it messages and
takes outcomes. Both know only this page, so that the flush can be tested without a socket.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from dialpost.core.config.model import AuthMechanism, TlsMode, TlsVerify
from dialpost.core.mail.envelope import Envelope, QueueId
from dialpost.core.mail.esmtp.lessons import Lesson
from dialpost.core.mail.reply import Reply


@dataclass(frozen=True, slots=True)
class HostTarget:
    """One host to connect to. `addresses` (IP addresses as text) are tried in their order.

    `host` is the name a certificate is checked against and the `by` of outcomes.
    """

    host: str
    addresses: tuple[str, ...]
    port: int


@dataclass(frozen=True, slots=True)
class ConnectSettings:
    """How to talk to a host. `helo` is this station's own name; `user` "" means no login.

    `tls_fingerprint` is the SHA-256 of the certificate (DER) in hex, with or without colons.
    `clear_password`: name and password may go over a connection without TLS. `timeout_scale` multiplies every
    time-out of RFC 5321 §4.5.3.2. `without`: what the host was found not to do, although it offers it.
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

    def __repr__(self) -> str:
        """Without the password: this may end up in a log or a traceback."""
        return f"ConnectSettings(helo={self.helo!r}, tls={self.tls.value}, user={self.user!r})"


class BodyFile(Protocol):
    """A path. (A `pathlib.Path` is one; cores don't import pathlib.)"""

    def __fspath__(self) -> str:
        """The path as text."""


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message for the next hop: `envelope.recipients` are those to be tried now.

    `body` holds LF line ends; its first `local_prefix` bytes stay here. `wire_size` is the rest's length
    with CRLF line ends, before dot-stuffing. `checksum` is the CRC-32 of the whole body, where it is known.
    """

    queue_id: QueueId
    envelope: Envelope
    wire_size: int
    body: BodyFile
    local_prefix: int = 0
    checksum: int | None = None


class SessionFate(Enum):
    """How a connection ended."""

    DONE = "done"  # there was nothing more to send; the dialogue ended in order
    UNREACHABLE = "unreachable"  # no address took a connection
    NOT_SERVED = "not served"  # the server greeted, but would not let us send now (421, 4yz, 554 ...)
    LOGIN_REFUSED = "login refused"  # 535 and the like: not to be tried again before something was changed
    NEEDS_OPERATOR = "needs the operator"  # TLS, certificate or ways to log in not as configured
    CLOSED = "closed by server"  # the server closed in the middle, with a reply (421 ...)
    LOST = "lost"  # line lost, time-out, or the server left the protocol


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """What became of one `send`.

    `ready` is False where no message could be offered (no connection, no login ...): then `next_message`
    was never called, no outcome was reported, and `reply` says for all messages why (never None, never
    to be taken as a refusal of mail). `reason` is in plain words. `reply` is the server's last word where
    that ended the session, else ours. `messages` counts those with at least one recipient delivered.
    Bytes count everything on the TCP connection, TLS included. `learnt` tells, in words, what the host was found
    not to do as it says; the client goes on without it. `idle_round_trips` counts the times the
    client had mail to send and could only wait for an answer. `address` is the one spoken to.
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
        """Whether trying again without a change of the configuration (or at the provider) is pointless."""
        return self.fate in NEEDS_OPERATOR


NEEDS_OPERATOR = frozenset({SessionFate.NEEDS_OPERATOR, SessionFate.LOGIN_REFUSED})


@dataclass(frozen=True, slots=True)
class EtrnDialogue:
    """What the provider said to ETRN (RFC 1985), in the order asked.

    After a 5yz no further name is asked for. `error` is why not every name was answered, in plain words,
    or None. `offered`: the server lists ETRN in its answer to EHLO (some do it without saying so).
    """

    answers: tuple[tuple[str, Reply], ...]
    error: str | None
    offered: bool
    fate: SessionFate = SessionFate.DONE
    bytes_up: int = 0
    bytes_down: int = 0
