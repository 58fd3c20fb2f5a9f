"""The bytes of the spool's log: a head, and groups of records in a ring of blocks.

The head is the first block, and the last one holds a copy: the log's salt, drawn when the log was made, and whether
the log was left empty. Every group starts with that salt, which nobody outside knows: content of a message, met by
a scan in the middle of an overwritten group, can never pass for a group. A group is written at once and begins at a
block, so no write touches a block that holds another group. A sequence number orders the groups, and each says
which is the oldest that is still needed.

Numbers are little-endian. A record is a queue number, the length of its note and of its body, and these two.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

BLOCK_BYTES = 4096
"""What the kernel's page cache and a card write as a whole."""
SALT_BYTES = 16
_HEAD = struct.Struct("<8s16sQBI")  # mark, salt, next sequence number, is empty, checksum
_MARK = b"DialLog\x01"
_GROUP = struct.Struct("<16sIIQQI")  # salt, length, records, sequence number, oldest needed, checksum
_RECORD = struct.Struct("<QII")  # queue number, bytes of the note, bytes of the body
_LONGEST_GROUP = 1 << 30


@dataclass(frozen=True, slots=True)
class Head:
    """The first block. `is_empty`: nothing in the log counts, and its next group is number `sequence`."""

    salt: bytes
    sequence: int
    is_empty: bool


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One message to be logged: its queue number, a note of its rows (opaque here), and its body."""

    number: int
    note: bytes
    body: bytes

    @property
    def size(self) -> int:
        """What it takes in a group, in bytes."""
        return _RECORD.size + len(self.note) + len(self.body)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record's body is, counted from the start of its group."""

    number: int
    note: bytes
    body_at: int
    body_bytes: int


@dataclass(frozen=True, slots=True)
class Group:
    """One group as it was read or is to be written. `oldest` is the number of the oldest group still needed."""

    sequence: int
    oldest: int
    places: tuple[Place, ...]
    length: int

    @property
    def blocks(self) -> int:
        """The blocks it takes."""
        return blocks_for(self.length)


def blocks_for(length: int) -> int:
    """How many blocks that length takes."""
    return -(-length // BLOCK_BYTES)


def group_bytes(content: int) -> int:
    """The length of a group whose entries have `content` bytes (`LogEntry.size`), filled up to whole blocks."""
    return blocks_for(_GROUP.size + content) * BLOCK_BYTES


def head_block(head: Head) -> bytes:
    """The first block."""
    fields = _HEAD.pack(_MARK, head.salt, head.sequence, head.is_empty, 0)[:-4]
    return (fields + struct.pack("<I", zlib.crc32(fields))).ljust(BLOCK_BYTES, b"\0")


def read_head(block: bytes) -> Head | None:
    """What `head_block` wrote; None if it is something else."""
    if len(block) < _HEAD.size:
        return None
    mark, salt, sequence, is_empty, checksum = _HEAD.unpack_from(block)
    if mark != _MARK or checksum != zlib.crc32(block[: _HEAD.size - 4]):
        return None
    return Head(salt, sequence, bool(is_empty))


def write_group(salt: bytes, sequence: int, oldest: int, entries: Sequence[LogEntry]) -> tuple[bytes, Group]:
    """A group's bytes, filled up to whole blocks, and where its records are."""
    pieces, places, at = [b""], [], _GROUP.size
    for entry in entries:
        pieces += (_RECORD.pack(entry.number, len(entry.note), len(entry.body)), entry.note, entry.body)
        places.append(Place(entry.number, entry.note, at + entry.size - len(entry.body), len(entry.body)))
        at += entry.size
    fields = _GROUP.pack(salt, at, len(entries), sequence, oldest, 0)[:-4]
    content = b"".join(pieces)
    checksum = zlib.crc32(content, zlib.crc32(fields))
    data = fields + struct.pack("<I", checksum) + content
    return data.ljust(blocks_for(at) * BLOCK_BYTES, b"\0"), Group(sequence, oldest, tuple(places), at)


def group_length(salt: bytes, block: bytes) -> int | None:
    """The length that a block says if it begins a group; None if it doesn't."""
    if len(block) < _GROUP.size or block[:SALT_BYTES] != salt:
        return None
    length = int(_GROUP.unpack_from(block)[1])
    return length if _GROUP.size <= length <= _LONGEST_GROUP else None


def read_group(salt: bytes, data: bytes) -> Group | None:
    """The group that `data` begins with; None if it is not whole."""
    length = group_length(salt, data)
    if length is None or len(data) < length:
        return None
    _, _, records, sequence, oldest, checksum = _GROUP.unpack_from(data)
    if checksum != zlib.crc32(data[_GROUP.size : length], zlib.crc32(data[: _GROUP.size - 4])):
        return None
    places, at = [], _GROUP.size
    for _ in range(records):
        number, note_bytes, body_bytes = _RECORD.unpack_from(data, at)
        note_at = at + _RECORD.size
        places.append(Place(number, data[note_at : note_at + note_bytes], note_at + note_bytes, body_bytes))
        at = note_at + note_bytes + body_bytes
    return Group(sequence, oldest, tuple(places), length)
