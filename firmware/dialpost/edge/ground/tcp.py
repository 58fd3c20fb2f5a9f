"""What the kernel knows of a TCP connection."""

from __future__ import annotations

import contextlib
import socket
import struct

_MIN_RTT_AT = 148
"""Where tcpi_min_rtt is in struct tcp_info (linux/tcp.h), in microseconds; since Linux 4.6."""
_UNKNOWN = 0xFFFFFFFF


def round_trip_s(sock: socket.socket) -> float:
    """The shortest round trip of the last minutes in seconds; 0 if none is known."""
    with contextlib.suppress(OSError, struct.error):
        told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _MIN_RTT_AT + 4)
        (shortest,) = struct.unpack_from("I", told, _MIN_RTT_AT)
        if shortest != _UNKNOWN:
            return float(shortest / 1e6)
    return 0.0


def send_at_once(sock: socket.socket) -> None:
    """No write waits until the one before was acknowledged (Nagle, RFC 1122 §4.2.3.4), which on a slow line
    costs a reply a round trip. asyncio does it, too, but not for a socket made without a protocol number.
    """
    with contextlib.suppress(OSError):  # the client is gone already
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
