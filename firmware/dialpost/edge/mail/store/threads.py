"""How the store works inside: one writer and one reader thread, the counts, and the orderly close."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from dialpost.core.errors import DamagedError, DialpostError, StorageError, StorageFullError
from dialpost.core.mail.queue.ids import queue_id
from dialpost.core.mail.queue.spool_log import LogEntry
from dialpost.edge.mail.store import changes, opening, schema
from dialpost.edge.mail.store.accept_log import AcceptLog
from dialpost.edge.mail.store.boxes import BoxNotes
from dialpost.edge.mail.store.faults import storage_error
from dialpost.edge.mail.store.ids import IdSource
from dialpost.edge.mail.store.many import ManyMessages
from dialpost.edge.mail.store.tally import measure
from dialpost.edge.mail.store.writer import Change, Transaction, Writer

_SETTLED_AT_ONCE = 64

_P = ParamSpec("_P")
_T = TypeVar("_T")


class StoreThreads:
    """An open database and the threads that use it; `Store` says what they do."""

    def __init__(
        self,
        path: Path,
        opened: opening.Opened,
        wall_clock: Callable[[], float],
        make_room: Callable[[], bool],
        log: AcceptLog | None,
    ) -> None:
        self.opening_report = opened.report
        self.first_new_id = queue_id(opened.first_number)
        self.bodies_known_from = queue_id(opened.bodies_known_from)
        self._path = path
        self._wall_clock = wall_clock
        self._make_room = make_room
        self._log = log
        self._connection = opened.connection
        self._counts = measure(opened.connection)
        self._finished: deque[int] = deque()
        self._damage: DamagedError | None = None
        self._writer = Writer(opened.connection, path, self._committed, self._found_damage, log)
        self._ids = IdSource(opened.first_number, opened.reserved_until, self._reserve_ids)
        self._reader_thread = ThreadPoolExecutor(1, thread_name_prefix="store-reader")
        self._reader: sqlite3.Connection | None = None
        self._closed = False
        self.many = ManyMessages(self._ask, self._change)
        self.boxes = BoxNotes(self._ask, self._change)

    async def close(self) -> None:
        """Finish current work and close; the next start then knows that the stop was orderly."""
        if self._closed:
            return
        self._closed = True
        settled = self._writer.settle()
        await self._writer.close()
        with contextlib.suppress(DialpostError):  # what stays in the log is found by the next start
            await settled
        await asyncio.to_thread(self._close_connections)

    def _close_connections(self) -> None:
        self._reader_thread.shutdown(wait=True)
        if self._reader is not None:
            self._reader.close()
        try:
            if self._damage is None:
                opening.mark_clean_stop(self._connection, self._ids.upcoming)
                self._connection.close()
                return
        except sqlite3.Error:
            pass  # without the mark the next start checks more, as after a crash
        opening.close_unfinished(self._connection, self._path)

    def _reserve_ids(self, until: int) -> asyncio.Future[None]:
        return self._add(lambda done: changes.remember(done, opening.IDS_RESERVED, str(until)))

    def _add(self, change: Change[_T], entry: LogEntry | None = None) -> asyncio.Future[_T]:
        """A change that may be refused on a full card; `entry` is what it logs."""
        return self._writer.submit(change, logged_bytes=None if entry is None else entry.size)

    async def _change(self, change: Change[_T]) -> _T:
        """A change that must succeed even on a full card: fates, and whatever makes room."""
        while True:
            try:
                return await self._add(change)
            except StorageFullError:
                if not await asyncio.to_thread(self._make_room):
                    raise

    async def _ask(
        self,
        query: Callable[Concatenate[sqlite3.Connection, _P], _T],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _T:
        if self._closed:
            raise StorageError("The queue database is closed.")

        def run() -> _T:
            if self._reader is None:
                self._reader = schema.connect(self._path, read_only=True)
            return query(self._reader, *args, **kwargs)

        if not self._writer.is_settled:
            await self._change(lambda _: None)  # its commit takes what was answered with it
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reader_thread, run)
        except RuntimeError as error:  # no thread can be started
            raise StorageError(f"The queue database can't be asked at the moment: {error}") from error
        except (sqlite3.Error, UnicodeDecodeError, MemoryError) as error:
            fault = storage_error(error, self._path)
            if isinstance(fault, DamagedError):
                self._found_damage(fault)
            raise fault from error

    async def _empty_log(self) -> None:
        """Turn all bodies in the log into files, a few at a time: new mail must not wait for thousands of them."""
        numbers = [] if self._log is None else [number for number, _ in self._log.notes()]
        for at in range(0, len(numbers), _SETTLED_AT_ONCE):
            await self._writer.settle(numbers[at : at + _SETTLED_AT_ONCE])
        await self._writer.settle()

    def _committed(self, transaction: Transaction) -> None:
        """Called in the writer thread when changes are durable, by the log or a commit."""
        self._counts = transaction.tally.applied_to(self._counts)
        self._finished.extend(transaction.finished)

    def _found_damage(self, damage: DamagedError) -> None:
        """Remember, so that the next start checks thoroughly even after an orderly stop."""
        self._damage = self._damage or damage
        with contextlib.suppress(OSError):  # without an orderly stop the next start checks thoroughly anyway
            opening.wants_check(self._path).touch()

    def _now_s(self) -> int:
        return int(self._wall_clock())
