"""The spool's log: small messages, each with its row, in one file that never grows and is used again and again.

Writing to a file that has its size and its blocks costs the card one flush and the blocks written, where a new file
costs several and a commit of the file system's journal. So a message is durable by one write and one fdatasync, and
all that wait at the same time share them. Its body stays here until the message is finished (`forget`); if the room
is needed, or the station stops, it is written out as a file of its own first.

`append` and `reset` run in one thread at a time; reading and `forget` in any.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dialpost.core.errors import StorageError
from dialpost.core.mail.queue.spool_log import (
    BLOCK_BYTES,
    SALT_BYTES,
    Group,
    Head,
    LogEntry,
    group_bytes,
    group_length,
    head_block,
    read_group,
    read_head,
    write_group,
)
from dialpost.edge.ground.durable import sync
from dialpost.edge.mail.spool.faults import storage_error

_ZEROS_AT_ONCE = 262_144
_SCAN_BYTES = 1 << 20


@dataclass(slots=True)
class _Kept:
    """A group that is still needed, and where it begins (bytes). `live`: its messages that are not finished."""

    group: Group
    at: int
    live: set[int] = field(default_factory=set)
    is_unreadable: bool = False

    @property
    def end(self) -> int:
        """Where the next group can begin."""
        return self.at + self.group.blocks * BLOCK_BYTES


class BodyLog:
    """One open log. Made by `open`."""

    def __init__(self, path: Path, descriptor: int, size: int, head: Head) -> None:
        self._path = path
        self._descriptor = descriptor
        self._end = size - BLOCK_BYTES  # where the head's copy is
        self._salt = head.salt
        self._sequence = head.sequence
        self._is_marked_empty: bool | None = head.is_empty
        """What the head on the card says; None: not known, because writing it failed."""
        self._kept: deque[_Kept] = deque()
        self._home: dict[int, tuple[_Kept, int, int]] = {}  # number: its group, where its body begins, its length
        self._next_at = BLOCK_BYTES
        self._failed: set[int] = set()
        """Where groups begin whose writing failed, and that may be on the card nevertheless."""
        self._guard = threading.Lock()
        self.missing = 0
        """The groups that were acknowledged and can't be read any more."""
        self.unreadable = 0
        """The blocks that the card didn't read."""

    # -- opening ---------------------------------------------------------------------------------------

    @classmethod
    def create(cls, path: Path, size: int) -> BodyLog:
        """Make a log of `size` bytes (rounded down to whole blocks). Raises: StorageError, StorageFullError."""
        size -= size % BLOCK_BYTES
        making = path.with_name(path.name + ".new")
        try:
            making.unlink(missing_ok=True)
            with os.fdopen(
                os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb"
            ) as file:
                head = Head(secrets.token_bytes(SALT_BYTES), 1, is_empty=True)
                file.write(head_block(head))
                # Real zeros: a block that was only reserved costs a commit of the journal when it is first written.
                for at in range(BLOCK_BYTES, size - BLOCK_BYTES, _ZEROS_AT_ONCE):
                    file.write(bytes(min(_ZEROS_AT_ONCE, size - BLOCK_BYTES - at)))
                file.write(head_block(head))
                file.flush()
                os.fsync(file.fileno())
            making.rename(path)
            sync(path.parent)
        except OSError as error:
            making.unlink(missing_ok=True)
            raise storage_error(error, f"The spool's log {path} can't be made") from error
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> BodyLog:
        """Open a log and find what it holds. Raises: StorageError; FileNotFoundError if there is none."""
        descriptor = -1
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            size = os.fstat(descriptor).st_size
            copies = (_head_at(descriptor, at) for at in (0, max(0, size - BLOCK_BYTES)))
            head = next((one for one in copies if one is not None), None)
            if head is None or size % BLOCK_BYTES or size < 3 * BLOCK_BYTES:
                raise StorageError(f"{path} is not a log of the spool, or both copies of its head are damaged")
            log = cls(path, descriptor, size, head)
            if not head.is_empty:
                log._find_groups()
        except BaseException as error:
            if descriptor >= 0:
                os.close(descriptor)
            if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
                raise storage_error(error, f"The spool's log {path} can't be read") from error
            raise
        return log

    def _find_groups(self) -> None:
        """Find every whole group, and keep those that the newest one says are needed."""
        # Groups numbered below the head's were written before the log was last marked as empty.
        whole = (one for one in self._scan() if one.group.sequence >= self._sequence)
        found = sorted(whole, key=lambda one: one.group.sequence)
        if not found:
            return
        newest = found[-1].group
        oldest = max(newest.oldest, self._sequence)
        self._sequence = newest.sequence + 1
        self._next_at = found[-1].end
        needed = [one for one in found if one.group.sequence >= oldest]
        self.missing = self._lost(needed, oldest)
        for kept in needed:
            self._add(kept)

    def _lost(self, needed: Sequence[_Kept], oldest: int) -> int:
        """The number of needed groups that are missing.

        Those don't count that the next write may have replaced before it was cut off: they were unneeded by then.
        """
        reach = [(self._next_at, self._next_at + self.largest_group_bytes)]
        if reach[0][1] > self._end:
            reach.append((BLOCK_BYTES, BLOCK_BYTES + self.largest_group_bytes))
        lost, before = 0, oldest - 1
        begin = BLOCK_BYTES if BLOCK_BYTES < needed[0].at < self._next_at else self._next_at
        for one in needed:
            missing = one.group.sequence - before - 1
            gap = [(begin, one.at)] if begin <= one.at else [(begin, self._end), (BLOCK_BYTES, one.at)]
            if missing > 0 and not any(a < d and c < b for a, b in gap for c, d in reach):
                lost += missing
            before, begin = one.group.sequence, one.end
        return lost

    def _scan(self) -> Iterator[_Kept]:
        at, window, window_at = BLOCK_BYTES, b"", 0
        while at < self._end:
            if not window_at <= at < window_at + len(window):
                window, window_at = self._read_leniently(_SCAN_BYTES, at), at
                if not window:
                    return
            length = group_length(self._salt, window[at - window_at : at - window_at + BLOCK_BYTES])
            group = None
            if length is not None and at + length <= self._end:
                group = read_group(self._salt, self._read_leniently(length, at))
            if group is not None:
                yield _Kept(group, at)
            at += group.blocks * BLOCK_BYTES if group is not None else BLOCK_BYTES

    def _read_leniently(self, length: int, at: int) -> bytes:
        """Whole blocks, with zeros for those that the card can't read: one of them must not cost the others."""
        try:
            return os.pread(self._descriptor, length, at)
        except OSError:
            if length > BLOCK_BYTES:
                blocks = range(at, min(at + length, self._end), BLOCK_BYTES)
                return b"".join(self._read_leniently(BLOCK_BYTES, block) for block in blocks)
            self.unreadable += 1
            return bytes(BLOCK_BYTES)

    def _add(self, kept: _Kept) -> None:
        self._kept.append(kept)
        for place in kept.group.places:
            if (earlier := self._home.get(place.number)) is not None:  # logged again after a fault
                earlier[0].live.discard(place.number)
            kept.live.add(place.number)
            self._home[place.number] = kept, kept.at + place.body_at, place.body_bytes
        self._drop_unneeded()

    def _drop_unneeded(self) -> None:
        while self._kept and not self._kept[0].live:
            self._kept.popleft()

    def close(self) -> None:
        """Close the file; later reads find nothing."""
        with self._guard:
            self._home.clear()
            os.close(self._descriptor)

    # -- what is in it ---------------------------------------------------------------------------------

    @property
    def path(self) -> Path:
        """Its file."""
        return self._path

    def numbers(self) -> list[int]:
        """The numbers of the messages in it that are not finished."""
        with self._guard:
            return list(self._home)

    def notes(self) -> list[tuple[int, bytes]]:
        """The same with the note of each, oldest first."""
        with self._guard:
            return [
                (place.number, place.note)
                for kept in self._kept
                for place in kept.group.places
                if place.number in kept.live
            ]

    def size_of(self, number: int) -> int | None:
        """The length of a body in bytes; None if it is not here."""
        home = self._home.get(number)
        return None if home is None else home[2]

    def read(self, number: int) -> bytes | None:
        """A body; None if it is not here. Raises: OSError."""
        with self._guard:  # the room may be used again as soon as it is forgotten
            home = self._home.get(number)
            return None if home is None else os.pread(self._descriptor, home[2], home[1])

    def forget(self, number: int) -> bool:
        """A message is finished, or its body is in a file of its own; returns whether it was here.

        Not durable: after a crash its record may be found again, so its row must be durable by now.
        """
        with self._guard:
            home = self._home.pop(number, None)
            if home is not None:
                home[0].live.discard(number)
                self._drop_unneeded()
            return home is not None

    # -- writing ---------------------------------------------------------------------------------------

    @property
    def largest_group_bytes(self) -> int:
        """The most bytes of entries (`LogEntry.size`) for one `append`: a quarter of the log."""
        return self._end // 4 - 2 * BLOCK_BYTES

    def has_room(self, content: int) -> bool:
        """Whether entries of `content` bytes (`LogEntry.size`) fit as one group."""
        with self._guard:
            return content <= self.largest_group_bytes and self._place_for(group_bytes(content)) is not None

    def _place_for(self, length: int) -> int | None:
        """Where a group of `length` bytes can begin. A block stays free, so that a full ring is no empty one."""
        if not self._kept:
            return self._next_at if self._next_at + length <= self._end else BLOCK_BYTES
        tail = self._kept[0].at
        if self._next_at > tail:
            if self._next_at + length <= self._end:
                return self._next_at
            return BLOCK_BYTES if BLOCK_BYTES + length < tail else None
        return self._next_at if self._next_at + length < tail else None

    def append(self, entries: Sequence[LogEntry]) -> None:
        """Write messages, durably. There must be room. Raises: OSError; then none of them is in the log."""
        with self._guard:
            oldest = self._kept[0].group.sequence if self._kept else self._sequence
            data, group = write_group(self._salt, self._sequence, oldest, entries)
            at = self._place_for(len(data))
            assert at is not None, "append without room"
        try:
            if self._is_marked_empty is not False:
                self._write_head(is_empty=False)
            # They have this group's number, and may be elsewhere.
            self._clear_failed()
            self._write(data, at)
            os.fdatasync(self._descriptor)
        except OSError:
            # What reached the card of it must not be found by the next start.
            self._failed.add(at)
            with contextlib.suppress(OSError):
                self._clear_failed()
                os.fdatasync(self._descriptor)
            raise
        with self._guard:
            self._failed.clear()
            self._is_marked_empty = False
            self._sequence += 1
            self._next_at = at + len(data)
            self._add(_Kept(group, at))

    def _clear_failed(self) -> None:
        for at in self._failed:
            self._write(bytes(BLOCK_BYTES), at)

    def oldest(self, content: int) -> list[tuple[int, bytes]]:
        """Messages (number, body) to write out so that entries of `content` bytes fit, oldest first.

        An eighth of the log at once, so that the next groups find room, too. A group that can't be read stays until
        its messages are finished, and all behind it.
        """
        wanted, found = max(content, self._end // 8), []
        with self._guard:
            for kept in self._kept:
                if wanted <= 0 or kept.is_unreadable:
                    break
                wanted -= kept.group.blocks * BLOCK_BYTES
                try:
                    for number in sorted(kept.live):
                        _, at, length = self._home[number]
                        found.append((number, os.pread(self._descriptor, length, at)))
                except OSError:
                    kept.is_unreadable = True  # once is enough: a card takes seconds to give up
                    break
        return found

    def reset(self) -> bool:
        """Mark the log as empty, durably, if nothing in it is live; returns whether it is. Raises: OSError."""
        with self._guard:
            if self._home:
                return False
            if self._is_marked_empty is not True:
                self._write_head(is_empty=True)
                os.fdatasync(self._descriptor)
                self._is_marked_empty = True
            self._kept.clear()
            self._next_at = BLOCK_BYTES
            return True

    def _write_head(self, *, is_empty: bool) -> None:
        # Until it is durable: after a fault the card may have it or not, and the next write does it again.
        self._is_marked_empty = None
        block = head_block(Head(self._salt, self._sequence, is_empty))
        self._write(block, 0)
        self._write(block, self._end)

    def _write(self, data: bytes, at: int) -> None:
        rest = memoryview(data)
        while rest:
            done = os.pwrite(self._descriptor, rest, at)
            rest, at = rest[done:], at + done


def _head_at(descriptor: int, at: int) -> Head | None:
    """The head's copy there; None if it is damaged or can't be read."""
    with contextlib.suppress(OSError):
        return read_head(os.pread(descriptor, BLOCK_BYTES, at))
    return None
