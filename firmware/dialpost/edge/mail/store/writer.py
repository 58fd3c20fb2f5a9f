"""The one thread that writes the database: all changes waiting when it is free go into one transaction.

So concurrent sessions share a commit and its fsync, and a lone one waits for nobody. A failing change does not
affect the others: the group is rolled back, and each change is tried alone. A caller's future is resolved only
after the commit; cancelling the caller does not undo the change.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from dialpost.core.errors import DamagedError, StorageError
from dialpost.edge.mail.store.faults import storage_error
from dialpost.edge.mail.store.tally import TallyChange

_MOST_IN_ONE_COMMIT = 500  # keeps a flood from delaying the first caller's reply

_T = TypeVar("_T")


@dataclass(slots=True)
class Transaction:
    """The state shared by the changes of one commit: the connection, and effects that apply with the commit."""

    connection: sqlite3.Connection
    tally: TallyChange = field(default_factory=TallyChange)
    finished: list[int] = field(default_factory=list)


Change = Callable[[Transaction], _T]


@dataclass(slots=True)
class _Task(Generic[_T]):
    change: Change[_T]
    future: asyncio.Future[_T]
    result: _T | None = None
    error: BaseException | None = None


class Writer:
    """Runs changes in groups. `committed` is called in this thread after each commit."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        committed: Callable[[Transaction], None],
        damaged: Callable[[DamagedError], None],
    ) -> None:
        self._connection = connection
        self._path = path
        self._committed = committed
        self._damaged = damaged
        self._loop = asyncio.get_running_loop()
        self._tasks: queue.SimpleQueue[_Task[Any] | None] = queue.SimpleQueue()
        self._closed = False
        # A thread of its own, not a pool: SQLite allows one writer, and its commits must not queue behind other
        # work.
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, change: Change[_T]) -> asyncio.Future[_T]:
        """Queue a change; the future has its result once it is durable.

        The future raises: StorageFullError, DamagedError, StorageError.
        """
        future: asyncio.Future[_T] = self._loop.create_future()
        if self._closed:
            future.set_exception(StorageError("The queue database is closed."))
        else:
            self._tasks.put(_Task(change, future))
        return future

    async def close(self) -> None:
        """Finish the queued changes and end the thread. The connection stays open."""
        if not self._closed:
            self._closed = True
            self._tasks.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while True:
            group, is_last = self._next_group()
            if group:
                self._answered(group)
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    self._loop.call_soon_threadsafe(_answer, group)
            if is_last:
                return

    def _next_group(self) -> tuple[list[_Task[Any]], bool]:
        """Wait for a task, then take all that are already queued."""
        group: list[_Task[Any]] = []
        task = self._tasks.get()
        while task is not None:
            group.append(task)
            if len(group) >= _MOST_IN_ONE_COMMIT:
                return group, False
            try:
                task = self._tasks.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _answered(self, group: list[_Task[Any]]) -> None:
        """Commit; whatever happens, the thread continues and every caller gets a result."""
        try:
            self._commit_group(group)
        except Exception as error:  # a bug of ours
            for task in group:
                task.error = task.error or storage_error(error, self._path)

    def _commit_group(self, group: list[_Task[Any]]) -> None:
        fault = self._commit(group)
        if fault is None:
            return
        for task in group:
            alone = fault if len(group) == 1 else self._commit([task])
            if alone is not None:
                task.error = storage_error(alone, self._path)
                if isinstance(task.error, DamagedError):
                    self._damaged(task.error)

    def _commit(self, tasks: list[_Task[Any]]) -> BaseException | None:
        """Do `tasks` in one transaction. On a fault nothing is changed, and the fault is returned."""
        transaction = Transaction(self._connection)
        try:
            # IMMEDIATE takes the write lock at once; a plain BEGIN could fail in the middle of the changes.
            self._connection.execute("BEGIN IMMEDIATE")
            for task in tasks:
                task.result = task.change(transaction)
            self._connection.execute("COMMIT")
        except Exception as error:
            with contextlib.suppress(sqlite3.Error):
                self._connection.rollback()
            return error
        self._committed(transaction)
        return None


def _answer(group: list[_Task[Any]]) -> None:
    """Give every caller its result, in the event loop."""
    for task in group:
        if task.future.done():  # the caller was cancelled; its change is made nevertheless
            continue
        if task.error is not None:
            task.future.set_exception(task.error)
        else:
            task.future.set_result(task.result)
