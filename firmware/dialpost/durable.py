"""Writing a small file so that a power cut leaves the old one or the new one, whole, and an error the old one.

Every step can run again from any point of itself: what an earlier run left under the name `.new` is written over.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

from dialpost.core.errors import StorageError, StorageFullError

MODE = 0o600
"""There are passwords in most of them."""


def write_durably(
    path: Path, data: bytes, mode: int = MODE, *, owner: Path | None = None,
    before_rename: Callable[[int], None] = lambda descriptor: None,
) -> None:  # fmt: skip
    """A new file, fsynced, renamed into place, its folder fsynced. The owner stays (or is that of `owner`),
    where allowed.

    `before_rename` is given the new file's descriptor, once it is whole. Raises: OSError; the old file is there
    then, unless the card also refuses to take it back.
    """
    fresh = path.with_name(path.name + ".new")
    before = _as_it_is(path)
    renamed = False
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, MODE)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            _give_away(file.fileno(), owner or path)
            file.write(data)
            file.flush()
            before_rename(file.fileno())
            os.fsync(file.fileno())
        fresh.replace(path)
        renamed = True
        sync_folder(path.parent)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        if renamed:
            _put_back(path, before)
        raise


def remove_durably(path: Path) -> None:
    """No file there any more; harmless where there is none. Raises: OSError."""
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in it durable. Raises: OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def storage_error(error: OSError, what: str) -> StorageError:
    """What to raise instead of what the card said; `what` could not be done."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StorageFullError(f"{what}: the card is full ({error.strerror}).")
    if error.errno == errno.EROFS:
        return StorageError(
            f"{what}: the card is read-only: it is write-protected, or the system found a fault on it "
            f"({error.strerror})."
        )
    return StorageError(f"{what}: {error.strerror or error}.")


def _as_it_is(path: Path) -> tuple[bytes, int] | None:
    try:
        return path.read_bytes(), stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return None


def _put_back(path: Path, before: tuple[bytes, int] | None) -> None:
    """The new file has its name, but nobody knows whether it keeps it: a change that was refused must not count."""
    with contextlib.suppress(OSError):
        if before is None:
            path.unlink()
        else:
            write_durably(path, *before)


def _give_away(descriptor: int, owner: Path) -> None:
    """Only root may; what root writes must not become unreadable for the station."""
    with contextlib.suppress(FileNotFoundError, PermissionError):
        there = owner.stat()
        os.fchown(descriptor, there.st_uid, there.st_gid)
