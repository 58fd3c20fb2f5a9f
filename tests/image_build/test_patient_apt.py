"""image-build/patient-apt: it waits for a program that is using the package lists, but not after another fault."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "image-build/patient-apt"
LOCKED = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 17 (apt-get)"


def _run(folder: Path, apt_get: str, patience_s: int = 60) -> subprocess.CompletedProcess[str]:
    """With our own apt-get in front of the machine's."""
    (folder / "apt-get").write_text(f'#!/bin/sh\necho "$*" >>{folder}/calls\n{apt_get}\n')
    (folder / "apt-get").chmod(0o755)
    (folder / "sleep").write_text("#!/bin/sh\nexit 0\n")
    (folder / "sleep").chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "PATIENCE_S": str(patience_s), "TMPDIR": str(folder)}
    return subprocess.run([SCRIPT, "update"], capture_output=True, text=True, env=environment, check=False)


def test_a_lock_is_waited_for(tmp_path: Path) -> None:
    done = _run(tmp_path, f'[ "$(wc -l <{tmp_path}/calls)" = 3 ] || {{ echo "{LOCKED}" >&2; exit 100; }}')
    assert done.returncode == 0
    assert done.stderr == "Another program is using the package lists; waiting for it (ten minutes at most).\n"
    assert (tmp_path / "calls").read_text().splitlines() == ["-o DPkg::Lock::Timeout=60 -qq update"] * 3


def test_not_for_ever(tmp_path: Path) -> None:
    done = _run(tmp_path, f'echo "{LOCKED}" >&2; exit 100', patience_s=0)
    assert done.returncode == 100
    assert LOCKED in done.stderr


def test_another_fault_is_reported_at_once(tmp_path: Path) -> None:
    done = _run(tmp_path, "echo 'E: Unable to fetch' >&2; exit 100")
    assert (done.returncode, done.stderr) == (100, "E: Unable to fetch\n")
    assert len((tmp_path / "calls").read_text().splitlines()) == 1
