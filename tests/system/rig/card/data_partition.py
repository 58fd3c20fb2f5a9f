"""What is on a card's data partition, seen from outside, without a machine: repaired as the station's start
would do it, checked, and taken out as files. Works on copies; needs e2fsprogs, no mount and no root.
"""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path

DATA_OFFSET = (4 + 128 + 2 * 768) << 20
"""image-build/build: where p4 begins."""
_TABLE_ENTRY = 446 + 3 * 16
_SUPER_BLOCK = 1024 + 4
_NORMAL = ("recovering journal", "clean, ", "clearing orphaned inode", "setting free", "was not cleanly unmounted")


def room_bytes(card: Path) -> int:
    """How large the data partition is by the card's table (MBR)."""
    with card.open("rb") as file:
        start, sectors = struct.unpack("<II", os.pread(file.fileno(), 8, _TABLE_ENTRY + 8))
    assert start * 512 == DATA_OFFSET, f"the data partition begins at sector {start}"
    return int(sectors * 512)


def size_bytes(partition: Path) -> int:
    """How large its file system is. One that is larger than its partition can't be mounted."""
    with partition.open("rb") as file:
        blocks, _, _, _, _, block = struct.unpack("<6I", os.pread(file.fileno(), 24, _SUPER_BLOCK))
    return int(blocks * (1024 << block))


def copy_range(source: Path, target: Path, start: int) -> None:
    """Everything from that byte of `source` on, holes kept."""
    with source.open("rb") as reading, target.open("wb") as writing:
        end = reading.seek(0, os.SEEK_END)
        writing.truncate(end - start)
        position = start
        while position < end:
            try:
                data = os.lseek(reading.fileno(), position, os.SEEK_DATA)
            except OSError:  # a hole up to the end
                break
            position = os.lseek(reading.fileno(), data, os.SEEK_HOLE)
            while data < position:
                done = os.copy_file_range(
                    reading.fileno(), writing.fileno(), position - data, offset_src=data, offset_dst=data - start
                )
                data += done


def repair(partition: Path) -> list[str]:
    """Take the journal's last transactions over, as a mount does; then what e2fsck still finds wrong."""
    faults = []
    status, said = _e2fsck("-p", "-E", "journal_only", partition)
    if status > 1:
        faults.append(f"the journal can't be replayed: {said}")
    status, said = _e2fsck("-p", partition)
    strange = [line for line in said.splitlines() if not any(words in line.lower() for words in _NORMAL)]
    if status > 1 or strange:
        faults.append(f"e2fsck -p ended with {status}: {said}")
    status, said = _e2fsck("-fn", partition)
    if status:
        faults.append(f"e2fsck -fn ended with {status}: {said}")
    return faults


def dump(partition: Path, folder: Path) -> None:
    """All its files, into `folder`."""
    folder.mkdir()
    done = subprocess.run(
        ["/sbin/debugfs", "-R", f"rdump / {folder}", partition], capture_output=True, text=True, check=True
    )
    said = [line for line in done.stderr.splitlines() if line and not line.startswith("debugfs ")]
    if said:
        raise OSError(f"debugfs rdump: {said[:5]}")


def _e2fsck(*arguments: str | Path) -> tuple[int, str]:
    done = subprocess.run(
        ["/sbin/e2fsck", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.strip()
