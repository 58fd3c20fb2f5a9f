"""Writes one body: in memory while it is small, else under a temporary name until it is complete; removed after any
fault.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from pathlib import Path
from typing import Protocol

from dialpost.core.errors import StorageError
from dialpost.core.mail.envelope import QueueId
from dialpost.edge.mail.spool.faults import storage_error
from dialpost.edge.mail.spool.rounds import OpenBody

PART = ".part"
_BUFFER_BYTES = 65_536


class Home(Protocol):
    """What a writer needs from its spool."""

    def check_room(self, more_bytes: int) -> None:
        """Raises: StorageFullError if `more_bytes` would use the reserve."""

    def create(self, part: Path) -> int:
        """A descriptor of the new, empty file. Raises: OSError."""

    def hold(self, queue_id: QueueId, data: bytearray) -> object | None:
        """Keep a small body until its row comes, as long as the result lives; None: it needs a file."""

    async def sync(self, body: OpenBody) -> int:
        """Make it durable and close it. Raises: OSError, StorageError."""

    def ended(self) -> None:
        """The body was committed or abandoned."""


class SpoolWriter:
    """One body being written. Ends with `commit` or `abort`; a fault leaves nothing behind."""

    def __init__(self, home: Home, queue_id: QueueId, path: Path) -> None:
        self.queue_id = queue_id
        self._home = home
        self._path = path
        self._descriptor: int | None = None
        self._buffer = bytearray()
        self._size = 0
        self._checksum = 0
        self._fault: StorageError | None = None
        self._is_handed_over = False  # by `commit`
        self._is_closed = False
        self._held: object | None = None
        self._is_shared = False

    @property
    def size(self) -> int:
        """Bytes taken so far."""
        return self._size

    @property
    def checksum(self) -> int:
        """CRC-32 of the bytes taken so far."""
        return self._checksum

    def write(self, data: bytes) -> None:
        """Take the next piece. Raises: StorageFullError, StorageError; the file is already gone then."""
        if self._fault is not None:
            raise self._fault
        self._buffer += data
        self._size += len(data)
        self._checksum = zlib.crc32(data, self._checksum)
        if len(self._buffer) >= _BUFFER_BYTES:
            try:
                self._home.check_room(len(self._buffer))
                self.flush()
            except (OSError, StorageError) as error:
                self._home.ended()
                raise self._give_up(error) from error

    def will_be_shared(self) -> None:
        """Several mailboxes get it: as a file it is written once and linked. Call it before `commit`."""
        self._is_shared = True

    async def commit(self) -> int:
        """It is complete: make file and directory entry durable; returns the size.

        A small one is only held, and becomes durable with its row. A cancellation leaves a complete body without a
        row. Raises: StorageFullError, StorageError.
        """
        if self._fault is not None:
            raise self._fault
        self._is_handed_over = True
        try:
            if self._descriptor is None and not self._is_shared:
                self._held = self._home.hold(self.queue_id, self._buffer)
            if self._held is not None:
                self._buffer = bytearray()
                return self._size
            return await self._home.sync(self)
        except (OSError, StorageError) as error:
            raise self._give_up(error) from error
        finally:
            self._home.ended()

    def abort(self) -> None:
        """Discard it without a trace. Once a commit has started, only what is held without a row is forgotten."""
        self._held = None
        if self._is_handed_over or self._fault is not None:
            return
        self._home.ended()
        self._give_up(StorageError(f"{self.queue_id} was interrupted"))

    @property
    def _part(self) -> Path:
        return self._path.with_name(self._path.name + PART)

    def flush(self) -> None:
        """Hand the buffer to the kernel. Raises: OSError."""
        if self._descriptor is None and not self._is_closed:
            self._descriptor = self._home.create(self._part)
        descriptor, rest = self._open_descriptor(), memoryview(self._buffer)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        self._buffer = bytearray()

    def give_name(self) -> None:
        """It is complete: give it its name. Raises: OSError."""
        self._part.rename(self._path)

    def start(self) -> None:
        """Let the kernel start writing it, which it does for pages marked as no longer needed."""
        with contextlib.suppress(OSError):
            os.posix_fadvise(self._open_descriptor(), 0, 0, os.POSIX_FADV_DONTNEED)

    def sync(self) -> None:
        """Wait until its data is on the card. Raises: OSError."""
        os.fdatasync(self._open_descriptor())

    def close(self) -> None:
        """Close the file. Raises: OSError."""
        descriptor, self._descriptor = self._open_descriptor(), None
        self._is_closed = True
        os.close(descriptor)

    def _open_descriptor(self) -> int:
        if self._descriptor is None:
            raise StorageError(f"{self.queue_id} is closed already")
        return self._descriptor

    def _give_up(self, error: OSError | StorageError) -> StorageError:
        """Close and remove; returns the error to raise."""
        self._fault = storage_error(error, f"{self.queue_id} can't be stored")
        self._buffer = bytearray()
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                self.close()
        for path in (self._part, self._path):
            with contextlib.suppress(OSError):  # what can't be removed now has no row: the next start finds it
                path.unlink(missing_ok=True)
        return self._fault
