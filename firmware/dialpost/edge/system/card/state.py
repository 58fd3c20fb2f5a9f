"""Whether the card accepts writes now, determined without writing: for `status`, before any mail is refused."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

_LEAST_BYTES = 262_144
_LEAST_FILES = 16
_REFUSED = "New mail is deferred."


def trouble(folders: Sequence[Path]) -> str:
    """Why the station can't write into one of `folders`, and what to do, in words; "" if it can.

    A missing folder does not count. `folders[0]` is the one whose file system is examined.
    """
    try:
        status = os.statvfs(folders[0])
    except OSError as error:
        return f"The card can't be used: {folders[0]}: {error.strerror or error}. {_REFUSED}"
    if status.f_flag & os.ST_RDONLY:
        return (
            f"The card is read-only: it is write-protected, or the system found a fault on it. {_REFUSED} Take off "
            "the write protection, or replace the card; `dialpost doctor` says more."
        )
    if status.f_files and status.f_favail < _LEAST_FILES:
        return f"The card has no room for more files. {_REFUSED} Delete old mail or files."
    if status.f_bavail * status.f_frsize < _LEAST_BYTES:
        return f"The card is full. {_REFUSED} Delete old mail or files."
    return next((words for folder in folders if (words := _closed(folder))), "")


def _closed(folder: Path) -> str:
    if not folder.exists() or os.access(folder, os.W_OK | os.X_OK):
        return ""
    return (
        f"The station may not write into {folder}. {_REFUSED} It must belong to the user the station runs as: "
        f"chown -R --reference={folder.parent} {folder}"
    )
