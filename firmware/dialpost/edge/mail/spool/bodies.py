"""Message bodies: small ones in the log (`logged`), the others as files, written once and named by queue id.

While it comes in, a body is in memory, and from LONGEST_LOGGED bytes on it is `ID.part`. It gets its name when it
is complete, and both reach the card together (one write of the directory) before `SpoolWriter.commit` returns. A
leftover `.part` was never complete and never acknowledged: the next start removes it. A mailbox gets a hard link to
the same file, so a body is never opened for writing again.

`begin`, `write` and the small look-ups run in the event loop (into the page cache); everything that waits for the
card runs in the threads of `rounds`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import BinaryIO, TypeVar

from dialpost.core.errors import NotFoundError, StorageError, StorageFullError
from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.queue.ids import queue_number
from dialpost.core.mail.queue.records import EARLIEST_TRUE_TIME_S
from dialpost.edge.ground.durable import sync
from dialpost.edge.mail.spool.faults import storage_error
from dialpost.edge.mail.spool.logged import LONGEST_LOGGED, HeldBody, LoggedBodies, LoggedBody
from dialpost.edge.mail.spool.rounds import OpenBody, SyncRounds
from dialpost.edge.mail.spool.writer import PART, SpoolWriter

_T = TypeVar("_T")

_READ_BYTES = 262_144
UNCONFIRMED = "unconfirmed"
"""Within set-aside/: complete but unacknowledged messages; the only part of it that is ever cleared."""


class Spool:
    """The directory of bodies. `reserve_bytes` are kept free for everything else on the card; `is_short` returns
    whether the station itself has no room to spare.
    """

    def __init__(
        self,
        directory: Path,
        reserve_bytes: int,
        set_aside_directory: Path | None = None,
        is_short: Callable[[], bool] = lambda: False,
        log_bytes: int = 0,
    ) -> None:
        self._directory = directory
        self._reserve_bytes = reserve_bytes
        self._aside = set_aside_directory or directory.parent / "set-aside"
        self._is_short = is_short
        self._log_bytes = log_bytes
        self._rounds = SyncRounds(directory)
        self.log = LoggedBodies(directory, log_bytes, lambda: self._rounds.in_hand)
        self._making: Future[None] | None = None

    def prepare(self) -> None:
        """Make the directory; remove unfinished bodies of an earlier run; open the log, or begin to make one.

        Raises: StorageError.
        """
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for leftover in self._directory.glob(f"*{PART}"):
                leftover.unlink()
        except OSError as error:
            raise storage_error(error, f"The spool {self._directory} can't be made") from error
        if self.log.prepare():
            self._making = self._rounds.pool.submit(self._make_log)

    def _make_log(self) -> None:
        """The log must not use the last room: then mail would be refused. The next start tries again."""
        with contextlib.suppress(StorageError):
            self.check_room(self._log_bytes)
            self.log.make()

    def wait_for_log(self) -> None:
        """Return when the log that `prepare` began to make is there, or can't be."""
        if self._making is not None:
            self._making.result()

    def close(self) -> None:
        """Wait for current commits and end the threads."""
        self._rounds.close()
        self.log.close()

    def begin(self, queue_id: QueueId) -> SpoolWriter:
        """Start a body. Raises: StorageFullError if that would use the reserve; StorageError."""
        self.check_room(0)
        path = self.path(queue_id)
        if self.log.size(queue_id) is not None or path.exists():
            raise StorageError(f"{queue_id} is stored already")
        writer = SpoolWriter(self, queue_id, path)
        if not self.log.is_ready:
            try:
                writer.flush()  # creates the file
            except OSError as error:
                raise storage_error(error, f"{queue_id} can't be stored") from error
        self._rounds.begun()
        return writer

    def stored(self, queue_id: QueueId) -> Path | LoggedBody:
        """A body, which may not exist, for reading and, if it is a path, for linking.

        Raises: StorageError if it is not an id of ours.
        """
        return self.path(queue_id) if self.log.size(queue_id) is None else LoggedBody(self.log, queue_id)

    def path(self, queue_id: QueueId) -> Path:
        """Where a body's own file is or would be. Raises: StorageError if it is not an id of ours."""
        if queue_number(queue_id) is None:
            raise StorageError(f"{queue_id!r} is not a queue id")
        return self._directory / queue_id

    def open_body(self, queue_id: QueueId) -> BinaryIO:
        """Open a body for reading. Raises: NotFoundError, StorageError."""
        try:
            return self.stored(queue_id).open("rb")
        except FileNotFoundError:
            raise NotFoundError(f"The body of {queue_id} is missing on the card") from None
        except OSError as error:
            raise storage_error(error, f"The body of {queue_id} can't be read") from error

    def size(self, queue_id: QueueId) -> int | None:
        """Length of a body in bytes; None if it does not exist. Raises: StorageError."""
        if (logged := self.log.size(queue_id)) is not None:
            return logged
        try:
            return self.path(queue_id).stat().st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise storage_error(error, f"The body of {queue_id} can't be read") from error

    def is_sound(self, queue_id: QueueId, size: int, checksum: int | None) -> bool:
        """Whether a body is exactly as it was stored; reads all of it. `checksum`: CRC-32, None: not known."""
        try:
            found, length = 0, 0
            with self.stored(queue_id).open("rb") as body:
                while block := body.read(_READ_BYTES):
                    found, length = zlib.crc32(block, found), length + len(block)
        except (OSError, StorageError):
            return False
        return length == size and checksum in (None, found)

    def remove(self, queue_id: QueueId) -> None:
        """Remove a body; mailboxes keep their link. Not durable: a power cut may bring it back.

        Raises: StorageError.
        """
        self.log.drop(queue_id)
        try:
            self.path(queue_id).unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(error, f"The body of {queue_id} can't be removed") from error

    async def remove_many(self, ids: Sequence[QueueId]) -> None:
        """`remove` for many, outside the event loop. Tries each; raises the first StorageError at the end."""
        await self._in_thread(lambda: self._remove_all(ids))

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._rounds.pool, work)
        except RuntimeError as error:  # no thread can be started
            raise StorageError(f"The spool can't be used at the moment: {error}") from error

    def _remove_all(self, ids: Sequence[QueueId]) -> None:
        fault: StorageError | None = None
        for queue_id in ids:
            try:
                self.remove(queue_id)
            except StorageError as error:
                fault = fault or error
        if fault is not None:
            raise fault

    def set_aside(self, queue_id: QueueId, why: str, *, is_unconfirmed: bool = False) -> Path:
        """Move a body out of the spool, with a note that says why, and return its new path.

        Durable when it returns. `clear_aside` later removes those that are `is_unconfirmed`. Raises: StorageError,
        StorageFullError.
        """
        folder = self._aside / UNCONFIRMED if is_unconfirmed else self._aside
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            target = folder / f"{queue_id}.eml"
            number = 1
            while target.exists():
                number += 1
                target = folder / f"{queue_id}-{number}.eml"
            # The note first: a body without a note would be a riddle, a note without a body is harmless.
            target.with_suffix(".txt").write_text(why + "\n", encoding="utf-8")
            self.path(queue_id).rename(target)
            sync(folder)
            sync(self._directory)
        except OSError as error:
            raise storage_error(error, f"The body of {queue_id} can't be set aside") from error
        return target

    async def clear_aside(self, before_s: float, now_s: float) -> list[str]:
        """Remove unacknowledged bodies set aside before then (Unix seconds); returns their names.

        If a note was dated by an unset clock, or later than `now_s`, its time restarts.
        Raises: StorageError.
        """
        return await self._in_thread(lambda: self._clear_aside(before_s, now_s))

    def _clear_aside(self, before_s: float, now_s: float) -> list[str]:
        cleared: list[str] = []
        try:
            for note in sorted((self._aside / UNCONFIRMED).glob("*.txt")):
                dated_s = note.stat().st_mtime
                # By such a date a message could be removed at once, or never.
                if not EARLIEST_TRUE_TIME_S <= dated_s <= now_s:
                    os.utime(note, (now_s, now_s))
                elif dated_s < before_s:
                    note.with_suffix(".eml").unlink(missing_ok=True)
                    note.unlink()  # last: as long as the note exists, an interrupted removal is found again
                    cleared.append(note.stem)
        except OSError as error:
            raise storage_error(error, f"{self._aside} can't be cleared") from error
        return cleared

    def ids(self) -> Iterator[QueueId]:
        """The ids of all complete bodies, unordered; one that a crash left in the log and as a file comes twice."""
        yield from self.log.ids()
        try:
            with os.scandir(self._directory) as entries:
                for entry in entries:
                    if queue_number(entry.name) is not None:
                        yield QueueId(entry.name)
        except FileNotFoundError:
            return
        except OSError as error:
            raise storage_error(error, f"The spool {self._directory} can't be read") from error

    def free_bytes(self) -> int:
        """Free space for mail: without the reserve; 0 if that is already in use."""
        try:
            status = os.statvfs(self._directory)
        except OSError as error:
            raise storage_error(error, f"The spool {self._directory} can't be read") from error
        return max(0, status.f_bavail * status.f_frsize - self._reserve_bytes)

    def check_room(self, more_bytes: int) -> None:
        """Raises: StorageFullError if `more_bytes` would use the reserve."""
        if self._is_short() or (self._reserve_bytes and self.free_bytes() <= more_bytes):
            raise StorageFullError("The card is nearly full: no room for more mail until some is freed.")

    # for SpoolWriter

    def create(self, part: Path) -> int:
        """The file of a body. Raises: OSError."""
        # O_EXCL: an id is never used twice, so an existing part would be a bug, not something to overwrite.
        return os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def hold(self, queue_id: QueueId, data: bytearray) -> HeldBody | None:
        """Keep a small body until its row comes; None if there is no log."""
        if len(data) > min(LONGEST_LOGGED, self.log.largest // 2):  # without a log that is 0
            return None
        held = HeldBody(bytes(data))
        self.log.hold(queue_id, held)
        return held

    async def sync(self, body: OpenBody) -> int:
        """Make a body durable and close it; returns its size. Raises: OSError, StorageError."""
        return await self._rounds.commit(body)

    def ended(self) -> None:
        """A writer is done."""
        self._rounds.ended()
