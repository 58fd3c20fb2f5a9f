"""Parses IP addresses, networks and interface names; only the value returned is ever written anywhere.

`ipaddress` keeps the zone of an IPv6 address as it was written (RFC 4007 §11), and a zone may be any text, which
would end up in a file made for root. None of our settings needs the link-local address of one interface, so a zone
is refused.
"""

from __future__ import annotations

import ipaddress
import re

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
IpInterface = ipaddress.IPv4Interface | ipaddress.IPv6Interface

_INTERFACE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,14}\Z")


def ip_address(text: str) -> IpAddress:
    """An address. Raises: ValueError."""
    return ipaddress.ip_address(_without_zone(text))


def ip_network(text: str, *, strict: bool = True) -> IpNetwork:
    """A network; `strict`: without host bits. Raises: ValueError."""
    return ipaddress.ip_network(_without_zone(text), strict=strict)


def ip_interface(text: str) -> IpInterface:
    """An address with its prefix length. Raises: ValueError."""
    return ipaddress.ip_interface(_without_zone(text))


def interface_name(text: str) -> str:
    """A network interface's name (IFNAMSIZ: 15 characters). Raises: ValueError."""
    if not _INTERFACE.match(text):
        raise ValueError(f"{text[:80]!r} is not a network interface")
    return text


def _without_zone(text: str) -> str:
    if "%" in text:
        raise ValueError("leave out the % and what follows: it is the zone of an address, which can't be used here")
    return text
