"""The daemon in a process that is killed, or whose card fails, at a system call of our choice (`cut_calls.c`).

`Nursery` is a child that has loaded the whole program and the library once, and forks a daemon from itself for each
try: that takes a tenth of the time of a start.
"""

from __future__ import annotations

import contextlib
import enum
import mmap
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_SOURCE = Path(__file__).with_name("cut_calls.c")
_ORDERS = struct.Struct("<iiii232s")


class How(enum.IntEnum):
    """What happens at the call; the numbers are those of cut_calls.c."""

    OFF = 0
    COUNT = 1
    KILL = 2  # before the call
    TORN = 3  # half of a write is done, then it is killed
    FAIL = 4  # EIO, once
    FULL = 5  # ENOSPC for what needs room, from then on
    NO_INODES = 6  # ENOSPC for new names, from then on
    READ_ONLY = 7  # EROFS, from then on


def library(folder: Path) -> Path:
    """Compile it."""
    made = folder / "cut_calls.so"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-O2", "-w", "-o", made, _SOURCE, "-ldl"],
        check=True,
    )
    return made


@dataclass(frozen=True)
class Seen:
    """Calls counted since an order, how many it acted on, and the first of these: call and path."""

    count: int
    hits: int
    where: str


class Nursery:
    """Forks daemons below `folder`. One at a time."""

    def __init__(self, folder: Path, under: Path, library: Path) -> None:
        self._orders_path = folder / "orders"
        self._orders_path.write_bytes(bytes(_ORDERS.size))
        with self._orders_path.open("r+b") as file:
            self._orders = mmap.mmap(file.fileno(), _ORDERS.size)
        env = {
            **os.environ,
            "LD_PRELOAD": str(library),
            "CUT_ORDERS": str(self._orders_path),
            "CUT_UNDER": str(under),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self._child = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("cut_nursery.py"))],
            env=env,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def order(self, how: How, at: int = 0) -> None:
        """From now on."""
        self._orders[:] = _ORDERS.pack(How.OFF, 0, 0, 0, b"")
        self._orders[:] = _ORDERS.pack(how, at, 0, 0, b"")

    def rest(self) -> None:
        """No orders; what was `seen` stays to be asked."""
        self._orders[:4] = struct.pack("<i", How.OFF)

    @property
    def seen(self) -> Seen:
        """What has come of the last order."""
        _, _, count, hits, where = _ORDERS.unpack(self._orders[:])
        return Seen(count, hits, where.split(b"\0")[0].decode("utf-8", "replace"))

    def daemon(self, config: Path, log: Path) -> Life:
        """Start one."""
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.write(f"{config}\t{log}\n")
        self._child.stdin.flush()
        return Life(int(self._child.stdout.readline()))

    def close(self) -> None:
        """No more of them."""
        assert self._child.stdin is not None
        self._child.stdin.close()
        self._child.wait(10)


class Life:
    """One daemon."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._handle = os.pidfd_open(pid)

    def has_ended(self, within_s: float = 0.0) -> bool:
        """Whether it is gone, waiting this long."""
        return bool(select.select([self._handle], [], [], within_s)[0])

    def kill(self) -> None:
        """SIGKILL."""
        self._signal(signal.SIGKILL)
        self._end(10)

    def stop(self) -> None:
        """SIGTERM."""
        self._signal(signal.SIGTERM)
        self._end(30)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            signal.pidfd_send_signal(self._handle, number)

    def _end(self, within_s: float) -> None:
        if not self.has_ended(within_s):
            self._signal(signal.SIGKILL)
            self.has_ended(10)
            raise AssertionError(f"it did not end within {within_s} s")
        os.close(self._handle)


def fresh_copy(template: Path, place: Path) -> None:
    """`place` as `template` is, whatever was there."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(template, place, symlinks=True)
