"""The card as examined by `dialpost doctor`: room, whether and how fast a write is durable, what was set aside.

Changes nothing but one small file of its own, which it removes.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from dialpost.core.errors import StorageError
from dialpost.core.system.card_wear import CardWear
from dialpost.edge.ground.durable import storage_error

_PROBE = b"Dialpost looks whether it can write here.\n" * 100
_MAX_NAMES = 1000


class CardProbe:
    """Examines one data directory."""

    def __init__(self, directory: Path, sys: Path = Path("/sys")) -> None:
        self._directory, self._sys = directory, sys

    def free_bytes(self) -> int:
        """Space that an ordinary user may still use. Raises: StorageError."""
        try:
            return shutil.disk_usage(self._directory).free
        except OSError as error:
            raise self._fault(error) from error

    def durable_write_s(self) -> float:
        """The time until a small new file is durable (file and folder fsynced). Raises: StorageError."""
        # The process id keeps two doctors at once apart.
        probe = self._directory / f".doctor-{os.getpid()}"
        begun = time.monotonic()
        try:
            fd = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                with os.fdopen(fd, "wb", buffering=0) as file:
                    file.write(_PROBE)
                    os.fsync(file.fileno())
                self._sync()
            finally:
                probe.unlink(missing_ok=True)
        except OSError as error:
            raise self._fault(error) from error
        return time.monotonic() - begun

    def wear(self) -> CardWear | None:
        """What the kernel knows about the card's wear; None if the folder is not on an ext4 file system."""
        try:
            number = self._directory.stat().st_dev
            device = (self._sys / "dev" / "block" / f"{os.major(number)}:{os.minor(number)}").resolve(strict=True)
            facts = self._sys / "fs" / "ext4" / device.name
            written = int((facts / "lifetime_write_kbytes").read_text()) * 1024
            faults = int((facts / "errors_count").read_text())
        except (OSError, ValueError):
            return None
        return CardWear(written, faults, _life_used(device))

    def set_aside(self) -> tuple[str, ...]:
        """Unreadable files that were set aside, as paths below the data directory."""
        return tuple(sorted(self._set_aside()))[:_MAX_NAMES]

    def mailboxes(self) -> dict[str, int]:
        """Every mailbox on the card, with its number of messages, all folders together."""
        found = (path for path in _entries(self._directory / "mail") if not path.name.startswith("."))
        return {path.name: sum(1 for _ in _messages(path)) for path in sorted(found) if path.is_dir()}

    def _set_aside(self) -> Iterator[str]:
        for path in _entries(self._directory):
            if ".damaged-" in path.name:
                yield path.name
        for path in _entries(self._directory / "set-aside"):
            if path.name != "unconfirmed":  # cleared automatically (flow/mail/queue/retention)
                yield f"set-aside/{path.name}"

    def _sync(self) -> None:
        fd = os.open(self._directory, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def _fault(self, error: OSError) -> StorageError:
        return storage_error(error, f"{self._directory} can't be used")


def _life_used(device: Path) -> int | None:
    """The life used, by the worse of its two kinds of memory; of a partition's disk, or of a bare one."""
    for disk in (device.parent, device):
        try:
            found = [int(word, 16) for word in (disk / "device" / "life_time").read_text().split()]
        except (OSError, ValueError):
            continue
        return max(found) or None if found else None  # 0: it does not say
    return None


def _messages(mailbox: Path) -> Iterator[Path]:
    folders = [mailbox, *(path for path in _entries(mailbox) if path.name.startswith(".") and path.is_dir())]
    for folder in folders:
        for part in ("new", "cur"):
            yield from _entries(folder / part)


def _entries(folder: Path) -> list[Path]:
    """The entries of a folder; none if it does not exist or can't be read."""
    try:
        return list(folder.iterdir())
    except OSError:
        return []
