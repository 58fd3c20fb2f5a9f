"""Connections that a lost line left half open: reset over the next line, so that the other ends notice.

TCP does not notice a lost line. The provider's mail server would keep sending into dead connections until each of
them times out, and would defer the mail for us as each one ends: the very mail that the redial is for. So the
kernel keeps its half of each until the line is up again; a reset with the right sequence number then reaches the
provider before the first ETRN. If the station has another address by then, the reset goes nowhere, and nothing is
lost.

Runs in the event loop.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections import deque

from dialpost.core.line.ppp.events import PppUp

MOST = 100
"""The most sockets kept: more connections are not served at once; the oldest make room."""
_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER with a time of zero: close sends a reset (socket(7))


class HalfOpen:
    """The connections of lost lines. A LineWatcher (flow/line/modem/dialled_line)."""

    def __init__(self) -> None:
        self._sockets: deque[socket.socket] = deque()

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
        self.close()

    def line_down(self) -> None:
        """Nothing to do: `keep` gets the line's connections."""

    def close(self) -> None:
        """Reset them all."""
        while self._sockets:
            self._reset(self._sockets.popleft())

    def _reset(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        sock.close()
