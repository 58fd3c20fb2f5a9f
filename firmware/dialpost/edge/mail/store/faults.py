"""Errors of SQLite as errors of this project."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from dialpost.core.advice import RESTART
from dialpost.core.errors import DamagedError, DialpostError, ReadOnlyError, StorageError, StorageFullError
from dialpost.edge.ground import durable

_RESTART = f"The station sets it aside and saves what can be read when it starts, so {RESTART}."
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_MAY_BE_FULL = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}


def storage_error(error: BaseException, path: Path) -> DialpostError:
    """The error to raise instead of `error`, which came out of the database at `path`."""
    if isinstance(error, DialpostError):
        return error
    if isinstance(error, UnicodeDecodeError):
        return DamagedError(f"The queue database is damaged (its own texts can't be read). {_RESTART}")
    if isinstance(error, MemoryError):  # SQLite also reports a damaged length this way
        return DamagedError(f"The queue database asks for more memory than there is. {_RESTART}")
    if isinstance(error, OSError):
        return durable.storage_error(error, "The queue database can't be used")
    code = getattr(error, "sqlite_errorcode", None) or 0
    if code & 0xFF == sqlite3.SQLITE_FULL:
        return StorageFullError("The card is full: the queue database can't grow.")
    if code & 0xFF == sqlite3.SQLITE_READONLY:
        return ReadOnlyError(f"The card is read-only: the queue database can't be written ({error}).")
    if code & 0xFF in _DAMAGED:
        return DamagedError(f"The queue database is damaged ({error}). {_RESTART}")
    if code & 0xFF in _MAY_BE_FULL and _is_full(path):
        return StorageFullError(f"The card is full: the queue database can't be written ({error}).")
    return StorageError(f"The queue database can't be used: {error}")


def _is_full(path: Path) -> bool:
    """SQLite says "I/O error" if its shared index can't grow: ask the file system for the reason."""
    try:
        status = os.statvfs(path.parent)
    except OSError:
        return False
    return status.f_bavail * status.f_frsize < 65_536 or (status.f_files > 0 and status.f_favail == 0)
