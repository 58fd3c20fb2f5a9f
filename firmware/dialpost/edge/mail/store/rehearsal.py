"""Rehearsal of a new database format while a new release is on trial (decision 22).

The older release, which comes back if the new one does not prove itself, can't read a newer format. So while on
trial a database of an older format is left as it is (the station waits), and only a copy is converted, to see
whether that works. Blocks.
"""

from __future__ import annotations

import contextlib
import sqlite3
from contextlib import closing
from pathlib import Path

from dialpost.core.errors import DialpostError, fault_words
from dialpost.edge.mail.store import schema

_COPY = ".rehearsal"
_SUFFIXES = ("", "-wal", "-shm", "-journal")


def format_waits(path: Path) -> bool:
    """Whether opening the database would change its format, or that is unknown; a missing one is simply created."""
    if not path.exists():
        return False
    try:
        with closing(schema.connect(path, read_only=True)) as connection:
            return schema.user_version(connection) < len(schema.MIGRATIONS)
    except (sqlite3.Error, OSError, UnicodeDecodeError, MemoryError):  # a damaged page raises the last two
        return True


def rehearse(path: Path) -> str:
    """Convert a copy to the new format and delete it; returns what went wrong, "" = nothing."""
    copy = path.with_name(path.name + _COPY)
    _remove(copy)
    try:
        with closing(schema.connect(path, read_only=True)) as here, closing(sqlite3.connect(copy)) as there:
            here.backup(there)
        with closing(schema.connect(copy)) as connection:
            schema.migrate(connection)
            if schema.objects(connection) != schema.wanted_objects():
                return "the queue's new format is not as it should be"
    except (sqlite3.Error, OSError, DialpostError, UnicodeDecodeError, MemoryError) as error:
        return f"the queue can't be brought to its new format: {fault_words(error)}"
    finally:
        _remove(copy)
    return ""


def _remove(copy: Path) -> None:
    for suffix in _SUFFIXES:
        with contextlib.suppress(OSError):
            copy.with_name(copy.name + suffix).unlink()
