"""The bytes that a mailbox holds: the sizes of its messages, from its own directories.

No other program's running sum is trusted: in `maildirsize` Dovecot subtracts a message that an IMAP client moves
and does not add it again. The sizes are in the file names. A directory is read again only when it has changed, so
even a large mailbox costs no more than a stat of its directories. Called from the threads of `Maildirs`.
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
"""A directory that changed less than this before it was read may change again with the same time stamp."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A directory's sum, and its modification time when it was read."""

    size: int
    changed_ns: int


class Usage:
    """The sums read so far, by mailbox and directory."""

    def __init__(self) -> None:
        self._read: dict[Path, dict[Path, _Read]] = {}
        self._lock = threading.Lock()

    def of(self, mailbox: Path) -> int:
        """Bytes in all folders. A message that moves between folders meanwhile is counted twice at worst."""
        with self._lock:
            before = self._read.get(mailbox, {})
            now: dict[Path, _Read] = {}
            size = 0
            for directory in _directories(mailbox):
                with contextlib.suppress(OSError):  # gone meanwhile
                    # Before the sum, so that a change during the reading makes the sum stale.
                    changed_ns = directory.stat().st_mtime_ns
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
    """The directories with messages; `new` before `cur`, because messages move from one to the other."""
    folders = [mailbox]
    with contextlib.suppress(OSError), os.scandir(mailbox) as entries:
        folders += sorted(Path(entry.path) for entry in entries if entry.name.startswith("."))
    for folder in folders:
        yield from (folder / "new", folder / "cur")


def _size(directory: Path) -> int:
    """The sum of the message sizes, taken from the file names if they contain them."""
    size = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            said = _SIZE.search(entry.name)
            with contextlib.suppress(OSError):
                size += int(said.group(1)) if said else entry.stat().st_size
    return size
