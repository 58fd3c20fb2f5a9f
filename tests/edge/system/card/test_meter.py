"""What is written to the card: the kernel's counters of the folder's device, in a sysfs of our own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dialpost.core.control.station import CardUse
from dialpost.edge.system.card.meter import CardMeter


class Card:
    """The folder's device as a partition of an MMC, or as a disk without partitions."""

    def __init__(self, folder: Path, *, is_partition: bool = True, cache: str = "write back") -> None:
        self._folder, number = folder, folder.stat().st_dev
        self.disk = folder / "sys/devices/mmcblk0"
        self.device = self.disk / "mmcblk0p4" if is_partition else self.disk
        self.device.mkdir(parents=True)
        (self.disk / "queue").mkdir()
        (self.disk / "queue" / "write_cache").write_text(f"{cache}\n")
        (self.disk / "size").write_text("31116288\n")
        if is_partition:
            (self.device / "partition").write_text("4\n")
        (folder / "sys/dev/block").mkdir(parents=True)
        (folder / f"sys/dev/block/{os.major(number)}:{os.minor(number)}").symlink_to(self.device)
        self.now_s = 100.0
        self.counts(self.disk, sectors=9000, flushes=50)
        if is_partition:
            self.counts(self.device, sectors=1000, flushes=0)

    def counts(self, device: Path, *, sectors: int, flushes: int, fields: int = 17) -> None:
        """As Documentation/block/stat.rst has the fields."""
        words = [str(number) for number in (1, 2, 3, 4, 5, 6, sectors, 8, 9, 10, 11, 12, 13, 14, 15, flushes, 17)]
        (device / "stat").write_text("  ".join(words[:fields]) + "\n")

    def meter(self) -> CardMeter:
        return CardMeter(self._folder, lambda: self.now_s, self._folder / "sys")


def test_bytes_are_those_of_the_partition_and_flushes_those_of_its_disk(tmp_path: Path) -> None:
    card = Card(tmp_path)
    meter = card.meter()
    card.counts(card.device, sectors=1008, flushes=0)
    card.counts(card.disk, sectors=9900, flushes=53)
    card.now_s += 60.9
    meter.message()
    meter.message()
    assert meter.use() == CardUse(
        seconds=60, messages=2, written_bytes=4096, flushes=3, card_bytes=31_116_288 * 512
    )


def test_a_disk_without_partitions_is_its_own(tmp_path: Path) -> None:
    card = Card(tmp_path, is_partition=False)
    meter = card.meter()
    card.counts(card.disk, sectors=9001, flushes=52)
    assert meter.use() == CardUse(seconds=0, messages=0, written_bytes=512, flushes=2, card_bytes=31_116_288 * 512)


def test_a_disk_without_a_cache_gets_no_flushes_to_be_counted(tmp_path: Path) -> None:
    card = Card(tmp_path, cache="write through")
    use = card.meter().use()
    assert use is not None and use.flushes is None


@pytest.mark.parametrize("lost", ["stat of the partition", "stat of the disk", "size", "device", "a new field"])
def test_what_the_kernel_does_not_count_is_unknown(tmp_path: Path, lost: str) -> None:
    card = Card(tmp_path)
    match lost:
        case "stat of the partition":
            (card.device / "stat").unlink()
        case "stat of the disk":
            (card.disk / "stat").write_text("what\n")
        case "size":
            (card.disk / "size").write_text("\n")
        case "device":
            (next((tmp_path / "sys/dev/block").iterdir())).unlink()
        case _:
            card.counts(card.disk, sectors=1, flushes=1, fields=15)  # before Linux 5.5
    assert card.meter().use() is None


def test_a_card_that_disappears_is_unknown(tmp_path: Path) -> None:
    card = Card(tmp_path)
    meter = card.meter()
    (card.device / "stat").unlink()
    assert meter.use() is None
