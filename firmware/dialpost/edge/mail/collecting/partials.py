"""Beginnings of messages that were cut, on the card: content in one file, what is proved of it in another.

Only what `keep` has made durable counts: a power cut costs the bytes after it, which are fetched again. The files
are nobody's mail yet; losing them loses no message.

`append` runs in the event loop (into the page cache); what waits for the card runs in threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from dialpost.core.errors import StorageError
from dialpost.core.mail.inbound.partial import Kept, Overlap, resume_at
from dialpost.edge.ground.durable import remove_durably, storage_error, write_durably

_READ_BYTES = 65_536
_NOTE = ".kept"


class Partial:
    """One message that is arriving, or has arrived."""

    def __init__(self, path: Path, box: str, uid: str, size: int) -> None:
        self._path, self._box, self._uid, self._size = path, box, uid, size
        self._digest = hashlib.sha256()
        self._file: BinaryIO | None = None
        self.length = 0
        """The bytes that are here."""
        self.kept = 0
        """Those of them that a power cut leaves."""

    @property
    def name(self) -> str:
        """What its files are called."""
        return self._path.stem

    def append(self, data: bytes) -> None:
        """Take the next bytes. Raises: StorageError."""
        try:
            if self._file is None:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._file = self._path.open("r+b" if self.length else "wb", buffering=0)
                self._file.truncate(self.length)
                self._file.seek(self.length)
            self._file.write(data)
        except OSError as error:
            raise storage_error(error, f"Mail from {self._box} can't be stored") from error
        self._digest.update(data)
        self.length += len(data)

    async def keep(self) -> None:
        """Make all that is here durable. Raises: StorageError."""
        kept = Kept(self._box, self._uid, self._size, self.length, self._digest.hexdigest())
        try:
            await asyncio.to_thread(self._keep, kept)
        except OSError as error:
            raise storage_error(error, f"Mail from {self._box} can't be stored") from error
        self.kept = kept.length

    def _keep(self, kept: Kept) -> None:
        if self._file is not None:
            os.fsync(self._file.fileno())
        write_durably(self._path.with_suffix(_NOTE), kept.to_text().encode())

    def overlap(self) -> Overlap:
        """For the bytes from `resume_at(length)` on, which are fetched a second time. Raises: StorageError."""
        if not self.length:
            return Overlap(b"")
        try:
            with self._path.open("rb") as file:
                file.seek(resume_at(self.length))
                return Overlap(file.read(self.length - file.tell()))
        except OSError as error:
            raise storage_error(error, f"Mail from {self._box} can't be read") from error

    def blocks(self) -> Iterator[bytes]:
        """All that is here. Raises: StorageError."""
        left = self.length
        try:
            with self._path.open("rb") as file:
                while left and (block := file.read(min(left, _READ_BYTES))):
                    left -= len(block)
                    yield block
        except OSError as error:
            raise storage_error(error, f"Mail from {self._box} can't be read") from error

    def close(self) -> None:
        """Nothing more is coming now."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def restart(self) -> None:
        """What is here is of no use: begin at the first byte."""
        self.close()
        self._digest = hashlib.sha256()
        self.length = self.kept = 0

    async def remove(self) -> None:
        """It is complete and accepted, or no longer wanted."""
        self.close()
        with contextlib.suppress(OSError):  # it is removed once its message is no longer listed
            await asyncio.to_thread(_remove, self._path)

    def load(self) -> None:
        """Take up what an earlier call has kept, if it is sound."""
        try:
            kept = Kept.from_text(self._path.with_suffix(_NOTE).read_text("utf-8", "replace"))
            if kept is None or not kept.is_of(self._box, self._uid, self._size):
                return
            self.length = kept.length
            for block in self.blocks():
                self._digest.update(block)
        except (OSError, StorageError):
            self.restart()
            return
        if self._digest.hexdigest() != kept.digest:
            self.restart()
        self.kept = self.length


class Partials:
    """The folder of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, box: str, uid: str, size: int) -> Partial:
        """A message of which nothing is here."""
        return Partial(self._path(box, uid), box, uid, size)

    async def kept(self, box: str, sizes: Mapping[str, int]) -> dict[str, Partial]:
        """What is here of these messages, by UID; those of which nothing is here are left out."""
        return await asyncio.to_thread(self._kept, box, sizes)

    def _kept(self, box: str, sizes: Mapping[str, int]) -> dict[str, Partial]:
        here = {path.stem for path in self._folder.glob(f"{_name(box)}-*{_NOTE}")}
        found: dict[str, Partial] = {}
        for uid, size in sizes.items() if here else ():
            partial = self.begin(box, uid, size)
            if partial.name in here:
                partial.load()
                if partial.length:
                    found[uid] = partial
        return found

    def forget(self, box: str, listed: Collection[str]) -> None:
        """Remove what belongs to messages of this box that are no longer there."""
        here = list(self._folder.glob(f"{_name(box)}-*"))
        wanted = {self._path(box, uid).stem for uid in listed} if here else set()
        for path in here:
            if path.stem not in wanted:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _path(self, box: str, uid: str) -> Path:
        return self._folder / f"{_name(box)}-{_name(uid)}.part"


def _name(text: str) -> str:
    """A file's name, whatever a server calls its messages."""
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _remove(path: Path) -> None:
    remove_durably(path.with_suffix(_NOTE))  # first: content without it counts for nothing
    remove_durably(path)
