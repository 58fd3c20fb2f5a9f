"""Updates of every kind, made from the image that is tested: RAUC and the keys are those `make image` used.

The slot is taken out of the card's image and changed offline (debugfs); nothing is mounted.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from image.rig.card import IMAGE, OUT, SLOT_BYTES, SLOT_OFFSETS, TREE

from dialpost.core.system.boot.state import Slot

BOARD = "dialpost-arm64"
_CACHE = OUT.parent
_SITE = "/usr/local/lib/python3.13/dist-packages/dialpost"
_MIB = 1 << 20
SCHEMA, FORMATS = "edge/mail/store/schema.py", "= (_VERSION_1,)"
"""Where the queue's formats stand in the package, and how."""


class Bundles:
    """A workshop; `close` clears it away. `build_s` is the build time the image's own release has."""

    def __init__(self) -> None:
        (_CACHE / "work").mkdir(exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="test-", dir=_CACHE / "work"))
        self._inside = f"/work/work/{self.folder.name}"
        self._keys = Path(os.environ.get("DIALPOST_UPDATE_KEYS", _CACHE / "keys"))
        shutil.copytree(self._keys, self.folder / "keys")
        self._take_slot()
        release = self.read("/usr/lib/os-release")
        found = re.search(r"^BUILD_ID=(\d+)$", release, re.MULTILINE)
        assert found, release
        self.build_s = int(found[1])

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- a slot ----------------------------------------------------------------------------------------

    def slot(self, name: str) -> Path:
        """A copy of the image's slot, to be changed."""
        path = self.folder / f"{name}.ext4"
        subprocess.run(["cp", "--sparse=always", "--reflink=auto", self.folder / "slot.ext4", path], check=True)
        return path

    def read(self, path: str, slot: Path | None = None) -> str:
        """A file of a slot."""
        return self._debugfs(slot or self.folder / "slot.ext4", [f"cat {path}"])

    def write(self, slot: Path, path: str, text: str | bytes, mode: int = 0o644) -> None:
        """A file of a slot, new or in another's place. Byte code made of it goes."""
        fresh = self.folder / "fresh"
        fresh.write_bytes(text.encode() if isinstance(text, str) else text)
        commands = [f"rm {path}"] if self.has(slot, path) else []
        commands += [f"write {fresh} {path}", f"set_inode_field {path} mode 0{0o100000 | mode:o}"]
        if path.endswith(".py"):
            folder, _, name = path.rpartition("/")
            commands.append(f"rm {folder}/__pycache__/{name[:-3]}.cpython-313.pyc")
        self._debugfs(slot, commands, write=True)
        assert self.has(slot, path), path

    def link(self, slot: Path, path: str, target: str) -> None:
        """A symbolic link in a slot."""
        self._debugfs(slot, [f"symlink {path} {target}"], write=True)

    def has(self, slot: Path, path: str) -> bool:
        """Whether there is such a file."""
        return "File not found" not in self._debugfs(slot, [f"stat {path}"], both=True)

    def release(self, slot: Path, version: str, build_s: int) -> None:
        """Give the slot its own version."""
        text = self.read("/usr/lib/os-release", slot)
        text = re.sub(r"^IMAGE_VERSION=.*$", f"IMAGE_VERSION={version}", text, flags=re.MULTILINE)
        text = re.sub(r"^BUILD_ID=.*$", f"BUILD_ID={build_s}", text, flags=re.MULTILINE)
        self.write(slot, "/usr/lib/os-release", text)

    def newer_format(self, slot: Path, number: int) -> None:
        """Give the queue's database a format of that number, each step its own table."""
        text = self.read(f"{_SITE}/{SCHEMA}", slot)
        steps = ", ".join(f'"CREATE TABLE novelty_{step} (key TEXT)"' for step in range(2, number + 1))
        changed = text.replace(FORMATS, f"= (_VERSION_1, {steps})")
        assert changed != text, f"{SCHEMA} on the slot has no {FORMATS}"
        self.write(slot, f"{_SITE}/{SCHEMA}", changed)

    # -- a bundle --------------------------------------------------------------------------------------

    def bundle(
        self, name: str, slot: Path | None, *, version: str, build_s: int, board: str = BOARD, keys: str = "keys"
    ) -> Path:
        """Make it; without a slot it carries a small file that nobody will come to write."""
        work = self.folder / f"{name}.bundle"
        work.mkdir()
        if slot is None:
            (work / "slot.ext4").write_bytes(random.Random(name).randbytes(_MIB))
        else:
            slot.rename(work / "slot.ext4")
        (work / "manifest.raucm").write_text(
            f"[update]\ncompatible={board}\nversion={version}\nbuild={build_s}\n\n"
            "[bundle]\nformat=verity\n\n[image.rootfs]\nfilename=slot.ext4\n"
        )
        here = self._inside
        self._in_tools(
            "rauc",
            f"--cert={here}/{keys}/signer.pem",
            f"--key={here}/{keys}/signer.key",
            f"--keyring={here}/{keys}/ca.pem",
            "--mksquashfs-args=-comp zstd -Xcompression-level 1 -quiet -no-progress",
            "bundle",
            f"{here}/{name}.bundle",
            f"{here}/{name}.raucb",
        )
        shutil.rmtree(work)
        return self.folder / f"{name}.raucb"

    def other_keys(self) -> str:
        """Keys of somebody else: the folder's name for `bundle`."""
        subprocess.run(
            [TREE / "image-build/keys"],
            check=True,
            stdout=subprocess.DEVNULL,
            env=_environment() | {"DIALPOST_UPDATE_KEYS": str(self.folder / "others")},
        )
        shutil.rmtree(_CACHE / "work/keys", ignore_errors=True)
        return "others"

    # -- inside ----------------------------------------------------------------------------------------

    def _take_slot(self) -> None:
        # Sparse: most of a slot is nothing.
        subprocess.run(
            [
                "dd",
                f"if={IMAGE}",
                f"of={self.folder}/slot.ext4",
                "bs=1M",
                f"skip={SLOT_OFFSETS[Slot.A] // _MIB}",
                f"count={SLOT_BYTES // _MIB}",
                "conv=sparse",
                "status=none",
            ],
            check=True,
        )

    def _debugfs(self, slot: Path, commands: list[str], *, write: bool = False, both: bool = False) -> str:
        done = subprocess.run(
            ["/sbin/debugfs", *(["-w"] if write else []), "-f", "-", str(slot)],
            input="\n".join(commands) + "\n",
            capture_output=True,
            text=True,
            check=True,
        )
        said = "\n".join(line for line in done.stdout.split("\n") if not line.startswith("debugfs: "))
        return said + (done.stderr if both else "")

    def _in_tools(self, *command: str) -> None:
        script = '. "$1/lib.sh"; shift; inside "$cache/tools" "$@"'
        done = subprocess.run(
            ["bash", "-c", script, "bundles", str(TREE / "image-build"), *command],
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def _environment() -> dict[str, str]:
    return os.environ | {"DIALPOST_IMAGE_CACHE": str(_CACHE)}


def stick(path: Path, files: Mapping[str, Path], *, size: int = 1 << 30) -> Path:
    """A USB stick with one FAT partition and these files."""
    with path.open("wb") as file:
        file.truncate(size)
    subprocess.run(["/sbin/sfdisk", "--quiet", path], input="2048,,c\n", text=True, check=True)
    drive = f"{path}@@1M"
    subprocess.run(
        ["mformat", "-i", drive, "-T", str((size >> 9) - 2048), "-F", "-h", "64", "-s", "32", "::"], check=True
    )
    for name, source in files.items():
        subprocess.run(["mcopy", "-i", drive, str(source), f"::{name}"], check=True)
    return path
