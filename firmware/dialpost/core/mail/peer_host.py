"""Which host an address counts as when peers are counted."""

from __future__ import annotations

import ipaddress


def host_of(address: str) -> str:
    """What one host has to itself: an IPv4 address, or an IPv6 /64 (RFC 4291 §2.5.1).

    Text that is not an address is returned unchanged.
    """
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network((int(ipaddress.IPv6Address(address)) >> 64 << 64, 64)))
    except ValueError:
        return address
