"""How many bytes a mailbox holds: the sizes of its messages, from its own directories.

No other program's running sum is believed: in `maildirsize` Dovecot books what an IMAP client moves as gone and
not as come. The sizes stand in the file names; a directory is read again when it changed, and only then, so a
mailbox of many messages costs a look at its directories. Called from the threads of `Maildirs`.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SIZE = re.compile(r",S=(\d+)")
_SETTLED_NS = 2_000_000_000
"""A directory that changed later than this before it was read may change again under the same time."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A directory's sum, and its time of change at that moment."""

    size: int
    changed_ns: int


class Usage:
    """Remembers what was read, by mailbox and directory."""

    def __init__(self) -> None:
        self._read: dict[Path, dict[Path, _Read]] = {}
        self._lock = threading.Lock()

    def of(self, mailbox: Path) -> int:
        """Bytes in all folders. What is moved from one to another meanwhile is counted twice at worst."""
        with self._lock:
            before = self._read.get(mailbox, {})
            now: dict[Path, _Read] = {}
            size = 0
            for directory in _directories(mailbox):
                with contextlib.suppress(OSError):  # gone meanwhile
                    changed_ns = (
                        directory.stat().st_mtime_ns
                    )  # before the sum: what changes meanwhile makes it stale
                    known = before.get(directory)
                    if known is None or known.changed_ns != changed_ns:
                        known = _Read(_size(directory), changed_ns)
                    size += known.size
                    if abs(time.time_ns() - changed_ns) > _SETTLED_NS:
                        now[directory] = known
            self._read[mailbox] = now
            return size

    def forget(self, mailbox: Path) -> None:
        """The mailbox is gone."""
        with self._lock:
            self._read.pop(mailbox, None)


def _directories(mailbox: Path) -> Iterator[Path]:
    """Where messages are, `new` before `cur` for what moves from one to the other."""
    folders = [mailbox]
    with contextlib.suppress(OSError), os.scandir(mailbox) as entries:
        folders += sorted(Path(entry.path) for entry in entries if entry.name.startswith("."))
    for folder in folders:
        yield from (folder / "new", folder / "cur")


def _size(directory: Path) -> int:
    """The size of each message, by its name where that says it."""
    size = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            said = _SIZE.search(entry.name)
            with contextlib.suppress(OSError):
                size += int(said.group(1)) if said else entry.stat().st_size
    return size
