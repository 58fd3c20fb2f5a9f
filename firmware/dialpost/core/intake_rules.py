"""Who may send what to whom: the decisions of the intake that need no state.

The order is what keeps the station from being an open relay: a login first, then the provider's side,
which never relays, then the networks named in the configuration; everybody else is outside.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from dialpost.core.header_scan import HeaderFacts
from dialpost.core.queue_records import Origin
from dialpost.core.reply import Reply

MAX_OWN_PASSES = 5
"""How often a message may have come through this host before: a list or a forward brings it back once or twice."""

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse_networks(texts: Sequence[str]) -> tuple[IpNetwork, ...]:
    """The networks of the configuration; host bits are forgiven ("192.168.1.1/24")."""
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def side_of(address: str, networks: Sequence[IpNetwork], provider_networks: Sequence[IpNetwork]) -> Origin:
    """From which side an address comes, before any login: LAN or OUTSIDE. What can't be read is OUTSIDE."""
    try:
        parsed: IpAddress = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return Origin.OUTSIDE
    if any(parsed in network for network in provider_networks):
        return Origin.OUTSIDE
    return Origin.LAN if any(parsed in network for network in networks) else Origin.OUTSIDE


def may_relay(origin: Origin) -> bool:
    """Whether mail from there may go on to the world."""
    return origin in {Origin.SUBMITTED, Origin.LAN}


def loop_refusal(
    facts: HeaderFacts, max_received: int, recipients: Sequence[str], own_names: Sequence[str] = ()
) -> Reply | None:
    """554 5.4.6 where the header shows that the message goes round (RFC 5321 §6.3)."""
    names = {name.lower() for name in (*recipients, *own_names)}
    returns = sum(1 for address in facts.delivered_to if address in names)
    if facts.received > max_received:
        why = f"Mail loop: {facts.received} Received lines, {max_received} are allowed"
    elif facts.own_received > MAX_OWN_PASSES or returns > MAX_OWN_PASSES:
        why = f"Mail loop: this message came through here {max(facts.own_received, returns)} times before"
    else:
        return None
    return Reply(554, (why,), "5.4.6")


class RepeatWindow:
    """Since when a stored message counts as a repeat (RFC 1047), though the clock may be set meanwhile.

    A board without a battery clock stores its first mail in 1970. The window is measured back from what the clock
    would show had it never been set: it may get longer by a step forward, never shorter.
    """

    def __init__(self, window_s: int) -> None:
        self._window_s = window_s
        self._offset_s: float | None = None

    def since_s(self, wall_s: float, monotonic_s: float) -> int:
        """Unix seconds, as the clock that stored them showed."""
        offset_s = wall_s - monotonic_s
        if self._offset_s is None or offset_s < self._offset_s:
            self._offset_s = offset_s
        return int(self._offset_s + monotonic_s) - self._window_s
