"""Running sums of what waits: with 100,000 messages a count must cost as little as with one.

The writer thread notes how each change affects the numbers; they take effect with its commit. `measure` counts
once, when the store is opened.
"""

from __future__ import annotations

import sqlite3
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

    def applied_to(self, counts: QueueCounts) -> QueueCounts:
        """The counts after the commit."""
        return QueueCounts(
            counts.waiting_local + self.waiting_local,
            counts.waiting_remote + self.waiting_remote,
            counts.urgent + self.urgent,
            counts.held + self.held,
            counts.bytes_waiting + self.bytes_waiting,
        )


def standing_of(connection: sqlite3.Connection, message: int) -> Standing:
    """The contribution of a message as its rows are now."""
    row = connection.execute(
        "SELECT coalesce(max(state = ?3 AND domain IS NULL), 0), "
        "coalesce(max(state = ?3 AND domain IS NOT NULL), 0), "
        "coalesce(max(state = ?4), 0), max(priority), max(wire_size), "
        f"count(*) >= coalesce((SELECT recipients FROM message WHERE id = ?5), 0) OR max({IS_STAND_IN}), "
        f"coalesce(max({IS_ODD}), 0) "
        "FROM recipient WHERE key BETWEEN ?1 AND ?2",
        (*key_range(message), WAITING, HELD, message),
    ).fetchone()
    is_urgent = row[3] == Priority.URGENT.value
    return Standing(bool(row[0]), bool(row[1]), bool(row[2]), is_urgent, row[4] or 0, bool(row[5] and not row[6]))


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
