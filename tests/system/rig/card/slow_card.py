"""A simulated SD card: ext4 on a loop device, on an image that `card_server` serves at the pace of a card.

Its file system has the options of the image's data partition. What was written and flushed is counted twice: by
the kernel for the loop device, and by the server for what reached it. Needs root and its own mount namespace
(`disks.enter_mount_namespace`).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from rig.card.card_server import COUNTERS
from rig.card.loop_device import LoopDevice
from rig.processes import Child, eventually

_SECTOR = 512
_BLOCK = 4096
_SERVER = Path(__file__).with_name("card_server.py")
MAKE_OPTIONS = ("-b", str(_BLOCK), "-m", "1", "-J", "size=16", "-E", "lazy_itable_init=0,lazy_journal_init=0")
MOUNT_OPTIONS = "noatime,nosuid,nodev,noexec,commit=5"
"""As image-build has them for /data."""


@dataclass(frozen=True)
class Pace:
    """What a flush takes, and how fast it writes (0: as fast as this machine can)."""

    flush_s: float
    bytes_per_s: float = 0


SLOW = Pace(0.010, 10_000_000)
AT_ONCE = Pace(0)


@dataclass(frozen=True)
class Written:
    """What a device did in a time, by its own counters."""

    bytes: int
    flushes: int
    journal_bytes: int = 0

    def __add__(self, more: Written) -> Written:
        return Written(
            self.bytes + more.bytes, self.flushes + more.flushes, self.journal_bytes + more.journal_bytes
        )

    def since(self, before: Written) -> Written:
        return Written(
            self.bytes - before.bytes,
            self.flushes - before.flushes,
            self.journal_bytes - before.journal_bytes,
        )


NOTHING = Written(0, 0)


class SlowCard:
    """Mounted at `mountpoint` from its making to `close`."""

    def __init__(self, directory: Path, name: str, pace: Pace = SLOW, *, megabytes: int = 2048) -> None:
        self.mountpoint = directory / name
        self._image, self._served, self._counters = (
            directory / f"{name}.{kind}" for kind in ("img", "served", "counters")
        )
        self.mountpoint.mkdir()
        with self._image.open("wb") as image:
            image.truncate(megabytes * 1_048_576)
        _run("mke2fs", "-q", "-t", "ext4", *MAKE_OPTIONS, str(self._image))
        self._served.touch()
        self._counters.write_bytes(bytes(COUNTERS.size))
        self._server = Child(
            [
                *(sys.executable, "-P", _SERVER, self._image, self._served, self._counters),
                *(str(pace.flush_s), str(pace.bytes_per_s), *_journal(self._image)),
            ],
            directory / f"{name}.log",
        )
        self._loop: LoopDevice | None = None
        self._begun_kernel = self._begun = NOTHING
        try:
            eventually(lambda: self._served.stat().st_size > 0, what="the card, served")
            self._loop = LoopDevice(self._served)
            self.device = self._loop.path
            # The kernel counts on where the last device of that name ended, and to attach this one took a flush.
            self._begun_kernel, self._begun = self.kernel_counts(), self.counts()
            _run("mount", "-t", "ext4", "-o", MOUNT_OPTIONS, self.device, str(self.mountpoint))
        except BaseException:
            self.close()
            raise

    def kernel_counts(self) -> Written:
        """By the kernel, for the loop device (Documentation/block/stat.rst): sectors written, flush requests."""
        fields = Path(f"/sys/block/{Path(self.device).name}/stat").read_text().split()
        return Written(int(fields[6]) * _SECTOR, int(fields[15])).since(self._begun_kernel)

    def counts(self) -> Written:
        """By the card itself."""
        _, size, in_journal, flushes = COUNTERS.unpack(self._counters.read_bytes())
        return Written(size, flushes, in_journal).since(self._begun)

    def sync(self) -> None:
        """Write everything that is pending."""
        _run("sync", "--file-system", str(self.mountpoint))

    def unmount(self) -> None:
        """After that nothing is written."""
        subprocess.run(["umount", self.mountpoint], check=False, stderr=subprocess.DEVNULL)

    def close(self) -> None:
        self.unmount()
        if self._loop is not None:
            self._loop.close()
        subprocess.run(["umount", self._served], check=False)
        self._server.stop()
        self._image.unlink()
        self.mountpoint.rmdir()


def _journal(image: Path) -> list[str]:
    """Where the pieces of the file system's journal lie in its image, for the server."""
    said = _run("debugfs", "-R", "stat <8>", str(image))
    pieces = re.findall(r"\(\d+-\d+\):(\d+)-(\d+)", said.partition("EXTENTS:")[2])
    assert pieces, f"no journal in {image}: {said}"
    return [f"{int(first) * _BLOCK}-{(int(last) + 1) * _BLOCK}" for first, last in pieces]


def _run(*command: str) -> str:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "PATH": path})
    return done.stdout
