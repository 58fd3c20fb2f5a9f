"""Which addresses the line may have: the peer proposes them (IPCP, RFC 1332 §3.3), and may propose any.

If the line had an address of the LAN, the two would be indistinguishable: packets for a host in the office would go
to the peer.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from dialpost.core.line_peers import OWN_INTERFACE, is_line

_GATEWAY_FLAG = 0x2  # RTF_GATEWAY
_WHOLE_ADDRESS = 32


def connected_networks(route_table: str) -> tuple[ipaddress.IPv4Network, ...]:
    """The networks this machine is in, apart from the line's and its own: those of /proc/net/route (proc_net(5)).

    Unreadable entries are left out.
    """
    found = []
    for line in route_table.splitlines()[1:]:
        words = line.split()
        try:
            interface, flags = words[0], int(words[3], 16)
            start, mask = (int.from_bytes(bytes.fromhex(words[index]), "little") for index in (1, 7))
            bits = mask.bit_count()
            network = ipaddress.IPv4Network((start, bits), strict=False)
        except (IndexError, ValueError):
            continue
        if is_line(interface) or interface == OWN_INTERFACE or flags & _GATEWAY_FLAG or bits in {0, _WHOLE_ADDRESS}:
            continue
        found.append(network)
    return tuple(dict.fromkeys(found))


def why_not(local: str, peer: str, lan: Sequence[ipaddress.IPv4Network]) -> str:
    """Why the line can't have these addresses, with what to do; "" if it can. Raises: ValueError."""
    for whose, text in (("the provider's end", peer), ("this end", local)):
        address = ipaddress.IPv4Address(text)
        if address.is_loopback or address.is_multicast or address.is_unspecified:
            return (
                f"The provider wants {address} for {whose} of the line, which no line can have. Ask the provider."
            )
        for network in lan:
            if address in network:
                return (
                    f"The provider wants {address} for {whose} of the line, but that is in the LAN's network "
                    f"{network}, so nobody could tell LAN from line. Give the LAN another network (lan.address, or "
                    "at its router), or ask the provider for other addresses (ppp.local_address, "
                    "ppp.remote_address)."
                )
    return ""
