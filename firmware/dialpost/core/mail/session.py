"""The interface between the SMTP server and the intake.

The server (an edge) speaks the protocol; the intake (a flow) decides. Both know only this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from dialpost.core.mail.envelope import Envelope, Recipient
from dialpost.core.mail.esmtp.tls_cost import TlsCost
from dialpost.core.mail.reply import Reply


class Listener(Enum):
    """The door through which a connection came."""

    MX = "smtp"  # port 25
    SUBMISSION = "submission"  # port 587, STARTTLS
    SUBMISSIONS = "submissions"  # port 465, TLS from the first byte
    PROVIDER = "provider"  # no door: a connection of the station's own, over which the provider hands over mail


@dataclass(frozen=True, slots=True)
class Peer:
    """The client of one connection as known at this moment.

    `address` is an IP address as text, IPv4-mapped IPv6 written as IPv4. `protocol` is the word for Received: SMTP,
    ESMTP, ESMTPS, ESMTPA, ESMTPSA, UTF8SMTP ... (RFC 3848, RFC 6531). `tls` is like "TLSv1.3" or "". `account` is
    set once a login succeeded. `interface` is the network interface on which the connection arrived, "" if the
    system does not report it. A peer can claim an address, but not an interface.
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
        """Who it is, as far as known at this moment."""

    @property
    def is_waiting(self) -> bool:
        """Whether the next move is the client's: ending it now breaks no promise of ours."""

    @property
    def is_idle(self) -> bool:
        """Whether it is waiting with no message under way."""

    @property
    def progress_s(self) -> float:
        """When it last made progress (monotonic): connected, logged in, had a message accepted."""

    def give_way(self, reply: Reply) -> None:
        """End it, saying why. Only while it waits."""


class MessageSink(Protocol):
    """Takes the content of one message while it arrives."""

    def write(self, data: bytes) -> None:
        """Take the next piece: content with CRLF line endings, dots unstuffed, any split.

        Never raises: a fault (disk full, too many hops ...) is kept and answered by `finish`.
        """

    async def finish(self) -> Reply:
        """The content is complete. 250 only once it is durable. Must be shielded from cancellation."""

    def abort(self) -> None:
        """The client is gone or gave up: discard everything."""

    def seen(self, *, spoke: bool) -> None:
        """The 250 reached the client's TCP, or may have; `spoke`: its program has read it and continued the
        dialogue."""

    def left(self) -> None:
        """The client closed its side, or the connection is gone. May come before the answer, and more than once."""


class Wire(Protocol):
    """The TCP connection of a client on a slow line."""

    def set_window(self, window: int) -> None:
        """Let the client have about this many bytes in flight."""

    def round_trip_s(self) -> float:
        """The shortest round trip it has seen, 0 if unknown."""


class Turn(Protocol):
    """A connection's turn on a slow line (flow/mail/incoming/line_turns)."""

    def works(self, declared_bytes: int, wire: Wire) -> None:
        """A message begins; `declared_bytes` is its SIZE=, 0 if it was not given."""

    def rests(self) -> None:
        """A message is over."""

    def done(self) -> None:
        """The connection is gone."""


class IntakePolicy(Protocol):
    """Decides for the server. A `Reply` refuses and is sent unchanged; None lets the client continue."""

    def connected(self, caller: Caller) -> Reply | None:
        """A connection was made. For each one admitted, `disconnected` follows, whatever happens."""

    async def turn(self, peer: Peer) -> Turn | None:
        """Wait until an admitted connection may use the line: on a slow one they take turns."""

    def offers_tls(self, peer: Peer) -> bool:
        """Whether STARTTLS is offered to this peer, and taken: not on a line that the owner trusts."""

    def shook_hands(self, peer: Peer, cost: TlsCost) -> None:
        """A TLS handshake with this peer succeeded."""

    def disconnected(self, caller: Caller) -> None:
        """An admitted connection is gone."""

    def pause_after_refusal(self, peer: Peer) -> float | None:
        """How many seconds to delay the refusal just decided; None if refusals are not counted against this
        peer."""

    async def login(self, peer: Peer, name: str, password: str, acts_as: str = "") -> str | Reply:
        """The account's name, or the refusal (535 5.7.8; 454 4.7.0 while throttled).

        `acts_as` is the user on whose behalf the client wants to act (RFC 4616 §2), "" for the same user.
        """

    def home(self, peer: Peer) -> str:
        """The domain that completes names without one from this peer; "" if it has to give one."""

    async def mail_from(self, peer: Peer, envelope: Envelope, declared_bytes: int) -> Reply | None:
        """May this peer send as this sender? `declared_bytes` is SIZE=, 0 if it was not given."""

    async def rcpt_to(self, peer: Peer, envelope: Envelope, recipient: Recipient) -> Reply | None:
        """May it send to this recipient? `envelope.recipients` are those accepted so far."""

    async def begin(self, peer: Peer, envelope: Envelope) -> MessageSink | Reply:
        """Content is about to come for the accepted recipients."""

    def refused(self, peer: Peer, stage: str, reply: Reply) -> None:
        """The server itself refused something worth logging (`stage`: "MAIL", "DATA" ...)."""
