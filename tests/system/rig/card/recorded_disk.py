"""A disk of this machine whose writes are recorded: an ext4 file system on a loop device, on a file that QEMU's
storage daemon serves (FUSE) through `blklogwrites`. What the kernel flushes, the log has as a flush. Needs
root.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from rig.card.data_partition import copy_range
from rig.card.loop_device import LoopDevice
from rig.card.write_log import SECTOR
from rig.processes import Child, eventually

SIZE = "600M"


class RecordedDisk:
    """Mounted at `place` from `__enter__` to `__exit__`. `before` is the disk as it was, `disk` as it is, `log`
    the log.
    """

    def __init__(self, work: Path) -> None:
        self._work = work
        self.place = work / "mounted"
        self.disk, self.before, self.log = work / "disk.ext4", work / "before.ext4", work / "writes.log"
        self._served = work / "served"
        self._loop: LoopDevice | None = None

    def __enter__(self) -> RecordedDisk:
        self.place.mkdir()
        subprocess.run(
            ["/sbin/mke2fs", "-q", "-t", "ext4", "-b", "4096", "-J", "size=16", self.disk, SIZE], check=True
        )
        copy_range(self.disk, self.before, 0)
        self.log.touch()
        self._served.touch()
        self._daemon = Child(
            [
                "qemu-storage-daemon",
                "--blockdev",
                f"driver=file,node-name=file,filename={self.disk},discard=ignore",
                "--blockdev",
                "driver=raw,node-name=raw,file=file",
                "--blockdev",
                f"driver=file,node-name=log,filename={self.log}",
                "--blockdev",
                f"driver=blklogwrites,node-name=disk,file=raw,log=log,log-sector-size={SECTOR},"
                f"log-super-update-interval={1 << 40}",
                "--export",
                f"type=fuse,id=disk,node-name=disk,mountpoint={self._served},writable=on",
            ],
            self._work / "qemu-storage-daemon.log",
        )
        try:
            eventually(lambda: self._served.stat().st_size > 0, what="the disk, served")
            self._loop = LoopDevice(self._served)
            command: list[str | Path] = [
                "mount",
                "-t",
                "ext4",
                "-o",
                "noatime,nodiscard",
                self._loop.path,
                self.place,
            ]
            subprocess.run(command, check=True)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        subprocess.run(["umount", self.place], check=False)
        if self._loop is not None:
            self._loop.close()
        self._daemon.stop()
