"""A file system that keeps no more than POSIX asks of it: fsync of a file keeps its content, and no name; fsync of
a folder keeps its names, and no content. Whatever else was done is kept or lost by chance, each change by itself.

ext4 is kinder: one journal for all keeps the order of names, and syncing one file often makes another's name
durable. So a call that ext4 covers can be left out there and nothing is lost; here its loss shows.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rig.crash.states import DRAWN

FOLDER = -1
"""Stands for the content of each folder."""


@dataclass(frozen=True, slots=True)
class Call:
    """One that changed something, as `watched_calls.c` notes it. `ends`: where its note ends."""

    name: str
    path: str
    other: str
    at: int
    data: bytes
    ends: int


@dataclass(frozen=True, slots=True)
class _Change:
    """Of the names in a folder or of the content of a file, by the number of its node."""

    number: int
    owner: int
    names: tuple[tuple[str, int | None], ...] = ()
    at: int = 0
    data: bytes = b""
    size: int | None = None


Tree = dict[str, tuple[int, bytes]]
"""By path: the node's number, and the content of a file."""


@dataclass(slots=True)
class StrictFiles:
    """The files below a folder, all of them kept so far."""

    names: dict[str, int] = field(default_factory=dict)
    contents: dict[int, bytes] = field(default_factory=dict)
    folders: set[int] = field(default_factory=set)
    _now: dict[str, int] = field(default_factory=dict)
    _waiting: list[_Change] = field(default_factory=list)
    _count: int = 0
    _sizes: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, place: Path) -> StrictFiles:
        """Those there are."""
        made = cls()
        for path in (place, *sorted(place.rglob("*"))):
            number = path.stat().st_ino
            made.names[str(path.relative_to(place))] = number
            if path.is_dir():
                made.folders.add(number)
            else:
                made.contents[number] = path.read_bytes()
                made._sizes[number] = len(made.contents[number])
        made._now = dict(made.names)
        return made

    def take(self, call: Call) -> None:
        """It was done."""
        if call.name == "sync":
            self._sync(self._now[call.path])
        elif call.name in ("write", "truncate", "allocate"):
            self._write(call)
        elif call.name in ("make", "mkdir", "mkdirat"):
            number = -2 - self._count  # no inode of `of` has such a number
            if call.name == "make":
                self.contents[number], self._sizes[number] = b"", 0
            else:
                self.folders.add(number)
            self._rename([(call.path, number)])
        elif call.name in ("rename", "renameat"):
            number = self._now[call.path]
            assert number not in self.folders, f"a folder is renamed: {call.path}"
            self._rename([(call.path, None), (call.other, number)])
        elif call.name in ("link", "linkat"):
            self._rename([(call.other, self._now[call.path])])
        elif call.name in ("unlink", "unlinkat", "rmdir"):
            self._rename([(call.path, None)])
        else:
            raise ValueError(f"unknown: {call.name}")

    def _write(self, call: Call) -> None:
        number = self._now[call.path]
        size = self._sizes[number]
        if call.name == "write":
            last = self._waiting[-1] if self._waiting else None
            if last and last.owner == number and last.data and last.at + len(last.data) == call.at:
                self._waiting.pop()  # one write in two calls, as SQLite does it
                self._add(number, at=last.at, data=last.data + call.data)
            else:
                self._add(number, at=call.at, data=call.data)
            self._sizes[number] = max(size, call.at + len(call.data))
        elif call.name == "truncate" or call.at > size:
            self._add(number, size=call.at)
            self._sizes[number] = call.at

    def _rename(self, edits: list[tuple[str, int | None]]) -> None:
        """New names, in one folder at once."""
        for path, number in edits:
            if number is None:
                del self._now[path]
            else:
                self._now[path] = number
        by_folder: dict[str, list[tuple[str, int | None]]] = {}
        for path, number in reversed(edits):
            by_folder.setdefault(os.path.dirname(path) or ".", []).append((path, number))  # noqa: PTH120
        for folder, changes in by_folder.items():
            self._add(self._now[folder], names=tuple(reversed(changes)))

    def _add(
        self,
        owner: int,
        *,
        names: tuple[tuple[str, int | None], ...] = (),
        at: int = 0,
        data: bytes = b"",
        size: int | None = None,
    ) -> None:
        self._count += 1
        self._waiting.append(_Change(self._count, owner, names, at, data, size))

    def _sync(self, owner: int) -> None:
        kept = [change for change in self._waiting if change.owner == owner]
        self._waiting = [change for change in self._waiting if change.owner != owner]
        _apply(kept, self.names, self.contents)

    def trees(self, rng: random.Random) -> Iterator[tuple[str, Tree]]:
        """What may be left now: nothing of what was not kept, all of it, all but one, one alone, and some parts."""
        waiting = self._waiting
        count = len(waiting)
        yield "nothing more", self._tree(())
        if waiting:
            yield f"all of {count}", self._tree(waiting)
        for number in range(count if count > 1 else 0):
            yield f"all but {number + 1} of {count}", self._tree(waiting[:number] + waiting[number + 1 :])
            yield f"{number + 1} of {count} alone", self._tree(waiting[number : number + 1])
        for number in range(DRAWN if count > 2 else 0):
            yield f"part {number + 1} of {count}", self._tree([one for one in waiting if rng.random() < 0.5])

    def _tree(self, chosen: Iterable[_Change]) -> Tree:
        names, contents = dict(self.names), dict(self.contents)
        _apply(chosen, names, contents)
        tree: Tree = {}
        for path in sorted(names):  # a folder before what is in it
            folder = os.path.dirname(path) or "."  # noqa: PTH120
            if path == "." or folder == "." or folder in tree:
                tree[path] = names[path], contents.get(names[path], b"")
                if names[path] in self.folders:
                    tree[path] = FOLDER, b""
        return tree


def _apply(changes: Iterable[_Change], names: dict[str, int], contents: dict[int, bytes]) -> None:
    for change in changes:
        for path, number in change.names:
            if number is None:
                names.pop(path, None)
            else:
                names[path] = number
        if change.data:
            old = contents[change.owner].ljust(change.at, b"\0")
            contents[change.owner] = old[: change.at] + change.data + old[change.at + len(change.data) :]
        elif change.size is not None:
            contents[change.owner] = contents[change.owner][: change.size].ljust(change.size, b"\0")


def calls(notes: Path) -> list[Call]:
    """What was noted, without the index that SQLite rebuilds at each start."""
    data, at, found = notes.read_bytes(), 0, []
    while at < len(data):
        end = data.index(b"\n", at)
        name, path, other, offset, size = data[at:end].decode().split("\t")
        at = end + 1 + int(size)
        if not path.endswith("queue.db-shm"):
            found.append(Call(name, path, other, int(offset), data[end + 1 : at], at))
    return found


def digest_of(tree: Tree) -> bytes:
    """Tells trees apart."""
    made, numbers = hashlib.sha1(usedforsecurity=False), dict[int, int]()
    for path, (number, content) in tree.items():
        same = numbers.setdefault(number, len(numbers)) if number != FOLDER else FOLDER
        made.update(f"{path}\0{same}\0{len(content)}\0".encode())
        made.update(content)
    return made.digest()


def lay_out(tree: Tree, place: Path) -> None:
    """Make these files, whatever there was."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    made: dict[int, Path] = {}
    for path, (number, content) in tree.items():
        target = place / path
        if number == FOLDER:
            target.mkdir(exist_ok=True)
        elif number in made:
            os.link(made[number], target)
        else:
            target.write_bytes(content)
            made[number] = target
