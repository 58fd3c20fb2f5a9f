"""Whether this start is on trial: a file in memory, made by root at the start (prepare-data) and removed once the
slot has proved itself (dialpost-health.service). Only starts of the image can be on trial.
"""

from __future__ import annotations

from pathlib import Path

MARK = Path("/run/dialpost-boot/on-trial")


class BootTrial:
    """The mark at `path`."""

    def __init__(self, path: Path = MARK) -> None:
        self._path = path

    def is_on(self) -> bool:
        """Whether the running release has yet to prove itself."""
        return self._path.exists()

    def begin(self) -> None:
        """It has yet to. Raises: OSError."""
        self._path.parent.mkdir(mode=0o755, exist_ok=True)
        self._path.touch()

    def end(self) -> None:
        """It has proved itself. Raises: OSError."""
        self._path.unlink(missing_ok=True)
