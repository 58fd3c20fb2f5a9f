"""Connections that a lost line left half open: reset over the next line, so that the other ends notice; or counted.

TCP does not notice a lost line. The provider's mail server would keep sending into dead connections until each of
them times out, and would defer the mail for us as each one ends: the very mail that the redial is for. So the
kernel keeps its half of each until the line is up again; a reset with the right sequence number then reaches the
provider before the first ETRN. If the station has another address by then, the reset goes nowhere, and nothing is
lost.

A connection that was just being opened can't be kept: it belongs to no program yet, and the kernel drops it with
the line's address. At the provider it may be open already, and wait for a greeting. So these are counted.

Runs in the event loop.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from dialpost.core.line.ppp.events import PppUp

MOST = 100
"""The most sockets kept: more connections are not served at once; the oldest make room."""
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
"""The kernel's connections: number, local address and port, remote ones, state (proc_net_tcp.rst)."""
_BEING_OPENED = "03"
_MAPPED = "0000000000000000FFFF0000"
"""In front of an IPv4 address in tcp6."""
_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER with a time of zero: close sends a reset (socket(7))


class HalfOpen:
    """The connections of lost lines. A LineWatcher (flow/line/modem/dialled_line).

    `opening`: how many were being opened to this station when the last line went down.
    """

    def __init__(self) -> None:
        self._sockets: deque[socket.socket] = deque()
        self._address = ""
        self.opening = 0

    def __len__(self) -> int:
        return len(self._sockets)

    def keep(self, sock: socket.socket) -> None:
        """Keep a connection that is about to be closed. It is no longer read or written."""
        with contextlib.suppress(OSError):
            self._sockets.append(sock.dup())
        while len(self._sockets) > MOST:
            self._reset(self._sockets.popleft())

    def line_up(self, up: PppUp) -> None:
        """The network is up: reset them all."""
        self._address, self.opening = up.local, 0
        self.close()

    def line_down(self) -> None:
        """Count those being opened; `keep` gets the others."""
        with contextlib.suppress(OSError):
            self.opening = being_opened(self._address, (line for table in _TABLES for line in _lines(table)))

    def close(self) -> None:
        """Reset them all."""
        while self._sockets:
            self._reset(self._sockets.popleft())

    def _reset(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        sock.close()


def being_opened(address: str, lines: Iterable[str]) -> int:
    """How many of the kernel's connections are being opened to this IPv4 address. Raises: OSError: it is none."""
    (number,) = struct.unpack("=I", socket.inet_aton(address))
    wanted = {f"{number:08X}", f"{_MAPPED}{number:08X}"}
    rows = [line.split() for line in lines]
    return sum(row[1].partition(":")[0] in wanted and row[3] == _BEING_OPENED for row in rows if len(row) > 3)


def _lines(table: Path) -> list[str]:
    return table.read_text("ascii").splitlines() if table.exists() else []
