"""Opening a folder in which another user may write, so that nobody can redirect a write.

Root runs parts of Dialpost, and the station's user owns the folders they work in: a link put there in time would
make root write, own or remove somebody else's file. As root a link on the way to a folder is followed only if root
itself made it; a name in the folder is then used relative to the open folder (openat(2)), never as a whole path.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_MOST_LINKS = 40  # the kernel's own limit


def open_folder(folder: Path) -> int:
    """Open it; returns the descriptor. Raises: OSError; ELOOP if a link of another user is on root's way."""
    if os.geteuid() != 0:
        return os.open(folder, FOLDER_FLAGS)
    names = list(folder.absolute().parts[1:])
    links, current = 0, os.open("/", FOLDER_FLAGS)
    try:
        while names:
            name = names.pop(0)
            there = os.stat(name, dir_fd=current, follow_symlinks=False)
            if not stat.S_ISLNK(there.st_mode):
                inner = os.open(name, FOLDER_FLAGS | os.O_NOFOLLOW, dir_fd=current)
                os.close(current)
                current = inner
                continue
            links += 1
            if there.st_uid != 0 or links > _MOST_LINKS:
                raise OSError(errno.ELOOP, "a link that is not root's is on the way", str(folder))
            target = Path(os.readlink(name, dir_fd=current))
            if target.is_absolute():
                os.close(current)
                current = os.open("/", FOLDER_FLAGS)
            names[:0] = [part for part in target.parts if part != "/"]
    except BaseException:
        os.close(current)
        raise
    return current
