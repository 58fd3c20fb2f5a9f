"""Records the writes of a sequence of operations to a small ext4."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rig.card.loop_device import LoopDevice
from rig.crash.journal import journal_of
from rig.crash.lives import Lives, Wish
from rig.crash.mounts import mount, umount
from rig.crash.operations import Op, World
from rig.crash.recorded_file import RecordedFile

MEGABYTES = 12
OPTIONS = "nodiscard,commit=300,noauto_da_alloc"
"""No write of the kernel's own accord within a recording, and none of the help that ext4 gives programs which don't
sync before a rename: the proof must not rest on it.
"""


@dataclass(frozen=True, slots=True)
class Base:
    """What recordings begin with: a disk, its files in a folder, and what was promised by then."""

    image: bytes
    folder: Path
    world: World


class Recorder:
    """Records on a disk of its own below `work`, from `__enter__` to `__exit__`. `journal`: its blocks there."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self._backing, self.place = work / "recorded.img", work / "recorded"
        self.log = work / "writes.log"

    def __enter__(self) -> Recorder:
        self.place.mkdir()
        make_disk(self._backing)
        self.journal = journal_of(self._backing)
        self._file = RecordedFile(self._backing, self._work / "card", self.log).__enter__()
        self._device = LoopDevice(self._file.place)
        return self

    def __exit__(self, *exc: object) -> None:
        self._device.close()
        self._file.__exit__()

    def prepare(self, ops: Sequence[Op], folder: Path) -> Base:
        """Do these on a fresh disk, whose files are copied to `folder`."""
        make_disk(self._backing)
        lives = self._record(Wish(tuple(ops)), World(), folder)
        return Base(self._backing.read_bytes(), folder, lives.steps[-1].after)

    def record(self, wish: Wish, base: Base) -> Lives:
        """Do what is wished. Raises: StationError."""
        self._backing.write_bytes(base.image)
        return self._record(wish, base.world)

    def _record(self, wish: Wish, world: World, copy: Path | None = None) -> Lives:
        self._file.begin()
        mount(self._device.path, self.place, "ext4", options=OPTIONS)
        try:
            if copy is not None:
                (self.place / "config").mkdir()
            lives = Lives(self.place, wish, world, lambda: self._file.entries)
            lives.run()
            if copy is not None:
                subprocess.run(["cp", "-a", self.place, copy], check=True)
        finally:
            umount(self.place)
            self._file.end()
        return lives


def make_disk(file: Path) -> None:
    """A small ext4, with the journal as small as one may be."""
    with file.open("wb") as made:
        made.truncate(MEGABYTES << 20)
    how = ["-b", "4096", "-J", "size=4", "-O", "^resize_inode", "-m", "0", "-N", "256"]
    eager = ["-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard"]
    subprocess.run(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", *how, *eager, file], check=True)
