"""Changes of many messages, chosen by filters, a bounded slice at a time.

What is chosen is read in the reader thread; the writer checks the state again, which is all that can have changed
meanwhile. So the writer never searches, and an accepted message waits for at most one slice. Both work in SQL, on
keys: a record made of every row would take the interpreter's lock, and with it time from the event loop.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Set
from dataclasses import dataclass
from typing import TypeVar

from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.queue.choice import Choice, Slice
from dialpost.core.mail.queue.ids import queue_id
from dialpost.core.mail.queue.records import BY_STATION, EARLIEST_TRUE_TIME_S, MessageRecord, RecipientState
from dialpost.edge.mail.store import changes, queries
from dialpost.edge.mail.store.parts import Ask, Make
from dialpost.edge.mail.store.rows import KEYS_PER_MESSAGE, clean, key_range, number_of

_T = TypeVar("_T")

_LAST_KEY = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Matching:
    """How much a choice matches. `newest` is None if nothing does."""

    messages: int
    recipients: int
    size: int
    newest: QueueId | None


class ManyMessages:
    """The part of the store (its `many`) for what an operator does to many messages. Raises: StorageError."""

    def __init__(self, ask: Ask, make: Make) -> None:
        self._ask, self._make = ask, make

    async def matching(self, choice: Choice) -> Matching:
        """How much the choice matches now."""
        return await self._ask(lambda connection: _matching(connection, choice))

    async def chosen(self, choice: Choice, limit: int) -> list[MessageRecord]:
        """The oldest matching messages with their matching recipients."""
        return await self._ask(lambda connection: _chosen(connection, choice, limit))

    async def next_slice(self, choice: Choice, limit: int, after: QueueId | None) -> Slice | None:
        """The first `limit` matching recipients of messages numbered above `after`, and the rest of the last
        message's; None if nothing matches.
        """
        number = None if after is None else number_of(after)
        return await self._ask(lambda connection: _next_slice(connection, choice, limit, number))

    async def get_all(self, messages: Collection[QueueId]) -> list[MessageRecord]:
        """These messages with all their recipients, oldest first."""
        numbers = sorted(map(number_of, messages))
        return await self._ask(lambda connection: queries.messages(connection, numbers, "", ()))

    async def move(
        self,
        part: Slice,
        from_states: Set[RecipientState],
        to_state: RecipientState,
        *,
        until: QueueId,
        without: Set[QueueId],
    ) -> tuple[int, int]:
        """Change the state of these recipients (`Store.set_state`) in one transaction, but not of messages above
        `until` or in `without`; returns how many messages and recipients changed.
        """
        end, left_out = key_range(number_of(until))[1], set(map(number_of, without))
        keys = [key for key in part.keys if key <= end and key // KEYS_PER_MESSAGE not in left_out]
        return await self._make(lambda done: changes.set_state_of_many(done, keys, from_states, to_state))

    async def retry_now(self, part: Slice) -> None:
        """Make these recipients due at once, those that wait, in one transaction."""
        await self._make(lambda done: changes.make_due(done, part.keys))


def _matching(connection: sqlite3.Connection, choice: Choice) -> Matching:
    condition, values = _condition(choice)
    row = connection.execute(
        "SELECT count(*), coalesce(sum(matching), 0), coalesce(sum(size), 0), max(id) FROM ("
        f"SELECT key / {KEYS_PER_MESSAGE} AS number, count(*) AS matching FROM recipient WHERE {condition} "
        "GROUP BY number) JOIN message ON id = number",
        values,
    ).fetchone()
    return Matching(row[0], row[1], row[2], None if row[3] is None else queue_id(row[3]))


def _chosen(connection: sqlite3.Connection, choice: Choice, limit: int) -> list[MessageRecord]:
    condition, values = _condition(choice)
    numbers = queries.in_order(connection, condition, values, 0, limit)
    return queries.messages(connection, numbers, f"AND {condition}", values)


def _next_slice(connection: sqlite3.Connection, choice: Choice, limit: int, after: int | None) -> Slice | None:
    first = -1 if after is None else key_range(after)[1]
    keys, by_station = _keys(connection, choice, (first, _LAST_KEY), limit)
    if not keys:
        return None
    rest, also = _keys(connection, choice, (keys[-1], key_range(keys[-1] // KEYS_PER_MESSAGE)[1]), KEYS_PER_MESSAGE)
    keys += rest
    messages = {key // KEYS_PER_MESSAGE for key in keys}
    held_by_station = frozenset(queue_id(key // KEYS_PER_MESSAGE) for key in by_station + also)
    return Slice(tuple(keys), len(messages), queue_id(max(messages)), held_by_station)


def _keys(
    connection: sqlite3.Connection, choice: Choice, between: tuple[int, int], limit: int
) -> tuple[list[int], list[int]]:
    """The first matching keys above the one and up to the other, and those of them that the station held."""
    condition, values = _condition(choice)
    keys, by_station = connection.execute(
        "SELECT json_group_array(key), json_group_array(key) FILTER (WHERE last_by = ?) FROM (SELECT key, last_by "
        f"FROM recipient WHERE key > ? AND key <= ? AND {condition} ORDER BY key LIMIT ?)",
        [BY_STATION, *between, *values, limit],
    ).fetchone()
    return sorted(json.loads(keys)), json.loads(by_station)


def _condition(choice: Choice) -> tuple[str, list[object]]:
    """What a recipient's row, and that of its message, must meet."""
    conditions, values = [queries.in_states(choice.states)], list[object]()
    if choice.up_to is not None:
        conditions.append("key <= ?")
        values.append(key_range(number_of(choice.up_to))[1])
    if choice.recipient is not None:
        address, found = _matches("recipient.address", choice.recipient)
        original, also = _matches("original_address", choice.recipient)
        conditions.append(f"({address} OR {original})")
        values += [*found, *also]
    of_message, found = _message_condition(choice)
    conditions.append(f"EXISTS (SELECT 1 FROM message WHERE id = key / {KEYS_PER_MESSAGE}{of_message})")
    return " AND ".join(conditions), [*values, *found]


def _message_condition(choice: Choice) -> tuple[str, list[object]]:
    condition, values = "", list[object]()
    if choice.sender is not None:
        matches, found = _matches("sender", choice.sender)
        condition, values = f" AND {matches}", found
    if choice.received_before_s is not None:
        # Nobody knows the age of a message dated by an unset clock.
        condition += f" AND received_s >= {EARLIEST_TRUE_TIME_S} AND received_s < ?"
        values.append(choice.received_before_s)
    if choice.larger_than is not None:
        condition += " AND size > ?"
        values.append(choice.larger_than)
    return condition, values


def _matches(column: str, wanted: str) -> tuple[str, list[object]]:
    """Whether an address passes a filter (core/mail/queue/choice.address_filter)."""
    text = clean(wanted)
    if text.startswith("@"):
        return f"substr({column}, -length(?)) = ? COLLATE NOCASE", [text, text]
    return f"{column} = ? COLLATE NOCASE", [text]
