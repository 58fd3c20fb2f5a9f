"""A file whose writes and flushes are recorded in order, for a loop device: FUSE without a library.

libfuse is not needed: one file of a fixed size takes six requests of the protocol (linux/fuse.h), and a process of
ours can say at any moment how many writes there were. The log is in the format of `card.write_log`.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import signal
import stat
import struct
from pathlib import Path

from rig.card.write_log import ENTRY, FLUSH, MAGIC, SECTOR, SUPER
from rig.crash.mounts import mount, umount

_IN = struct.Struct("<IIQQIIIHH")
_OUT = struct.Struct("<IiQ")
_ATTRIBUTES = struct.Struct("<QQQQQQIIIIIIIIII")
_READ_OR_WRITE = struct.Struct("<QQIIQII")
_MOST_BYTES = 1 << 20
_GETATTR, _OPEN, _READ, _WRITE, _STATFS, _RELEASE, _FSYNC, _FLUSH, _INIT = 3, 14, 15, 16, 17, 18, 20, 25, 26
_FORGET, _INTERRUPT, _DESTROY = 2, 36, 38
_BIG_WRITES, _MAX_PAGES = 1 << 5, 1 << 22
_DIRECT_IO = 1


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
            with contextlib.suppress(BaseException):
                _Server(device, self._backing, self._log, self._count).run()
            os._exit(0)
        os.close(device)
        self._child = child
        return self

    def __exit__(self, *exc: object) -> None:
        umount(self.place)
        os.waitpid(self._child, 0)


class _Server:
    def __init__(self, device: int, backing: Path, log: Path, count: mmap.mmap) -> None:
        self._device = device
        self._file, self._log = os.open(backing, os.O_RDWR), os.open(log, os.O_WRONLY)
        self._count = count
        self._size = os.fstat(self._file).st_size

    def run(self) -> None:
        """Until it is unmounted."""
        while True:
            try:
                request = os.read(self._device, _MOST_BYTES + mmap.PAGESIZE)
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return
                raise
            length, kind, number, *_ = _IN.unpack_from(request)
            if kind in (_FORGET, _INTERRUPT):
                continue
            answer = self._answer(kind, memoryview(request)[_IN.size : length])
            code = -errno.ENOSYS if answer is None else 0
            answer = answer or b""
            os.write(self._device, _OUT.pack(_OUT.size + len(answer), code, number) + answer)

    def _answer(self, kind: int, body: memoryview) -> bytes | None:
        """None: not known here."""
        if kind == _WRITE:
            return self._write(body)
        if kind == _READ:
            _, offset, size, *_ = _READ_OR_WRITE.unpack_from(body)
            return os.pread(self._file, size, offset)
        if kind == _FSYNC:
            self._note(0, b"", FLUSH)
            return b""
        if kind == _INIT:
            flags = _BIG_WRITES | _MAX_PAGES
            pages = _MOST_BYTES // mmap.PAGESIZE
            return struct.pack("<IIIIHHIIHHI28x", 7, 31, 0, flags, 16, 12, _MOST_BYTES, 1, pages, 0, 0)
        if kind == _GETATTR:
            times = (0,) * 6
            mode = stat.S_IFREG | 0o600
            rest = (mode, 1, 0, 0, 0, 4096, 0)
            return struct.pack("<QII", 3600, 0, 0) + _ATTRIBUTES.pack(
                1, self._size, self._size // SECTOR, *times, *rest
            )
        if kind == _OPEN:
            return struct.pack("<QII", 0, _DIRECT_IO, 0)
        return b"" if kind in (_RELEASE, _FLUSH, _DESTROY) else None

    def _write(self, body: memoryview) -> bytes:
        _, offset, size, *_ = _READ_OR_WRITE.unpack_from(body)
        data = body[_READ_OR_WRITE.size : _READ_OR_WRITE.size + size]
        os.pwrite(self._file, data, offset)
        self._note(offset, data, 0)
        return struct.pack("<II", size, 0)

    def _note(self, offset: int, data: bytes | memoryview, flags: int) -> None:
        """As in the log of `blklogwrites`: a sector with what it is, then the data."""
        (count,) = struct.unpack_from("<Q", self._count)
        if not count:
            os.lseek(self._log, SECTOR, os.SEEK_SET)
        head = ENTRY.pack(offset // SECTOR, len(data) // SECTOR, flags, 0)
        os.writev(self._log, [head.ljust(SECTOR, b"\0"), data])
        struct.pack_into("<Q", self._count, 0, count + 1)
