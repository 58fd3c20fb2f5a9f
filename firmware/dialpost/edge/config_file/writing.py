"""Writing a small file so that a power cut leaves the old one or the new one, whole."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

MODE = 0o600
"""There are passwords in it."""


def write_durably(path: Path, data: bytes, mode: int) -> None:
    """A new file, fsynced, renamed into place, its folder fsynced. The old one's owner owns it, where allowed.

    Raises: OSError; the file is the old one then, but for a fault of the last fsync, when it may be the new one.
    """
    fresh = path.with_name(path.name + ".new")
    try:
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, MODE)
        with os.fdopen(fd, "wb") as file:
            os.fchmod(file.fileno(), mode)
            if path.exists():
                there = path.stat()
                with contextlib.suppress(PermissionError):  # only root may give a file away
                    os.fchown(file.fileno(), there.st_uid, there.st_gid)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        sync_folder(path.parent)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise


def remove_durably(path: Path) -> None:
    """No file there any more; harmless where there is none. Raises: OSError."""
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in it durable. Raises: OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
