"""Asking root to install an update: starts `dialpost-update.service`, shows its messages, waits for its end.

An operator at the console can't write a slot. The request (a file that names the bundle) is in the
station's folder; polkit lets the station's user start that one unit (systemd/dialpost.rules), which verifies
everything itself. Its messages come through a file that everybody may read. Blocks.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from dialpost.core.errors import UpdateError

UNIT = "dialpost-update.service"
WISH = "update-wish"
SAID = Path("/run/dialpost-update/said")
DONE = "Done: "
"""The start of the last line if the update was installed."""
_LOOK_EVERY_S = 0.5
_LONGEST_WISH = 4096


class UpdateUnit:
    """`folder` is the station's own (data_dir), `said` the file with the unit's messages."""

    def __init__(self, folder: Path, said: Path = SAID, systemctl: str = "systemctl") -> None:
        self._wish, self._said, self._systemctl = folder / WISH, said, systemctl

    def install(self, bundle: Path, tell: Callable[[str], None]) -> None:
        """Install it; `tell` gets each line as it comes. Raises: UpdateError with the unit's last message."""
        try:
            self._wish.write_text(str(bundle) + "\n", "utf-8")
            # Messages of an earlier run may still be there.
            self._said_since = self._mark()
            with subprocess.Popen(
                [self._systemctl, "--no-ask-password", "start", UNIT],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            ) as process:
                last = self._follow(process, tell)
                trouble = process.stderr.read().strip() if process.stderr is not None else ""
        except OSError as error:
            raise UpdateError(f"The update could not be started: {error.strerror or error}.") from error
        finally:
            with contextlib.suppress(OSError):
                self._wish.unlink(missing_ok=True)
        if process.returncode or not last.startswith(DONE):
            raise UpdateError(last or f"The update could not be started: {trouble or UNIT}")

    def _follow(self, process: subprocess.Popen[str], tell: Callable[[str], None]) -> str:
        """Show all lines but the last, which is returned."""
        told, last, is_running = 0, "", True
        while is_running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_EVERY_S)
                is_running = False
            lines = self._lines()
            if not is_running and lines:
                last = lines[-1]
            for line in lines[told : len(lines) - 1]:
                tell(line)
            told = max(told, len(lines) - 1)
        return last

    def _lines(self) -> list[str]:
        if self._mark() == self._said_since:  # of an earlier run
            return []
        with contextlib.suppress(OSError):
            return self._said.read_text("utf-8", "replace").splitlines()
        return []

    def _mark(self) -> tuple[int, int] | None:
        try:
            there = self._said.stat()
        except OSError:
            return None
        return there.st_ino, there.st_mtime_ns


def wished(folder: Path) -> Path:
    """The bundle named in the request. Raises: UpdateError if there is none."""
    try:
        descriptor = os.open(folder / WISH, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            text = file.read(_LONGEST_WISH).decode("utf-8", "replace").strip()
    except OSError as error:
        raise UpdateError("No update was requested.") from error
    path = Path(text)
    if not text or not path.is_absolute():
        raise UpdateError("No update was requested.")
    return path
