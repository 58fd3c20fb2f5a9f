"""Writing a small file so that a power cut leaves the complete old or new one, and an error the old one.

Every step can be repeated after an interruption: a leftover `.new` of an earlier run is overwritten.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

from dialpost.core.errors import ReadOnlyError, StorageError, StorageFullError
from dialpost.edge.ground.folders import open_folder

MODE = 0o600
"""Most of them contain passwords."""


def write_durably(
    path: Path,
    data: bytes,
    mode: int = MODE,
    *,
    owner: Path | None = None,
    before_rename: Callable[[int], None] = lambda descriptor: None,
) -> None:
    """Write a new file, fsync it, rename it into place, fsync its folder. The owner stays; a file that did not
    exist, or one written with `owner`, gets the folder's. As root no link of another user is followed
    (dialpost.edge.ground.folders).

    `before_rename` gets the descriptor of the complete new file. Raises: OSError; the old file is in place then,
    unless the card also refuses to restore it.
    """
    folder = open_folder(path.parent)
    try:
        _write(folder, path.name, data, mode, owner, before_rename)
    finally:
        os.close(folder)


def _write(
    folder: int,
    name: str,
    data: bytes,
    mode: int,
    owner: Path | None = None,
    before_rename: Callable[[int], None] = lambda descriptor: None,
) -> None:
    """Write within the open folder, whatever happens to its path meanwhile."""
    fresh = name + ".new"
    before = _as_it_is(folder, name)
    renamed = False
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh, dir_fd=folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(fresh, flags, MODE, dir_fd=folder), "wb") as file:
            os.fchmod(file.fileno(), mode)
            _give_away(file.fileno(), folder, "." if owner else name)
            file.write(data)
            file.flush()
            before_rename(file.fileno())
            os.fsync(file.fileno())
        os.replace(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
        renamed = True
        os.fsync(folder)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(fresh, dir_fd=folder)
        if renamed:
            _put_back(folder, name, before)
        raise


def remove_durably(path: Path) -> None:
    """Remove the file, if it exists. Raises: OSError."""
    folder = open_folder(path.parent)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path.name, dir_fd=folder)
        os.fsync(folder)
    finally:
        os.close(folder)


def sync(path: Path) -> None:
    """Make a file's content durable, or the names in a folder of the station's own. Raises: OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; as root no link of another user is followed. Raises: OSError."""
    descriptor = open_folder(folder)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def storage_error(error: OSError, what: str) -> StorageError:
    """The error to raise instead of the system's; `what` says what failed, in words."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StorageFullError(f"{what}: the card is full ({error.strerror}).")
    if error.errno == errno.EROFS:
        return ReadOnlyError(
            f"{what}: the card is read-only: it is write-protected, or the system found a fault on it "
            f"({error.strerror})."
        )
    return StorageError(f"{what}: {error.strerror or error}.")


def _as_it_is(folder: int, name: str) -> tuple[bytes, int] | None:
    """Content and mode; None if there is no file. A link does not count: it is itself replaced."""
    try:
        if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            return None
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(), stat.S_IMODE(os.fstat(descriptor).st_mode)


def _put_back(folder: int, name: str, before: tuple[bytes, int] | None) -> None:
    """Restore the old file: the new one may not keep its name, and a failed change must not count."""
    with contextlib.suppress(OSError):
        if before is None:
            os.unlink(name, dir_fd=folder)
        else:
            _write(folder, name, *before)


def _give_away(descriptor: int, folder: int, name: str) -> None:
    """Set the owner, as root: root's files must stay readable for the station's user, who owns the folder."""
    with contextlib.suppress(PermissionError):
        try:
            there = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            there = os.fstat(folder)
        os.fchown(descriptor, there.st_uid, there.st_gid)
