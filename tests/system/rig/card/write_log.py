"""Every write a machine made to its card, in order (QEMU's `blklogwrites`), and the card as it was at any
moment of it.

The log is that of Linux's dm-log-writes (Documentation/admin-guide/device-mapper/log-writes.rst): a first
sector with magic, version, number of entries and sector size; then, for each entry, a sector that says where,
how much and of what kind, and the data. A card may lose whatever was written after the last flush that it had
answered, all of it or any part: so a moment worth looking at is a flush, with nothing of what came after it, or
with some.
"""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

SECTOR = 512
MAGIC = 0x6A736677736872
SUPER = struct.Struct("<QQQI")
ENTRY = struct.Struct("<QQQQ")
FLUSH = 1


def recording(card: Path, log: Path) -> list[str]:
    """QEMU's arguments for a card whose writes are recorded.

    One queue, so that flushes follow one another. QEMU 7.2 logs some things wrongly, and so they are off:
    discards and writes of zeroes (a race), and requests merged into one of more pieces than a system call
    takes.
    """
    log.touch()
    return [
        "-blockdev",
        f"driver=file,node-name=card-file,filename={card},discard=ignore",
        "-blockdev",
        "driver=raw,node-name=card-raw,file=card-file",
        "-blockdev",
        f"driver=file,node-name=log-file,filename={log}",
        "-blockdev",
        f"driver=blklogwrites,node-name=card,file=card-raw,log=log-file,log-sector-size={SECTOR},"
        f"log-super-update-interval={1 << 40}",
        "-device",
        "virtio-blk-pci,drive=card,num-queues=1,request-merging=off,discard=off,write-zeroes=off",
    ]


def entries_at_last_flush(log: Path) -> int:
    """How many entries there were when the last flush was answered. What a flush made durable is in those."""
    with log.open("rb") as file:
        return _super(file.read(SUPER.size))


def _super(data: bytes) -> int:
    if len(data) < SUPER.size:
        return 0  # nothing was flushed yet
    magic, version, entries, sector = SUPER.unpack(data)
    if magic == version == entries == 0:
        return 0
    if (magic, version, sector) != (MAGIC, 1, SECTOR):
        raise ValueError(f"no log of writes: {data!r}")
    return int(entries)


@dataclass(frozen=True, slots=True)
class Entry:
    """One write, or a flush (`length` 0). `offset` and `length` in bytes on the card; `at` where the log has
    the data.
    """

    offset: int
    length: int
    is_flush: bool
    at: int


class WriteLog:
    """A recording that is over."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self.entries: Sequence[Entry] = self._read()

    def flushes(self) -> list[int]:
        """The entries that are flushes, by number: before each, all earlier ones are applied."""
        return [number for number, entry in enumerate(self.entries) if entry.is_flush]

    def data(self, entry: Entry) -> bytes:
        return os.pread(self._file.fileno(), entry.length, entry.at)

    def close(self) -> None:
        self._file.close()

    def _read(self) -> list[Entry]:
        descriptor, found, at = self._file.fileno(), [], SECTOR
        for number in range(_super(os.pread(descriptor, SUPER.size, 0))):
            sector, sectors, flags, _ = ENTRY.unpack(os.pread(descriptor, ENTRY.size, at))
            if flags & ~FLUSH or bool(flags & FLUSH) != (not sectors):
                raise ValueError(f"entry {number} of the log is of an unknown kind: {flags:#x}, {sectors} sectors")
            found.append(Entry(sector * SECTOR, sectors * SECTOR, bool(flags), at + SECTOR))
            at += (1 + sectors) * SECTOR
        return found


class Replay:
    """A card to which the writes are applied once more, in order. `card`: as it was before the recording."""

    def __init__(self, log: WriteLog, card: Path) -> None:
        self._log = log
        self._next = 0
        self._descriptor = os.open(card, os.O_RDWR)

    def advance(self, number: int) -> None:
        """Apply all entries before that one."""
        assert number >= self._next, "a replay does not go back"
        for entry in self._log.entries[self._next : number]:
            self._write(self._descriptor, entry)
        self._next = number

    def close(self) -> None:
        os.close(self._descriptor)

    def _write(self, descriptor: int, entry: Entry) -> None:
        if entry.length:
            os.pwrite(descriptor, self._log.data(entry), entry.offset)


def apply_some(log: WriteLog, entries: Iterable[Entry], card: Path, *, first_byte: int, rng: random.Random) -> int:
    """Apply a random part of these writes, in a random order, some only in part; how many. What is on the card
    before `first_byte` is not in `card`.
    """
    writes = [entry for entry in entries if entry.length and entry.offset >= first_byte]
    chosen = [entry for entry in writes if rng.random() < 0.5]
    rng.shuffle(chosen)
    with card.open("r+b") as file:
        for entry in chosen:
            data = log.data(entry)
            if rng.random() < 0.2:
                data = data[: SECTOR * rng.randint(1, len(data) // SECTOR)]
            os.pwrite(file.fileno(), data, entry.offset - first_byte)
    return len(chosen)
