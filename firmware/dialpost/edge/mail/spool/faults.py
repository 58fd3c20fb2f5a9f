"""What the file system reports, in this project's words."""

from __future__ import annotations

import errno

from dialpost.core.errors import StorageError, StorageFullError


def storage_error(error: OSError | StorageError, what: str) -> StorageError:
    """The error to raise instead of `error`; `what` says in words what can't be done."""
    if isinstance(error, StorageError):
        return error
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFullError(f"{what}: the card is full.")
    return StorageError(f"{what}: {error.strerror or error}.")
