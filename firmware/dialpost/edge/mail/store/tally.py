"""Running sums of what waits: with 100,000 messages a count must cost as little as with one.

The writer thread notes how each change affects the numbers; they take effect with its commit. `measure` counts
once, when the store is opened.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from dialpost.core.mail.queue.records import Priority, QueueCounts
from dialpost.edge.mail.store.rows import HELD, IS_ODD, IS_STAND_IN, KEYS_PER_MESSAGE, WAITING, key_range


@dataclass(frozen=True, slots=True)
class Standing:
    """The contribution of one message to the counts."""

    is_local: bool = False
    is_remote: bool = False
    is_held: bool = False
    is_urgent: bool = False
    wire_size: int = 0
    is_whole: bool = True

    @property
    def is_finished(self) -> bool:
        """Whether no recipient waits or is held, and no recipient's row was lost."""
        return self.is_whole and not (self.is_local or self.is_remote or self.is_held)


@dataclass(slots=True)
class TallyChange:
    """The effect of one transaction on each number."""

    waiting_local: int = 0
    waiting_remote: int = 0
    urgent: int = 0
    held: int = 0
    bytes_waiting: int = 0

    def add(self, standing: Standing, times: int = 1) -> None:
        """Count a message in (`times` = 1) or out (-1)."""
        self.waiting_local += times * standing.is_local
        self.held += times * standing.is_held
        if standing.is_remote:
            self.waiting_remote += times
            self.urgent += times * standing.is_urgent
            self.bytes_waiting += times * standing.wire_size

    def replace(self, before: TallyChange, after: TallyChange) -> None:
        """Count some messages as they are `after`, no longer as they were `before`."""
        self.waiting_local += after.waiting_local - before.waiting_local
        self.waiting_remote += after.waiting_remote - before.waiting_remote
        self.urgent += after.urgent - before.urgent
        self.held += after.held - before.held
        self.bytes_waiting += after.bytes_waiting - before.bytes_waiting

    def applied_to(self, counts: QueueCounts) -> QueueCounts:
        """The counts after the commit."""
        return QueueCounts(
            counts.waiting_local + self.waiting_local,
            counts.waiting_remote + self.waiting_remote,
            counts.urgent + self.urgent,
            counts.held + self.held,
            counts.bytes_waiting + self.bytes_waiting,
        )


def _standing(message: str) -> str:
    """The columns of one message's standing, from its recipients' rows; `message` is its number in SQL."""
    return (
        f"coalesce(max(state = {WAITING} AND domain IS NULL), 0) AS is_local, "
        f"coalesce(max(state = {WAITING} AND domain IS NOT NULL), 0) AS is_remote, "
        f"coalesce(max(state = {HELD}), 0) AS is_held, "
        f"coalesce(max(priority) = {Priority.URGENT.value}, 0) AS is_urgent, coalesce(max(wire_size), 0) AS wire, "
        f"(count(*) >= coalesce((SELECT recipients FROM message WHERE id = {message}), 0) "
        f"OR coalesce(max({IS_STAND_IN}), 0)) AND NOT coalesce(max({IS_ODD}), 0) AS is_whole"
    )


def standing_of(connection: sqlite3.Connection, message: int) -> Standing:
    """The contribution of a message as its rows are now."""
    row = connection.execute(
        f"SELECT {_standing('?3')} FROM recipient WHERE key BETWEEN ?1 AND ?2", (*key_range(message), message)
    ).fetchone()
    return Standing(bool(row[0]), bool(row[1]), bool(row[2]), bool(row[3]), row[4], bool(row[5]))


def standing_of_many(connection: sqlite3.Connection, messages: Sequence[int]) -> tuple[TallyChange, set[int]]:
    """The contribution of these messages, and which of them are finished. In SQL alone: the event loop goes on."""
    *sums, finished = connection.execute(
        "SELECT coalesce(sum(is_local), 0), coalesce(sum(is_remote), 0), "
        "coalesce(sum(is_remote AND is_urgent), 0), coalesce(sum(is_held), 0), coalesce(sum(is_remote * wire), 0), "
        "json_group_array(number) FILTER (WHERE is_whole AND NOT (is_local OR is_remote OR is_held)) "
        f"FROM (SELECT number, {_standing('number')} FROM (SELECT value AS number FROM json_each(?)) "
        f"JOIN recipient ON recipient.key BETWEEN number * {KEYS_PER_MESSAGE} "
        f"AND number * {KEYS_PER_MESSAGE} + {KEYS_PER_MESSAGE - 1} GROUP BY number)",
        (json.dumps(messages),),
    ).fetchone()
    return TallyChange(*sums), set(json.loads(finished))


def measure(connection: sqlite3.Connection) -> QueueCounts:
    """Count everything, by the three partial indexes alone."""
    remote = connection.execute(
        "SELECT count(*), coalesce(sum(priority = ?), 0), coalesce(sum(wire_size), 0) FROM ("
        "SELECT DISTINCT priority, wire_size, key / ? AS message FROM recipient INDEXED BY recipient_line "
        "WHERE state = 0 AND domain IS NOT NULL)",
        (Priority.URGENT.value, KEYS_PER_MESSAGE),
    ).fetchone()
    (local,) = connection.execute(
        "SELECT count(DISTINCT key / ?) FROM recipient INDEXED BY recipient_local "
        "WHERE state = 0 AND domain IS NULL",
        (KEYS_PER_MESSAGE,),
    ).fetchone()
    (held,) = connection.execute(
        "SELECT count(DISTINCT key / ?) FROM recipient INDEXED BY recipient_held WHERE state = 1",
        (KEYS_PER_MESSAGE,),
    ).fetchone()
    return QueueCounts(local, remote[0], remote[1], held, remote[2])
