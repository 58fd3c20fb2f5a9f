"""Queries. Every function runs in the reader thread on its own connection.

No query holds more than `limit` messages in memory. A retry time more than a week ahead was written while the clock
was wrong, and counts as due: no setting waits that long.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import groupby, islice

from dialpost.core.json_text import parse_object
from dialpost.core.json_value import JsonValue
from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.queue.ids import queue_id, queue_number
from dialpost.core.mail.queue.line_order import LINE_ORDER, LineKey
from dialpost.core.mail.queue.records import BY_STATION, EARLIEST_TRUE_TIME_S, Entry, MessageRecord, RecipientState
from dialpost.edge.mail.store.rows import (
    HELD,
    IS_ODD,
    IS_STAND_IN,
    KEYS_PER_MESSAGE,
    MESSAGE_COLUMNS,
    RECIPIENT_COLUMNS,
    SIZE_HELD,
    SIZE_HOLD_BITS,
    SIZE_TOLD,
    STATE_CODES,
    WAITING,
    Row,
    clean,
    digest_key,
    key_range,
    message_from,
)

_IN_SQL = {LineKey.PRIORITY: "priority", LineKey.WIRE_SIZE: "wire_size", LineKey.ARRIVAL: "key"}
_LINE_ORDER = ", ".join(_IN_SQL[key] for key in LINE_ORDER)
"""The index `recipient_line` has the same columns in the same order."""
_LONGEST_WAIT_S = 7 * 86_400


def one_message(connection: sqlite3.Connection, message: int) -> MessageRecord | None:
    """A message with all its recipients."""
    row = connection.execute(f"SELECT {MESSAGE_COLUMNS} FROM message WHERE id = ?", (message,)).fetchone()
    if row is None:
        return None
    recipients = connection.execute(
        f"SELECT {RECIPIENT_COLUMNS} FROM recipient WHERE key BETWEEN ? AND ? ORDER BY key", key_range(message)
    ).fetchall()
    return message_from(row, recipients)


def messages(
    connection: sqlite3.Connection, numbers: Iterable[int], condition: str, values: Sequence[object]
) -> list[MessageRecord]:
    """These messages with their recipients that meet `condition`, where there are any."""
    wanted = list(numbers)
    numbered = json.dumps(wanted)
    rows = connection.execute(
        f"SELECT {MESSAGE_COLUMNS} FROM message WHERE id IN (SELECT value FROM json_each(?))", (numbered,)
    ).fetchall()
    recipients = connection.execute(
        f"SELECT {RECIPIENT_COLUMNS} FROM (SELECT value AS number FROM json_each(?)) CROSS JOIN recipient "
        f"ON key BETWEEN number * {KEYS_PER_MESSAGE} AND number * {KEYS_PER_MESSAGE} + {KEYS_PER_MESSAGE - 1} "
        f"WHERE true {condition} ORDER BY key",
        (numbered, *values),
    ).fetchall()
    of_message = {number: tuple(found) for number, found in groupby(recipients, _message_of)}
    by_number = {row[0]: row for row in rows}
    return [
        message_from(by_number[one], of_message[one]) for one in wanted if one in by_number and one in of_message
    ]


def _message_of(recipient: Row) -> int:
    return int(recipient[0]) // KEYS_PER_MESSAGE


def _distinct(keys: Iterable[Row], limit: int, exclude: Set[int]) -> list[int]:
    """The first `limit` message numbers among these recipient keys, each once, in their order."""
    seen: dict[int, None] = {}
    for row in keys:
        number = row[0] // KEYS_PER_MESSAGE
        if number not in exclude:
            seen[number] = None
            if len(seen) >= limit:
                break
    return list(seen)


def local_batch(connection: sqlite3.Connection, now_s: int, limit: int, after: int | None) -> list[MessageRecord]:
    """Messages with due recipients here (only those), longest due first, then by number."""
    due = "(next_try_s <= ? OR next_try_s > ?)"
    cursor = connection.execute(
        f"SELECT key FROM recipient INDEXED BY recipient_local WHERE state = 0 AND domain IS NULL AND {due} "
        "AND key > ? ORDER BY next_try_s, key",
        (now_s, now_s + _LONGEST_WAIT_S, -1 if after is None else key_range(after)[1]),
    )
    numbers = _distinct(cursor, limit, frozenset())
    cursor.close()
    condition = f"AND state = 0 AND domain IS NULL AND {due}"
    return messages(connection, numbers, condition, (now_s, now_s + _LONGEST_WAIT_S))


def remote_batch(
    connection: sqlite3.Connection,
    domains: Sequence[str] | None,
    now_s: int,
    limit: int,
    exclude: Set[int],
) -> list[MessageRecord]:
    """Messages with due recipients in the world (only those), in sending order."""
    condition = "state = 0 AND domain IS NOT NULL AND (next_try_s <= ? OR next_try_s > ?)"
    values: list[object] = [now_s, now_s + _LONGEST_WAIT_S]
    if domains is not None:
        condition += " AND domain IN (SELECT value FROM json_each(?))"
        values.append(json.dumps([clean(domain.lower()) for domain in domains]))
    cursor = connection.execute(
        f"SELECT key FROM recipient INDEXED BY recipient_line WHERE {condition} ORDER BY {_LINE_ORDER}",
        values,
    )
    numbers = _distinct(cursor, limit, exclude)
    cursor.close()
    return messages(connection, numbers, f"AND {condition}", values)


def remote_domains(connection: sqlite3.Connection, now_s: int) -> list[tuple[str, int]]:
    """Domains with due recipients and how many, most first."""
    return connection.execute(
        "SELECT domain, count(*) AS due FROM recipient INDEXED BY recipient_line WHERE state = 0 "
        "AND domain IS NOT NULL AND (next_try_s <= ? OR next_try_s > ?) GROUP BY domain "
        "ORDER BY due DESC, domain",
        (now_s, now_s + _LONGEST_WAIT_S),
    ).fetchall()


def untold_holds(connection: sqlite3.Connection, limit: int) -> list[MessageRecord]:
    """Messages held for their size whose notice is due (only the held recipients), oldest first."""
    condition = f"state = 1 AND flags & {SIZE_HOLD_BITS} = {SIZE_HELD}"
    cursor = connection.execute(
        f"SELECT key FROM recipient INDEXED BY recipient_held WHERE {condition} ORDER BY key"
    )
    numbers = _distinct(cursor, limit, frozenset())
    cursor.close()
    return messages(connection, numbers, f"AND {condition}", ())


def held_for_size(connection: sqlite3.Connection) -> tuple[int, int]:
    """The number of messages held for their size, and their bytes on the line."""
    row = connection.execute(
        "SELECT count(*), coalesce(sum(wire_size), 0) FROM ("
        f"SELECT DISTINCT key / {KEYS_PER_MESSAGE} AS message, wire_size FROM recipient INDEXED BY recipient_held "
        f"WHERE state = 1 AND flags & {SIZE_HOLD_BITS} IN ({SIZE_HELD}, {SIZE_TOLD}))"
    ).fetchone()
    return int(row[0]), int(row[1])


def overdue(
    connection: sqlite3.Connection, received_before_s: int, limit: int, after: int | None, unnotified: bool
) -> list[MessageRecord]:
    """Messages received before then with WAITING recipients (only those), oldest first."""
    condition = "AND state = 0" + (" AND flags & 2 = 0" if unnotified else "")
    cursor = connection.execute(
        f"SELECT key FROM recipient, message ON message.id = recipient.key / {KEYS_PER_MESSAGE} "
        f"WHERE key > ? AND received_s < ? {condition} ORDER BY key",
        (-1 if after is None else key_range(after)[1], received_before_s),
    )
    numbers = _distinct(cursor, limit, frozenset())
    cursor.close()
    return messages(connection, numbers, condition, ())


def listing(
    connection: sqlite3.Connection,
    states: Set[RecipientState],
    limit: int,
    address: str | None,
    offset: int,
    after: int | None,
) -> list[MessageRecord]:
    """Messages with a recipient in one of `states` (and from or to `address`), oldest first, above `after`."""
    condition = f"key > ? AND {in_states(states)}"
    values: list[object] = [-1 if after is None else key_range(after)[1]]
    if address is not None:
        condition += " AND " + _ADDRESS_MATCHES
        values += [clean(address)] * 3
    return messages(connection, in_order(connection, condition, values, offset, limit), "", ())


def in_order(
    connection: sqlite3.Connection, condition: str, values: Sequence[object], offset: int, limit: int
) -> list[int]:
    """The numbers of the messages with such recipients, ascending.

    Reads no further than needed, so that listing 100,000 page by page costs one pass over them.
    """
    cursor = connection.execute(f"SELECT key FROM recipient WHERE {condition} ORDER BY key", values)
    each = (number for number, _ in groupby(row[0] // KEYS_PER_MESSAGE for row in cursor))
    numbers = list(islice(each, offset, offset + limit))
    cursor.close()
    return numbers


_ADDRESS_MATCHES = (
    "(recipient.address = ? COLLATE NOCASE OR original_address = ? COLLATE NOCASE OR "
    f"(SELECT sender FROM message WHERE id = key / {KEYS_PER_MESSAGE}) = ? COLLATE NOCASE)"
)


def in_states(states: Set[RecipientState]) -> str:
    """The condition that a recipient is in one of these states."""
    return (
        f"state IN ({', '.join(str(STATE_CODES[state]) for state in sorted(states, key=STATE_CODES.__getitem__))})"
    )


def find(connection: sqlite3.Connection, text: str, limit: int) -> list[MessageRecord]:
    """The message with this queue id, or those from or to this address or with this Message-ID, newest first."""
    number = queue_number(text)
    message = None if number is None else one_message(connection, number)
    if message is not None:
        return [message]
    wanted = clean(text.strip().removeprefix("<").removesuffix(">"))
    rows = connection.execute(
        "SELECT id FROM message WHERE sender = ?1 COLLATE NOCASE OR trim(message_id, '<> ') = ?1 UNION "
        f"SELECT key / {KEYS_PER_MESSAGE} FROM recipient WHERE address = ?1 COLLATE NOCASE "
        "OR original_address = ?1 COLLATE NOCASE ORDER BY 1 DESC LIMIT ?2",
        (wanted, limit),
    ).fetchall()
    return messages(connection, [row[0] for row in rows], "", ())


def failure_notices(connection: sqlite3.Connection, about: QueueId) -> list[MessageRecord]:
    """This station's failure notices about the message; recognised by their Message-IDs (flow/mail/bounces)."""
    rows = connection.execute(
        "SELECT id FROM message WHERE id > ? AND sender = '' AND message_id GLOB ? ORDER BY 1",
        (queue_number(about), f"<{about}.failed.*"),
    ).fetchall()
    return messages(connection, [row[0] for row in rows], "", ())


def find_repeat(
    connection: sqlite3.Connection,
    message: MessageRecord,
    since_s: int,
    *,
    of_same_peer: bool,
    not_of: Set[QueueId],
) -> QueueId | None:
    """The message from outside that this one repeats: same content and envelope, stored since then, its 250 perhaps
    not seen (RFC 1047). Ignores those in `not_of`, and with `of_same_peer` those from another peer.
    """
    key = digest_key(message.content_digest)
    if key is None:
        return None
    candidates = connection.execute(
        "SELECT id FROM message WHERE digest_key = ? AND digest = ? AND sender = ? AND received_s >= ? "
        "AND (? OR peer IS ?) ORDER BY id DESC",
        (
            key,
            message.content_digest,
            clean(message.sender),
            since_s,
            not of_same_peer,
            clean(message.peer) or None,
        ),
    ).fetchall()
    envelope = {clean(r.original_address or r.address) for r in message.recipients}
    for number in (row[0] for row in candidates if queue_id(row[0]) not in not_of):
        rows = connection.execute(
            "SELECT coalesce(original_address, address) FROM recipient WHERE key BETWEEN ? AND ?",
            key_range(number),
        )
        if {row[0] for row in rows} == envelope and not _is_wanted_again(connection, number):
            return queue_id(number)
    return None


def waiting_bytes(connection: sqlite3.Connection, account: str) -> int:
    """The bytes of unfinished mail for one mailbox here."""
    unfinished = (
        "SELECT key FROM recipient INDEXED BY recipient_local WHERE state = 0 AND domain IS NULL AND account = ?1 "
        "UNION ALL SELECT key FROM recipient INDEXED BY recipient_held WHERE state = 1 AND account = ?1"
    )
    (size,) = connection.execute(
        f"SELECT coalesce(sum(size), 0) FROM ({unfinished}) JOIN message ON id = key / {KEYS_PER_MESSAGE}",
        (clean(account),),
    ).fetchone()
    return int(size)


def _is_wanted_again(connection: sqlite3.Connection, number: int) -> bool:
    """Whether a message was deleted, or is held because the card lost it: its sender was asked to send it again."""
    return (
        connection.execute(
            "SELECT 1 FROM recipient WHERE key BETWEEN ? AND ? "
            "AND (state = ? OR state = ? AND last_by = ?) LIMIT 1",
            (*key_range(number), STATE_CODES[RecipientState.DELETED], HELD, BY_STATION),
        ).fetchone()
        is not None
    )


def unfinished_numbers(connection: sqlite3.Connection, after: int, limit: int) -> list[tuple[int, int]]:
    """(number, size) of unfinished messages, ascending, greater than `after`."""
    return connection.execute(
        f"SELECT DISTINCT id, size FROM recipient, message ON id = key / {KEYS_PER_MESSAGE} "
        "WHERE key > ? AND state IN (0, 1) ORDER BY key LIMIT ?",
        (key_range(after)[1], limit),
    ).fetchall()


def known(connection: sqlite3.Connection, numbers: Sequence[int]) -> dict[int, Entry]:
    """The state of those of `numbers` that have a row; one with a missing or odd recipient row is not finished."""
    rows = connection.execute(
        f"SELECT id, recipients > count(key) AND NOT coalesce(max({IS_STAND_IN}), 0) "
        f"OR coalesce(max({IS_ODD}), 0), "
        "coalesce(max(state IN (0, 1)), 0) "
        f"FROM message LEFT JOIN recipient ON key BETWEEN id * {KEYS_PER_MESSAGE} "
        f"AND (id + 1) * {KEYS_PER_MESSAGE} - 1 WHERE id IN (SELECT value FROM json_each(?)) GROUP BY id",
        (json.dumps(list(numbers)),),
    )
    return {number: _entry(bool(incomplete), bool(unfinished)) for number, incomplete, unfinished in rows}


def _entry(incomplete: bool, unfinished: bool) -> Entry:
    if incomplete:
        return Entry.INCOMPLETE
    return Entry.UNFINISHED if unfinished else Entry.FINISHED


def prunable(connection: sqlite3.Connection, before_s: int, limit: int) -> list[int]:
    """Finished messages from before then.

    Messages dated by an unset clock are pruned together with those numbered next to them that have a true date.
    """
    (last,) = connection.execute(
        "SELECT max(id) FROM message WHERE received_s BETWEEN ? AND ?", (EARLIEST_TRUE_TIME_S, before_s - 1)
    ).fetchone()
    if last is None:
        return []
    rows = connection.execute(
        "SELECT id FROM message WHERE id <= ?1 AND received_s < ?2 AND NOT EXISTS (SELECT 1 FROM recipient "
        f"WHERE key BETWEEN id * {KEYS_PER_MESSAGE} AND (id + 1) * {KEYS_PER_MESSAGE} - 1 "
        "AND (state IN (?3, 1) OR last_try_s >= ?2)) ORDER BY id LIMIT ?4",
        (last, before_s, WAITING, limit),
    ).fetchall()
    return [row[0] for row in rows]


def calls(connection: sqlite3.Connection, limit: int) -> list[dict[str, JsonValue]]:
    """The newest calls first, each as saved, with its "number"."""
    rows = connection.execute("SELECT number, record FROM call ORDER BY number DESC LIMIT ?", (limit,))
    found = []
    for number, record in rows:
        with contextlib.suppress(ValueError):  # damaged on the card
            found.append({**parse_object(record), "number": number})
    return found


def recall(connection: sqlite3.Connection, key: str) -> str | None:
    """A small fact, or None."""
    row = connection.execute("SELECT value FROM memory WHERE key = ?", (key,)).fetchone()
    return None if row is None else row[0]


def all_numbers(connection: sqlite3.Connection, after: int, limit: int) -> Iterator[int]:
    """Every message's number, ascending, greater than `after`."""
    for row in connection.execute("SELECT id FROM message WHERE id > ? ORDER BY id LIMIT ?", (after, limit)):
        yield row[0]


def as_numbers(ids: Iterable[QueueId]) -> set[int]:
    """The numbers of those that are our ids."""
    return {number for number in map(queue_number, ids) if number is not None}
