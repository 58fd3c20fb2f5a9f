"""Free TCP ports for servers that must know theirs in advance."""

from __future__ import annotations

import random
import socket
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUAL_FIRST_OUTGOING = 32_768
_given: set[int] = set()


def free_port(address: str = "127.0.0.1") -> int:
    """A port of this IPv4 address that is free now and that the kernel does not assign to outgoing connections.

    Otherwise a server that opens its port later, or is killed and restarted, could find some client's end on it,
    for a minute after that client closed (TIME_WAIT).
    """
    first_outgoing = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else _USUAL_FIRST_OUTGOING
    while True:
        port = random.randrange(min(15_000, first_outgoing - 2000), first_outgoing)
        if port in _given:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                continue
        _given.add(port)
        return port
