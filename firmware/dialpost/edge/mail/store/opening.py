"""Opening the database at the start: sound, new, or damaged and replaced by what could be salvaged.

A damaged database is never deleted: it is set aside as `queue.db.damaged-N` (with its -wal) once everything
readable has been copied into a new one. A crash at any moment leaves a state from which the next start can
continue: the salvaged copy gets its name `queue.db.salvaged` only when it is complete, and if a start finds that
name, it first finishes the exchange.

Two numbers in the table `memory` outlive restarts: `ids_reserved` (see `ids`) and `bodies_known_from`. A body
numbered below the latter and without a row may belong to a message that a lost database knew, and must be kept; one
numbered from there on was never acknowledged.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from dialpost.core.amounts import count_words
from dialpost.edge.ground.durable import sync
from dialpost.edge.mail.store import salvage, schema
from dialpost.edge.mail.store.accept_log import AcceptLog, restore_rows
from dialpost.edge.mail.store.faults import storage_error
from dialpost.edge.mail.store.ids import BLOCK
from dialpost.edge.mail.store.raw_pages import WalFrames, page_bytes, wal_frames
from dialpost.edge.mail.store.rows import Row

IDS_RESERVED, BODIES_KNOWN_FROM, IN_USE = "ids_reserved", "bodies_known_from", "in_use"

_DAMAGE_CODES = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_UNREADABLE_CODES = {sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS}
"""Of SQLite's I/O errors only these are damage: it also says "I/O error" on a card that is full or read-only."""
_CHECKED_AFTER_CLEAN_STOP_BYTES = 8 * 1024 * 1024
"""Up to this size the check takes a moment, so it is made even after an orderly stop."""
_PLENTY_BYTES = 16 * 1024 * 1024
"""More than SQLite needs to examine a sound database: see `schema.connect`."""

Numbers = Callable[[], Iterable[int]]


@dataclass(frozen=True, slots=True)
class Opened:
    """An open database. `first_number` is the first id this run may assign."""

    connection: sqlite3.Connection
    first_number: int
    reserved_until: int
    bodies_known_from: int
    report: tuple[str, ...]


def open_database(
    path: Path, body_numbers: Numbers, other_numbers: Numbers, log: AcceptLog | None = None
) -> Opened:
    """Open the database at `path`, creating or salvaging it if necessary.

    `body_numbers` returns the queue numbers of all body files, `other_numbers` those seen elsewhere (in mailboxes),
    called only if the database can't tell. `log` may hold messages whose rows a crash kept from the database.
    Blocks: run it in a thread.

    Raises: StorageFullError, StorageError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _open(path, body_numbers, other_numbers, log)
    except (sqlite3.Error, UnicodeDecodeError, OSError) as error:
        raise storage_error(error, path) from error


def _open(path: Path, body_numbers: Numbers, other_numbers: Numbers, log: AcceptLog | None) -> Opened:
    # Before anything opens the database: half an exchange would look like a database without its log.
    report = _finish_exchange(path)
    log_was_there = _keep_log(path) and _log_holds_something(path)
    why, sound = damage(path)
    # A power cut during the very first start is not damage: there is nothing to salvage, and nothing to report.
    if why is not None and _is_only_begun(path, body_numbers):
        why = None
    if why is not None:
        report += _replace_damaged(path, why, body_numbers)
    connection = sound or schema.connect(path)
    try:
        _remove(_kept_log(path))  # before the first change: restored later, it would undo part of what follows
        schema.migrate(connection)
        if why is None and not log_was_there and _was_in_use(connection):
            report.append(
                "The queue database's log (queue.db-wal) is missing or empty: its last entries may be lost. "
                "Messages without an entry are set aside (set-aside/)."
            )
            connection.execute("DELETE FROM memory WHERE key = ?", (BODIES_KNOWN_FROM,))
        first, known_from = _reserve_ids(connection, body_numbers, other_numbers)
        if log is not None and (held := restore_rows(connection, log, known_from)):
            report.append(
                f"{count_words(held, 'message is', 'messages are')} held because the queue database lost the "
                "entries. This mail may have been delivered already. `dialpost queue list --held` shows it: "
                "release what was not."
            )
        _lengthen_log(path)
        with contextlib.suppress(OSError):  # a file that stays only makes the next start check again
            wants_check(path).unlink(missing_ok=True)
    except BaseException:
        close_unfinished(connection, path)
        raise
    return Opened(connection, first, first + BLOCK, known_from, tuple(report))


def mark_clean_stop(connection: sqlite3.Connection, next_number: int) -> None:
    """Record that everything was closed in order, and give back the reserved numbers that were not used."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE memory SET value = ? WHERE key = ?", (str(next_number), IDS_RESERVED))
    connection.execute("DELETE FROM memory WHERE key = ?", (IN_USE,))
    connection.execute("COMMIT")
    schema.tidy_up_on_close(connection)


def close_unfinished(connection: sqlite3.Connection, path: Path) -> None:
    """Close without order, keeping for the next start the log that SQLite may delete."""
    with contextlib.suppress(OSError):
        if not _kept_log(path).exists():
            _keep_log(path)
    connection.close()


def wants_check(path: Path) -> Path:
    """The file whose presence makes the next start check thoroughly."""
    return path.with_name(path.name + ".check")


def damage(path: Path) -> tuple[str | None, sqlite3.Connection | None]:
    """What is wrong with the database file; or None and, if there is a database, the connection to it.

    The connection stays open: closing it would delete the log, and the next start would miss it. A missing or empty
    database without a log is in order. Raises: sqlite3.Error if it can't be opened for another reason (no
    permission, card full).
    """
    kept = _kept_log(path)
    if not path.exists() or path.stat().st_size == 0:
        return ("it is empty" if kept.exists() else None), None
    frames = wal_frames(kept, page_bytes(path, schema.PAGE_BYTES))
    if frames is not None and not frames.header_is_sound:
        return "the head of its log is damaged", None  # SQLite would silently skip the whole log
    connection: sqlite3.Connection | None = None
    why: str | None = "it could not be looked at"
    try:
        connection = schema.connect(path)
        why = _damage_seen(path, connection, frames)
    except UnicodeDecodeError:
        why = "its own texts can't be read"
    except MemoryError:
        if not _is_memory_left():
            raise
        why = "it asks for more memory than there can be"
    except sqlite3.Error as error:
        if not _is_damage(error):
            raise
        why = str(error)
    finally:
        if why is not None and connection is not None:
            connection.close()
    return (None, connection) if why is None else (why, None)


def _damage_seen(path: Path, connection: sqlite3.Connection, frames: WalFrames | None) -> str | None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    version = schema.user_version(connection)
    if version == 0 or application != schema.APPLICATION_ID:
        return "it is not a queue database"
    has_our_tables = schema.objects(connection) == schema.wanted_objects()
    if version > len(schema.MIGRATIONS):
        return "its version number is damaged" if has_our_tables else None
    if version == len(schema.MIGRATIONS) and not has_our_tables:
        return "its tables are not as they were made"
    return _log_damage(connection, frames) or _page_damage(path, connection)


def _is_memory_left() -> bool:
    """Whether there is memory left: SQLite says "out of memory" about a damaged length, too."""
    try:
        return len(bytearray(_PLENTY_BYTES)) == _PLENTY_BYTES
    except MemoryError:
        return False


def _is_only_begun(path: Path, body_numbers: Numbers) -> bool:
    """Whether the power failed while the database was being created: one page, no table, no body ever stored."""
    if not path.exists() or path.stat().st_size > schema.PAGE_BYTES or any(True for _ in body_numbers()):
        return False
    frames = wal_frames(_kept_log(path), schema.PAGE_BYTES)
    if frames is not None and not frames.header_is_sound:
        return False
    try:
        with closing(schema.connect(path)) as connection:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            is_blank = not (application or schema.user_version(connection) or schema.objects(connection))
            return is_blank and _log_damage(connection, frames) is None
    except (sqlite3.Error, UnicodeDecodeError, MemoryError):
        return False


def _log_damage(connection: sqlite3.Connection, frames: WalFrames | None) -> str | None:
    """Whether SQLite skips more of the log than a power cut can damage, which is the last commit."""
    if frames is None:
        return None
    _, used, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    left_out = [commit for commit in frames.commits if commit > used]
    return "its log is damaged in the middle" if len(left_out) > 1 else None


def _page_damage(path: Path, connection: sqlite3.Connection) -> str | None:
    """What SQLite's own check finds; it is omitted after an orderly stop if it would take long."""
    is_small = path.stat().st_size < _CHECKED_AFTER_CLEAN_STOP_BYTES
    if not (is_small or _was_in_use(connection) or wants_check(path).exists()):
        return None
    with path.open("rb") as file:  # into the cache sequentially, which is fastest on a card
        while file.read(1 << 20):
            pass
    (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    return None if verdict == "ok" else str(verdict)


def _was_in_use(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM memory WHERE key = ?", (IN_USE,)).fetchone() is not None


def _lengthen_log(path: Path) -> None:
    """Give SQLite's log its full length at once: while it grows, each commit costs a commit of the journal, too.

    SQLite takes zeros for frames that it has not written yet. If there is no room, commits only cost more.
    """
    with contextlib.suppress(OSError), _family(path)[1].open("r+b") as file:
        missing = schema.WAL_BYTES - file.seek(0, os.SEEK_END)
        if missing > 0:
            file.write(bytes(missing))
            file.flush()
            os.fdatasync(file.fileno())


def _keep_log(path: Path) -> bool:
    """Give the log a second name, so that SQLite can't delete what it does not understand.

    Returns whether there was one. If a start was interrupted here, the second name already exists and takes
    precedence: under the first SQLite may have started another log.
    """
    kept, log = _kept_log(path), _family(path)[1]
    if kept.exists():
        _remove(log)
        kept.rename(log)
    if not log.exists():
        return False
    try:
        os.link(log, kept)
    except OSError:  # a file system without links
        copying = kept.with_name(kept.name + ".new")
        shutil.copyfile(log, copying)
        sync(copying)
        copying.rename(kept)
    sync(path.parent)
    return True


def _log_holds_something(path: Path) -> bool:
    """Whether the log has frames. A used log keeps its length, so one without any is another."""
    frames = wal_frames(_kept_log(path), page_bytes(path, schema.PAGE_BYTES))
    return frames is not None and not frames.is_blank


def _kept_log(path: Path) -> Path:
    return path.with_name(path.name + "-wal-kept")


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", None) or 0
    return code & 0xFF in _DAMAGE_CODES or code in _UNREADABLE_CODES or "no such table" in str(error)


def _reserve_ids(connection: sqlite3.Connection, body_numbers: Numbers, other_numbers: Numbers) -> tuple[int, int]:
    """Reserve this run's first block above every number ever seen; returns its start and `bodies_known_from`."""
    facts: dict[str, str] = dict(connection.execute("SELECT key, value FROM memory").fetchall())
    (highest_row,) = connection.execute("SELECT coalesce(max(id), 0) FROM message").fetchone()
    highest_body = max(body_numbers(), default=0)
    first = max(int(facts.get(IDS_RESERVED, 1)), highest_row + 1)
    known_from = int(facts.get(BODIES_KNOWN_FROM, 0))
    if IDS_RESERVED not in facts or BODIES_KNOWN_FROM not in facts or highest_body >= first:
        highest = max(highest_body, max(other_numbers(), default=0), highest_row)
        # A whole block above: a lost database may have assigned numbers that left no trace.
        first = max(first, highest + 1 + (BLOCK if highest else 0))
        known_from = first
    rows: list[Row] = [
        (IDS_RESERVED, str(first + BLOCK)),
        (BODIES_KNOWN_FROM, str(known_from)),
        (IN_USE, "1"),
    ]
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT OR REPLACE INTO memory VALUES (?, ?)", rows)
    connection.execute("COMMIT")
    return first, known_from


def _replace_damaged(path: Path, why: str, body_numbers: Numbers) -> list[str]:
    """Salvage the readable rows into a new database, set the damaged one aside, and replace it."""
    making = path.with_name(path.name + ".salvaging")
    for leftover in _family(making):
        leftover.unlink(missing_ok=True)
    saved = salvage.salvage(path, _kept_log(path), making, body_numbers())
    for extra in _family(making)[1:]:
        extra.unlink(missing_ok=True)
    # The content before the name: queue.db.salvaged must never name a file that a power cut can still empty.
    sync(making)
    making.rename(_salvaged(path))
    sync(path.parent)
    aside = _exchange(path)
    return [
        f"The queue database was damaged ({why}). It was set aside as {aside.name}; nothing was deleted.",
        *saved.report,
    ]


def _finish_exchange(path: Path) -> list[str]:
    """Finish an exchange that a crash interrupted; returns a sentence about it."""
    if not _salvaged(path).exists():
        return []
    aside = _exchange(path)
    return [f"The queue database was damaged. It was set aside as {aside.name}; what could be recovered is in use."]


def _exchange(path: Path) -> Path:
    """Set the damaged database aside and give the salvaged one its name, from whatever state a crash left.

    The log moves first: beside the new database it would be taken for its log. A name with a log but no database
    belongs to an interrupted exchange, and is used again.
    """
    aside = _aside(path)
    database, log, index = _family(path)
    aside_database, aside_log, _ = _family(aside)
    index.unlink(missing_ok=True)  # rebuilt from the log by whoever opens it
    for name in (_kept_log(path), log):  # two names of one file, or a log that SQLite started beside the kept one
        if name.exists() and not aside_log.exists():
            name.rename(aside_log)
        name.unlink(missing_ok=True)
    sync(path.parent)
    if database.exists():
        database.rename(aside_database)
        sync(path.parent)
    _salvaged(path).rename(path)
    wants_check(path).unlink(missing_ok=True)
    sync(path.parent)
    return aside


def _aside(path: Path) -> Path:
    """The name for the damaged database: the next free one, or that of an interrupted exchange."""
    number = 1
    while any(name.exists() for name in _family(path.with_name(f"{path.name}.damaged-{number}"))):
        number += 1
    last, free = (path.with_name(f"{path.name}.damaged-{each}") for each in (number - 1, number))
    if number == 1 or _kept_log(path).exists():  # the log moves first: no exchange has begun
        return free
    last_log, log = _family(last)[1], _family(path)[1]
    its_log_has_moved = last_log.exists() and (not log.exists() or log.samefile(last_log))
    return last if not path.exists() or (its_log_has_moved and not last.exists()) else free


def _salvaged(path: Path) -> Path:
    return path.with_name(path.name + ".salvaged")


def _family(path: Path) -> tuple[Path, Path, Path]:
    """A database's files: itself, its log, its shared index."""
    return path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


def _remove(path: Path) -> None:
    """Remove a file durably, if it exists."""
    if path.exists():
        path.unlink()
        sync(path.parent)
