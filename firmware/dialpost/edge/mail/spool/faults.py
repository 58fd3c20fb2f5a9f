"""Errors of the file system as errors of this project."""

from __future__ import annotations

import errno

from dialpost.core.errors import StorageError, StorageFullError


def storage_error(error: OSError | StorageError, what: str) -> StorageError:
    """The error to raise instead of `error`; `what` says what failed, in words."""
    if isinstance(error, StorageError):
        return error
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFullError(f"{what}: the card is full.")
    return StorageError(f"{what}: {error.strerror or error}.")
