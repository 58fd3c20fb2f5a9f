"""Giving up root: files that a command writes for the daemon must belong to the daemon's user to be readable."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Sequence
from pathlib import Path

DEVICE_GROUPS = ("dialout", "tty", "systemd-journal")
"""The groups of the console's unit besides the user's own (systemd/dialpost-console@.service)."""


def become_owner_of(directory: Path, more_groups: Sequence[str] = ()) -> None:
    """If this process is root and the directory belongs to another user, become that user permanently.

    Those of `more_groups` that exist here are kept.
    """
    if os.geteuid() != 0 or not directory.exists():
        return
    owner = directory.stat()
    if owner.st_uid == 0:
        return
    try:
        # Groups first: only root may change them, and this process is about to stop being root.
        os.initgroups(pwd.getpwuid(owner.st_uid).pw_name, owner.st_gid)
    except KeyError:  # a user id without a name
        os.setgroups([owner.st_gid])
    found = [gid for name in more_groups if (gid := _group(name)) is not None]
    os.setgroups(list(dict.fromkeys([*os.getgroups(), *found])))
    os.setgid(owner.st_gid)  # before setuid: afterwards the group can no longer be changed
    os.setuid(owner.st_uid)


def _group(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None
