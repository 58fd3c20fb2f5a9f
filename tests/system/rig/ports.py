"""Free ports for servers that must know theirs beforehand."""

from __future__ import annotations

import random
import socket
from pathlib import Path

_given: set[int] = set()
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """A port on 127.0.0.1 that is free now and that no outgoing connection is given by the kernel.

    A server killed and started again under load would else find its port taken by some client's end.
    """
    first_outgoing = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 32_768
    while True:
        port = random.randrange(min(15_000, first_outgoing - 2000), first_outgoing)
        if port in _given:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
