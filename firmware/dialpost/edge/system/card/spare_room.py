"""Room on the card reserved for the station itself, and a check whether there is any.

On a full card the station must still start, report it, and delete: SQLite needs its log and its index for that, and
each small file is written beside the old one. So a few files without content are kept (`spare-room/`), which are
deleted one by one to free room and inodes when nothing else helps. Until they are restored, once the card has
plenty, no mail is accepted: it would only use up the station's own room (decision 31).

Blocks; called in threads.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

from dialpost.edge.ground.durable import storage_error, sync

FILES = 8
FILE_BYTES = 262_144
_WANTED_FREE_BYTES = 4 * FILES * FILE_BYTES
"""What counts as plenty. Well above the reserve, or the files would be made and released in turns."""
_WANTED_FREE_FILES = 4 * FILES
_PROBE_FILES = 4
"""A start needs about as many new files: SQLite's log and index, and two written beside their old versions."""


class SpareRoom:
    """The room reserved in a data directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._folder = directory / "spare-room"
        self._one_at_a_time = threading.Lock()
        self._is_whole: bool | None = None

    def is_used(self) -> bool:
        """Whether some of it was released and the card has not had plenty since. False if there never was any."""
        if self._is_whole is None:
            self._is_whole = self.keep() or not self._folder.exists()
        return not self._is_whole and not self.keep()

    def keep(self) -> bool:
        """Restore the missing part if the card has plenty; returns whether it is complete now."""
        is_whole = self._make()
        if is_whole:
            self._is_whole = True
        return is_whole

    def _make(self) -> bool:
        with self._one_at_a_time, contextlib.suppress(OSError):
            missing = [path for path in self._files() if not path.exists() or path.stat().st_size < FILE_BYTES]
            if missing and self._has_plenty():
                self._folder.mkdir(mode=0o700, exist_ok=True)
                for path in missing:
                    _take_room(path)
                missing = []
            return not missing
        return False

    def give(self) -> bool:
        """Release one part of it; False if nothing is left."""
        with self._one_at_a_time:
            for path in self._files():
                with contextlib.suppress(OSError):
                    path.unlink()
                    self._is_whole = False
                    return True
        return False

    def check(self) -> None:
        """Test durably whether there is the room that a start needs.

        Raises: StorageFullError, StorageError; the text is for people.
        """
        made: list[Path] = []
        there = next(folder for folder in (self._directory, *self._directory.parents) if folder.is_dir())
        try:
            for number in range(_PROBE_FILES):
                path = there / f".probe-{os.getpid()}-{number}"
                made.append(path)
                _take_room(path)
            # Some card faults show only when data really has to reach the card.
            sync(made[0])
        except OSError as error:
            raise storage_error(error, f"{self._directory} can't be written") from error
        finally:
            for path in made:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _files(self) -> list[Path]:
        return [self._folder / str(number) for number in range(FILES)]

    def _has_plenty(self) -> bool:
        status = os.statvfs(self._directory)
        has_files = status.f_files == 0 or status.f_favail >= _WANTED_FREE_FILES
        return has_files and status.f_bavail * status.f_frsize >= _WANTED_FREE_BYTES


def _take_room(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, FILE_BYTES)  # a sparse file would reserve nothing
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink()
        raise
    finally:
        os.close(descriptor)
