"""Whom an address stands for where peers are counted."""

from __future__ import annotations

import ipaddress


def host_of(address: str) -> str:
    """What one host has to itself: an IPv4 address, or the /64 a network gives to each host (RFC 4291 §2.5.1).

    Text that is not an address stays as it is.
    """
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network((int(ipaddress.IPv6Address(address)) >> 64 << 64, 64)))
    except ValueError:
        return address
