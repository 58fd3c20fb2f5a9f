"""Bytes written to the file system for one message, journal and metadata included."""

from __future__ import annotations

from pathlib import Path

from rig.disks import SmallDisk, enter_mount_namespace

from contenders import MAKERS, Maker, offer, settle
from figures import Amounts, Row, show


def writes(work: Path, amounts: Amounts) -> list[Row]:
    """Bytes written to the file system for one message."""
    enter_mount_namespace()
    rows = []
    for mode in ("local", "queue"):
        for sessions in (1, 10):
            counted = [_bytes_a_message(work, make, mode, sessions, amounts.counted) for make in MAKERS]
            ours, theirs = counted
            rows.append(
                Row("written to the disk", f"{mode}, {sessions} session{'s' * (sessions > 1)}, one 4 kB message",
                    ours, theirs, "bytes", "not more than Postfix", ours <= theirs)
            )  # fmt: skip
            show(rows[-1])
    return rows


def _bytes_a_message(work: Path, make: Maker, mode: str, sessions: int, messages: int) -> float:
    disk = SmallDisk(work, f"disk-{mode}-{sessions}-{make.__name__}")
    try:
        contender = make(disk.mountpoint / "server", work / "logs" / f"{make.__name__}-writes")
        try:
            offer(contender, mode, messages=100, sessions=sessions)
            settle(contender)
            before = disk.written()
            offer(contender, mode, messages=messages, sessions=sessions)
            settle(contender)
            return (disk.written() - before) / messages
        finally:
            contender.stop()
    finally:
        disk.close()
