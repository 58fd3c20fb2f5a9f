"""Data of new files on its way to the card, so that many files share one flush.

On ext4 (`data=ordered`, as Debian mounts it) `reach_disk` writes a file's data and waits, without a flush of the
card: once the names of such files are made durable by an fsync of their folder, the journal's commit flushes the
card first, so the data is durable no later than the names (docs/decisions/0051). Any other file system promises
less, also ext4 without a journal, and there `reach_disk` is an fdatasync.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
from collections.abc import Callable
from pathlib import Path

_WAIT_BEFORE, _WRITE, _WAIT_AFTER = 1, 2, 4  # sync_file_range(2)
_DEVICES = Path("/sys/dev/block")
"""Links to the block devices, named by major and minor number."""
_EXT4 = Path("/proc/fs/ext4")
"""A directory for each device that is mounted as ext4. Its `options` has all of them, also those by default."""


def start_writing(descriptor: int) -> None:
    """Let the kernel start writing a file's data, without waiting. `reach_disk` reports faults."""
    if _shares_flushes(os.fstat(descriptor).st_dev):
        with contextlib.suppress(OSError):
            _sync_file_range(descriptor, _WRITE)


def reach_disk(descriptor: int) -> None:
    """Wait until a file's data is at the card; an fsync of its folder then makes data and name durable.

    Raises: OSError.
    """
    if _shares_flushes(os.fstat(descriptor).st_dev):
        _sync_file_range(descriptor, _WAIT_BEFORE | _WRITE | _WAIT_AFTER)
    else:
        os.fdatasync(descriptor)


@functools.lru_cache(maxsize=16)
def _shares_flushes(device: int) -> bool:
    """Whether this device holds an ext4 file system with a journal, in ordered mode with barriers."""
    with contextlib.suppress(OSError):
        name = (_DEVICES / f"{os.major(device)}:{os.minor(device)}").readlink().name
        options = (_EXT4 / name / "options").read_text(encoding="utf-8", errors="replace").split()
        return "data=ordered" in options and "barrier" in options and _function() is not None
    return False


@functools.lru_cache(maxsize=1)
def _function() -> Callable[[int, int, int, int], int] | None:
    """sync_file_range(2); None if the C library or the unit's restrictions don't let us have it."""
    try:
        function = ctypes.CDLL(None, use_errno=True).sync_file_range
    except (OSError, AttributeError, MemoryError):
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return function


def _sync_file_range(descriptor: int, flags: int) -> None:
    function = _function()
    assert function is not None
    if function(descriptor, 0, 0, flags) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
