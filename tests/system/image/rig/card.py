"""An SD card: a copy of the image that a test may spoil, its boot partition, its boot state."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from image.rig.root_shell import ARGUMENTS

from dialpost.core.system.boot.state import RECORD_BYTES, RECORD_OFFSETS, BootState, Slot, newest

TREE = Path(__file__).resolve().parents[4]
CACHE = Path(os.environ.get("DIALPOST_IMAGE_CACHE", TREE / ".cache/image"))
OUT = Path(os.environ.get("DIALPOST_IMAGE", CACHE / "out"))
IMAGE = OUT / "dialpost.img"
FAT_OFFSET = 4 << 20
SLOT_OFFSETS = {Slot.A: 132 << 20, Slot.B: 900 << 20}
SLOT_BYTES = 768 << 20
"""Where they lie on the card: image-build/README.md."""
OFFICE = """\
[station]
hostname = "station.clinic.example"
domains = ["clinic.example"]
postmaster = "anna"

[link]
kind = "gateway"
"""
"""A configuration for the boot partition: a small office on a dedicated line."""


class Card:
    """A card of `size` bytes at `path`, freshly flashed."""

    def __init__(self, path: Path, *, size: int = 4 << 30) -> None:
        self.path = path
        subprocess.run(["cp", "--sparse=always", "--reflink=auto", IMAGE, path], check=True)
        with path.open("r+b") as file:
            file.truncate(size)

    @classmethod
    def of(cls, path: Path) -> Card:
        """A card that is there already."""
        card = cls.__new__(cls)
        card.path = path
        return card

    def prepare(self, config: str = "", arguments: str = ARGUMENTS) -> Card:
        """Tell the kernel what tests need (a root shell), and leave a configuration to be taken over; itself."""
        self.put("args.txt", f"extra_args={arguments}\n")
        if config:
            self.put("dialpost.toml", config)
        return self

    def put(self, name: str, text: str) -> None:
        """Write a file onto the boot partition, as an operator with a card reader does."""
        self._mtools("mcopy", "-o", "-", f"::{name}", data=text.encode())

    def remove(self, name: str) -> None:
        """Take a file off the boot partition. Raises: OSError if it is not there."""
        self._mtools("mdel", f"::{name}")

    def get(self, name: str) -> str | None:
        """A file of the boot partition; None if it is not there."""
        if name.lower() not in (there.lower() for there in self.names()):
            return None
        return self.read(name).decode()

    def read(self, name: str) -> bytes:
        """What is in a file of the boot partition. Raises: OSError if it is not there."""
        return self._mtools("mtype", f"::{name}")

    def names(self) -> list[str]:
        """What is on the boot partition."""
        return [line.removeprefix("::/") for line in self._mtools("mdir", "-b", "::").decode().split("\n") if line]

    def boot_state(self) -> BootState | None:
        """Which slot is next."""
        with self.path.open("rb") as file:
            return newest([os.pread(file.fileno(), RECORD_BYTES, offset) for offset in RECORD_OFFSETS])

    def set_boot_state(self, state: BootState) -> None:
        with self.path.open("r+b") as file:
            os.pwrite(file.fileno(), state.render(), state.offset)

    def copy(self, path: Path) -> None:
        """The card as it is now."""
        shutil.copyfile(self.path, path)

    def _mtools(self, command: str, *arguments: str, data: bytes | None = None) -> bytes:
        done = subprocess.run(
            [command, "-i", f"{self.path}@@{FAT_OFFSET}", *arguments],
            input=data,
            capture_output=True,
            check=False,
            env={**os.environ, "MTOOLS_SKIP_CHECK": "1"},
        )
        if done.returncode:
            raise OSError(f"{command} {arguments}: {done.stderr.decode()}")
        return done.stdout
