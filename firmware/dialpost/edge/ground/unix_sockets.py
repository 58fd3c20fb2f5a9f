"""Paths of UNIX sockets that are longer than the kernel accepts (107 octets, unix(7)).

The folder is opened and named by its descriptor instead: `/proc/self/fd/N/NAME` is short however long the folder's
path is. Each end may do so independently.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

LONGEST = 107


@contextlib.contextmanager
def socket_path(path: Path) -> Iterator[str]:
    """The path to bind or connect to, within the context. Raises: OSError if its folder can't be opened."""
    if len(os.fsencode(path)) <= LONGEST:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
