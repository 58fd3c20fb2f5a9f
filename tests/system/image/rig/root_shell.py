"""A root shell in the machine, on a virtual console of the emulator. The tests look through it; the station's own
console is another line. It is there only when the kernel's arguments say so (args.txt on the boot partition).
"""

from __future__ import annotations

import itertools
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

ARGUMENTS = (
    "systemd.debug_shell=hvc0 systemd.default_device_timeout_sec=600 systemd.default_timeout_start_sec=600 kpti=off"
)
"""A board emulated on a busy machine is slow, not broken. With KPTI (which no Cortex-A53 needs, but KASLR turns
on) the emulator forgets all its translations of addresses at every system call: a start takes twice as long.
"""
_marks = itertools.count(1)


class RootShell:
    """Runs one command after another."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._seen = b""
        self.transcript = b""

    def wait_ready(self, within_s: float) -> None:
        """Until the shell answers: it starts as soon as the system does, before everything else is up."""
        deadline = time.monotonic() + within_s
        seen = b""
        while not seen.endswith(b"# "):  # bash's prompt; what is typed earlier would be lost in part
            self._socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                seen += self._socket.recv(4096)
            except TimeoutError:
                raise TimeoutError(f"no root shell within {within_s:g} s: {seen!r}") from None
        self.run("stty -echo; PS1=; PS2=; export TERM=dumb PAGER=cat SYSTEMD_COLORS=0")

    def run(self, command: str, *, within_s: float = 60.0, check: bool = True) -> str:
        """What a command wrote, without its last line end. Raises: AssertionError if it failed, TimeoutError."""
        mark = f"done-{next(_marks)}-"
        self._seen = b""
        # The mark is put together by the shell, so that the echo of this line is not taken for it.
        self._socket.sendall(f"echo be''gin-{mark}; {{ {command}\n}} 2>&1; echo do''ne-{mark[5:]}$?\n".encode())
        pattern = re.compile(rf"begin-{mark}\r?\n(.*?)done-{mark[5:]}(\d+)".encode(), re.DOTALL)
        deadline = time.monotonic() + within_s
        while not (found := pattern.search(self._seen)):
            self._socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                raise TimeoutError(f"{command!r} has not ended in {within_s:g} s: {self._seen[-2000:]!r}") from None
            if not data:
                raise ConnectionError("the machine is gone")
            self._seen += data
            self.transcript += data
        output = found[1].decode("utf-8", "replace").replace("\r\n", "\n").rstrip("\n")
        status = int(found[2])
        assert status == 0 or not check, f"{command!r} ended with {status}:\n{output}"
        return output

    def send(self, command: str) -> None:
        """A command after which nobody answers any more: the machine stands still, or is reset."""
        self._socket.sendall(f"{command}\n".encode())

    def lines(self, command: str, within_s: float) -> Iterator[str]:
        """Every line a command says, as it comes, until it ends or the machine is gone. Raises: TimeoutError."""
        mark = f"lines-{next(_marks)}-"
        self._socket.sendall(f"echo be''gin-{mark}; {{ {command}\n}} 2>&1; echo do''ne-{mark}\n".encode())
        deadline, seen, is_begun = time.monotonic() + within_s, b"", False
        while True:
            self._socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                raise TimeoutError(f"{command!r} has not ended in {within_s:g} s: {seen[-2000:]!r}") from None
            except OSError:
                data = b""
            if not data:
                return
            self.transcript += data
            *whole, seen = (seen + data).split(b"\n")
            for line in (each.decode("utf-8", "replace").rstrip("\r") for each in whole):
                if line.endswith(f"done-{mark}"):
                    return
                if is_begun:
                    yield line
                is_begun = is_begun or line.endswith(f"begin-{mark}")

    def close(self) -> None:
        self._socket.close()
