"""Skipping aloud: a system test that lacks something says what, and the command that gets it."""

from __future__ import annotations

import os

import pytest

from rig.line.uml import missing_for_guests
from rig.servers.chroots import missing
from rig.station import PROGRAM


def needs(*servers: str, commands: tuple[str, ...] = (), root: bool = False) -> pytest.MarkDecorator:
    """Mark a module or test: it needs these real servers (in their chroots), these commands, or root."""
    lacking = missing(servers=servers, commands=commands)
    if root and os.geteuid() != 0:
        lacking = "to be root, as it mounts a small disk; run: sudo make test-system"
    if not PROGRAM.exists():
        lacking = f"{PROGRAM}; get it with: make setup"
    return pytest.mark.skipif(bool(lacking), reason=f"this test needs {lacking}")


def needs_guests(*trees: str) -> pytest.MarkDecorator:
    """Mark a module or test: it boots guests from these trees."""
    lacking = missing_for_guests(*trees)
    if not PROGRAM.exists():
        lacking = f"{PROGRAM}; get it with: make setup"
    return pytest.mark.skipif(bool(lacking), reason=f"this test needs {lacking}")
