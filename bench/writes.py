"""Bytes written to the file system for one message, journal and metadata included."""

from __future__ import annotations

from pathlib import Path

from rig.card.disks import SmallDisk, enter_mount_namespace

from contenders import MAKERS, RECIPIENTS, Maker, offer, settle
from figures import Amounts, Row, show


def writes(work: Path, amounts: Amounts) -> list[Row]:
    """Bytes written to the file system for one message."""
    enter_mount_namespace()
    small, few = amounts.counted, max(5, amounts.counted // 50)
    rows = []
    for mode in RECIPIENTS:
        for sessions, size, messages in (
            (1, 4096, small),
            (10, 4096, small),
            (1, 100_000, few),
            (1, 1_000_000, few),
        ):
            ours, theirs = (bytes_a_message(work, make, mode, sessions, messages, size) for make in MAKERS)
            what = f"{mode}, {sessions} session{'s' * (sessions > 1)}, one {size / 1000:,.0f} kB message"
            rows.append(
                Row("written to the disk", what, ours, theirs, "bytes", "not more than Postfix", ours <= theirs)
            )
            show(rows[-1])
    return rows


def bytes_a_message(work: Path, make: Maker, mode: str, sessions: int, messages: int, size: int = 4096) -> float:
    """Bytes written to an ext4 of this machine for each of some messages. In its own mount namespace."""
    disk = SmallDisk(work, f"disk-{mode}-{sessions}-{size}-{make.__name__}")
    try:
        contender = make(disk.mountpoint / "server", work / "logs" / f"{make.__name__}-writes")
        try:
            offer(contender, mode, messages=100, sessions=sessions)
            settle(contender)
            before = disk.written()
            offer(contender, mode, messages=messages, sessions=sessions, size=size)
            settle(contender)
            return (disk.written() - before) / messages
        finally:
            contender.stop()
    finally:
        disk.close()
