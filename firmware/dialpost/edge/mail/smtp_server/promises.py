"""The 250s given in one connection, until the client is known to have seen them (RFC 1047, decision 4).

Only a client that did not see a 250 sends the message again; one that saw it and sends the same bytes once more
means it. The evidence is the client's TCP, which acknowledges the bytes of the reply; if the client also continued
the dialogue after that, its program has read them. The socket is queried when data comes, when the client closes
its side and when the connection ends, and only while a promise is open.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
from asyncio import WriteTransport
from collections import deque

from dialpost.core.mail.session import MessageSink

_MOST_OPEN = 32
"""The most kept open for a client that only pipelines; the oldest are dropped."""
_CLOSED = 7
"""TCP_CLOSE in netinet/tcp.h."""


class Promises:
    """The messages of one connection whose 250 may not have been seen."""

    def __init__(self) -> None:
        self._under_way: MessageSink | None = None
        self._given: deque[MessageSink] = deque()
        self._acknowledged: deque[MessageSink] = deque()

    @property
    def are_open(self) -> bool:
        """Whether any 250 may not have been seen."""
        return bool(self._given or self._acknowledged)

    def begin(self, sink: MessageSink, *, is_left: bool) -> None:
        """A message is being made durable. `is_left`: the client closed its side, and may not wait."""
        self._under_way = sink
        if is_left:
            sink.left()

    def end(self, *, is_given: bool) -> None:
        """The message has its reply; `is_given` if it is 250."""
        if self._under_way is not None and is_given:
            self._given.append(self._under_way)
        self._under_way = None
        if len(self._given) + len(self._acknowledged) > _MOST_OPEN:
            (self._acknowledged or self._given).popleft().left()

    def closed_its_side(self) -> None:
        """The client sends no more: nobody knows whether it still waits for a reply."""
        if self._under_way is not None:
            self._under_way.left()

    def acknowledged(self, *, spoke: bool) -> None:
        """Everything written has reached the client's TCP; `spoke`: and data came from it after that."""
        if spoke:
            self._given.extendleft(reversed(self._acknowledged))
            self._acknowledged.clear()
        for sink in self._given:
            sink.seen(spoke=spoke)
        if not spoke:
            self._acknowledged += self._given
        self._given.clear()

    def left(self) -> None:
        """The connection is gone: nothing more will be known."""
        self.closed_its_side()
        for sink in (*self._acknowledged, *self._given):
            sink.left()
        self._acknowledged.clear()
        self._given.clear()


def all_acknowledged(transport: WriteTransport) -> bool:
    """Whether the other side's TCP has acknowledged every byte written (SIOCOUTQ, tcp(7)); False if unknown."""
    if transport.get_write_buffer_size():
        return False
    unacknowledged = bytearray(struct.calcsize("i"))
    try:
        fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, unacknowledged)
    except (OSError, ValueError, AttributeError):  # closed already; TLS then has no socket at all
        return False
    return not any(unacknowledged)


def is_reset(transport: WriteTransport) -> bool:
    """Whether the other side's TCP has refused the connection's bytes (tcpi_state, tcp(7))."""
    try:
        return bool(
            transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _CLOSED
        )
    except (OSError, ValueError, AttributeError):
        return True
