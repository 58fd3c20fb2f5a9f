"""Processes of our own: started, watched, ended by their id."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

_T = TypeVar("_T")
_PDEATHSIG = 1
"""PR_SET_PDEATHSIG of <linux/prctl.h>."""


class RigError(Exception):
    """The rig itself (not the station) could not do what a test needs."""


def eventually(
    look: Callable[[], _T], *, within_s: float = 20.0, what: str = "", longest_pause_s: float = 0.2
) -> _T:
    """Look again and again until the answer is true; then that answer. For what sends no event to us."""
    deadline = time.monotonic() + within_s
    pause_s = 0.01
    while not (answer := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s:g} s: {what or look}; last seen: {answer!r}")
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, longest_pause_s)
    return answer


def die_with_parent() -> None:
    """From now on the kernel ends this process when the one that made it ends, however that happens."""
    result = ctypes.CDLL(None, use_errno=True).prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    assert result == 0, os.strerror(ctypes.get_errno())


class Child:
    """One process with its output in a file."""

    def __init__(self, command: Sequence[str | Path], log: Path, *, env: dict[str, str] | None = None) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **env} if env else None,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait(self, timeout_s: float) -> int:
        return self._process.wait(timeout_s)

    def kill(self) -> None:
        """SIGKILL, at once; returns when the process is gone."""
        self._process.kill()
        self._process.wait()

    def stop(self, timeout_s: float = 20.0) -> int:
        """SIGTERM, then SIGKILL where that is not obeyed in time. Its exit status."""
        if self.is_running():
            self._process.terminate()
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RigError(f"{self._process.args!r} did not end within {timeout_s:g} s of SIGTERM") from None

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:])

    def wait_for_greeting(self, port: int, *, greeting: bytes = b"", within_s: float = 20.0) -> None:
        """Wait until the port is open and, where given, greets so."""

        def greets() -> bool:
            if not self.is_running():
                raise RigError(f"{self._process.args!r} ended at once:\n{self.tail()}")
            return _greeting(port, len(greeting)).startswith(greeting) if greeting else _is_open(port)

        try:
            eventually(greets, within_s=within_s, what=f"a greeting on port {port}", longest_pause_s=0.02)
        except AssertionError as error:
            raise RigError(f"{error}\n{self.tail()}") from None


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _greeting(port: int, length: int) -> bytes:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            return connection.recv(length)
    except OSError:
        return b""
