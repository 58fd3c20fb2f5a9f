"""Records to rows and back: the only module that knows both.

The numbers below are stored on cards: never reuse or reorder them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from dialpost.core.errors import StorageError
from dialpost.core.json_text import parse_json
from dialpost.core.mail.envelope import BodyType, Notify, QueueId, Return
from dialpost.core.mail.inbound.boxes import BoxUid
from dialpost.core.mail.queue.ids import queue_id, queue_number
from dialpost.core.mail.queue.records import (
    MessageRecord,
    Origin,
    Priority,
    RecipientRecord,
    RecipientState,
    SizeHold,
)

Row = tuple[Any, ...]
_as_json = json.JSONEncoder(separators=(",", ":")).encode

# More recipients than any message has, and 2**43 messages still fit into SQLite's 63 bits.
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
_BODY_TYPES: dict[object, BodyType] = {kind.value: kind for kind in BodyType}
_RETURNS: dict[object, Return] = {wish.value: wish for wish in Return}
_PRIORITIES = {priority.value: priority for priority in Priority}
_ANSWER_UNKNOWN, _DELAY_NOTIFIED = 1, 2
_SIZE_HOLDS = {
    SizeHold.NONE: 0,
    SizeHold.HELD: 1 << 2,
    SizeHold.TOLD: 2 << 2,
    SizeHold.PASSED: 3 << 2,
    SizeHold.RELEASED: 4 << 2,
}
SIZE_HOLD_BITS = 7 << 2
SIZE_HELD, SIZE_TOLD = _SIZE_HOLDS[SizeHold.HELD], _SIZE_HOLDS[SizeHold.TOLD]
SIZE_PASSED, SIZE_RELEASED = _SIZE_HOLDS[SizeHold.PASSED], _SIZE_HOLDS[SizeHold.RELEASED]
_SIZE_HOLD_OF = {bits: hold for hold, bits in _SIZE_HOLDS.items()}

IS_STAND_IN = "address = ''"
"""True for the row that stands for recipients whose rows the card lost; no real one has an empty address."""

IS_ODD = f"(typeof(state) <> 'integer' OR state NOT BETWEEN 0 AND {max(STATE_CODES.values())})"
"""True for a row whose state the card damaged: it is not finished, whatever it says."""

MESSAGE_COLUMNS = (
    "id, sender, size, wire_size, local_prefix, received_s, origin, priority, digest, digest_key, peer, "
    "account, message_id, subject, extra, recipients"
)
RECIPIENT_COLUMNS = (
    "key, address, domain, account, state, priority, wire_size, attempts, next_try_s, last_try_s, "
    "last_reply, last_by, flags, notify, orcpt, original_address"
)


def number_of(given: QueueId) -> int:
    """The counter value of an id. Raises: StorageError if it is not one of ours."""
    number = queue_number(given)
    if number is None:
        raise StorageError(f"{given!r} is not a queue id")
    return number


def key_range(message: int) -> tuple[int, int]:
    """The first and last key that a recipient of this message can have."""
    return message * KEYS_PER_MESSAGE, (message + 1) * KEYS_PER_MESSAGE - 1


def digest_key(digest: bytes) -> int | None:
    """The key by which a message is found until its 250 was seen: four bytes, for a small index; the row has the
    rest.

    Not the first four, under which earlier versions kept every message, seen or not.
    """
    return int.from_bytes(digest[4:8], "big") if digest else None


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
    """The domain by which mail for `address` is routed."""
    return clean(address.rpartition("@")[2].lower())


def recipient_flags(recipient: RecipientRecord) -> int:
    """The yes-or-no fields as bits, and `size_hold` in three of them."""
    flags = _ANSWER_UNKNOWN * recipient.answer_unknown + _DELAY_NOTIFIED * recipient.delay_notified
    return flags + _SIZE_HOLDS[recipient.size_hold]


def message_from(row: Row, recipients: Iterable[Row]) -> MessageRecord:
    """The record of a message row with these recipient rows.

    Never fails: a value that the card damaged becomes a harmless one, so that one bad row does not stop the queue
    and stays visible. A damaged address is refused by the host it leads to.
    """
    extra = _extra(row[14])
    return MessageRecord(
        queue_id=queue_id(row[0]),
        sender=_text(row[1]),
        size=_number(row[2]),
        wire_size=_number(row[3]),
        local_prefix=_number(row[4]),
        received_s=_number(row[5]),
        origin=_ORIGINS.get(row[6], Origin.OUTSIDE),
        recipients=tuple(recipient_from(recipient) for recipient in recipients),
        body_type=_BODY_TYPES.get(extra.get("body"), BodyType.EIGHT_BIT if "body" in extra else BodyType.SEVEN_BIT),
        smtputf8=bool(extra.get("utf8", False)),
        envid=_text_or_none(extra.get("envid")),
        ret=_RETURNS.get(extra.get("ret")),
        priority=_PRIORITIES.get(row[7], Priority.NORMAL),
        content_digest=row[8] if isinstance(row[8], bytes) else b"",
        peer=_text(row[10]),
        account=_text_or_none(row[11]),
        message_id_header=_text(row[12]),
        subject=_text(row[13]),
        checksum=_checksum(extra.get("crc")),
        from_box=_box_uid(extra.get("box")),
    )


def box_uid_of(row: Row) -> BoxUid | None:
    """The mailbox at a provider from which the message of this row came."""
    return _box_uid(_extra(row[14]).get("box"))


def recipient_from(row: Row) -> RecipientRecord:
    """The record of a recipient row; never fails, like `message_from`."""
    flags, notify = _number(row[12]), row[13]
    return RecipientRecord(
        number=row[0] % KEYS_PER_MESSAGE,
        address=_text(row[1]),
        state=_STATES.get(row[4], RecipientState.HELD),
        local_account=_text_or_none(row[3]),
        orcpt=_text_or_none(row[14]),
        notify=frozenset(n for n, bit in _NOTIFY_BITS.items() if notify & bit) if isinstance(notify, int) else None,
        attempts=_number(row[7]),
        next_try_s=_number(row[8]),
        last_try_s=_number(row[9]),
        last_reply=_text(row[10]),
        last_by=_text(row[11]),
        answer_unknown=bool(flags & _ANSWER_UNKNOWN),
        delay_notified=bool(flags & _DELAY_NOTIFIED),
        original_address=_text_or_none(row[15]),
        size_hold=_SIZE_HOLD_OF.get(flags & SIZE_HOLD_BITS, SizeHold.NONE),
    )


def is_message_row(row: Row) -> bool:
    """Whether every value is possible in its place; for rows found outside their table."""
    return (
        len(row) == len(MESSAGE_COLUMNS.split(","))
        and isinstance(row[1], str)
        and all(isinstance(value, int) for value in (*row[2:6], row[15]))
        and row[6] in _ORIGINS
        and row[7] in _PRIORITIES
        and isinstance(row[8], bytes | None)
        and all(isinstance(value, str | None) for value in row[10:15])
    )


def is_recipient_row(row: Row) -> bool:
    """Like `is_message_row`."""
    return (
        len(row) == len(RECIPIENT_COLUMNS.split(","))
        and isinstance(row[1], str)
        and all(isinstance(value, str | None) for value in (*row[2:4], *row[10:12], *row[14:16]))
        and row[4] in _STATES
        and row[5] in _PRIORITIES
        and all(isinstance(value, int) for value in (*row[6:10], row[12]))
        and isinstance(row[13], int | None)
    )


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _checksum(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _box_uid(value: object) -> BoxUid | None:
    if not isinstance(value, list) or [type(one) for one in value] != [str, str, int]:
        return None
    return BoxUid(*value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _extra(text: object) -> dict[str, Any]:
    try:
        found = parse_json(text) if isinstance(text, str) else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def clean(text: str) -> str:
    """Text that SQLite can hold: octets that were not UTF-8 (lone surrogates) become the replacement character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return text


def _notify_code(notify: frozenset[Notify] | None) -> int | None:
    return None if notify is None else sum(_NOTIFY_BITS[wish] for wish in notify)


def _extra_text(message: MessageRecord) -> str | None:
    """Values without a column: those that most messages lack, and later additions. A release skips keys that it
    does not know, so a new key needs no new format.
    """
    extra: dict[str, object] = {}
    if message.checksum is not None:
        extra["crc"] = message.checksum
    if message.body_type is not BodyType.SEVEN_BIT:
        extra["body"] = message.body_type.value
    if message.smtputf8:
        extra["utf8"] = True
    if message.envid is not None:
        extra["envid"] = message.envid
    if message.ret is not None:
        extra["ret"] = message.ret.value
    if message.from_box is not None:
        extra["box"] = [message.from_box.box, message.from_box.uid, message.from_box.size]
    return _as_json(extra) if extra else None
