"""The serial line of the board, for pexpect. Whatever it says is taken at once, by a thread: a board whose words
nobody takes stands still.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from pathlib import Path

import pexpect
from pexpect.spawnbase import SpawnBase


class Console(SpawnBase):  # type: ignore[misc]
    """pexpect's `expect` and `send` on a socket of QEMU's. A newline is a carriage return, as from a terminal."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__(timeout=timeout, encoding="utf-8", codec_errors="replace")
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._said: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._rest = b""
        threading.Thread(target=self._take, daemon=True, name="console").start()

    def send(self, text: str) -> int:
        """Type it."""
        self._socket.sendall(text.encode())
        return len(text)

    def sendline(self, text: str = "") -> int:
        """Type it, and Return."""
        return self.send(text + "\r")

    def read_nonblocking(self, size: int = 1, timeout: float | None = None) -> str:
        """What was said, at most so much. Raises: pexpect.TIMEOUT, pexpect.EOF."""
        deadline = time.monotonic() + (self.timeout if timeout == -1 or timeout is None else timeout)
        if not self._rest:
            try:
                self._rest = self._said.get(timeout=max(0.001, deadline - time.monotonic()))
            except queue.Empty:
                raise pexpect.TIMEOUT("the console is silent") from None
            if not self._rest:
                self._said.put(b"")
                self.flag_eof = True
                raise pexpect.EOF("the machine is gone")
        data, self._rest = self._rest[:size], self._rest[size:]
        text: str = self._decoder.decode(data, final=False)
        self._log(text, "read")
        return text

    def close(self) -> None:
        self._socket.close()

    def _take(self) -> None:
        data = b"begin"
        while data:
            try:
                data = self._socket.recv(65536)
            except OSError:
                data = b""
            self._said.put(data)
