"""The rows of the notes about messages in mailboxes at providers: in the table `memory`, so that the format of the
queue stays the same (decision 22).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from dialpost.core.mail.inbound.boxes import BoxNote, BoxState, BoxUid
from dialpost.edge.mail.store.rows import clean

PREFIX = "box:"
AFTER = "\x7f"
"""Sorts behind every UID."""


def took(connection: sqlite3.Connection, message: BoxUid) -> None:
    """Note that it was accepted; in the transaction that inserts it."""
    write_notes(connection, message.box, {message.uid: BoxNote(BoxState.TAKEN, message.size)})


def box_key(box: str, uid: str) -> str:
    """The key of one note."""
    return f"{PREFIX}{box}\n{uid}"


def write_notes(connection: sqlite3.Connection, box: str, notes: Mapping[str, BoxNote | None]) -> None:
    """Write notes by UID; None deletes one."""
    for uid, note in notes.items():
        key = clean(box_key(box, uid))
        if note is None:
            connection.execute("DELETE FROM memory WHERE key = ?", (key,))
        else:
            connection.execute("INSERT OR REPLACE INTO memory VALUES (?, ?)", (key, clean(note.to_text())))
