"""The file system under one folder ("/" on the station), touched without ever following a symbolic link.

Every folder on the way is opened by its name in the one before (openat, O_NOFOLLOW), so that nobody who can write
in one of them can redirect a write. A file is written under another name, fsynced, renamed into place, and the
folder fsynced: a power cut leaves the old one or the new one. The next run removes half-written files.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from dialpost.core.system.apply.rendered import Rendered

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER_MODE = 0o755
_LARGEST = 1_000_000


class Place:
    """The folder `root`, which may itself be reached through links; nothing below it may."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root

    @property
    def is_system(self) -> bool:
        """Whether it is the running system, whose services have to be notified of changes."""
        return self.root.resolve() == Path("/")

    def shown(self, path: str) -> Path:
        """The location of a system path below this root."""
        return self.root / path.lstrip("/")

    def has(self, file: Rendered) -> bool:
        """Whether exactly this file is there. Raises: OSError if that can't be determined."""
        try:
            with self._folder(file.path) as (folder, name):
                there = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if file.is_link:
                    return stat.S_ISLNK(there.st_mode) and os.readlink(name, dir_fd=folder) == file.text
                right = stat.S_ISREG(there.st_mode) and stat.S_IMODE(there.st_mode) == file.mode
                return right and self._text(folder, name) == file.text
        except FileNotFoundError:
            return False

    def read(self, path: str) -> str | None:
        """The text of a file, or the target of a link; None if there is neither. Raises: OSError."""
        try:
            with self._folder(path) as (folder, name):
                if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                    return os.readlink(name, dir_fd=folder)
                return self._text(folder, name)
        except FileNotFoundError:
            return None

    def write(self, file: Rendered) -> None:
        """Put it into place, complete and durable on return. Raises: OSError; the old one is in place then."""
        with self._folder(file.path, make=True) as (folder, name):
            fresh = f".{name}.new"
            with contextlib.suppress(FileNotFoundError):
                os.unlink(fresh, dir_fd=folder)
            if file.is_link:
                os.symlink(file.text, fresh, dir_fd=folder)
            else:
                _write_new(folder, fresh, file)
            os.rename(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)

    def remove(self, path: str) -> bool:
        """Remove it, durably; returns whether it was there. Raises: OSError."""
        try:
            with self._folder(path) as (folder, name):
                os.unlink(name, dir_fd=folder)
                os.fsync(folder)
        except FileNotFoundError:
            return False
        return True

    @contextlib.contextmanager
    def _folder(self, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """The open folder of a path, and the name in it."""
        *folders, name = PurePosixPath(path).parts[1:]
        descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for each in folders:
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(each, _FOLDER_MODE, dir_fd=descriptor)
                inner = os.open(each, _FOLDER_FLAGS, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
            yield descriptor, name
        finally:
            os.close(descriptor)

    @staticmethod
    def _text(folder: int, name: str) -> str:
        with os.fdopen(os.open(name, _READ_FLAGS, dir_fd=folder), "rb") as file:
            return file.read(_LARGEST).decode("utf-8", "replace")


def _write_new(folder: int, name: str, file: Rendered) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, file.mode, dir_fd=folder), "wb") as fresh:
        # The umask may have taken bits away from the mode given to open.
        os.fchmod(fresh.fileno(), file.mode)
        fresh.write(file.text.encode())
        fresh.flush()
        os.fsync(fresh.fileno())
