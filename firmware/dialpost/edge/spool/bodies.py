"""Message bodies as files that are written once, never changed, and named by queue id.

While it comes in, a body is `ID.part`; it gets its name when it is whole, and both reach the card together
(one write of the directory), before `SpoolWriter.commit` returns. What is left as `.part` was never whole and
never acknowledged: the next start removes it. A mailbox gets a hard link to the same file, so a body is
never opened for writing again.

`begin`, `write` and the small look-ups run in the event loop (into the page cache); whatever waits for the
card runs in the threads of `rounds`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from dialpost.core.envelope import QueueId
from dialpost.core.errors import NotFoundError, StorageError, StorageFullError
from dialpost.core.queue_id import queue_number
from dialpost.edge.spool.faults import storage_error
from dialpost.edge.spool.rounds import OpenBody, SyncRounds
from dialpost.edge.spool.writer import PART, SpoolWriter


class Spool:
    """The directory of bodies. `reserve_bytes` are kept free for everything else on the card; `is_short` tells
    whether the station itself has no room to spare.
    """

    def __init__(
        self, directory: Path, reserve_bytes: int, set_aside_directory: Path | None = None,
        is_short: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        self._directory = directory
        self._reserve_bytes = reserve_bytes
        self._aside = set_aside_directory or directory.parent / "set-aside"
        self._is_short = is_short
        self._rounds = SyncRounds(directory)

    def prepare(self) -> None:
        """Make the directory; remove what an earlier run left unfinished. Raises: StorageError."""
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for leftover in self._directory.glob(f"*{PART}"):
                leftover.unlink()
        except OSError as error:
            raise storage_error(error, f"The spool {self._directory} can't be made") from error

    def close(self) -> None:
        """Wait for commits under way and end the threads."""
        self._rounds.close()

    def begin(self, queue_id: QueueId) -> SpoolWriter:
        """Start a body. Raises: StorageFullError where the reserve would be touched; StorageError."""
        self.check_room(0)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            path = self.path(queue_id)
            if path.exists():
                raise StorageError(f"{queue_id} is stored already")
            part = path.with_name(path.name + PART)
            descriptor = os.open(part, flags, 0o600)
        except OSError as error:
            raise storage_error(error, f"{queue_id} can't be stored") from error
        self._rounds.begun()
        return SpoolWriter(self, queue_id, path, descriptor)

    def path(self, queue_id: QueueId) -> Path:
        """Where the body is, if it is. Raises: StorageError where it is not an id of ours."""
        if queue_number(queue_id) is None:
            raise StorageError(f"{queue_id!r} is not a queue id")
        return self._directory / queue_id

    def open_body(self, queue_id: QueueId) -> BinaryIO:
        """Open a body for reading. Raises: NotFoundError, StorageError."""
        try:
            return self.path(queue_id).open("rb")
        except FileNotFoundError:
            raise NotFoundError(f"The body of {queue_id} is missing on the card") from None
        except OSError as error:
            raise storage_error(error, f"The body of {queue_id} can't be read") from error

    def size(self, queue_id: QueueId) -> int | None:
        """Length of a body in bytes, None where there is none. Raises: StorageError."""
        try:
            return self.path(queue_id).stat().st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise storage_error(error, f"The body of {queue_id} can't be read") from error

    def remove(self, queue_id: QueueId) -> None:
        """Take a body away; mailboxes keep theirs. Not durable: a power cut may bring it back.

        Raises: StorageError.
        """
        try:
            self.path(queue_id).unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(error, f"The body of {queue_id} can't be removed") from error

    async def remove_many(self, ids: Sequence[QueueId]) -> None:
        """`remove` for many, outside the event loop. Tries each; raises the first StorageError at the end."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._rounds.pool, self._remove_all, ids)
        except RuntimeError as error:  # no thread can be started
            raise StorageError(f"Bodies can't be removed at the moment: {error}") from error

    def _remove_all(self, ids: Sequence[QueueId]) -> None:
        fault: StorageError | None = None
        for queue_id in ids:
            try:
                self.remove(queue_id)
            except StorageError as error:
                fault = fault or error
        if fault is not None:
            raise fault

    def set_aside(self, queue_id: QueueId, why: str) -> Path:
        """Move a body out of the spool, with a note that says why, and return where it is now.

        Durable when it returns. Raises: StorageError, StorageFullError.
        """
        try:
            self._aside.mkdir(mode=0o700, parents=True, exist_ok=True)
            target = self._aside / f"{queue_id}.eml"
            number = 1
            while target.exists():
                number += 1
                target = self._aside / f"{queue_id}-{number}.eml"
            target.with_suffix(".txt").write_text(why + "\n", encoding="utf-8")
            self.path(queue_id).rename(target)
            _sync_directory(self._aside)
            _sync_directory(self._directory)
        except OSError as error:
            raise storage_error(error, f"The body of {queue_id} can't be set aside") from error
        return target

    def ids(self) -> Iterator[QueueId]:
        """The ids of all whole bodies, in no order."""
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
        """Space left for mail: what is free, without the reserve; 0 where that is touched already."""
        try:
            status = os.statvfs(self._directory)
        except OSError as error:
            raise storage_error(error, f"The spool {self._directory} can't be read") from error
        return max(0, status.f_bavail * status.f_frsize - self._reserve_bytes)

    def check_room(self, more_bytes: int) -> None:
        """Raises: StorageFullError where `more_bytes` would touch the reserve."""
        if self._is_short() or (self._reserve_bytes and self.free_bytes() <= more_bytes):
            raise StorageFullError("The card is nearly full: no room for more mail until some is freed.")

    # for SpoolWriter

    async def sync(self, body: OpenBody) -> int:
        """Make a body durable and close it; returns its size. Raises: OSError, StorageError."""
        return await self._rounds.commit(body)

    def ended(self) -> None:
        """A writer is done."""
        self._rounds.ended()


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
