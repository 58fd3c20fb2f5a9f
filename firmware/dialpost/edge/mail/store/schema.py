"""The database's tables, their pragmas, and the steps from one version to the next.

Designed to write little to the card (figures in decision 7): small pages, because every commit writes whole pages;
few indexes, and partial ones, because each is another page; no index for queries that only an operator makes
(`trace`, `list`), which scan. A recipient's key is its message's number times 2**20 plus its own number, so rows
are appended and found by range.

The numbers of enum members are in `rows`. State 0 is WAITING.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from dialpost.core.errors import StorageError

APPLICATION_ID = 0x4469616C  # "Dial"
PAGE_BYTES = 1024
WAL_PAGES = 1000  # pages between checkpoints: the log soon stops growing, and each growth is a journal write
WAL_BYTES = 32 + (WAL_PAGES + 50) * (PAGE_BYTES + 24)
"""The length of the log: its header, and that many frames; the last commit before a checkpoint may go beyond."""

_VERSION_1 = """
CREATE TABLE message (
    id INTEGER PRIMARY KEY,
    sender TEXT NOT NULL,
    size INTEGER NOT NULL,
    wire_size INTEGER NOT NULL,
    local_prefix INTEGER NOT NULL,
    received_s INTEGER NOT NULL,
    origin INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    digest BLOB,
    digest_key INTEGER,
    peer TEXT,
    account TEXT,
    message_id TEXT,
    subject TEXT,
    extra TEXT,
    recipients INTEGER NOT NULL
);
CREATE INDEX message_repeat ON message(digest_key) WHERE digest_key IS NOT NULL;
CREATE TABLE recipient (
    key INTEGER PRIMARY KEY,
    address TEXT NOT NULL,
    domain TEXT,
    account TEXT,
    state INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    wire_size INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    next_try_s INTEGER NOT NULL,
    last_try_s INTEGER NOT NULL,
    last_reply TEXT,
    last_by TEXT,
    flags INTEGER NOT NULL,
    notify INTEGER,
    orcpt TEXT,
    original_address TEXT
);
CREATE INDEX recipient_local ON recipient(next_try_s) WHERE state = 0 AND domain IS NULL;
CREATE INDEX recipient_line ON recipient(priority, wire_size, key, domain, next_try_s)
    WHERE state = 0 AND domain IS NOT NULL;
CREATE INDEX recipient_held ON recipient(state) WHERE state = 1;
CREATE TABLE call (number INTEGER PRIMARY KEY, record TEXT NOT NULL);
CREATE TABLE memory (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

MIGRATIONS: tuple[str, ...] = (_VERSION_1,)
"""The n-th script converts a database from version n to n + 1. Never change one that was released."""


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection with our settings; `read_only` for queries beside the writer.

    Commits are durable when they return (WAL, synchronous=FULL). Until `tidy_up_on_close`, closing it leaves the
    log in place (except on Python 3.11, which has no switch for it), so a missing log was lost. Raises:
    sqlite3.Error.
    """
    # isolation_level=None: the writer begins and ends its transactions itself. check_same_thread=False: the
    # connection is opened in one thread and used in another, never in two at once.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        _leave_log_on_close(connection, True)
        _set_up(connection, read_only=read_only)
    except BaseException:
        connection.close()
        raise
    return connection


def tidy_up_on_close(connection: sqlite3.Connection) -> None:
    """Let closing it move the log into the database and delete it."""
    _leave_log_on_close(connection, False)


def _leave_log_on_close(connection: sqlite3.Connection, leave: bool) -> None:
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, leave)


def _set_up(connection: sqlite3.Connection, *, read_only: bool) -> None:
    # Sorting must not write temporary files to the card.
    connection.execute("PRAGMA temp_store = MEMORY")
    # One damaged text must not make every query that meets its row fail.
    connection.text_factory = _text
    if read_only:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA cache_size = -1024")
        return
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -2048")
    connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")


def _text(data: bytes) -> str:
    """Text as it was stored; octets damaged by the card become the replacement character."""
    return data.decode("utf-8", "replace")


def objects(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    """The names and definitions of the tables and indexes."""
    return set(connection.execute("SELECT name, sql FROM sqlite_master").fetchall())


def wanted_objects() -> set[tuple[str, str]]:
    """The tables and indexes of the newest version."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        return objects(connection)


def migrate(connection: sqlite3.Connection) -> None:
    """Convert the tables to the newest version, each step in one transaction.

    Raises: StorageError if a newer Dialpost made them; sqlite3.Error.
    """
    version = user_version(connection)
    if version > len(MIGRATIONS):
        raise StorageError(
            f"The queue was written by a newer Dialpost (format {version}; this one knows "
            f"{len(MIGRATIONS)}). Install that version again; nothing was changed."
        )
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in script.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise


def user_version(connection: sqlite3.Connection) -> int:
    """The version of the tables; 0 for an empty database."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
