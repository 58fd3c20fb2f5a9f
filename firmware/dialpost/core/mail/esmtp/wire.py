"""What the parts of the client share: bytes waiting to be sent, and the events for the driver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dialpost.core.mail.esmtp.extensions import Extensions
from dialpost.core.mail.esmtp.transaction import Transaction
from dialpost.core.mail.outcomes import Outcome
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.smtp_target import OutgoingMessage, SessionFate


@dataclass(frozen=True, slots=True)
class StartTls:
    """Send what is waiting, then do the TLS handshake, then call `tls_established`."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Messages and ETRN may be submitted."""

    extensions: Extensions


@dataclass(frozen=True, slots=True)
class Finished:
    """Every recipient of the message has its outcome, in the order of the envelope."""

    message: OutgoingMessage
    outcomes: tuple[Outcome, ...]
    again: bool
    """The message was only interrupted by a fault that a plainer session can avoid immediately (see
    `EsmtpClient.learnt`)."""


@dataclass(frozen=True, slots=True)
class EtrnAnswered:
    """The server's answer for one name."""

    name: str
    reply: Reply


@dataclass(frozen=True, slots=True)
class AtrnAnswered:
    """The server's answer to ATRN (RFC 2645 §5). After a 250 it waits for our greeting."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over: send what is waiting if that is possible without delay, and close."""

    fate: SessionFate
    reason: str
    reply: Reply | None


Event = StartTls | Ready | Finished | EtrnAnswered | AtrnAnswered | Ended


class Wire:
    """Bytes out and events out."""

    def __init__(self, trace: Callable[[str], None] | None = None) -> None:
        """`trace` is called with each line of the dialogue, secrets masked, content left out."""
        self._trace = trace
        self._out = bytearray()
        self._events: list[Event] = []
        self.put_bytes = 0
        """All bytes queued so far."""
        self.unheard_bytes = 0
        """How much of what was taken the server can't have received yet, as far as the driver knows."""

    @property
    def heard_bytes(self) -> int:
        """How much of what was queued the server can have received."""
        return self.put_bytes - len(self._out) - self.unheard_bytes

    def send(self, data: bytes) -> None:
        """Queue bytes behind those that are waiting."""
        self._out += data
        self.put_bytes += len(data)

    def send_line(self, line: bytes, *, shown: str | None = None) -> None:
        """Queue one command line; `shown` replaces it in the trace."""
        self.send(line + b"\r\n")
        if self._trace is not None:
            self._trace("> " + (line.decode("utf-8", "replace") if shown is None else shown))

    def note_reply(self, reply: Reply) -> None:
        """A reply arrived: only for the trace."""
        if self._trace is not None:
            self._trace(f"< {reply}")

    def tell(self, event: Event) -> None:
        """Queue an event behind those not yet taken."""
        self._events.append(event)

    def take_output(self) -> bytes:
        """The bytes to send now; the caller owns them from here on."""
        data, self._out = bytes(self._out), bytearray()
        return data

    def drop_output(self) -> None:
        """Discard what was not taken: the connection is gone, or out of step."""
        self._out.clear()

    def take_events(self) -> list[Event]:
        """The events since the last call, in order."""
        events, self._events = self._events, []
        return events


@dataclass(frozen=True, slots=True)
class ContentRequest:
    """Content may be sent: at most `max_bytes` of the message's stored content, from `offset` on.

    `transaction` distinguishes separate readings of the same message.
    """

    message: OutgoingMessage
    transaction: Transaction
    offset: int
    max_bytes: int
