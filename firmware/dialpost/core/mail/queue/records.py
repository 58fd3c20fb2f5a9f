"""What the queue knows about a message and each recipient: the rows, as values.

`Unix seconds` below is the wall clock as it was at the time; no decision rests on it alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from dialpost.core.mail.envelope import BodyType, Notify, QueueId, Return
from dialpost.core.mail.inbound.boxes import BoxUid


class Origin(Enum):
    """Which side a message came from."""

    SUBMITTED = "submitted"  # an authenticated user
    LAN = "lan"  # a network named in relay.networks
    OUTSIDE = "outside"  # anybody else: the provider, or the world
    STATION = "station"  # made here: a bounce, a notice


class RecipientState(Enum):
    """The state of one recipient. Only WAITING and HELD are unfinished."""

    WAITING = "waiting"
    HELD = "held"  # by the operator
    DELIVERED = "delivered"  # in a mailbox here
    RELAYED = "relayed"  # the next hop accepted it
    BOUNCED = "bounced"  # given up; the sender got a notice where one was due
    DELETED = "deleted"  # by the operator


class Entry(Enum):
    """What the queue knows about a message as a whole."""

    UNFINISHED = "unfinished"  # part of it is waiting or held
    FINISHED = "finished"  # every recipient it was accepted for is finished
    INCOMPLETE = "incomplete"  # the card lost a recipient's row: nobody knows whether that recipient got it


class Priority(Enum):
    """Order on the line: URGENT before NORMAL before BULK, and within one the smallest first."""

    URGENT = 0
    NORMAL = 1
    BULK = 2


class SizeHold(Enum):
    """What happened to a recipient in the world because the message is big (budget.big_message_bytes)."""

    NONE = "none"
    HELD = "held"  # with RecipientState.HELD; the sender has no notice yet
    TOLD = "told"  # the same, and the sender has a notice
    PASSED = "passed"  # was held and may go now: the window is open, or the limit was raised
    RELEASED = "released"  # released by the operator; never held for its size again


BY_STATION = "this station"
"""`last_by` if no server answered and the station itself gives the reason in `last_reply`."""

EARLIEST_TRUE_TIME_S = 1_793_491_200
"""2026-11-01 00:00 UTC: no correct clock shows an earlier time. An earlier date comes from a clock that had not
been set; the image starts such a clock well before this (image-build/slot).
"""


@dataclass(frozen=True, slots=True)
class RecipientRecord:
    """One recipient of a stored message. `number` counts from 0 within the message.

    `local_account` is the account's name if the mail stays here, None if it goes to the world. `attempts` counts
    real attempts (time off line counts none). `next_try_s` is Unix seconds, 0 = immediately. `last_reply` is the
    last answer in the server's words, "" before the first try. `answer_unknown`: sent in full once, no answer seen.
    `delay_notified`: the sender has a delay notice. Only the store's methods for `size_hold` change it, never
    `update_recipients`.
    """

    number: int
    address: str
    state: RecipientState
    local_account: str | None = None
    orcpt: str | None = None
    notify: frozenset[Notify] | None = None
    attempts: int = 0
    next_try_s: int = 0
    last_try_s: int = 0
    last_reply: str = ""
    last_by: str = ""
    answer_unknown: bool = False
    delay_notified: bool = False
    original_address: str | None = None  # before alias expansion, if it differs
    size_hold: SizeHold = SizeHold.NONE

    @property
    def is_held_for_size(self) -> bool:
        """Whether it waits for the window for big messages, or for the operator."""
        return self.state is RecipientState.HELD and self.size_hold in {SizeHold.HELD, SizeHold.TOLD}


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """One accepted message. `size` is the stored body's length in bytes, this host's headers included.

    A body is stored with LF line endings (as Maildir readers expect). Its first `local_prefix` bytes are for
    mailboxes only (Return-Path, RFC 5321 §4.4) and are not sent; `wire_size` is the length of the rest with CRLF
    line endings, before dot-stuffing: the value for SIZE=.

    `checksum` is the CRC-32 of the stored body, None if it is unknown (queued by an earlier release).

    `content_digest` is the SHA-256 of the content as received (before our headers), for RFC 1047.
    """

    queue_id: QueueId
    sender: str
    size: int
    wire_size: int
    local_prefix: int
    received_s: int
    origin: Origin
    recipients: tuple[RecipientRecord, ...] = field(default=())
    body_type: BodyType = BodyType.SEVEN_BIT
    smtputf8: bool = False
    envid: str | None = None
    ret: Return | None = None
    priority: Priority = Priority.NORMAL
    content_digest: bytes = b""
    checksum: int | None = None
    peer: str = ""  # address of the client, "" for the station's own
    account: str | None = None  # who submitted it
    message_id_header: str = ""  # Message-ID, for `trace`; "" if there is none
    subject: str = ""  # decoded, at most 100 characters, for `queue show`
    from_box: BoxUid | None = None  # the message in a mailbox at a provider that this is


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """How much is waiting. Each number counts messages with at least one such recipient.

    `urgent` are those of `waiting_remote` with Priority.URGENT; `bytes_waiting` is the sum of `wire_size` over
    `waiting_remote`: what the line will have to carry at least once.
    """

    waiting_local: int = 0
    waiting_remote: int = 0
    urgent: int = 0
    held: int = 0
    bytes_waiting: int = 0
