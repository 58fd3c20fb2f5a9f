"""What the kernel knows of a connection: its interface, the one thing a peer can't choose; its window.

A peer's address is what it says of itself, and a packet for the LAN's address of this machine is taken on any
interface. Linux keeps, with each TCP connection, the interface of the packet that completed its handshake
(tcp_v4_syn_recv_sock, tcp_v6_syn_recv_sock) and tells it by IP_PKTOPTIONS and IPV6_2292PKTOPTIONS.
Sources: ip(7), ipv6(7), RFC 2292 §3; net/ipv4/ip_sockglue.c, net/ipv6/ipv6_sockglue.c.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import Protocol

_IP_PKTINFO, _IP_PKTOPTIONS = 8, 9
_IPV6_2292PKTOPTIONS, _IPV6_RECVPKTINFO = 6, 49
_ANSWER_BYTES = 256
_IN6_ADDR_BYTES = 16
LEAST_WINDOW = 1152
"""Linux takes no smaller TCP_WINDOW_CLAMP (half of SOCK_MIN_RCVBUF)."""


class TcpSocket(Protocol):
    """The subset of a socket that is asked."""

    @property
    def family(self) -> int:
        """AF_INET or AF_INET6."""

    def setsockopt(self, level: int, option: int, value: int, /) -> None:
        """setsockopt(2)."""

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        """getsockopt(2)."""


def came_in_on(sock: TcpSocket) -> str:
    """Its name, like ppp0; "" where the system does not tell."""
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


def widen_window(sock: socket.socket, segments: int) -> None:
    """Let the client have this many segments under way. Never narrower than the kernel takes."""
    with contextlib.suppress(OSError):
        window = segments * sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
        if window > LEAST_WINDOW * 0.9:  # else it would be made wider than wanted
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, window)
