"""Small messages that need no file of their own: what the log holds, and how it becomes files again.

A body that is complete but has no row yet is held in memory (`hold`): its row goes into the log together with it,
written by whoever keeps the rows (`AcceptLog` in edge/mail/store). If the log needs the room, and when the station
stops, bodies become files as if there were no log: so an earlier release, which knows none, finds all mail.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Literal

from dialpost.core.errors import StorageError
from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.queue.ids import queue_id, queue_number
from dialpost.core.mail.queue.spool_log import LogEntry
from dialpost.edge.ground.written_data import reach_disk, start_writing
from dialpost.edge.mail.spool.faults import storage_error
from dialpost.edge.mail.spool.log import BodyLog

LOG_NAME = "log"
LOG_BYTES = 16 * 1024 * 1024
"""Room for some 3,000 small messages; more that wait become files."""
_SHARE = 64
"""On a small card the log takes a 64th of it."""
LONGEST_LOGGED = 65_536
"""A longer body is a file at once: for it a file's cost is small."""
_FILES_AT_ONCE = 64
"""The files that are made with one flush. All of them are open at once."""
_NOT_ITS_FAULT = (errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Errors at opening a log that may be whole: set aside, it would take acknowledged mail with it."""
_MAY_BE_LOST = (
    "Messages in it that the queue knows are held; others, accepted just before the stop, may be lost. "
    "Ask whoever sent mail shortly before the stop to check that it arrived."
)


class HeldBody:
    """A complete body without a row. It is forgotten with its last owner."""

    def __init__(self, data: bytes) -> None:
        self.data = data


class LoggedBody:
    """One body in the log; it is a file instead as soon as the log needed the room."""

    def __init__(self, logged: LoggedBodies, queue_id: QueueId) -> None:
        self._logged, self._queue_id = logged, queue_id

    def open(self, mode: Literal["rb"]) -> BinaryIO:
        """Open it for reading. Raises: FileNotFoundError, OSError."""
        data = self._logged.read(self._queue_id)
        return self._logged.path(self._queue_id).open(mode) if data is None else io.BytesIO(data)


class LoggedBodies:
    """The log of one spool directory, which may not be there (yet): then every body is a file."""

    def __init__(self, directory: Path, size: int, arrivals: Callable[[], int]) -> None:
        self._directory = directory
        self._size = size
        self._arrivals = arrivals
        self._log: BodyLog | None = None
        self._held: weakref.WeakValueDictionary[QueueId, HeldBody] = weakref.WeakValueDictionary()
        self.report: list[str] = []

    # -- opening ---------------------------------------------------------------------------------------

    def prepare(self) -> bool:
        """Open the log if there is one; returns whether one is to be made. Raises: StorageError."""
        path = self._directory / LOG_NAME
        try:
            self._log = BodyLog.open(path)
        except FileNotFoundError:
            return self._size > 0
        except StorageError as error:
            if getattr(error.__cause__, "errno", None) in _NOT_ITS_FAULT:
                raise
            self.report.append(
                f"{str(error).rstrip('.')}. It is kept as {self._put_aside(path).name}. {_MAY_BE_LOST}"
            )
            return self._size > 0
        if self._log.missing or self._log.unreadable:
            self.report.append(
                f"The spool's log is damaged (groups of messages missing: {self._log.missing}, blocks that can't "
                f"be read: {self._log.unreadable}). {_MAY_BE_LOST}"
            )
        return False

    def _put_aside(self, path: Path) -> Path:
        number = 1
        while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
            number += 1
        try:
            path.rename(aside)
        except OSError as error:
            raise storage_error(error, f"The spool's log {path} can't be set aside") from error
        return aside

    def make_none(self) -> None:
        """Call it before `prepare`, and a log is only used if there is one.

        A release on trial must leave all mail where the previous one finds it (decision 22), which may know no log.
        """
        self._size = 0

    def make(self) -> None:
        """Make the log; takes a second or two on a card. Without room for it every body stays a file."""
        with contextlib.suppress(StorageError, OSError):
            status = os.statvfs(self._directory)
            size = min(self._size, status.f_blocks * status.f_frsize // _SHARE)
            self._log = BodyLog.create(self._directory / LOG_NAME, size)

    def close(self) -> None:
        """Let go of the file."""
        log, self._log = self._log, None
        if log is not None:
            log.close()

    # -- bodies ----------------------------------------------------------------------------------------

    @property
    def is_ready(self) -> bool:
        """Whether small bodies go into the log."""
        return self._log is not None

    def hold(self, queue_id: QueueId, body: HeldBody) -> None:
        """Keep a complete body until its row comes, as long as its owner does."""
        self._held[queue_id] = body

    def drop(self, queue_id: QueueId) -> bool:
        """Forget a body, held or logged; returns whether there was one."""
        was_held = self._held.pop(queue_id, None) is not None
        number = queue_number(queue_id)
        return (self._log is not None and number is not None and self._log.forget(number)) or was_held

    def read(self, queue_id: QueueId) -> bytes | None:
        """A body; None if it is not in the log. Raises: OSError."""
        number = queue_number(queue_id)
        return None if self._log is None or number is None else self._log.read(number)

    def path(self, queue_id: QueueId) -> Path:
        """Where the file is that a body becomes."""
        return self._directory / queue_id

    def size(self, queue_id: QueueId) -> int | None:
        """The length of a body; None if it is not in the log."""
        number = queue_number(queue_id)
        return None if self._log is None or number is None else self._log.size_of(number)

    def ids(self) -> Iterator[QueueId]:
        """The ids of the bodies in the log."""
        for number in self._log.numbers() if self._log is not None else ():
            yield queue_id(number)

    # -- for the store, in its writer's thread ------------------------------------------------------------

    def body_of(self, queue_id: QueueId) -> bytes | None:
        """A held body, to be logged with its row; None if it is a file. In the event loop."""
        held = self._held.get(queue_id)
        return None if held is None or self._log is None else held.data

    @property
    def arriving(self) -> int:
        """The number of messages that are coming in at this moment."""
        return self._arrivals()

    def notes(self) -> list[tuple[int, bytes]]:
        """Queue number and note of each message in the log, oldest first."""
        return [] if self._log is None else self._log.notes()

    @property
    def largest(self) -> int:
        """The most bytes of entries (`LogEntry.size`) for one `append`."""
        return 0 if self._log is None else self._log.largest_group_bytes

    def has_room(self, content: int) -> bool:
        """Whether entries of `content` bytes (`LogEntry.size`) fit."""
        return self._log is not None and self._log.has_room(content)

    def make_room(self, content: int) -> None:
        """Write the oldest bodies out until `has_room`, if that is possible. Their rows must be durable.

        Raises: StorageError.
        """
        while self._log is not None and content <= self.largest and not self._log.has_room(content):
            oldest = self._log.oldest(content)
            if not oldest:
                return
            with _as_storage_error("Mail can't be moved out of the spool's log"):
                self._write_out(oldest)

    def append(self, entries: Sequence[LogEntry]) -> bool:
        """Make messages durable; returns whether that includes their rows. Without room bodies become files.

        Raises: StorageError; then none of them is logged.
        """
        if self._log is None:
            raise StorageError("The spool's log is closed.")
        with _as_storage_error("Mail can't be written to the card"):
            if self._log.has_room(sum(entry.size for entry in entries)):
                self._log.append(entries)
                return True
            for at in range(0, len(entries), _FILES_AT_ONCE):
                self._make_files([(entry.number, entry.body) for entry in entries[at : at + _FILES_AT_ONCE]])
            return False

    def settle(self, numbers: Sequence[int] | None = None) -> None:
        """Write bodies out (all, or those numbered); an empty log is then marked as empty.

        The rows of all must be durable. Raises: StorageError, after all others if one can't be read.
        """
        if self._log is None:
            return
        fault: OSError | None = None
        with _as_storage_error("Mail can't be moved out of the spool's log"):
            wanted = sorted(self._log.numbers() if numbers is None else numbers)
            for at in range(0, len(wanted), _FILES_AT_ONCE):
                bodies = []
                for number in wanted[at : at + _FILES_AT_ONCE]:
                    try:
                        body = self._log.read(number)
                    except OSError as error:
                        fault = fault or error
                        continue
                    if body is not None:
                        bodies.append((number, body))
                self._write_out(bodies)
            if fault is not None:
                raise fault
            self._log.reset()

    def _write_out(self, bodies: Sequence[tuple[int, bytes]]) -> None:
        """Make files of these bodies, durably, and forget them here. Raises: OSError."""
        assert self._log is not None
        for at in range(0, len(bodies), _FILES_AT_ONCE):
            some = bodies[at : at + _FILES_AT_ONCE]
            self._make_files(some)
            for number, _ in some:
                if not self._log.forget(number):  # finished meanwhile: its removal met no file yet
                    (self._directory / queue_id(number)).unlink(missing_ok=True)

    def _make_files(self, bodies: Sequence[tuple[int, bytes]]) -> None:
        """Make files of these bodies, durably. Raises: OSError."""
        made: list[tuple[int, Path, Path]] = []
        try:
            for number, body in bodies:
                path = self._directory / queue_id(number)
                part = path.with_name(path.name + ".part")
                made.append(
                    (os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), part, path)
                )
                _write_all(made[-1][0], body)
                start_writing(made[-1][0])
            for descriptor, part, path in made:
                reach_disk(descriptor)
                part.rename(path)
        except OSError:
            for _, part, _ in made:  # a full card needs the room
                with contextlib.suppress(OSError):
                    part.unlink(missing_ok=True)
            raise
        finally:
            for descriptor, _, _ in made:
                os.close(descriptor)
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


@contextlib.contextmanager
def _as_storage_error(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise storage_error(error, what) from error
