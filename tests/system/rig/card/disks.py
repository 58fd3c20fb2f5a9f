"""Small disks: an image file with ext4 on a loop device, to be filled or to count what is written to it.

The kernel counts the sectors written to such a device, journal and metadata included. The caller has to
be in its own mount namespace (`enter_mount_namespace`), so that nothing stays mounted after it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
from pathlib import Path

from rig.card.loop_device import LoopDevice

_SECTOR = 512
_CLONE_NEWNS = 0x00020000
_inside: set[int] = set()


def enter_mount_namespace() -> None:
    """Put this process (and what it starts from now on) into its own mount namespace, once."""
    if os.getpid() in _inside:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "no mount namespace of its own for the test")
    _run("mount", "--make-rprivate", "/")
    _inside.add(os.getpid())


class SmallDisk:
    """An ext4 file system at `mountpoint` that knows how many bytes were written to it."""

    def __init__(self, directory: Path, name: str, *, megabytes: int = 1024, inodes: int = 0) -> None:
        self._image = directory / f"{name}.img"
        self.mountpoint = directory / name
        self.mountpoint.mkdir()
        with self._image.open("wb") as image:
            image.truncate(megabytes * 1_048_576)
        eager = "lazy_itable_init=0,lazy_journal_init=0"
        how_many = ["-N", str(inodes)] if inodes else []
        _run("mkfs.ext4", "-q", "-E", eager, *how_many, str(self._image))
        self._device = LoopDevice(self._image)
        _run("mount", self._device.path, str(self.mountpoint))

    def written(self) -> int:
        """Bytes written to the device so far, everything pending flushed first."""
        descriptor = os.open(self.mountpoint, os.O_RDONLY)
        try:
            _run("sync", "--file-system", str(self.mountpoint))
        finally:
            os.close(descriptor)
        fields = Path(f"/sys/block/{Path(self._device.path).name}/stat").read_text().split()
        return int(fields[6]) * _SECTOR

    def fill(self) -> None:
        """Take every byte that is left, as a file `filler`."""
        with contextlib.suppress(OSError), (self.mountpoint / "filler").open("ab", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))

    def use_up_inodes(self) -> None:
        """Take every inode that is left, as files in `fillers`."""
        (self.mountpoint / "fillers").mkdir()
        with contextlib.suppress(OSError):
            for number in range(1_000_000):
                (self.mountpoint / "fillers" / str(number)).touch()

    def free(self) -> None:
        """Give back what was taken."""
        (self.mountpoint / "filler").unlink(missing_ok=True)
        shutil.rmtree(self.mountpoint / "fillers", ignore_errors=True)

    def be(self, how: str) -> None:
        """ "ro" or "rw" from now on."""
        _run("mount", "-o", f"remount,{how}", str(self.mountpoint))

    def close(self) -> None:
        _run("umount", str(self.mountpoint))
        self._device.close()
        self._image.unlink()


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
