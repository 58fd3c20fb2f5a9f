"""A socket that can't leave the dialled line: what makes the owner's trust in the line safe to use.

Where the system's route to a host leads is decided by whoever sets routes (a DHCP server on the LAN can), and it
may change under a connection. A socket that is bound to the line's interface (SO_BINDTODEVICE, socket(7); without
privileges since Linux 5.7) sends and receives there and nowhere else. The route is looked at first nevertheless: a
host that is reached another way is not on the line, and is connected to as any other, with TLS.
"""

from __future__ import annotations

import socket


def socket_on_line(address: str, interface: str, local: str) -> socket.socket | None:
    """A TCP socket bound to the line's interface, not connected yet; None if the way to `address` is another one.

    `local` is the station's address on the line (IPv4: pppd has the option `noipv6`). Never blocks.
    """
    sock: socket.socket | None = None
    try:
        if not interface or _local_address_to(address) != local:
            return None
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
    except OSError:  # no such route, no such interface, or a system that does not allow it: no trust then
        if sock is not None:
            sock.close()
        return None
    return sock


def _local_address_to(address: str) -> str:
    """What the route to it gives a connection as its own address. Raises: OSError. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((address, 9))
        return str(probe.getsockname()[0])
