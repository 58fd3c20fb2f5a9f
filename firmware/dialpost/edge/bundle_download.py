"""An update fetched from a computer on the LAN (http://): whole in a file of ours, or not at all. Blocking.

No TLS is needed: RAUC verifies who made the bundle before a byte of it is used.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from dialpost.core.errors import UpdateError

_PIECE_BYTES = 256 * 1024
_LARGEST_BYTES = 2_000_000_000
_TIMEOUT_S = 60.0
_TELL_EVERY_S = 5.0
_RESERVE_BYTES = 100_000_000
NAME = "update.raucb"


def is_address(text: str) -> bool:
    """Whether it is an address of a web server rather than a file's name."""
    return urlsplit(text).scheme in {"http", "https"}


@contextmanager
def fetched(address: str, folder: Path, tell: Callable[[str], None]) -> Iterator[Path]:
    """The bundle in a file of `folder`, removed at the end. Raises: UpdateError; nothing is left then."""
    path = folder / NAME
    try:
        _fetch(address, path, tell)
        yield path
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _fetch(address: str, path: Path, tell: Callable[[str], None]) -> None:
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(address, timeout=_TIMEOUT_S) as answer:
            total = int(answer.headers.get("Content-Length") or 0)
            free = shutil.disk_usage(path.parent).free - _RESERVE_BYTES
            if not 0 < total <= _LARGEST_BYTES:
                raise UpdateError(f"{address} does not say how large it is, or is no update.")
            if total > free:
                raise UpdateError(
                    f"{address} has {total // 1_000_000} MB; the card has room for {free // 1_000_000}."
                )
            _copy(answer, path, total, tell)
    except urllib.error.HTTPError as error:
        raise UpdateError(f"{address}: the computer says {error.code} {error.reason}.") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise UpdateError(f"{address} could not be fetched: {reason}.") from error


def _copy(answer: http.client.HTTPResponse, path: Path, total: int, tell: Callable[[str], None]) -> None:
    done, told_s = 0, time.monotonic()
    with path.open("wb") as file:
        while piece := answer.read(_PIECE_BYTES):
            file.write(piece)
            done += len(piece)
            if time.monotonic() - told_s >= _TELL_EVERY_S:
                tell(f"{done // 1_000_000} of {total // 1_000_000} MB fetched")
                told_s = time.monotonic()
        file.flush()
        os.fsync(file.fileno())
    if done != total:
        raise UpdateError(f"Only {done} of {total} bytes came: the connection broke off. Try again.")
    tell(f"{total // 1_000_000} MB fetched")
