"""mount(2) and umount(2) without other programs: the crash proof does each ten thousands of times."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_NOATIME, _DETACH = 0x400, 2


def mount(source: str, place: Path, kind: str, *, options: str = "") -> None:
    """Raises: OSError."""
    if _LIBC.mount(source.encode(), os.fsencode(place), kind.encode(), _NOATIME, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), f"{source} can't be mounted as {kind}: {os.strerror(ctypes.get_errno())}")


def umount(place: Path) -> None:
    """Raises: OSError."""
    if _LIBC.umount2(os.fsencode(place), 0) != 0:
        raise OSError(ctypes.get_errno(), f"{place} can't be unmounted: {os.strerror(ctypes.get_errno())}")
