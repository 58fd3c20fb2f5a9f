"""An update in our own file, complete or not at all: fetched from a computer on the LAN (http://), or copied.

TLS is not needed, because RAUC verifies the bundle's signature before it uses a byte of it. But what RAUC verified
must be what it installs: root works on a copy that nobody else can write. Blocks.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import urlsplit

from dialpost.core.errors import UpdateError
from dialpost.edge.ground.folders import open_folder

_PIECE_BYTES = 256 * 1024
_LARGEST_BYTES = 2_000_000_000
_TIMEOUT_S = 60.0
_TELL_EVERY_S = 5.0
_RESERVE_BYTES = 100_000_000
NAME = "update.raucb"


class _Source(Protocol):
    def read(self, size: int, /) -> bytes:
        """The next bytes; b"" at the end."""


def is_address(text: str) -> bool:
    """Whether it is a web address rather than a file name."""
    return urlsplit(text).scheme in {"http", "https"}


@contextmanager
def fetched(address: str, folder: Path, tell: Callable[[str], None]) -> Iterator[Path]:
    """Fetch the bundle into a file of `folder`, removed at the end. Raises: UpdateError; nothing is left then."""
    path = folder / NAME
    try:
        _fetch(address, path, tell)
        yield path
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


@contextmanager
def copied(bundle: Path, folder: Path, tell: Callable[[str], None]) -> Iterator[Path]:
    """Copy a file that others can write or swap into `folder`, which is root's. Raises: UpdateError."""
    path = folder / NAME
    try:
        folder.mkdir(mode=0o755, exist_ok=True)
        descriptor = os.open(bundle, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as source:
            there = os.fstat(descriptor)
            if not stat.S_ISREG(there.st_mode):
                raise UpdateError(f"{bundle} is not a file.")
            _check_room(str(bundle), there.st_size, folder)
            _copy(source, path, there.st_size, tell, "copied")
        yield path
    except OSError as error:
        raise UpdateError(f"{bundle} could not be copied: {error.strerror or error}.") from error
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _check_room(what: str, size: int, folder: Path) -> None:
    free = shutil.disk_usage(folder).free - _RESERVE_BYTES
    # Without a length a lost connection would look like the end of the file.
    if not 0 < size <= _LARGEST_BYTES:
        raise UpdateError(f"{what} does not say how large it is, or is not an update.")
    if size > free:
        raise UpdateError(f"{what} has {size // 1_000_000} MB; the card has room for {max(0, free) // 1_000_000}.")


def _fetch(address: str, path: Path, tell: Callable[[str], None]) -> None:
    try:
        # No proxy: the computer is on the LAN, and root's environment must not redirect the download.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(address, timeout=_TIMEOUT_S) as answer:
            total = int(answer.headers.get("Content-Length") or 0)
            _check_room(address, total, path.parent)
            _copy(answer, path, total, tell, "fetched")
    except urllib.error.HTTPError as error:
        raise UpdateError(f"{address}: the computer says {error.code} {error.reason}.") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise UpdateError(f"{address} could not be fetched: {reason}.") from error


def _copy(source: _Source, path: Path, total: int, tell: Callable[[str], None], done_what: str) -> None:
    done, told_s = 0, time.monotonic()
    with _new_file(path) as file:
        while piece := source.read(_PIECE_BYTES):
            file.write(piece)
            done += len(piece)
            if time.monotonic() - told_s >= _TELL_EVERY_S:
                tell(f"{done // 1_000_000} of {total // 1_000_000} MB {done_what}")
                told_s = time.monotonic()
        file.flush()
        os.fsync(file.fileno())
    if done != total:
        raise UpdateError(f"Only {done} of {total} bytes came: the connection was lost. Try again.")
    tell(f"{total // 1_000_000} MB {done_what}")


def _new_file(path: Path) -> BinaryIO:
    """Create a file that is ours from its first byte on: anything of that name is removed first."""
    folder = open_folder(path.parent)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path.name, dir_fd=folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.fdopen(os.open(path.name, flags, 0o600, dir_fd=folder), "wb")
    finally:
        os.close(folder)
