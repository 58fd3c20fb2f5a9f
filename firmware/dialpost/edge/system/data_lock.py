"""One daemon per data directory: a lock that ends with its process, however that ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from dialpost.core.errors import AlreadyRunningError
from dialpost.edge.ground.durable import storage_error


class DataLock:
    """Holds `lock` in the data directory from `acquire` to `release`. The file stays; the lock does not."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "lock"
        self._directory = directory
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock and write our process id into it.

        Raises: AlreadyRunningError, naming the process that has it; StorageError.
        """
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise storage_error(error, f"The data directory {self._directory} can't be used") from error
        try:
            # flock, not a file with a process id: the kernel releases it with the process, also after a crash.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise AlreadyRunningError(
                f"Another Dialpost (process {holder}) is using {self._directory}. Stop it first, or give this "
                "one a data directory of its own (station.data_dir)."
            ) from error
        self._descriptor = descriptor
        with contextlib.suppress(OSError):  # on a full card the lock still holds, only the process id is missing
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    def check(self) -> None:
        """Raises: AlreadyRunningError if another process has it; StorageError."""
        self.acquire()
        self.release()

    def release(self) -> None:
        """Release the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
