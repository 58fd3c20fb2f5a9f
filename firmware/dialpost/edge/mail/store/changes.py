"""Changes of rows. Every function runs in the writer thread, inside a transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence, Set

from dialpost.core.errors import StorageError
from dialpost.core.json_value import JsonObject
from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.queue.records import BY_STATION, MessageRecord, Priority, RecipientRecord, RecipientState
from dialpost.core.mail.queue.spool_log import LogEntry
from dialpost.edge.mail.store import queries
from dialpost.edge.mail.store.accept_log import INSERT_MESSAGE, INSERT_RECIPIENT
from dialpost.edge.mail.store.box_rows import took
from dialpost.edge.mail.store.rows import (
    HELD,
    IS_ODD,
    IS_STAND_IN,
    KEYS_PER_MESSAGE,
    SIZE_HELD,
    SIZE_HOLD_BITS,
    SIZE_PASSED,
    SIZE_RELEASED,
    SIZE_TOLD,
    STATE_CODES,
    WAITING,
    clean,
    key_range,
    message_row,
    number_of,
    recipient_flags,
    recipient_row,
)
from dialpost.edge.mail.store.tally import Standing, standing_of, standing_of_many
from dialpost.edge.mail.store.writer import Transaction

# An attempt that ends unfinished does not undo what the operator did meanwhile (hold, delete); one that finished a
# recipient is a fact, whatever the operator wanted. An attempt leaves the size hold alone.
_UPDATE_RECIPIENT = f"""
UPDATE recipient SET
    state = CASE WHEN ?2 = 0 AND state <> 0 THEN state ELSE ?2 END,
    attempts = ?3, next_try_s = ?4, last_try_s = ?5, last_reply = ?6, last_by = ?7,
    flags = (flags & {SIZE_HOLD_BITS}) | (?8 & ~{SIZE_HOLD_BITS})
WHERE key = ?1
"""

_SET_STATE = f"""
UPDATE recipient SET
    state = ?1, next_try_s = iif(?1 = {WAITING}, 0, next_try_s),
    flags = CASE
        WHEN ?2 IS NOT NULL THEN flags & ~{SIZE_HOLD_BITS}
        WHEN ?1 = {WAITING} AND flags & {SIZE_HOLD_BITS} IN ({SIZE_HELD}, {SIZE_TOLD})
            THEN (flags & ~{SIZE_HOLD_BITS}) | {SIZE_RELEASED}
        ELSE flags END,
    last_reply = coalesce(?2, last_reply),
    last_by = CASE WHEN ?2 IS NOT NULL THEN ?3 WHEN ?1 = {WAITING} AND last_by = ?3 THEN NULL ELSE last_by END
WHERE state IN (SELECT value FROM json_each(?4)) AND NOT (?1 = {WAITING} AND {IS_STAND_IN})
"""


def insert_message(transaction: Transaction, message: MessageRecord, entry: LogEntry | None = None) -> None:
    """Insert a message with all its recipients; `entry`: what the log keeps of it."""
    if not message.recipients:
        raise StorageError(f"{message.queue_id} has no recipients")
    transaction.connection.execute(INSERT_MESSAGE, message_row(message))
    transaction.connection.executemany(
        INSERT_RECIPIENT, [recipient_row(message, recipient) for recipient in message.recipients]
    )
    if message.from_box is not None:
        took(transaction.connection, message.from_box)
    standing = _standing_of_new(message)
    transaction.tally.add(standing)
    if standing.is_finished:
        transaction.finished.append(number_of(message.queue_id))
    if entry is not None:
        transaction.entries.append(entry)
        transaction.again.append(lambda again: insert_message(again, message))


def _standing_of_new(message: MessageRecord) -> Standing:
    waiting = [r for r in message.recipients if r.state is RecipientState.WAITING]
    return Standing(
        is_local=any(recipient.local_account is not None for recipient in waiting),
        is_remote=any(recipient.local_account is None for recipient in waiting),
        is_held=any(recipient.state is RecipientState.HELD for recipient in message.recipients),
        is_urgent=message.priority is Priority.URGENT,
        wire_size=message.wire_size,
    )


def update_recipients(transaction: Transaction, updates: Sequence[tuple[int, Sequence[RecipientRecord]]]) -> None:
    """Write the outcomes of attempts: for each message (by number) its changed recipients."""
    for message, recipients in updates:
        before = standing_of(transaction.connection, message)
        transaction.connection.executemany(
            _UPDATE_RECIPIENT,
            [
                (
                    message * KEYS_PER_MESSAGE + recipient.number,
                    STATE_CODES[recipient.state],
                    recipient.attempts,
                    recipient.next_try_s,
                    recipient.last_try_s,
                    clean(recipient.last_reply) or None,
                    clean(recipient.last_by) or None,
                    recipient_flags(recipient),
                )
                for recipient in recipients
            ],
        )
        _recount(transaction, message, before)


def _recount(transaction: Transaction, message: int, before: Standing) -> None:
    after = standing_of(transaction.connection, message)
    transaction.tally.add(before, -1)
    transaction.tally.add(after)
    if after.is_finished and not before.is_finished:
        transaction.finished.append(message)


def set_state(
    transaction: Transaction,
    message: int,
    from_states: Set[RecipientState],
    to_state: RecipientState,
    *,
    numbers: Sequence[int] | None,
    reason: str | None,
) -> int:
    """Change the state of the recipients that are in one of `from_states`; returns how many.

    A recipient made to wait is due at once, and if it was held for its size, it is released for good. `reason`, if
    given, becomes the last reply, by BY_STATION, and replaces the size as the reason for the hold. A recipient that
    the station held is no longer by BY_STATION once it waits: a later hold is the operator's.
    """
    before = standing_of(transaction.connection, message)
    keys = None if numbers is None else [message * KEYS_PER_MESSAGE + number for number in numbers]
    moved = transaction.connection.execute(
        f"{_SET_STATE} AND key BETWEEN ?5 AND ?6 AND (?7 IS NULL OR key IN (SELECT value FROM json_each(?7)))",
        (
            *_set_state_values(from_states, to_state, reason),
            *key_range(message),
            None if keys is None else json.dumps(keys),
        ),
    ).rowcount
    _recount(transaction, message, before)
    return moved


def set_state_of_many(
    transaction: Transaction, keys: Sequence[int], from_states: Set[RecipientState], to_state: RecipientState
) -> tuple[int, int]:
    """`set_state` of the recipients with these keys; returns how many messages and recipients changed.

    In a few statements however many there are: SQLite runs each without the interpreter's lock, so the event loop
    goes on meanwhile.
    """
    connection = transaction.connection
    messages = sorted({key // KEYS_PER_MESSAGE for key in keys})
    before, finished_before = standing_of_many(connection, messages)
    moved = connection.execute(
        f"{_SET_STATE} AND key IN (SELECT value FROM json_each(?5)) RETURNING key / {KEYS_PER_MESSAGE}",
        (*_set_state_values(from_states, to_state, None), json.dumps(keys)),
    ).fetchall()
    after, finished = standing_of_many(connection, messages)
    transaction.tally.replace(before, after)
    transaction.finished += sorted(finished - finished_before)
    return len(set(moved)), len(moved)


def _set_state_values(
    from_states: Set[RecipientState], to_state: RecipientState, reason: str | None
) -> tuple[object, ...]:
    codes = [STATE_CODES[state] for state in from_states]
    return STATE_CODES[to_state], None if reason is None else clean(reason), BY_STATION, json.dumps(codes)


def hold_incomplete(transaction: Transaction, message: int, reason: str) -> int:
    """Insert one held row for recipients whose rows are missing, and hold those with an odd state; returns how many
    are missing or odd.

    The inserted row keeps the body and appears in listings. It is never made to wait, because nobody knows for
    whom the message is.
    """
    first, last = key_range(message)
    missing, key, priority, wire_size = transaction.connection.execute(
        "SELECT recipients - count(key), coalesce(max(key) + 1, ?1), message.priority, message.wire_size "
        "FROM message LEFT JOIN recipient ON key BETWEEN ?1 AND ?2 WHERE id = ?3",
        (first, last, message),
    ).fetchone()
    missing = max(0, missing or 0)
    before = standing_of(transaction.connection, message)
    odd = transaction.connection.execute(
        f"UPDATE recipient SET state = {HELD}, last_reply = ?, last_by = ? WHERE key BETWEEN ? AND ? AND {IS_ODD}",
        (reason, BY_STATION, first, last),
    ).rowcount
    if missing:
        row = (key, "", None, None, HELD, priority, wire_size, 0, 0, 0, reason, BY_STATION, 0, None, None, None)
        transaction.connection.execute(INSERT_RECIPIENT, row)
    _recount(transaction, message, before)
    return int(missing + odd)


def hold_big(transaction: Transaction, larger_than: int) -> list[int]:
    """Hold larger mail that waits for the world, unless it was released; returns the messages' numbers."""
    found = transaction.connection.execute(
        f"SELECT DISTINCT key / {KEYS_PER_MESSAGE} FROM recipient INDEXED BY recipient_line WHERE state = 0 "
        f"AND domain IS NOT NULL AND wire_size > ? AND flags & {SIZE_HOLD_BITS} <> {SIZE_RELEASED} ORDER BY 1",
        (larger_than,),
    ).fetchall()
    for (message,) in found:
        before = standing_of(transaction.connection, message)
        transaction.connection.execute(
            f"UPDATE recipient SET state = {HELD}, flags = (flags & ~{SIZE_HOLD_BITS}) | "
            f"iif(flags & {SIZE_HOLD_BITS} = {SIZE_PASSED}, {SIZE_TOLD}, {SIZE_HELD}) "
            f"WHERE key BETWEEN ? AND ? AND state = 0 AND domain IS NOT NULL "
            f"AND flags & {SIZE_HOLD_BITS} <> {SIZE_RELEASED}",
            key_range(message),
        )
        _recount(transaction, message, before)
    return [message for (message,) in found]


def pass_big(transaction: Transaction, up_to: int | None) -> list[int]:
    """Release mail held for its size that is not larger than `up_to` (None: any size); returns the numbers."""
    found = transaction.connection.execute(
        f"SELECT DISTINCT key / {KEYS_PER_MESSAGE} FROM recipient INDEXED BY recipient_held WHERE state = 1 "
        f"AND flags & {SIZE_HOLD_BITS} IN ({SIZE_HELD}, {SIZE_TOLD}) AND (?1 IS NULL OR wire_size <= ?1) "
        "ORDER BY 1",
        (up_to,),
    ).fetchall()
    for (message,) in found:
        before = standing_of(transaction.connection, message)
        transaction.connection.execute(
            f"UPDATE recipient SET state = {WAITING}, next_try_s = 0, "
            f"flags = (flags & ~{SIZE_HOLD_BITS}) | {SIZE_PASSED} "
            f"WHERE key BETWEEN ? AND ? AND state = {HELD} "
            f"AND flags & {SIZE_HOLD_BITS} IN ({SIZE_HELD}, {SIZE_TOLD})",
            key_range(message),
        )
        _recount(transaction, message, before)
    return [message for (message,) in found]


def told_of_hold(transaction: Transaction, message: int) -> None:
    """Mark that the sender of a message held for its size was notified."""
    transaction.connection.execute(
        f"UPDATE recipient SET flags = (flags & ~{SIZE_HOLD_BITS}) | {SIZE_TOLD} "
        f"WHERE key BETWEEN ? AND ? AND flags & {SIZE_HOLD_BITS} = {SIZE_HELD}",
        key_range(message),
    )


def retry_now(transaction: Transaction, message: int | None) -> int:
    """Make waiting recipients due at once: of one message, or of all."""
    if message is None:
        return transaction.connection.execute(
            "UPDATE recipient SET next_try_s = 0 WHERE state = ? AND next_try_s <> 0", (WAITING,)
        ).rowcount
    return transaction.connection.execute(
        "UPDATE recipient SET next_try_s = 0 WHERE state = ? AND key BETWEEN ? AND ?",
        (WAITING, *key_range(message)),
    ).rowcount


def make_due(transaction: Transaction, keys: Sequence[int]) -> None:
    """Make the recipients with these keys due at once, those that wait."""
    transaction.connection.execute(
        "UPDATE recipient SET next_try_s = 0 WHERE key IN (SELECT value FROM json_each(?)) AND state = ? "
        "AND next_try_s <> 0",
        (json.dumps(keys), WAITING),
    )


def delete_messages(transaction: Transaction, numbers: Sequence[int]) -> int:
    """Delete finished messages and their recipients; unfinished ones stay."""
    deleted = 0
    for message in numbers:
        first, last = key_range(message)
        unfinished = transaction.connection.execute(
            "SELECT 1 FROM recipient WHERE key BETWEEN ? AND ? AND state IN (?, ?) LIMIT 1",
            (first, last, WAITING, HELD),
        ).fetchone()
        if unfinished is None:
            transaction.connection.execute("DELETE FROM recipient WHERE key BETWEEN ? AND ?", (first, last))
            deleted += transaction.connection.execute("DELETE FROM message WHERE id = ?", (message,)).rowcount
    return deleted


def insert_call(transaction: Transaction, record: JsonObject) -> None:
    """Add a call to the history; calls are numbered from 1."""
    text = clean(json.dumps(record, ensure_ascii=False, separators=(",", ":")))
    transaction.connection.execute("INSERT INTO call (record) VALUES (?)", (text,))


def delete_calls(transaction: Transaction, keep: int) -> int:
    """Delete all but the newest `keep` calls."""
    return transaction.connection.execute(
        "DELETE FROM call WHERE number <= (SELECT max(number) FROM call) - ?", (keep,)
    ).rowcount


def remember(transaction: Transaction, key: str, value: str) -> None:
    """Store a small fact."""
    transaction.connection.execute(
        "INSERT INTO memory VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (key, clean(value)),
    )


def forget(transaction: Transaction, key: str) -> None:
    """Delete a small fact."""
    transaction.connection.execute("DELETE FROM memory WHERE key = ?", (key,))


def insert_unless_repeat(
    transaction: Transaction,
    message: MessageRecord,
    since_s: int,
    entry: LogEntry | None = None,
    *,
    of_same_peer: bool,
    not_of: set[QueueId],
) -> QueueId | None:
    """Insert, unless it is a repeat (queries.find_repeat): then returns the earlier id, now in `not_of`."""
    earlier = queries.find_repeat(
        transaction.connection, message, since_s, of_same_peer=of_same_peer, not_of=not_of
    )
    if earlier is None:
        insert_message(transaction, message, entry)
    else:
        not_of.add(earlier)
        transaction.taken_back.append(lambda: not_of.discard(earlier))
    return earlier


def answer_heard(transaction: Transaction, message: int) -> None:
    """The 250 was seen: no repeat of this message will come."""
    transaction.again.append(lambda again: answer_heard(again, message))
    transaction.connection.execute("UPDATE message SET digest_key = NULL WHERE id = ?", (message,))
