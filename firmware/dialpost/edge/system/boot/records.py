"""The boot state on the card: reads both records, writes one at a time, durably (decision 21)."""

from __future__ import annotations

import os
from pathlib import Path

from dialpost.core.errors import StorageError
from dialpost.core.system.boot.state import RECORD_BYTES, RECORD_OFFSETS, UNKNOWN, BootState, newest

DISK = Path("/dev/dialpost/disk")


class BootRecords:
    """The records on the disk (or an image of one) at `disk`. Blocks."""

    def __init__(self, disk: Path = DISK) -> None:
        self._disk = disk

    def read(self) -> BootState:
        """The current state; if no record is valid, the one that U-Boot assumes then. Raises: StorageError."""
        try:
            with self._disk.open("rb", buffering=0) as disk:
                records = [os.pread(disk.fileno(), RECORD_BYTES, offset) for offset in RECORD_OFFSETS]
        except OSError as error:
            raise StorageError(
                f"The boot state on {self._disk} can't be read: {error.strerror or error}."
            ) from error
        return newest(records) or UNKNOWN

    def write(self, state: BootState) -> None:
        """Write the new state; the old one stays valid until this one is on the card. Raises: StorageError."""
        try:
            descriptor = os.open(self._disk, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.pwrite(descriptor, state.render(), state.offset)
                # Durable before the caller continues: a reboot may follow at once.
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise StorageError(
                f"The boot state on {self._disk} can't be written: {error.strerror or error}."
            ) from error
