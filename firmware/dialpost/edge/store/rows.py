"""Records to rows and back: the only place that knows both.

The numbers below are in databases on cards: never reuse or reorder them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from dialpost.core.envelope import BodyType, Notify, QueueId, Return
from dialpost.core.errors import DamagedError, StorageError
from dialpost.core.queue_id import queue_id, queue_number
from dialpost.core.queue_records import MessageRecord, Origin, Priority, RecipientRecord, RecipientState

Row = tuple[Any, ...]

KEYS_PER_MESSAGE = 1 << 20

STATE_CODES = {
    RecipientState.WAITING: 0,
    RecipientState.HELD: 1,
    RecipientState.DELIVERED: 2,
    RecipientState.RELAYED: 3,
    RecipientState.BOUNCED: 4,
    RecipientState.DELETED: 5,
}
WAITING, HELD = STATE_CODES[RecipientState.WAITING], STATE_CODES[RecipientState.HELD]
_STATES = {code: state for state, code in STATE_CODES.items()}
_ORIGIN_CODES = {Origin.SUBMITTED: 0, Origin.LAN: 1, Origin.OUTSIDE: 2, Origin.STATION: 3}
_ORIGINS = {code: origin for origin, code in _ORIGIN_CODES.items()}
_NOTIFY_BITS = {Notify.NEVER: 1, Notify.SUCCESS: 2, Notify.FAILURE: 4, Notify.DELAY: 8}
_ANSWER_UNKNOWN, _DELAY_NOTIFIED = 1, 2

MESSAGE_COLUMNS = (
    "id, sender, size, wire_size, local_prefix, received_s, origin, priority, digest, digest_key, peer, "
    "account, message_id, subject, extra, recipients"
)
RECIPIENT_COLUMNS = (
    "key, address, domain, account, state, priority, wire_size, attempts, next_try_s, last_try_s, "
    "last_reply, last_by, flags, notify, orcpt, original_address"
)


def number_of(given: QueueId) -> int:
    """The counter value of an id. Raises: StorageError where it is none of ours."""
    number = queue_number(given)
    if number is None:
        raise StorageError(f"{given!r} is not a queue id")
    return number


def key_range(message: int) -> tuple[int, int]:
    """First and last key a recipient of this message can have."""
    return message * KEYS_PER_MESSAGE, (message + 1) * KEYS_PER_MESSAGE - 1


def digest_key(digest: bytes) -> int | None:
    """What a digest is looked up by: four bytes keep the index small, the row holds the rest."""
    return int.from_bytes(digest[:4], "big") if digest else None


def message_row(message: MessageRecord) -> Row:
    """The row of `message`, columns as in MESSAGE_COLUMNS."""
    return (
        number_of(message.queue_id),
        clean(message.sender),
        message.size,
        message.wire_size,
        message.local_prefix,
        message.received_s,
        _ORIGIN_CODES[message.origin],
        message.priority.value,
        message.content_digest or None,
        digest_key(message.content_digest) if message.origin is Origin.OUTSIDE else None,
        clean(message.peer) or None,
        None if message.account is None else clean(message.account),
        clean(message.message_id_header) or None,
        clean(message.subject) or None,
        _extra_text(message),
        len(message.recipients),
    )


def recipient_row(message: MessageRecord, recipient: RecipientRecord) -> Row:
    """The row of one recipient, columns as in RECIPIENT_COLUMNS."""
    if not 0 <= recipient.number < KEYS_PER_MESSAGE:
        raise StorageError(f"a message can't have {recipient.number + 1} recipients")
    is_local = recipient.local_account is not None
    return (
        number_of(message.queue_id) * KEYS_PER_MESSAGE + recipient.number,
        clean(recipient.address),
        None if is_local else domain_of(recipient.address),
        None if recipient.local_account is None else clean(recipient.local_account),
        STATE_CODES[recipient.state],
        message.priority.value,
        message.wire_size,
        recipient.attempts,
        recipient.next_try_s,
        recipient.last_try_s,
        clean(recipient.last_reply) or None,
        clean(recipient.last_by) or None,
        recipient_flags(recipient),
        _notify_code(recipient.notify),
        None if recipient.orcpt is None else clean(recipient.orcpt),
        None if recipient.original_address is None else clean(recipient.original_address),
    )


def domain_of(address: str) -> str:
    """The domain mail for `address` is routed by."""
    return clean(address.rpartition("@")[2].lower())


def recipient_flags(recipient: RecipientRecord) -> int:
    """The yes-or-no fields as bits."""
    return _ANSWER_UNKNOWN * recipient.answer_unknown + _DELAY_NOTIFIED * recipient.delay_notified


def message_from(row: Row, recipients: Iterable[Row]) -> MessageRecord:
    """The record of a message row with these recipient rows. Raises: DamagedError where it makes no sense."""
    try:
        extra = json.loads(row[14]) if row[14] else {}
        return MessageRecord(
            queue_id=queue_id(row[0]),
            sender=row[1],
            size=row[2],
            wire_size=row[3],
            local_prefix=row[4],
            received_s=row[5],
            origin=_ORIGINS[row[6]],
            recipients=tuple(recipient_from(recipient) for recipient in recipients),
            body_type=BodyType(extra.get("body", BodyType.SEVEN_BIT.value)),
            smtputf8=bool(extra.get("utf8", False)),
            envid=extra.get("envid"),
            ret=Return(extra["ret"]) if "ret" in extra else None,
            priority=Priority(row[7]),
            content_digest=row[8] or b"",
            peer=row[10] or "",
            account=row[11],
            message_id_header=row[12] or "",
            subject=row[13] or "",
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise DamagedError(f"the queue's row {row[0]!r} makes no sense ({error})") from error


def recipient_from(row: Row) -> RecipientRecord:
    """The record of a recipient row."""
    return RecipientRecord(
        number=row[0] % KEYS_PER_MESSAGE,
        address=row[1],
        state=_STATES[row[4]],
        local_account=row[3],
        orcpt=row[14],
        notify=None if row[13] is None else frozenset(n for n, bit in _NOTIFY_BITS.items() if row[13] & bit),
        attempts=row[7],
        next_try_s=row[8],
        last_try_s=row[9],
        last_reply=row[10] or "",
        last_by=row[11] or "",
        answer_unknown=bool(row[12] & _ANSWER_UNKNOWN),
        delay_notified=bool(row[12] & _DELAY_NOTIFIED),
        original_address=row[15],
    )


def clean(text: str) -> str:
    """Text that SQLite can hold: octets that were no UTF-8 (lone surrogates) become the replacement mark."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return text


def _notify_code(notify: frozenset[Notify] | None) -> int | None:
    return None if notify is None else sum(_NOTIFY_BITS[wish] for wish in notify)


def _extra_text(message: MessageRecord) -> str | None:
    """What most messages have not, so that it takes no room in their rows."""
    extra: dict[str, object] = {}
    if message.body_type is not BodyType.SEVEN_BIT:
        extra["body"] = message.body_type.value
    if message.smtputf8:
        extra["utf8"] = True
    if message.envid is not None:
        extra["envid"] = message.envid
    if message.ret is not None:
        extra["ret"] = message.ret.value
    return json.dumps(extra, separators=(",", ":")) if extra else None
