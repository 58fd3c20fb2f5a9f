"""Giving up root: what a command writes for the daemon must belong to the daemon's user, or it can't read it."""

from __future__ import annotations

import os
import pwd
from pathlib import Path


def become_owner_of(directory: Path) -> None:
    """If this process is root and the directory is somebody else's, be that user from now on, for good."""
    if os.geteuid() != 0 or not directory.exists():
        return
    owner = directory.stat()
    if owner.st_uid == 0:
        return
    try:
        os.initgroups(pwd.getpwuid(owner.st_uid).pw_name, owner.st_gid)
    except KeyError:  # a user id without a name
        os.setgroups([owner.st_gid])
    os.setgid(owner.st_gid)
    os.setuid(owner.st_uid)
