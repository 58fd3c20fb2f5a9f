"""The log that makes accepted messages durable before their rows are: what the store needs of it, what it notes
there, and how a start gets the rows back.

A message's rows go into the log together with its body, and only later into the database, many in one commit. So
after a crash the log may hold messages whose rows the database never got: `restore_rows` inserts them. A row that
is there is newer than the log's.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Protocol

from dialpost.core.errors import StorageError
from dialpost.core.json_text import parse_json
from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.queue.records import BY_STATION, MessageRecord
from dialpost.core.mail.queue.spool_log import LogEntry
from dialpost.edge.mail.store.box_rows import took
from dialpost.edge.mail.store.rows import (
    HELD,
    MESSAGE_COLUMNS,
    RECIPIENT_COLUMNS,
    Row,
    box_uid_of,
    is_message_row,
    is_recipient_row,
    message_row,
    recipient_row,
)

INSERT_MESSAGE = f"INSERT INTO message ({MESSAGE_COLUMNS}) VALUES ({', '.join('?' * 16)})"
INSERT_RECIPIENT = f"INSERT INTO recipient ({RECIPIENT_COLUMNS}) VALUES ({', '.join('?' * 16)})"
_MAY_BE_DELIVERED = (
    "The queue database lost its entry: it may have been delivered already. Release it if it was not."
)
_as_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_DIGEST = MESSAGE_COLUMNS.split(", ").index("digest")


class AcceptLog(Protocol):
    """The log of the spool (edge/mail/spool/logged). All but `body_of`, `arriving` and `notes` run in one thread.

    Without a log there is nothing in it, and every body is a file.
    """

    @property
    def arriving(self) -> int:
        """The number of messages that are coming in at this moment."""

    @property
    def largest(self) -> int:
        """The most bytes of entries (`LogEntry.size`) for one `append`."""

    def body_of(self, queue_id: QueueId) -> bytes | None:
        """A complete body that waits for its row; None if it is a file."""

    def has_room(self, content: int) -> bool:
        """Whether entries of `content` bytes (`LogEntry.size`) fit."""

    def make_room(self, content: int) -> None:
        """Turn the oldest bodies into files until `has_room`, if that is possible. Their rows must be durable.

        Raises: StorageError.
        """

    def append(self, entries: Sequence[LogEntry]) -> bool:
        """Make messages durable; returns whether that includes their rows. Without room bodies become files.

        Raises: StorageError; then none of them is logged.
        """

    def notes(self) -> list[tuple[int, bytes]]:
        """Queue number and note of each message in the log, oldest first."""

    def settle(self, numbers: Sequence[int] | None = None) -> None:
        """Turn bodies into files: all, or those numbered. The rows of all must be durable. Raises: StorageError."""


def note_of(message: MessageRecord) -> bytes:
    """A message's rows as the log keeps them: JSON, columns as in MESSAGE_COLUMNS and RECIPIENT_COLUMNS."""
    row = list(message_row(message))
    row[_DIGEST] = None if row[_DIGEST] is None else row[_DIGEST].hex()
    recipients = [recipient_row(message, recipient) for recipient in message.recipients]
    return _as_json([row, recipients]).encode()


def rows_of(note: bytes) -> tuple[Row, list[Row]] | None:
    """The rows in a note; None if it is not one of ours."""
    try:
        given = parse_json(note.decode())
        row, recipients = _rows(given)
    except (ValueError, TypeError, IndexError):
        return None
    is_ours = is_message_row(row) and recipients and all(is_recipient_row(one) for one in recipients)
    return (row, recipients) if is_ours else None


def _rows(given: Any) -> tuple[Row, list[Row]]:
    row, recipients = given
    digest = row[_DIGEST]
    row[_DIGEST] = None if digest is None else bytes.fromhex(digest)
    return tuple(row), [tuple(one) for one in recipients]


def restore_rows(connection: sqlite3.Connection, log: AcceptLog, known_from: int) -> int:
    """Insert the rows that a crash kept from the database, in one transaction; returns how many messages are held.

    A message without a row and numbered below `known_from` belongs to a database that was lost. It may have been
    delivered since, so it is held for an operator to decide. If its note can't be read, its body becomes a file,
    which recovery sets aside. Raises: sqlite3.Error.
    """
    unknown: list[int] = []
    held = 0
    connection.execute("BEGIN IMMEDIATE")
    for number, note in log.notes():
        if connection.execute("SELECT 1 FROM message WHERE id = ?", (number,)).fetchone() is not None:
            continue
        rows = rows_of(note)
        if rows is None:
            unknown.append(number)
            continue
        message, recipients = rows
        if number < known_from:
            recipients = [_held(row) for row in recipients]
            held += 1
        connection.execute(INSERT_MESSAGE, message)
        connection.executemany(INSERT_RECIPIENT, recipients)
        from_box = box_uid_of(message)
        if from_box is not None:
            took(connection, from_box)
    connection.execute("COMMIT")
    if unknown:
        # On a full card they stay where they are: recovery reports them, and the next start tries again.
        with contextlib.suppress(StorageError):
            log.settle(unknown)
    return held


def _held(row: Row) -> Row:
    """The row of a recipient that nobody knows to be finished or not."""
    changed = {"state": HELD, "last_reply": _MAY_BE_DELIVERED, "last_by": BY_STATION}
    return tuple(changed.get(name, value) for name, value in zip(RECIPIENT_COLUMNS.split(", "), row, strict=True))
