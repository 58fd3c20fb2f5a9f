"""The interface between the SMTP server and the intake.

The server (an edge) speaks the protocol; the intake (a flow) decides. Both know only this module.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from dialpost.core.mail.envelope import Envelope, Recipient
from dialpost.core.mail.reply import Reply


class Listener(Enum):
    """The door through which a connection came."""

    MX = "smtp"  # port 25
    SUBMISSION = "submission"  # port 587, STARTTLS
    SUBMISSIONS = "submissions"  # port 465, TLS from the first byte


@dataclass(frozen=True, slots=True)
class Peer:
    """The client of one connection as known at this moment.

    `address` is an IP address in text, IPv4-mapped IPv6 written as IPv4. `protocol` is the word for
    Received: SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA, UTF8SMTP ... (RFC 3848, RFC 6531). `tls` is like
    "TLSv1.3" or "". `account` is set once a login succeeded. `interface` is the network interface the connection
    came in on, "" where the system does not tell: an address is what a peer says of itself, this is not.
    """

    address: str
    listener: Listener
    helo: str = ""
    protocol: str = "SMTP"
    tls: str = ""
    account: str | None = None
    interface: str = ""


class Caller(Protocol):
    """One connection, as the policy counts it and may end it in favour of another."""

    @property
    def peer(self) -> Peer:
        """Who it is, as known at this moment."""

    @property
    def is_waiting(self) -> bool:
        """Whether the next move is the client's: ending it now breaks no promise of ours."""

    @property
    def is_idle(self) -> bool:
        """Whether it waits with no message under way."""

    @property
    def progress_s(self) -> float:
        """When it last got anywhere (monotonic): connected, logged in, had a message taken."""

    def give_way(self, reply: Reply) -> None:
        """End it, saying why. Only while it waits."""


class MessageSink(Protocol):
    """Takes the content of one message while it arrives."""

    def write(self, data: bytes) -> None:
        """Take the next piece: content with CRLF line ends, dots unstuffed, any split.

        Never raises: a fault (disk full, too many hops ...) is kept and answered by `finish`.
        """

    async def finish(self) -> Reply:
        """The content is whole. 250 only when it is durable. Must be shielded from cancellation."""

    def abort(self) -> None:
        """The client is gone or broke off: forget everything."""

    def seen(self, *, spoke: bool) -> None:
        """The 250 reached the client's TCP, or may have; `spoke`: its program has read it and went on talking."""

    def left(self) -> None:
        """The client closed its side, or the connection is gone. May come before the answer, and more than once."""


class Turn(Protocol):
    """A connection's turn on a slow line (flow/mail/incoming/line_turns)."""

    def works(self, declared_bytes: int, widen: Callable[[int], None]) -> None:
        """A message begins; `declared_bytes` is its SIZE=, 0 where it was not given.

        `widen` is called with the number of segments the line has room for, instead of the one that a connection
        begins with.
        """

    def rests(self) -> None:
        """A message is over."""

    def done(self) -> None:
        """The connection is gone."""


class IntakePolicy(Protocol):
    """Decides for the server. A `Reply` refuses and is sent as it is; None lets the client go on."""

    def connected(self, caller: Caller) -> Reply | None:
        """A connection was made. Each one let in is ended by `disconnected`, whatever happens."""

    async def turn(self, peer: Peer) -> Turn | None:
        """Wait until a connection that was let in may be greeted: on a slow line they take turns."""

    def disconnected(self, caller: Caller) -> None:
        """A connection that had been let in is gone."""

    def pause_after_refusal(self, peer: Peer) -> float | None:
        """Seconds a peer waits for the refusal just decided; None where refusals are not counted against it."""

    async def login(self, peer: Peer, name: str, password: str, acts_as: str = "") -> str | Reply:
        """The account's name, or the refusal (535 5.7.8; 454 4.7.0 while throttled).

        `acts_as` is whom the client wants to act for (RFC 4616 §2), "" for the same.
        """

    def home(self, peer: Peer) -> str:
        """The domain that names without one get from this peer; "" where it has to say one."""

    async def mail_from(self, peer: Peer, envelope: Envelope, declared_bytes: int) -> Reply | None:
        """May this peer send as this sender? `declared_bytes` is SIZE=, 0 where it was not given."""

    async def rcpt_to(self, peer: Peer, envelope: Envelope, recipient: Recipient) -> Reply | None:
        """May it send to this recipient? `envelope.recipients` are those let through so far."""

    async def begin(self, peer: Peer, envelope: Envelope) -> MessageSink | Reply:
        """Content is about to come for the recipients let through."""

    def refused(self, peer: Peer, stage: str, reply: Reply) -> None:
        """The server itself refused something worth a line in the log (`stage`: "MAIL", "DATA" ...)."""
