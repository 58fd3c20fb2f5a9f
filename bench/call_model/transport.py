"""What asyncio and the station's edges see of a connection of the model: a transport and its socket."""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
import termios
from collections.abc import Callable
from math import inf
from typing import Any

from call_model.tcp import TcpEnd

_KERNEL_BYTES = 16_384
"""Unsent bytes that the kernel takes (TCP_NOTSENT_LOWAT of the station; a program's usual buffer elsewhere)."""
_NUMBERS = itertools.count(1_000_000)
SOCKETS: dict[int, ModelSocket] = {}
"""By what `fileno` returns: no such descriptor exists."""


class ModelSocket:
    """The subset of a socket that the station's edges use. Until it is connected `end` is None."""

    family = socket.AF_INET

    def __init__(self, interface: str, local: str, peer: tuple[str, int], end: TcpEnd | None = None) -> None:
        self.interface, self.local, self.peer, self.end = interface, local, peer, end
        self._number = next(_NUMBERS)
        SOCKETS[self._number] = self

    def fileno(self) -> int:
        """A number of its own; -1 once it is closed."""
        return self._number

    def close(self) -> None:
        """Forget it."""
        SOCKETS.pop(self._number, None)
        self._number = -1

    def setsockopt(self, level: int, option: int, value: int) -> None:
        """Only TCP_WINDOW_CLAMP has an effect."""
        if self.end is None or self._number == -1:
            raise OSError("closed")
        if (level, option) == (socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP):
            self.end.window.set_clamp(value)

    def getsockopt(self, level: int, option: int, size: int = 0) -> Any:
        """The window, the segment, and the fields of TCP_INFO that the station reads."""
        if self.end is None or self._number == -1:
            raise OSError("closed")
        if (level, option) == (socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP):
            return self.end.window.clamp
        if (level, option) == (socket.IPPROTO_TCP, socket.TCP_MAXSEG):
            return self.end.settings.mss
        if (level, option) == (socket.IPPROTO_TCP, socket.TCP_INFO):
            return self._tcp_info()[:size]
        raise OSError("no such option in the model")

    def _tcp_info(self) -> bytes:
        assert self.end is not None
        info = bytearray(256)
        info[0] = 7 if self.end.is_dead else 1
        rtt_s = self.end.round_trips.shortest_s
        struct.pack_into("Q", info, 128, self.end.received)
        struct.pack_into("I", info, 148, 0xFFFFFFFF if rtt_s == inf else int(rtt_s * 1e6))
        struct.pack_into("Q", info, 200, self.end.sent)
        return bytes(info)


def ioctl(number: int, request: int, argument: Any) -> Any:
    """As fcntl.ioctl, for SIOCOUTQ and SIOCINQ of the model's sockets."""
    sock = SOCKETS.get(number)
    if sock is None or sock.end is None:
        raise OSError("no such socket in the model")
    count = struct.pack("i", sock.end.unacknowledged if request == termios.TIOCOUTQ else 0)
    if isinstance(argument, bytearray):
        argument[:] = count
        return 0
    return count


class ModelTransport(asyncio.Transport):
    """A connection. What the kernel does not take waits here, as in asyncio's own."""

    _start_tls_compatible = True  # loop.start_tls asks for it

    def __init__(self, loop: asyncio.AbstractEventLoop, end: TcpEnd, sock: ModelSocket) -> None:
        own = (sock.local, 25)
        super().__init__({"socket": sock, "peername": sock.peer, "sockname": own})
        self._loop, self._end, self._socket = loop, end, sock
        self._protocol: asyncio.BaseProtocol | None = None
        self._buffer = bytearray()
        self._high, self._low = 65_536, 16_384
        self._is_full = self._is_closing = self._is_lost = self._wants_eof = False

    def begins(self, protocol: asyncio.BaseProtocol) -> None:
        """Attach the protocol; from here on it gets what arrives."""
        self._protocol = protocol
        protocol.connection_made(self)
        self._end.begins(self)

    # -- the other way: Reader of the end -------------------------------------------------------------

    def came(self, data: bytes) -> None:
        """Data for the protocol."""
        protocol = self._protocol
        if self._is_lost:
            return
        if not isinstance(protocol, asyncio.BufferedProtocol):
            self._call(lambda protocol: protocol.data_received(data))
            return
        while data:  # asyncio's TLS
            room = memoryview(protocol.get_buffer(len(data)))
            taken = min(len(room), len(data))
            room[:taken] = data[:taken]
            protocol.buffer_updated(taken)
            data = data[taken:]

    def ended(self) -> None:
        """The peer sends no more."""
        keeps: list[bool] = []
        self._call(lambda protocol: keeps.append(bool(protocol.eof_received())))
        if keeps and not keeps[0]:
            self.close()

    def broke(self) -> None:
        """Reset by the peer."""
        self._lose(ConnectionResetError(104, "Connection reset by peer"))

    def drained(self) -> None:
        """The kernel has room again."""
        self._feed()

    def _call(self, what: Callable[[asyncio.Protocol], None]) -> None:
        if not self._is_lost and self._protocol is not None:
            what(self._protocol)  # type: ignore[arg-type]

    # -- asyncio.Transport ----------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_lost or self._wants_eof:
            return
        self._buffer += data
        self._feed()
        if len(self._buffer) > self._high and not self._is_full:
            self._is_full = True
            self._call(lambda protocol: protocol.pause_writing())

    def _feed(self) -> None:
        room = _KERNEL_BYTES - self._end.unsent
        if self._buffer and room > 0:
            piece = bytes(self._buffer[:room])
            del self._buffer[:room]
            self._end.write(piece)
        if self._is_full and len(self._buffer) <= self._low:
            self._is_full = False
            self._loop.call_soon(self._call, lambda protocol: protocol.resume_writing())
        if not self._buffer and self._wants_eof:
            self._end.finish()
        if not self._buffer and self._is_closing and not self._is_lost:
            self._lose(None)

    def get_write_buffer_size(self) -> int:
        return len(self._buffer)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = 65_536 if high is None else high
        self._low = self._high // 4 if low is None else low

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._wants_eof = True
        self._feed()

    def is_closing(self) -> bool:
        return self._is_closing

    def is_reading(self) -> bool:
        return not self._end.is_paused

    def pause_reading(self) -> None:
        self._end.is_paused = True

    def resume_reading(self) -> None:
        self._loop.call_soon(self._end.resume)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self._protocol is not None
        return self._protocol

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._feed()

    def abort(self) -> None:
        self._is_closing = True
        self._buffer.clear()
        self._end.abort()
        self._lose(None)

    def _lose(self, error: Exception | None) -> None:
        if self._is_lost:
            return
        self._is_closing = self._is_lost = True
        self._buffer.clear()
        self._end.is_deaf = True
        if error is None:
            self._end.finish()
        protocol = self._protocol
        self._loop.call_soon(self._closed, protocol, error)

    def _closed(self, protocol: asyncio.BaseProtocol | None, error: Exception | None) -> None:
        if protocol is not None:
            protocol.connection_lost(error)
        self._socket.close()
