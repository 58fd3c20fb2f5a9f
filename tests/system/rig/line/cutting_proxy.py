"""A line that is lost at a chosen moment: a TCP forwarder that cuts, both ways, when told."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable

_SHORT_BUFFER_BYTES = 8192
Cut = Callable[[bytes], bool]
"""Asked with all bytes the server has sent in this connection, before the newest reach the client."""


class CuttingProxy:
    """Forwards connections to `target`; each is cut once `cut` says so, as long as `cuts` are left.

    `port` is where it listens. `connections` counts those made. `carries`: each connection is cut as well when the
    client has sent more bytes than this; None = none is.
    """

    def __init__(
        self,
        target: int,
        cut: Cut = lambda seen: False,
        *,
        cuts: int = 0,
        source: str = "127.0.0.1",
        carries: int | None = None,
    ) -> None:
        self.carries = carries
        self._target = target
        self._cut = cut
        self._source = source
        self._lock = threading.Lock()
        self.cuts_left = cuts
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        if carries is not None:  # else the kernel takes a whole message for us, and the client believes it across
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SHORT_BUFFER_BYTES)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> CuttingProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            address = ("127.0.0.1", self._target)
            with socket.create_connection(address, 60, (self._source, 0)) as server:
                lost = threading.Event()
                up = threading.Thread(target=_forward, args=(client, server, self.carries, lost), daemon=True)
                up.start()
                if not self._answers(server, client, lost):
                    client.shutdown(socket.SHUT_RD)  # wakes the thread: a socket that is read from does not close
                up.join(10)

    def _answers(self, server: socket.socket, client: socket.socket, lost: threading.Event) -> bool:
        """Forward until the server ends; False if the line was cut instead."""
        seen = b""
        while piece := server.recv(65_536):
            seen += piece
            if self._shall_cut(seen):
                _reset(client, server)
                return False
            client.sendall(piece)
        if lost.is_set():
            return False  # a line that is lost closes nothing in order
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_WR)
        return True

    def _shall_cut(self, seen: bytes) -> bool:
        with self._lock:
            if self.cuts_left > 0 and self._cut(seen):
                self.cuts_left -= 1
                return True
            return False


def _forward(source: socket.socket, target: socket.socket, carries: int | None, lost: threading.Event) -> None:
    carried = 0
    with contextlib.suppress(OSError):
        while piece := source.recv(65_536):
            carried += len(piece)
            if carries is not None and carried > carries:
                target.sendall(piece[: len(piece) - (carried - carries)])
                _reset(source, target)
                lost.set()
                target.shutdown(socket.SHUT_RDWR)  # wakes the other thread, which closes both
                return
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)


def _reset(*ends: socket.socket) -> None:
    """Closing them sends RST."""
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
