"""A connection as the kernel sees it: its interface, the one thing a peer can't choose, its window and round trip.

A peer chooses its own address, and this machine accepts packets for its LAN address on any interface. But with each
TCP connection Linux keeps the interface of the packet that completed its handshake (tcp_v4_syn_recv_sock,
tcp_v6_syn_recv_sock), and reports it by IP_PKTOPTIONS and IPV6_2292PKTOPTIONS.
Sources: ip(7), ipv6(7), RFC 2292 §3; net/ipv4/ip_sockglue.c, net/ipv6/ipv6_sockglue.c.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import Protocol

from dialpost.edge.ground.tcp import round_trip_s

_IP_PKTINFO, _IP_PKTOPTIONS = 8, 9
_IPV6_2292PKTOPTIONS, _IPV6_RECVPKTINFO = 6, 49
_ANSWER_BYTES = 256
_IN6_ADDR_BYTES = 16
_BYTES_RECEIVED, _BYTES_SENT = 128, 200
"""Where tcpi_bytes_received and tcpi_bytes_sent begin (Linux 4.1 and 4.19)."""
LEAST_WINDOW = 1152
"""The smallest TCP_WINDOW_CLAMP that Linux accepts (half of SOCK_MIN_RCVBUF)."""


class TcpSocket(Protocol):
    """The subset of a socket that is needed here."""

    @property
    def family(self) -> int:
        """AF_INET or AF_INET6."""

    def setsockopt(self, level: int, option: int, value: int, /) -> None:
        """setsockopt(2)."""

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        """getsockopt(2)."""


def came_in_on(sock: TcpSocket) -> str:
    """The interface's name, like ppp0; "" if the system does not report it."""
    try:
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVPKTINFO, 1)
            told = sock.getsockopt(socket.IPPROTO_IPV6, _IPV6_2292PKTOPTIONS, _ANSWER_BYTES)
            offset = socket.CMSG_LEN(_IN6_ADDR_BYTES)  # struct in6_pktinfo: the address, then the index
        else:
            sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
            told = sock.getsockopt(socket.IPPROTO_IP, _IP_PKTOPTIONS, _ANSWER_BYTES)
            offset = socket.CMSG_LEN(0)  # struct in_pktinfo: the index first
        (index,) = struct.unpack_from("@i", told, offset)
        return socket.if_indextoname(index)
    except (OSError, OverflowError, struct.error):
        return ""


def carried_bytes(sock: TcpSocket) -> int:
    """How many bytes of content the connection took and brought so far (tcp_info of linux/tcp.h); 0 = unknown."""
    try:
        told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_SENT + 8)
        return int(sum(struct.unpack_from("@Q", told, offset)[0] for offset in (_BYTES_RECEIVED, _BYTES_SENT)))
    except (OSError, struct.error):
        return 0


class LineWire:
    """A client's TCP connection, as its turn on a slow line sees it (core/mail/session.Wire)."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def set_window(self, window: int) -> None:
        """Let the client have about this many bytes in flight, in whole segments.

        Older kernels begin to grow the window again whenever it is set, so it is only set when it changes.
        """
        with contextlib.suppress(OSError):
            segment = self._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
            wanted = max(LEAST_WINDOW, window // segment * segment)
            if wanted != self._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP):
                self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, wanted)

    def round_trip_s(self) -> float:
        """The shortest round trip it has seen, 0 if unknown."""
        return round_trip_s(self._sock)
