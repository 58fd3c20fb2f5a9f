"""The card itself: a process that serves an image as one file (FUSE) and takes its time for writes and flushes.

Speaks the kernel's protocol (include/uapi/linux/fuse.h) directly, for one file that is the root of its file system.
It does one thing at a time, as a card does. What is written lies in the page cache of this machine and a flush does
not pass on, so the pace is the given one whatever disk is below. Reads cost nothing.

Run as: IMAGE PLACE COUNTERS FLUSH_S BYTES_PER_S FIRST-END ... PLACE is an empty file that becomes the card, 0 bytes
per second are as many as it can, and from FIRST to END lies a piece of the file system's journal. Ends when it is
unmounted.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import mmap
import os
import stat
import struct
import sys
import time

COUNTERS = struct.Struct("<QQQQ")
"""Writes, bytes in them, bytes of those within the file system's journal, flushes."""

_MOST_BYTES = 1 << 20
"""In one write."""
_PAGES = _MOST_BYTES // 4096
_IN = struct.Struct("<IIQQIIIHH")
_OUT = struct.Struct("<IiQ")
RANGE = struct.Struct("<QQI")
WRITE_HEAD = 40
"""Before the data of a write."""
_ATTRIBUTES = struct.Struct("<QII6Q3I7I")
_INIT = struct.Struct("<4I2H2I2HI7I")
_STATFS = struct.Struct("<5Q4I6I")
_GETATTR, _OPEN, _READ, _WRITE, _STATFS_CALL, _RELEASE, _FSYNC, _FLUSH, _INIT_CALL = (
    3,
    14,
    15,
    16,
    17,
    18,
    20,
    25,
    26,
)
_UNANSWERED = {2, 36, 42}
"""FORGET, INTERRUPT, BATCH_FORGET."""
_BIG_WRITES, _MAX_PAGES = 1 << 5, 1 << 22
_DIRECT_IO = 1


class CardServer:
    """Answers the kernel's requests about one image."""

    def __init__(
        self, image: int, counters: mmap.mmap, flush_s: float, bytes_per_s: float, journal: list[range]
    ) -> None:
        self._image, self._size, self._counters = image, os.fstat(image).st_size, counters
        self._flush_s, self._bytes_per_s, self._journal = flush_s, bytes_per_s, journal
        self._writes = self._bytes = self._in_journal = self._flushes = 0

    def serve(self, kernel: int) -> None:
        """Until the file system is unmounted."""
        space = memoryview(bytearray(_MOST_BYTES + 4096))
        while True:
            try:
                length = os.readv(kernel, [space])
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return
                if error.errno in {errno.EINTR, errno.ENOENT, errno.EAGAIN}:
                    continue
                raise
            _, call, unique, *_ = _IN.unpack_from(space)
            if call in _UNANSWERED:
                continue
            fault, answer = self._answer(call, space[_IN.size : length])
            with contextlib.suppress(FileNotFoundError):  # it was interrupted
                os.writev(kernel, [_OUT.pack(_OUT.size + len(answer), -fault, unique), answer])

    def _answer(self, call: int, body: memoryview) -> tuple[int, bytes]:
        if call == _WRITE:
            return 0, self._write(body)
        if call == _FSYNC:
            self._flush()
            return 0, b""
        if call == _READ:
            _, offset, size = RANGE.unpack_from(body)
            return 0, os.pread(self._image, size, offset)
        if call == _GETATTR:
            return 0, self._attributes()
        if call == _OPEN:
            return 0, struct.pack("<QIi", 1, _DIRECT_IO, 0)
        if call == _INIT_CALL:
            major, minor, ahead = struct.unpack_from("<3I", body)
            flags = _BIG_WRITES | _MAX_PAGES
            return 0, _INIT.pack(major, min(minor, 36), ahead, flags, 16, 12, _MOST_BYTES, 1, _PAGES, *[0] * 9)
        if call == _STATFS_CALL:
            return 0, _STATFS.pack(0, 0, 0, 0, 0, 4096, 255, 4096, *[0] * 7)
        return (0 if call in {_RELEASE, _FLUSH} else errno.ENOSYS), b""

    def _write(self, body: memoryview) -> bytes:
        begun = time.monotonic()
        _, offset, size = RANGE.unpack_from(body)
        os.pwrite(self._image, body[WRITE_HEAD : WRITE_HEAD + size], offset)
        self._writes += 1
        self._bytes += size
        self._in_journal += size if any(offset in piece for piece in self._journal) else 0
        self._count()
        if self._bytes_per_s:
            _wait_until(begun + size / self._bytes_per_s)
        return struct.pack("<II", size, 0)

    def _flush(self) -> None:
        begun = time.monotonic()
        self._flushes += 1
        self._count()
        _wait_until(begun + self._flush_s)

    def _count(self) -> None:
        COUNTERS.pack_into(self._counters, 0, self._writes, self._bytes, self._in_journal, self._flushes)

    def _attributes(self) -> bytes:
        times = (0, 0, 0, 0, 0, 0)
        more = (stat.S_IFREG | 0o600, 1, 0, 0, 0, 4096, 0)
        return _ATTRIBUTES.pack(3600, 0, 0, 1, self._size, self._size // 512, *times, *more)


def _wait_until(moment: float) -> None:
    left = moment - time.monotonic()
    if left > 0:
        time.sleep(left)


def main() -> None:
    image_path, place, counters_path, flush_s, bytes_per_s, *pieces = sys.argv[1:]
    image = os.open(image_path, os.O_RDWR | os.O_CLOEXEC)
    with open(counters_path, "r+b") as file:  # noqa: PTH123
        counters = mmap.mmap(file.fileno(), COUNTERS.size)
    # A card does not wait for this machine's processors.
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    kernel = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={kernel},rootmode={stat.S_IFREG:o},user_id=0,group_id=0"
    if libc.mount(b"card", place.encode(), b"fuse", 0, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), f"no FUSE on {place}")
    gc.disable()
    journal = [range(*map(int, piece.split("-"))) for piece in pieces]
    CardServer(image, counters, float(flush_s), float(bytes_per_s), journal).serve(kernel)


if __name__ == "__main__":
    main()
