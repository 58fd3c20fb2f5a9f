"""What is written to the card while the station runs, and how many messages that was for.

The kernel counts for each block device (Documentation/block/stat.rst): sectors written for a partition as well as
for its disk, flushes for the disk alone. A disk without a volatile cache, as far as the kernel knows, is sent no
flushes. The counts are those of all programs; what they grew by since the start is reported.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dialpost.core.control.station import CardUse

_SECTOR_BYTES = 512
"""The kernel's unit, whatever the device's is."""
_SECTORS_WRITTEN, _FLUSHES = 6, 15
"""The fields of `stat`; the second is there since Linux 5.5."""


@dataclass(frozen=True, slots=True)
class _Counts:
    written_bytes: int
    flushes: int | None
    card_bytes: int


class CardMeter:
    """Counts from its making on, for the device that holds `directory`."""

    def __init__(self, directory: Path, monotonic_s: Callable[[], float], sys: Path = Path("/sys")) -> None:
        self._directory, self._monotonic_s, self._sys = directory, monotonic_s, sys
        self._begun, self._begun_s = self._read(), monotonic_s()
        self._messages = 0

    def message(self) -> None:
        """One message was accepted."""
        self._messages += 1

    def use(self) -> CardUse | None:
        """The use since its making; None if the kernel has no counters for that folder's device."""
        begun, now = self._begun, self._read()
        if begun is None or now is None:
            return None
        return CardUse(
            seconds=int(self._monotonic_s() - self._begun_s),
            messages=self._messages,
            written_bytes=now.written_bytes - begun.written_bytes,
            flushes=None if now.flushes is None or begun.flushes is None else now.flushes - begun.flushes,
            card_bytes=now.card_bytes,
        )

    def _read(self) -> _Counts | None:
        try:
            number = self._directory.stat().st_dev
            device = (self._sys / "dev" / "block" / f"{os.major(number)}:{os.minor(number)}").resolve(strict=True)
            disk = device.parent if (device / "partition").exists() else device
            return _Counts(
                int(_fields(device)[_SECTORS_WRITTEN]) * _SECTOR_BYTES,
                _flushes(disk),
                int((disk / "size").read_text()) * _SECTOR_BYTES,
            )
        except (OSError, ValueError, IndexError):
            return None


def _flushes(disk: Path) -> int | None:
    if (disk / "queue" / "write_cache").read_text().strip() != "write back":
        return None
    return int(_fields(disk)[_FLUSHES])


def _fields(device: Path) -> list[str]:
    return (device / "stat").read_text().split()
