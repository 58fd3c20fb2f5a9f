"""The programs that set up the line's network: started before they are needed, with their input later.

Each reads its commands from its standard input. So it can be started while nothing is paid for, or while PPP
negotiates, and what is left is what it does: starting it takes a small board 50 to 100 ms. Any thread.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
from collections.abc import Callable, Sequence

from dialpost.core.errors import fault_words

SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
NFT, IP = ("nft", "-f", "-"), ("ip", "-force", "-batch", "-")
_COMMAND_S = 10.0

Run = Callable[[Sequence[str], str], str]
"""Runs a command with this on its standard input; "" or why it failed."""


def run(command: Sequence[str], given: str = "") -> str:
    """Run one command; returns "" or why it failed. Ends in bounded time whatever the command does."""
    try:
        return _finish(_start(command), command, given)
    except OSError as error:
        return f"{shlex.join(command)}: {fault_words(error)}"


class Tools:
    """nft and ip, each good for one run: `start`, `run`, `stop`."""

    def __init__(self) -> None:
        self._waiting: dict[Sequence[str], subprocess.Popen[str]] = {}

    def start(self) -> None:
        """Start them. If that fails, `run` will say so."""
        for command in (NFT, IP):
            with contextlib.suppress(OSError):
                self._waiting[command] = _start(command)

    def run(self, command: Sequence[str], given: str = "") -> str:
        """As `run` above; one that was started early and fails is started again."""
        child = self._waiting.pop(command, None)
        if child is not None and not _finish(child, command, given):
            return ""
        return run(command, given)

    def stop(self) -> None:
        """End those that were not needed. Harmless if none was started."""
        while self._waiting:
            _, child = self._waiting.popitem()
            child.kill()
            child.communicate()


def _start(command: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PATH": f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"},
    )


def _finish(child: subprocess.Popen[str], command: Sequence[str], given: str) -> str:
    try:
        _, said = child.communicate(given, timeout=_COMMAND_S)
    except subprocess.TimeoutExpired:
        child.kill()  # without waiting: a process stuck in the kernel can't even be killed
        return f"{shlex.join(command)}: nothing within {_COMMAND_S:g} s"
    return f"{shlex.join(command)}: status {child.returncode}: {said.strip()}" if child.returncode else ""
