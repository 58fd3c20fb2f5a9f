"""The places of the program that make something durable: named, and one of them left out on purpose.

Those of Python are named here, by the functions that lead to a call of fsync; SQLite's in `watched_calls.c`.
"""

from __future__ import annotations

import ctypes
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from dialpost.edge.ground import written_data

_SOURCE = Path(__file__).with_name("watched_calls.c")
_LIBC = ctypes.CDLL(None, use_errno=True)
_range = written_data._sync_file_range
_WAIT_AFTER = 4
_DEPTH = 3
ALL = "*"


def library(folder: Path) -> Path:
    """Compile it."""
    made = folder / "watched_calls.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-w", "-o", made, _SOURCE, "-ldl"], check=True)
    return made


def watch(place: Path, left_out: str, said: int = -1, *, is_eager: bool = False, notes: int = -1) -> None:
    """From now on this process names each place on the descriptor `said` and leaves one out. On `notes` it notes
    each call that changes a file. -1: nowhere.
    """
    folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) if is_eager else -1
    _LIBC.watch_calls(os.fsencode(place), left_out.encode(), said, folder, notes)

    def watched(name: str) -> Callable[[int], None]:
        def call(descriptor: int) -> None:
            site = _site(name, descriptor, place)
            if site and said >= 0:
                os.write(said, f"{site}\n".encode())
            if site and left_out in (site, ALL):
                return
            if _LIBC.sync_now(descriptor, name == "fdatasync") != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

        return call

    written_data._sync_file_range = lambda descriptor, flags: _write_range(descriptor, flags, place, left_out, said)
    os.fsync, os.fdatasync = watched("fsync"), watched("fdatasync")  # type: ignore[assignment]


def _write_range(descriptor: int, flags: int, place: Path, left_out: str, said: int) -> None:
    """sync_file_range(2), which is a place of its own where it waits. Where it doesn't it is a hint, which a kernel
    may take late, so nothing may rest on it: here it is never taken.
    """
    if not flags & _WAIT_AFTER:
        return
    site = _site("sync_file_range", descriptor, place)
    if site and said >= 0:
        os.write(said, f"{site}\n".encode())
    if not (site and left_out in (site, ALL)):
        _range(descriptor, flags)


def _site(name: str, descriptor: int, place: Path) -> str:
    """Its name: who calls, for whom; "" for a file elsewhere."""
    path = Path(f"/proc/self/fd/{descriptor}").readlink()
    if not path.is_relative_to(place):
        return ""
    frame: FrameType | None = sys._getframe(2)
    callers: list[str] = []
    while frame is not None and len(callers) < _DEPTH:
        module = str(frame.f_globals.get("__name__"))
        if module.startswith("dialpost.") and not frame.f_code.co_name.startswith("<"):  # 3.11 has one more there
            callers.append(f"{module.removeprefix('dialpost.')}.{frame.f_code.co_name}:{frame.f_lineno}")
        frame = frame.f_back
    what = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
    return f"{name} of a {what}: {' < '.join(callers)}"
