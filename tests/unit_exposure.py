"""systemd's own measure of how much of the machine a unit may touch, where this machine can take it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

_RUN = Path("/run/systemd")


def _lacking() -> str:
    if shutil.which("systemd-analyze") is None:
        return "systemd-analyze is missing (Debian: systemd): how exposed the units are was not measured"
    if not _RUN.is_dir() and os.geteuid() != 0:
        return f"systemd-analyze needs {_RUN}, which a machine booted by systemd has: the exposure was not measured"
    return ""


needs_analyzer = pytest.mark.skipif(bool(_lacking()), reason=_lacking())


def exposure(unit: Path, folder: Path) -> float:
    """From 0 (safe) to 10. `folder` is for a copy under a name that can be analysed, as a template's can't."""
    copy = folder / unit.name.replace("@.", "@ttyAMA0.")
    copy.write_text(unit.read_text())
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(copy)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    return float(found[1])
