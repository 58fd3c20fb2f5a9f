"""A loop device on a file, which goes with the process that made it, however that ends."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


class LoopDevice:
    """`path` is the device, until `close` or the end of this process, and as long as it is mounted."""

    def __init__(self, file: Path, *options: str) -> None:
        command: list[str | Path] = ["losetup", "--find", "--show", *options, file]
        self.path = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        self._kept = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        subprocess.run(
            ["losetup", "--detach", self.path], check=True
        )  # takes effect with the last that has it open

    def close(self) -> None:
        """Give it back."""
        os.close(self._kept)
