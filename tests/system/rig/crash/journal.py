"""Which states of a disk are one and the same to ext4: those with the same blocks outside the journal, and the same
transactions in it that are complete.

When the file system is mounted, jbd2 reads the journal from its start on, transaction after transaction, and stops
where no descriptor with the next number follows, or none that ends with its commit block (Linux,
fs/jbd2/recovery.c, `do_one_pass`). What lies behind that is not looked at. No checksum is verified here: what is
taken for complete is what jbd2 may take over, or more, and so states that differ are never taken for the same.
"""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rig.crash.states import Write

BLOCK = 4096
_HEADER = struct.Struct(">III")
_SUPER = struct.Struct(">IIIIII")
_TAG = struct.Struct(">IIII")
_MAGIC, _DESCRIPTOR, _COMMIT, _REVOKE = 0xC03B3998, 1, 2, 5
_SAME_UUID, _LAST = 2, 8
_INCOMPATIBLE, _CHECKSUMS_3 = 0x28, 0x10

Read = Callable[[int], bytes]
"""The content of a block of the disk."""


@dataclass(frozen=True, slots=True)
class _End:
    """Where the next transaction would be: its block within the journal, and its number."""

    at: int
    number: int


class Journal:
    """The journal of a disk as it was at a flush, `base`; its blocks on the disk are `place`."""

    def __init__(self, place: Sequence[int], base: bytes) -> None:
        self._place, self._within, self._base = place, frozenset(place), base
        _, _, _, _, length, first = _SUPER.unpack_from(self._of_base(place[0]))
        number, start = struct.unpack_from(">II", self._of_base(place[0]), 24)
        (features,) = struct.unpack_from(">I", self._of_base(place[0]), _INCOMPATIBLE)
        assert start == 0 or features & _CHECKSUMS_3, f"a journal of another format: {features:#x}"
        self._length, self._first = length, first
        self._old = {place[0]}
        self._end = self._walk(_End(start, number), self._of_base, self._old.add) if start else None

    def key(self, writes: tuple[Write, ...]) -> Hashable | None:
        """What tells the state with these writes from others upon the same `base`; None: this can't say."""
        changed = self._changed(writes)
        if self._end is None or self._old & changed.keys():
            return None
        whole: list[tuple[int, bytes]] = []

        def read(block: int) -> bytes:
            return changed.get(block) or self._of_base(block)

        self._walk(self._end, read, lambda block: whole.append((block, read(block))))
        outside = frozenset((block, data) for block, data in changed.items() if block not in self._within)
        return outside, tuple(whole)

    def _changed(self, writes: tuple[Write, ...]) -> dict[int, bytes]:
        """The blocks that are not as in `base`."""
        changed: dict[int, bytes] = {}
        for offset, data in writes:
            for block in range(offset // BLOCK, -(-(offset + len(data)) // BLOCK)):
                start = block * BLOCK - offset
                before = changed.get(block) or self._of_base(block)
                skipped = max(0, -start)
                piece = data[max(0, start) : start + BLOCK]
                changed[block] = before[:skipped] + piece + before[skipped + len(piece) :]
        return {block: data for block, data in changed.items() if data != self._of_base(block)}

    def _of_base(self, block: int) -> bytes:
        return self._base[block * BLOCK : (block + 1) * BLOCK]

    def _walk(self, begin: _End, read: Read, take: Callable[[int], object]) -> _End:
        """From there, to the end of the last complete transaction; `take` gets the blocks of each."""
        at, end, blocks = begin.at, begin, list[int]()
        while len(blocks) < self._length:
            block = self._place[at]
            magic, kind, number = _HEADER.unpack_from(read(block))
            if (magic, number) != (_MAGIC, end.number):
                break
            blocks.append(block)
            at = self._next(at)
            if kind == _DESCRIPTOR:
                for _ in range(_tags(read(block))):
                    blocks.append(self._place[at])
                    at = self._next(at)
            elif kind == _COMMIT:
                for each in blocks:
                    take(each)
                blocks, end = [], _End(at, end.number + 1)
            elif kind != _REVOKE:
                break
        return end

    def _next(self, at: int) -> int:
        return at + 1 if at + 1 < self._length else self._first


def _tags(descriptor: bytes) -> int:
    """How many blocks of data follow."""
    count, at = 0, _HEADER.size
    while at + _TAG.size <= BLOCK - 4:
        _, flags, _, _ = _TAG.unpack_from(descriptor, at)
        count += 1
        at += _TAG.size + (0 if flags & _SAME_UUID else 16)
        if flags & _LAST:
            break
    return count


def journal_of(image: Path) -> tuple[int, ...]:
    """The blocks of the disk that its journal is in."""
    command: list[str | Path] = ["/sbin/debugfs", "-R", "blocks <8>", image]
    return tuple(map(int, subprocess.run(command, check=True, capture_output=True).stdout.split()))
