"""Connections that a lost line left half open: reset over the next line, so that their other ends notice.

Nobody tells TCP of a lost line. The provider's mail server would go on sending into connections that are none any
more, each until its own time-out, and as each of them ends it defers what it holds for us: mail stays behind that
the redial was made for. So the kernel keeps its half of each until the line is up again; a reset with the right
sequence number then reaches the provider before the first ETRN does. Where the station has another address by then
the reset goes nowhere, as without it.

Runs in the event loop.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections import deque

from dialpost.core.line.ppp.events import PppUp

MOST = 100
"""More connections than this are not served at once; the oldest make room."""
_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER for no time: close is a reset (socket(7))


class HalfOpen:
    """The connections of lost lines. A line's watcher (flow/line/modem/link)."""

    def __init__(self) -> None:
        self._sockets: deque[socket.socket] = deque()

    def __len__(self) -> int:
        return len(self._sockets)

    def keep(self, sock: socket.socket) -> None:
        """Hold on to a connection that is about to be closed. It is not read from or written to any more."""
        with contextlib.suppress(OSError):
            self._sockets.append(sock.dup())
        while len(self._sockets) > MOST:
            self._reset(self._sockets.popleft())

    def line_up(self, up: PppUp) -> None:
        """The network is there: reset them all."""
        self.close()

    def line_down(self) -> None:
        """Nothing to do: `keep` gets the connections that were over the line."""

    def close(self) -> None:
        """Reset them all."""
        while self._sockets:
            self._reset(self._sockets.popleft())

    def _reset(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        sock.close()
