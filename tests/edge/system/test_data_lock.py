"""Two daemons on one data directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dialpost.core.errors import AlreadyRunningError
from dialpost.edge.system.data_lock import DataLock

HOLDER = """
import sys
from pathlib import Path
from dialpost.edge.system.data_lock import DataLock
DataLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_the_second_is_told_who_the_first_is(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(AlreadyRunningError, match=f"process {holder.pid}\\b.*Stop it first"):
            DataLock(tmp_path).acquire()
        holder.kill()
        holder.wait(60)
    lock = DataLock(tmp_path)
    lock.acquire()  # it ended with its holder
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    lock.release()
    DataLock(tmp_path).acquire()
