"""Skipping aloud: a system test that lacks something says what, and the command that gets it."""

from __future__ import annotations

import pytest

from rig.chroots import missing
from rig.station import PROGRAM


def needs(*servers: str, commands: tuple[str, ...] = ()) -> pytest.MarkDecorator:
    """Mark a module or test: it needs these real servers (in their chroots) and these commands."""
    lacking = missing(servers=servers, commands=commands)
    if not PROGRAM.exists():
        lacking = f"{PROGRAM}; get it with: make setup"
    return pytest.mark.skipif(bool(lacking), reason=f"this test needs {lacking}")
