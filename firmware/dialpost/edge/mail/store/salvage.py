"""Salvages the readable rows of a damaged database into a new one beside it.

Rows are read page by page (`raw_pages`), so a damaged page costs only its own rows. Of several versions of a
recipient the most advanced counts: sending twice is worse than asking, but losing mail is worse than both. A
message is kept only if its body exists or all its recipients are finished; those left out are counted in the report
and stay in the database set aside. A recipient whose row is lost is not finished: recovery holds the message.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from dialpost.core.amounts import count_words
from dialpost.core.errors import DialpostError
from dialpost.core.json_text import parse_json
from dialpost.core.mail.queue.ids import queue_id
from dialpost.edge.mail.store import schema
from dialpost.edge.mail.store.raw_pages import Cell, PageSource
from dialpost.edge.mail.store.rows import HELD, KEYS_PER_MESSAGE, WAITING, Row, is_message_row, is_recipient_row

_MESSAGE_WIDTH, _RECIPIENT_WIDTH = 16, 16
_STATE, _ATTEMPTS, _LAST_TRY = 4, 7, 9


@dataclass(slots=True)
class Salvaged:
    """The result; `report` puts it into sentences."""

    messages: int = 0
    history: int = 0
    without_body: list[int] = field(default_factory=list)
    incomplete: list[tuple[int, int]] = field(default_factory=list)
    orphans: dict[int, list[str]] = field(default_factory=dict)
    """The numbers of messages whose own row is lost, with the addresses still known."""

    @property
    def report(self) -> tuple[str, ...]:
        """The sentences for the operator."""
        recovered = count_words(self.messages, "message was", "messages were")
        sentences = [f"{recovered} recovered from it, still to be sent or delivered."]
        if self.without_body:
            left_out = count_words(len(self.without_body), "entry was", "entries were")
            sentences.append(f"{left_out} left out, because the message is no longer on the card.")
        sentences += [
            f"{queue_id(number)}: {lost} of its recipients could not be read; it is held for them."
            for number, lost in self.incomplete
        ]
        sentences += [
            f"{queue_id(number)}: its sender could not be read, so it is set aside; it was for {', '.join(known)}."
            for number, known in self.orphans.items()
        ]
        return tuple(sentences)


def salvage(path: Path, wal: Path, target: Path, bodies: Iterable[int]) -> Salvaged:
    """Fill a new database at `target` with the rows in `path` and its log. `bodies`: numbers of body files.

    Raises: sqlite3.Error, OSError, StorageError about the new database only.
    """
    with closing(schema.connect(target)) as connection:
        schema.migrate(connection)
        connection.execute("PRAGMA synchronous = OFF")  # the file does not count before it is complete and synced
        connection.execute("BEGIN")
        _collect(connection, PageSource(path, wal, schema.PAGE_BYTES).cells())
        saved = _weed(connection, set(bodies))
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return saved


def _collect(connection: sqlite3.Connection, cells: Iterator[Cell]) -> None:
    """Store every row that looks like one of ours."""
    for cell in cells:
        try:
            _store(connection, cell)
        except (sqlite3.Error, DialpostError, ValueError, TypeError, KeyError, OverflowError):
            continue  # only looked like a row


def _store(connection: sqlite3.Connection, cell: Cell) -> None:
    record = cell.record
    if cell.rowid is None:
        _store_fact(connection, record)
    elif cell.rowid < 1 or len(record) < 2 or record[0] is not None:
        return
    elif len(record) == _MESSAGE_WIDTH and isinstance(record[2], int):
        row: Row = (cell.rowid, *record[1:])
        if is_message_row(row):
            connection.execute(f"INSERT OR REPLACE INTO message VALUES ({_marks(row)})", row)
    elif len(record) == _RECIPIENT_WIDTH:
        _store_recipient(connection, (cell.rowid, *record[1:]))
    elif len(record) == 2 and isinstance(record[1], str) and isinstance(parse_json(record[1]), dict):
        connection.execute("INSERT OR REPLACE INTO call VALUES (?, ?)", (cell.rowid, record[1]))


def _store_fact(connection: sqlite3.Connection, record: Row) -> None:
    """Store a row of `memory`: for a counter the highest value, for anything else the last one seen."""
    if len(record) != 2 or not (isinstance(record[0], str) and isinstance(record[1], str)):
        return
    known = connection.execute("SELECT value FROM memory WHERE key = ?", record[:1]).fetchone()
    if known is not None and known[0].isdigit() and record[1].isdigit() and int(known[0]) > int(record[1]):
        return
    connection.execute("INSERT OR REPLACE INTO memory VALUES (?, ?)", record)


def _store_recipient(connection: sqlite3.Connection, row: Row) -> None:
    if not is_recipient_row(row):
        return
    # `>=`: of equal versions the later one counts, which the log has after the file.
    known = connection.execute("SELECT * FROM recipient WHERE key = ?", row[:1]).fetchone()
    if known is None or _progress(row) >= _progress(known):
        connection.execute(f"INSERT OR REPLACE INTO recipient VALUES ({_marks(row)})", row)


def _progress(row: Row) -> tuple[bool, int, int, int]:
    """How advanced a version of a recipient is: finished, then attempts, then the hold."""
    return row[_STATE] not in (WAITING, HELD), row[_ATTEMPTS], row[_LAST_TRY], row[_STATE]


def _weed(connection: sqlite3.Connection, bodies: set[int]) -> Salvaged:
    """Remove what is too incomplete to act upon, and count."""
    saved = Salvaged()
    per_message = (
        f"SELECT id, recipients, count(key), coalesce(sum(state IN ({WAITING}, {HELD})), 0) FROM message "
        f"LEFT JOIN recipient ON key BETWEEN id * {KEYS_PER_MESSAGE} AND (id + 1) * {KEYS_PER_MESSAGE} - 1 "
        "GROUP BY id"
    )
    doomed: list[int] = []
    for number, expected, found, unfinished in connection.execute(per_message):
        if number not in bodies and (unfinished or not found):
            doomed.append(number)
            if unfinished:
                saved.without_body.append(number)
        elif not unfinished:
            saved.history += 1
        else:
            saved.messages += 1
        if found < expected and number in bodies:
            saved.incomplete.append((number, expected - found))
    connection.executemany("DELETE FROM message WHERE id = ?", [(number,) for number in doomed])
    saved.orphans = _orphans(connection, bodies)
    connection.execute(f"DELETE FROM recipient WHERE key / {KEYS_PER_MESSAGE} NOT IN (SELECT id FROM message)")
    # The new database was never in use, so none of its log can be missing; which bodies the old one knew is
    # unknown.
    connection.execute("DELETE FROM memory WHERE key IN ('bodies_known_from', 'in_use')")
    return saved


def _orphans(connection: sqlite3.Connection, bodies: set[int]) -> dict[int, list[str]]:
    """Recipients of messages that have a body but no row of their own."""
    found: dict[int, list[str]] = {}
    rows = connection.execute(
        f"SELECT key / {KEYS_PER_MESSAGE}, address FROM recipient "
        f"WHERE key / {KEYS_PER_MESSAGE} NOT IN (SELECT id FROM message) ORDER BY key"
    )
    for number, address in rows:
        if number in bodies:
            found.setdefault(number, []).append(address)
    return found


def _marks(row: Row) -> str:
    return ", ".join("?" * len(row))
