"""The one thread that writes the database: all changes waiting when it is free go into one transaction.

So concurrent sessions share a commit and its fsync, and a lone one waits for nobody. A failing change does not
affect the others: the group is rolled back, and each change is tried alone. A caller's future is resolved only
after the commit; cancelling the caller does not undo the change.

While a crowd submits mail, the event loop gathers the changes and hands them over together: each time this thread
wakes up, the sessions wait for the interpreter.

A logged change is durable by the log's own flush (`accept_log`), so the database's commit can wait for more: its
transaction stays open until another change comes, a reader asks (`settled`), or OPEN_S have passed. If that commit
fails, the changes are made again: they were answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from dialpost.core.errors import DamagedError, StorageError
from dialpost.core.mail.queue.spool_log import LogEntry
from dialpost.edge.mail.store.accept_log import AcceptLog
from dialpost.edge.mail.store.faults import storage_error
from dialpost.edge.mail.store.tally import TallyChange

_MOST_IN_ONE_COMMIT = 500  # keeps a flood from delaying the first caller's reply
OPEN_S = 1.0
"""The longest that answered changes wait for the database's commit."""
_GATHER_S = 0.004
"""The longest that a logged change waits for others that are coming in, if there are _CROWD of them."""
_CROWD = 3

_T = TypeVar("_T")


@dataclass(slots=True)
class Transaction:
    """The state shared by the changes of one commit: the connection, and effects that apply with the commit."""

    connection: sqlite3.Connection
    tally: TallyChange = field(default_factory=TallyChange)
    finished: list[int] = field(default_factory=list)
    entries: list[LogEntry] = field(default_factory=list)
    """What the log needs to hold before any of it is answered."""
    again: list[Callable[[Transaction], object]] = field(default_factory=list)
    """How a logged change is made again if the database's commit fails after its answer."""
    taken_back: list[Callable[[], object]] = field(default_factory=list)
    """What else to undo if the changes fail."""


Change = Callable[[Transaction], _T]


@dataclass(slots=True)
class _Task(Generic[_T]):
    change: Change[_T]
    future: asyncio.Future[_T]
    logged_bytes: int | None = None  # of the log, at most; None: needs a commit
    settles: bool = False
    numbers: Sequence[int] | None = None  # of the messages to settle; None: all
    result: _T | None = None
    error: BaseException | None = None


class Writer:
    """Runs changes in groups. `committed` is called in this thread when changes are durable."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        committed: Callable[[Transaction], None],
        damaged: Callable[[DamagedError], None],
        log: AcceptLog | None = None,
    ) -> None:
        self._connection = connection
        self._path = path
        self._committed = committed
        self._damaged = damaged
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._gathered: list[_Task[Any]] = []
        """What the thread does not have yet; only the event loop touches it."""
        self._gathering: asyncio.TimerHandle | None = None
        self._handed_over: queue.SimpleQueue[list[_Task[Any]] | None] = queue.SimpleQueue()
        """None: nothing more comes."""
        self._pending: deque[_Task[Any]] = deque()
        """What the thread has taken over and not begun; only the thread touches it."""
        self._is_ending = False
        self._closed = False
        self._open: list[Change[object]] = []
        """The logged changes whose commit is still to come, as they would be made again."""
        self._opened_s = 0.0
        self._is_stuck = False
        # A thread of its own, not a pool: SQLite allows one writer, and its commits must not queue behind other
        # work.
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, change: Change[_T], *, logged_bytes: int | None = None) -> asyncio.Future[_T]:
        """Queue a change; the future has its result once it is durable.

        `logged_bytes`: the change is durable by its entries in the log, which have that many bytes at most (0: by
        nothing, a crash may lose it). The future raises: StorageFullError, DamagedError, StorageError.
        """
        return self._put(_Task(change, self._loop.create_future(), logged_bytes))

    def settle(self, numbers: Sequence[int] | None = None) -> asyncio.Future[None]:
        """Commit what is open, and turn bodies in the log into files: those numbered, or all, and it is empty then.

        The future raises: StorageError.
        """
        return self._put(_Task(_nothing, self._loop.create_future(), settles=True, numbers=numbers))

    def _put(self, task: _Task[_T]) -> asyncio.Future[_T]:
        if self._closed:
            task.future.set_exception(StorageError("The queue database is closed."))
            return task.future
        self._gathered.append(task)
        if not self._waits_for_more(task):
            self._hand_over()
        elif self._gathering is None:
            self._gathering = self._loop.call_later(_GATHER_S, self._hand_over)
        return task.future

    def _waits_for_more(self, newest: _Task[Any]) -> bool:
        """Whether logged changes wait a moment for others: while a crowd submits mail."""
        if newest.logged_bytes is None or self._log is None:
            return False
        arriving, logged = self._log.arriving, [task.logged_bytes for task in self._gathered if task.logged_bytes]
        is_crowd = arriving > 0 and len(logged) > 0 and len(logged) + arriving >= _CROWD
        return is_crowd and len(self._gathered) < _MOST_IN_ONE_COMMIT and not self._is_much(sum(logged))

    def _hand_over(self) -> None:
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        gathered, self._gathered = self._gathered, []
        self._handed_over.put(gathered)

    @property
    def is_settled(self) -> bool:
        """Whether readers see every change that was answered."""
        return not self._open

    async def close(self) -> None:
        """Finish the queued changes and end the thread. The connection stays open."""
        if not self._closed:
            self._closed = True
            self._hand_over()
            self._handed_over.put(None)
        await asyncio.to_thread(self._thread.join)

    # -- in the thread ---------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            group, is_last = self._next_group()
            # Logged ones first: they needn't wait for the commit.
            for part, do in (
                ([task for task in group if task.logged_bytes is not None], self._do_group),
                ([task for task in group if task.logged_bytes is None and not task.settles], self._do_group),
                ([task for task in group if task.settles], self._settle_log),
            ):
                if part:
                    self._answered(part, do)
                    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                        self._loop.call_soon_threadsafe(_answer, part)
            if self._open and (is_last or time.monotonic() >= self._opened_s + OPEN_S):
                self._settle()
            if is_last:
                return

    def _next_group(self) -> tuple[list[_Task[Any]], bool]:
        """Wait for tasks, then take all that are there; none if the open transaction is due. True: no more come."""
        with contextlib.suppress(queue.Empty):
            handed_over = self._handed_over.get(timeout=self._wait_s())
            while True:
                self._pending += handed_over or ()
                self._is_ending = self._is_ending or handed_over is None
                handed_over = self._handed_over.get_nowait()
        group: list[_Task[Any]] = []
        logged_bytes = 0
        while self._pending and len(group) < _MOST_IN_ONE_COMMIT and not self._is_much(logged_bytes):
            group.append(self._pending.popleft())
            logged_bytes += group[-1].logged_bytes or 0
        return group, self._is_ending and not self._pending

    def _wait_s(self) -> float | None:
        """How long to wait for tasks: not at all if some are left, and no longer than a transaction may be open."""
        if self._pending:
            return 0.0
        return max(0.0, self._opened_s + OPEN_S - time.monotonic()) if self._open else None

    def _is_much(self, logged_bytes: int) -> bool:
        return self._log is not None and logged_bytes >= self._log.largest // 2 > 0

    def _answered(self, group: list[_Task[Any]], do: Callable[[list[_Task[Any]]], None]) -> None:
        """Make durable; whatever happens, the thread continues and every caller gets a result."""
        try:
            do(group)
        except Exception as error:  # a bug of ours
            for task in group:
                task.error = task.error or storage_error(error, self._path)

    def _do_group(self, group: list[_Task[Any]]) -> None:
        fault = self._do(group)
        if fault is None:
            return
        for task in group:
            alone = fault if len(group) == 1 else self._do([task])
            if alone is not None:
                task.error = storage_error(alone, self._path)
                if isinstance(task.error, DamagedError):
                    self._damaged(task.error)

    def _do(self, tasks: Sequence[_Task[Any]]) -> BaseException | None:
        """Do `tasks` in one step, all logged or none. On a fault nothing is changed, and the fault is returned."""
        transaction = Transaction(self._connection)
        is_logged = tasks[0].logged_bytes is not None
        try:
            if is_logged:
                self._prepare(sum(task.logged_bytes or 0 for task in tasks))
            self._begin()
            self._connection.execute("SAVEPOINT step")
            for task in tasks:
                task.result = task.change(transaction)
            if transaction.entries:
                assert self._log is not None
                is_logged = self._log.append(transaction.entries)
            self._connection.execute("RELEASE step")
            if is_logged:
                self._open += transaction.again
            else:
                self._commit()
        except Exception as error:
            self._undo()
            for take_back in transaction.taken_back:
                take_back()
            return error
        self._committed(transaction)
        return None

    def _prepare(self, logged_bytes: int) -> None:
        """Make room in the log: what becomes files there must have its rows. No more is logged for a database that
        can't be written.
        """
        is_short = self._log is not None and logged_bytes > 0 and not self._log.has_room(logged_bytes)
        if is_short or self._is_stuck:
            self._commit()
        if is_short and self._log is not None:
            with contextlib.suppress(StorageError):  # without room the bodies become files
                self._log.make_room(logged_bytes)

    def _begin(self) -> None:
        """Begin a transaction, unless one is open. Changes whose commit failed are made again first."""
        if self._connection.in_transaction:
            return
        # IMMEDIATE takes the write lock at once; a plain BEGIN could fail in the middle of the changes.
        self._connection.execute("BEGIN IMMEDIATE")
        self._opened_s = time.monotonic()
        scratch = Transaction(self._connection)  # its effects applied when it was answered
        try:
            for change in self._open:
                change(scratch)
        except BaseException:
            self._connection.rollback()  # with some of them it would look like the whole transaction
            raise

    def _commit(self) -> None:
        if self._open or self._connection.in_transaction:
            self._begin()
            self._connection.execute("COMMIT")
            self._open = []
        self._is_stuck = False

    def _undo(self) -> None:
        """Take a failed step back, but not the answered ones before it, as far as the database is able to."""
        try:
            self._connection.execute("ROLLBACK TO step")
            self._connection.execute("RELEASE step")
            if not self._open:
                self._connection.rollback()
        except sqlite3.Error:
            with contextlib.suppress(sqlite3.Error):
                self._connection.rollback()

    def _settle_log(self, tasks: list[_Task[Any]]) -> None:
        for task in tasks:
            try:
                self._commit()
                if self._log is not None:
                    self._log.settle(task.numbers)
            except Exception as error:
                task.error = storage_error(error, self._path)

    def _settle(self) -> None:
        """Commit what is open; after a fault, again with the next change, and a little later."""
        try:
            self._commit()
        except Exception as error:
            with contextlib.suppress(sqlite3.Error):
                self._connection.rollback()
            self._opened_s, self._is_stuck = time.monotonic(), True
            fault = storage_error(error, self._path)
            if isinstance(fault, DamagedError):
                self._damaged(fault)


def _nothing(transaction: Transaction) -> None:
    """The change of a task that changes no row."""


def _answer(group: list[_Task[Any]]) -> None:
    """Give every caller its result, in the event loop."""
    for task in group:
        if task.future.done():  # the caller was cancelled; its change is made nevertheless
            continue
        if task.error is not None:
            task.future.set_exception(task.error)
        else:
            task.future.set_result(task.result)
