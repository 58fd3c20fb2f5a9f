"""A disk's image that is made again and again, quickly: most of it is zeros."""

from __future__ import annotations

import os
from pathlib import Path

from rig.crash.states import Write

_PIECE = 16_384


class Image:
    """The file `path` of this size, open until `close`."""

    def __init__(self, path: Path, size: int) -> None:
        self.path, self._size = path, size
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        os.ftruncate(self._file, size)
        self._base, self._runs = b"", list[Write]()

    def write(self, base: bytes, writes: tuple[Write, ...]) -> None:
        """Make it `base` with these writes, whatever it was."""
        if base is not self._base:
            self._base, self._runs = base, _runs(base)
        os.ftruncate(self._file, 0)
        os.ftruncate(self._file, self._size)
        for offset, data in (*self._runs, *writes):
            os.pwrite(self._file, data, offset)

    def close(self) -> None:
        """No more."""
        os.close(self._file)


def _runs(data: bytes) -> list[Write]:
    """Where it is not zero, and what is there."""
    blank, runs, begin = bytes(_PIECE), list[Write](), None
    for offset in range(0, len(data) + _PIECE, _PIECE):
        is_blank = data[offset : offset + _PIECE] in (blank, b"")
        if is_blank and begin is not None:
            runs.append((begin, data[begin:offset]))
            begin = None
        elif not is_blank and begin is None:
            begin = offset
    return runs
