"""Reads rows out of the pages of a SQLite file that SQLite itself refuses (sqlite.org/fileformat2.html).

Trusts nothing but the page size: every page of the file and of its write-ahead log is examined by itself, whether
or not a tree still leads to it. So rows come in several versions, including old ones; the caller chooses. What does
not parse is skipped.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

Value = None | int | float | str | bytes
Record = tuple[Value, ...]

_TABLE_LEAF, _INDEX_LEAF = 0x0D, 0x0A
_INTEGER_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_MAGIC = b"SQLite format 3\0"
_WAL_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24
_WAL_MAGIC = (0x377F0682, 0x377F0683)
_MOST_RECORD_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Cell:
    """One row. `rowid` is None for a row of a WITHOUT ROWID table or an index."""

    rowid: int | None
    record: Record


@dataclass(frozen=True, slots=True)
class WalFrames:
    """The frame headers of a log. Frames count from 1.

    `commits` are the frames that end a transaction, in the log's present round. `header_is_sound` is False if the
    log's own header can't be right, so that SQLite would skip all of it. `is_blank`: no frame was ever written.
    """

    header_is_sound: bool
    count: int
    commits: tuple[int, ...]
    is_blank: bool = False


def page_bytes(path: Path, default: int) -> int:
    """The page size from the file's header, or `default` if the header is lost."""
    if not path.exists():
        return default
    with path.open("rb") as file:
        header = file.read(18)
    size = struct.unpack(">H", header[16:18])[0] if header.startswith(_MAGIC) and len(header) == 18 else 0
    return size if 512 <= size <= 32_768 and size & (size - 1) == 0 else default


def wal_frames(path: Path, page_size: int) -> WalFrames | None:
    """Read a log's frame headers; None if there is no log or it is empty."""
    if not path.exists() or path.stat().st_size <= _WAL_HEADER_BYTES:
        return None
    with path.open("rb") as file:
        header = file.read(_WAL_HEADER_BYTES)
        magic, _, said_size = struct.unpack(">III", header[:12])
        is_sound = magic in _WAL_MAGIC and said_size == page_size and _checksum_is_right(header)
        count, commits, is_blank = 0, [], True
        while len(frame := file.read(_FRAME_HEADER_BYTES)) == _FRAME_HEADER_BYTES:
            count += 1
            is_blank = is_blank and not any(frame)
            # The salts show whether a frame belongs to the present round; a database size marks the end of a
            # transaction.
            if frame[8:16] == header[16:24] and frame[4:8] != b"\0\0\0\0":
                commits.append(count)
            file.seek(page_size, 1)
    return WalFrames(is_sound, count, tuple(commits), is_blank)


def _checksum_is_right(header: bytes) -> bool:
    order = ">" if header[3] & 1 else "<"
    first = second = 0
    words = struct.unpack(f"{order}6I", header[:24])
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return struct.unpack(">II", header[24:32]) == (first, second)


class PageSource:
    """The pages of a database file and of its log (`wal`, may be missing)."""

    def __init__(self, path: Path, wal: Path, default_page_size: int) -> None:
        self._path = path
        self._wal = wal
        self.page_size = page_bytes(path, default_page_size)
        self._newest = self._index_wal()

    def cells(self) -> Iterator[Cell]:
        """Every row of every leaf page: those of the file first, then those of the log in its order."""
        for number, page in self._file_pages():
            yield from self._cells_of(page, 100 if number == 1 else 0)
        for number, page in self._wal_pages():
            yield from self._cells_of(page, 100 if number == 1 else 0)

    def _file_pages(self) -> Iterator[tuple[int, bytes]]:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            number = 1
            while len(page := file.read(self.page_size)) == self.page_size:
                yield number, page
                number += 1

    def _wal_pages(self) -> Iterator[tuple[int, bytes]]:
        if not self._wal.exists():
            return
        with self._wal.open("rb") as file:
            file.seek(_WAL_HEADER_BYTES)
            while len(frame := file.read(_FRAME_HEADER_BYTES + self.page_size)) > _FRAME_HEADER_BYTES:
                if len(frame) == _FRAME_HEADER_BYTES + self.page_size:
                    yield struct.unpack(">I", frame[:4])[0], frame[_FRAME_HEADER_BYTES:]

    def _index_wal(self) -> dict[int, int]:
        """The offset of the last copy of each page in the log."""
        step = _FRAME_HEADER_BYTES + self.page_size
        return {
            number: _WAL_HEADER_BYTES + _FRAME_HEADER_BYTES + index * step
            for index, (number, _) in enumerate(self._wal_pages())
        }

    def _page(self, number: int) -> bytes:
        """The newest copy of one page, to follow a row's overflow; b"" if there is none."""
        in_wal = self._newest.get(number)
        source = self._path if in_wal is None else self._wal
        with source.open("rb") as file:
            file.seek((number - 1) * self.page_size if in_wal is None else in_wal)
            return file.read(self.page_size)

    def _cells_of(self, page: bytes, start: int) -> Iterator[Cell]:
        kind = page[start]
        if kind not in (_TABLE_LEAF, _INDEX_LEAF):
            return
        (count,) = struct.unpack_from(">H", page, start + 3)
        if start + 8 + 2 * count > len(page):
            return
        for offset in struct.unpack_from(f">{count}H", page, start + 8):
            try:
                yield self._cell(page, offset, is_table=kind == _TABLE_LEAF)
            except (IndexError, ValueError, struct.error):
                continue  # not a row, or no longer one

    def _cell(self, page: bytes, offset: int, *, is_table: bool) -> Cell:
        length, offset = _varint(page, offset)
        rowid = None
        if is_table:
            rowid, offset = _varint(page, offset)
        if not 0 < length <= _MOST_RECORD_BYTES:
            raise ValueError("no record has that length")
        return Cell(rowid, _record(self._payload(page, offset, length, is_table=is_table)))

    def _payload(self, page: bytes, offset: int, length: int, *, is_table: bool) -> bytes:
        """The record's bytes, with its overflow pages (fileformat2.html §1.6)."""
        usable = self.page_size
        # The sizes that SQLite keeps on the page itself (fileformat2.html §1.6, "payload").
        most = usable - 35 if is_table else (usable - 12) * 64 // 255 - 23
        if length <= most:
            here = length
        else:
            least = (usable - 12) * 32 // 255 - 23
            here = least + (length - least) % (usable - 4)
            here = here if here <= most else least
        payload = page[offset : offset + here]
        if len(payload) < here:
            raise ValueError("the page ends before the row does")
        following = struct.unpack_from(">I", page, offset + here)[0] if here < length else 0
        while len(payload) < length:
            spilled = self._page(following) if following else b""
            if len(spilled) < usable:
                raise ValueError("what spilled over is not there")
            payload += spilled[4 : 4 + min(usable - 4, length - len(payload))]
            following = struct.unpack_from(">I", spilled)[0]
        return payload


def _varint(data: bytes, offset: int) -> tuple[int, int]:
    """A variable-length integer, and the offset behind it."""
    value = 0
    for index in range(8):
        byte = data[offset + index]
        value = (value << 7) | (byte & 0x7F)
        if byte < 0x80:
            return value, offset + index + 1
    # The ninth byte gives all eight bits.
    value = (value << 8) | data[offset + 8]
    return (value - (1 << 64) if value >= 1 << 63 else value), offset + 9


def _record(payload: bytes) -> Record:
    """The values of a record. Raises: ValueError, IndexError, struct.error."""
    header_bytes, offset = _varint(payload, 0)
    kinds = []
    while offset < header_bytes:
        kind, offset = _varint(payload, offset)
        kinds.append(kind)
    if offset != header_bytes:
        raise ValueError("the record's header has no end")
    values: list[Value] = []
    for kind in kinds:
        value, offset = _value(payload, offset, kind)
        values.append(value)
    if offset != len(payload):
        raise ValueError("the record has another length than it says")
    return tuple(values)


def _value(payload: bytes, offset: int, kind: int) -> tuple[Value, int]:
    if kind == 0:
        return None, offset
    if kind in (8, 9):
        return kind - 8, offset
    if kind == 7:
        return struct.unpack_from(">d", payload, offset)[0], offset + 8
    if kind in (10, 11) or kind < 0:
        raise ValueError("no such kind of value")
    length = _INTEGER_BYTES.get(kind) or (kind - 12) // 2
    data = payload[offset : offset + length]
    if len(data) < length:
        raise ValueError("the record ends before its value")
    if kind in _INTEGER_BYTES:
        return int.from_bytes(data, "big", signed=True), offset + length
    return (data.decode("utf-8") if kind % 2 else data), offset + length
