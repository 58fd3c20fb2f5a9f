"""How many bytes a mailbox holds, without counting at every delivery.

Where Dovecot or another keeps a Maildir++ `maildirsize`, its sum is taken and our deliveries are added to
it (maildir++ "Quota"). Else the sizes in the file names are summed, and kept until a directory changes. A
mailbox that seems too full is always counted anew: its owner may have deleted mail since, and nobody's
mail is put off because a figure was stale. Called from the threads of `Maildirs`.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SIZE = re.compile(r",S=(\d+)")
_LARGEST_MAILDIRSIZE = 5120  # past it the file wants to be made anew (Maildir++)

Signature = tuple[tuple[str, int], ...]


@dataclass(slots=True)
class _Counted:
    """A sum, and the state of the directories it is true for; None where a delivery of ours came since."""

    size: int
    signature: Signature | None


class Usage:
    """Remembers what was counted, by mailbox."""

    def __init__(self) -> None:
        self._counted: dict[Path, _Counted] = {}
        self._lock = threading.Lock()

    def of(self, mailbox: Path, limit_bytes: int | None = None) -> int:
        """Bytes in all folders. With `limit_bytes` a rough figure will do while it is within the limit."""
        with self._lock:
            rough = _maildirsize(mailbox)
            counted = self._counted.get(mailbox)
            if rough is None and counted is not None:
                if counted.signature is not None and counted.signature == _signature(mailbox):
                    return counted.size
                rough = counted.size
            if limit_bytes is not None and rough is not None and rough <= limit_bytes:
                return rough
            return self._count(mailbox)

    def added(self, mailbox: Path, size: int) -> None:
        """A message of `size` bytes was delivered by us."""
        with self._lock:
            counted = self._counted.get(mailbox)
            if counted is not None:
                counted.size += size
                counted.signature = None
        with contextlib.suppress(OSError):  # the sum is made anew when it matters
            descriptor = os.open(mailbox / "maildirsize", os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            try:
                os.write(descriptor, f"{size} 1\n".encode())
            finally:
                os.close(descriptor)

    def forget(self, mailbox: Path) -> None:
        """The mailbox is gone."""
        with self._lock:
            self._counted.pop(mailbox, None)

    def _count(self, mailbox: Path) -> int:
        signature = _signature(mailbox)  # before the sum: what changes meanwhile makes it stale
        size = sum(_sizes(mailbox))
        self._counted[mailbox] = _Counted(size, signature)
        return size


def _maildirsize(mailbox: Path) -> int | None:
    """The sum by Maildir++'s own file; None where there is none or it is not usable."""
    try:
        with (mailbox / "maildirsize").open(encoding="ascii") as file:
            text = file.read(_LARGEST_MAILDIRSIZE + 1)
        if len(text) > _LARGEST_MAILDIRSIZE:
            return None
        total = sum(int(line.split()[0]) for line in text.splitlines()[1:] if line.strip())
    except (OSError, ValueError, IndexError):
        return None
    return total if total >= 0 else None


def _folders(mailbox: Path) -> Iterator[Path]:
    yield mailbox
    try:
        with os.scandir(mailbox) as entries:
            yield from sorted(Path(entry.path) for entry in entries if entry.name.startswith("."))
    except OSError:
        return


def _signature(mailbox: Path) -> Signature:
    """When each directory with messages last changed."""
    found = []
    for folder in _folders(mailbox):
        for name in ("new", "cur"):
            with contextlib.suppress(OSError):
                found.append((f"{folder.name}/{name}", (folder / name).stat().st_mtime_ns))
    return tuple(found)


def _sizes(mailbox: Path) -> Iterator[int]:
    """The size of each message, by its name where that says it."""
    for folder in _folders(mailbox):
        for name in ("new", "cur"):
            with contextlib.suppress(OSError), os.scandir(folder / name) as entries:
                for entry in entries:
                    said = _SIZE.search(entry.name)
                    with contextlib.suppress(OSError):
                        yield int(said.group(1)) if said else entry.stat().st_size
