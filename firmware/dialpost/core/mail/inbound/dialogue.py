"""What the collector and every mailbox protocol (POP3, IMAP) share: a dialogue without I/O, and its events.

The driver (edge/mail/collecting) passes input on and sends what `data_to_send` returns; the collector
(flow/mail/inbound/mailboxes) decides which messages to fetch, hold and delete, and acts on the events. The order
of a session: `Listed` once the login is done and the box is known; then any number of `look`, `fetch` and `delete`,
each answered in order; then `quit`, and `Ended`, which comes exactly once, whatever happens.

Content has CRLF line endings, as it is on the server; a dialogue takes the transport's additions away (POP3's
stuffed dots), and never holds more of a message than one piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dialpost.core.config.model import TlsMode
from dialpost.core.mail.esmtp.client import Waiting
from dialpost.core.mail.inbound.collected import CollectFate

MOST_MESSAGES = 100_000
"""Messages of one box that are looked at in one session; the rest waits for the next."""
LONGEST_UID = 200
"""Characters of a UID (RFC 1939 §7 allows 70; IMAP's is UIDVALIDITY and UID)."""


@dataclass(frozen=True, slots=True)
class BoxLogin:
    """How to get into a mailbox. `token`: an OAuth 2.0 bearer token instead of the password, "" for none.

    `clear_password`: name and password may be sent without TLS.
    """

    user: str
    password: str
    tls: TlsMode
    clear_password: bool = False
    token: str = ""

    def __repr__(self) -> str:
        """Without its secrets, because this may end up in a log or a traceback."""
        return f"BoxLogin(user={self.user!r}, tls={self.tls.value})"


@dataclass(frozen=True, slots=True)
class BoxMessage:
    """One message in the box. `uid` names it for as long as it is there, also in later sessions.

    `size` is in bytes as the server counts them, 0 if it does not say. `is_urgent`: to be fetched before others.
    """

    uid: str
    size: int
    is_urgent: bool = False


@dataclass(frozen=True, slots=True)
class StartTls:
    """Send what is waiting, do the TLS handshake, then call `tls_established` or `tls_failed`."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What the box holds. `skipped`: in words, one for each message that the server listed in no usable form.

    `is_whole`: a UID that is missing here is no longer in the box.
    """

    messages: tuple[BoxMessage, ...]
    skipped: tuple[str, ...] = ()
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Header:
    """The answer to `look`: the message's header, or the beginning of a long one. `uid` as asked."""

    uid: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Content:
    """The next piece of a message being fetched."""

    uid: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Complete:
    """All of it has come. Only now may the message be accepted."""

    uid: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The server can't serve this message, asked for by `look` or `fetch`; the session goes on. Its words."""

    uid: str
    words: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """The server has confirmed that these are gone for good."""

    uids: tuple[str, ...]


TLS_ADVICE = (
    "Check tls, tls_verify and tls_fingerprint of this mailbox against this message, and whether its port is the "
    "one for that kind of TLS."
)
"""The next step if TLS could not be set up as configured."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over. `words`: the server's own where it has said why; `advice`: the next step, or ""."""

    fate: CollectFate
    words: str = ""
    advice: str = ""


BoxEvent = StartTls | Listed | Header | Content | Complete | Failed | Deleted | Ended


class MailboxDialogue(Protocol):
    """One session with one mailbox, without I/O. Nothing here waits or knows the time."""

    @property
    def is_over(self) -> bool:
        """Whether `Ended` was reported: further input means nothing."""

    @property
    def waiting_for(self) -> Waiting | None:
        """The answer that is due and how long it may take; None if the server waits for us."""

    @property
    def can_ask(self) -> bool:
        """Whether one more `look`, `fetch` or `delete` may be given now; False before `Listed`."""

    @property
    def can_resume(self) -> bool:
        """Whether `fetch` can begin in the middle of a message."""

    @property
    def most_taken(self) -> int | None:
        """How many messages to take in one session, because deletions count only at its end; None: any number."""

    @property
    def most_taken_bytes(self) -> int | None:
        """The same in bytes."""

    def data_to_send(self) -> bytes:
        """The bytes to send now; returned only once."""

    def receive(self, data: bytes) -> list[BoxEvent]:
        """Bytes from the server, split anywhere. Never raises."""

    def tls_established(self, *, verified: bool) -> list[BoxEvent]:
        """The handshake requested by `StartTls` is done. `verified`: the certificate proves who the host is."""

    def tls_failed(self, words: str) -> list[BoxEvent]:
        """TLS could not be set up as configured."""

    def eof(self) -> list[BoxEvent]:
        """The server closed the connection."""

    def failed(self, words: str) -> list[BoxEvent]:
        """The connection can't be used any more (reset, no answer in time)."""

    def look(self, uid: str) -> None:
        """Ask for the header; answered by `Header` or `Failed`."""

    def fetch(self, uid: str, offset: int = 0) -> None:
        """Ask for the content, with `can_resume` from this byte on; answered by `Content`s and `Complete`, or
        `Failed`."""

    def delete(self, uids: Sequence[str]) -> None:
        """Have these deleted; answered by `Deleted`, at once or when the session ends."""

    def quit(self) -> None:
        """End the session once everything asked for is answered."""
