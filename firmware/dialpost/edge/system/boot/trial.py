"""Whether this start is one on trial: a file in memory, made by root at the start (prepare-data), gone once the
slot has proven itself (dialpost-health.service). Elsewhere than on the image no start is.
"""

from __future__ import annotations

from pathlib import Path

MARK = Path("/run/dialpost-boot/on-trial")


class BootTrial:
    """The mark at `path`."""

    def __init__(self, path: Path = MARK) -> None:
        self._path = path

    def is_on(self) -> bool:
        """Whether the release that runs has yet to prove itself."""
        return self._path.exists()

    def begin(self) -> None:
        """It has. Raises: OSError."""
        self._path.parent.mkdir(mode=0o755, exist_ok=True)
        self._path.touch()

    def end(self) -> None:
        """It has proven itself. Raises: OSError."""
        self._path.unlink(missing_ok=True)
