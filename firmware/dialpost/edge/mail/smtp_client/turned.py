"""A connection of ours whose roles ATRN has turned round (RFC 2645 §5.3), as a transport for a server's protocol.

TLS stays as it is, and what came behind the 250 is input of the server. The connection is closed only once the
other side's TCP has the last reply, or after some seconds: the line goes down next, and a provider that did not see
a 250 would send that message again.
"""

from __future__ import annotations

import asyncio
from typing import cast

from dialpost.edge.mail.wire.connection import Connection

LOOK_S = 0.02
"""How often TCP is asked whether the last reply has arrived."""
MOST_LOOKS = 250


class TurnedTransport(asyncio.Transport):
    """The `Connection` below, as asyncio's protocols know it. `closed` is set once it is closed."""

    def __init__(self, connection: Connection, address: str, port: int) -> None:
        super().__init__({"peername": (address, port), "socket": connection.sock})
        self._connection = connection
        self._protocol: asyncio.Protocol | None = None
        self._is_closing = False
        self._looks = 0
        self.why: str | None = None
        """What broke it; None if it was closed in order."""
        self.closed = asyncio.Event()
        connection.hand_over(self._on_data, self._on_end)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """The server that gets the data from here on."""
        self._protocol = cast(asyncio.Protocol, protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The server."""
        assert self._protocol is not None
        return self._protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send."""
        if not self._is_closing:
            self._connection.write(bytes(data))

    def can_write_eof(self) -> bool:
        """No: inside TLS nothing can be half closed."""
        return False

    def get_write_buffer_size(self) -> int:
        """Bytes the kernel has not taken."""
        return self._connection.unwritten

    def is_closing(self) -> bool:
        """Whether nothing more can be sent."""
        return self._is_closing

    def is_reading(self) -> bool:
        """Whether what comes is taken."""
        return not self._is_closing

    def pause_reading(self) -> None:
        """Let TCP make the other side wait."""
        self._connection.pause_reading()

    def resume_reading(self) -> None:
        """Take what comes."""
        self._connection.resume_reading()

    def close(self) -> None:
        """Close in order, once what was written has arrived."""
        if not self._is_closing:
            self._is_closing = True
            self._close_when_heard()

    def abort(self) -> None:
        """Close at once."""
        if not self.closed.is_set():
            self._is_closing = True
            self._connection.abort()
            self._lose(ConnectionAbortedError(self.why or "aborted"))

    def _close_when_heard(self) -> None:
        self._looks += 1
        if self.closed.is_set():
            return
        if self._connection.unacknowledged and self._looks < MOST_LOOKS:
            asyncio.get_running_loop().call_later(LOOK_S, self._close_when_heard)
            return
        self._connection.close()
        self._lose(None)

    def _on_data(self, data: bytes) -> None:
        if self._protocol is not None and not self._is_closing:
            self._protocol.data_received(data)

    def _on_end(self, why: str | None) -> None:
        if self._protocol is None or self.closed.is_set():
            return
        if why is None and not self._is_closing:
            self._protocol.eof_received()  # what came before is still carried out
            return
        self.why = why
        self._is_closing = True
        self._lose(ConnectionResetError(why or "closed"))

    def _lose(self, error: Exception | None) -> None:
        if not self.closed.is_set():
            self.closed.set()
            if self._protocol is not None:
                asyncio.get_running_loop().call_soon(self._protocol.connection_lost, error)
