"""A file whose writes and flushes are recorded in order, for a loop device. The log is in the format of
`card.write_log`, and other processes can see at any moment how many entries it has.
"""

from __future__ import annotations

import mmap
import os
import signal
import struct
import traceback
from pathlib import Path

from rig.card.card_server import COUNTERS, RANGE, WRITE_HEAD, CardServer
from rig.card.write_log import ENTRY, FLUSH, MAGIC, SECTOR, SUPER
from rig.crash.mounts import mount, umount
from rig.processes import die_with_parent


class RecordedFile:
    """The file at `place`, kept in the file `backing`. Served by a child from `__enter__` to `__exit__`."""

    def __init__(self, backing: Path, place: Path, log: Path) -> None:
        self.place = place
        self._backing, self._log = backing, log
        self._count = mmap.mmap(-1, mmap.PAGESIZE)

    @property
    def entries(self) -> int:
        """How many there are in the log: writes and flushes. Known to children as well."""
        return int(struct.unpack_from("<Q", self._count)[0])

    def begin(self) -> None:
        """A new log. Nothing may be using the file."""
        self._log.write_bytes(SUPER.pack(MAGIC, 1, 0, SECTOR).ljust(SECTOR, b"\0"))
        struct.pack_into("<Q", self._count, 0, 0)

    def end(self) -> int:
        """The log is complete: note in it how many entries it has."""
        count = self.entries
        with self._log.open("r+b") as file:
            file.write(SUPER.pack(MAGIC, 1, count, SECTOR))
        return count

    def __enter__(self) -> RecordedFile:
        self.place.touch()
        self.begin()
        device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        mount("card", self.place, "fuse", options=f"fd={device},rootmode=100600,user_id=0,group_id=0")
        if (child := os.fork()) == 0:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            die_with_parent()
            try:
                _Server(self._backing, self._log, self._count).serve(device)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0)
        os.close(device)
        self._child = child
        return self

    def __exit__(self, *exc: object) -> None:
        umount(self.place)
        os.waitpid(self._child, 0)


class _Server(CardServer):
    """The card of the bench, as fast as it can be, with a log."""

    def __init__(self, image: Path, log: Path, count: mmap.mmap) -> None:
        super().__init__(os.open(image, os.O_RDWR), mmap.mmap(-1, COUNTERS.size), 0.0, 0.0, [])
        self._log, self._entries = os.open(log, os.O_WRONLY), count

    def _write(self, body: memoryview) -> bytes:
        _, offset, size = RANGE.unpack_from(body)
        self._note(offset, body[WRITE_HEAD : WRITE_HEAD + size], 0)
        return super()._write(body)

    def _flush(self) -> None:
        self._note(0, b"", FLUSH)

    def _note(self, offset: int, data: bytes | memoryview, flags: int) -> None:
        """As in the log of `blklogwrites`: a sector that says what it is, then the data."""
        (count,) = struct.unpack_from("<Q", self._entries)
        if not count:
            os.lseek(self._log, SECTOR, os.SEEK_SET)
        head = ENTRY.pack(offset // SECTOR, len(data) // SECTOR, flags, 0)
        os.writev(self._log, [head.ljust(SECTOR, b"\0"), data])
        struct.pack_into("<Q", self._entries, 0, count + 1)
