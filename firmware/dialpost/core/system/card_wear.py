"""How worn the card is, as far as the kernel knows: plain figures, no decision."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CardWear:
    """`written_bytes` in the file system's lifetime; `fs_faults` since its last repair; `used_tenths` of the
    lifetime stated by its maker, 1 to 10, 11 beyond: eMMC and a few SD cards report that, None for the others.

    Sources: ext4's lifetime_write_kbytes and errors_count in sysfs (Documentation/ABI/testing/sysfs-fs-ext4);
    life_time of the MMC (JEDEC JESD84-B51 §7.4.37, DEVICE_LIFE_TIME_EST_TYP_A and _B, the worse of the two).
    """

    written_bytes: int
    fs_faults: int = 0
    used_tenths: int | None = None
