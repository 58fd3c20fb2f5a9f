"""Who may send what to whom: the intake's stateless decisions.

The order keeps the station from being an open relay: a login comes first, then the line and the provider's side,
which may never relay, then the networks named in the configuration; everybody else is outside.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from dialpost.core.config.model import Config, LanMethod, LinkKind
from dialpost.core.ip_text import IpAddress, IpNetwork, ip_network
from dialpost.core.line_peers import OWN_INTERFACE, is_line
from dialpost.core.mail.header.scan import HeaderFacts
from dialpost.core.mail.queue.records import Origin
from dialpost.core.mail.reply import Reply

MAX_OWN_PASSES = 5
"""The number of times a message may have passed through this host before: a list or a forward returns it once or
twice."""


def parse_networks(texts: Sequence[str]) -> tuple[IpNetwork, ...]:
    """The networks of the configuration; host bits are tolerated ("192.168.1.1/24")."""
    return tuple(ip_network(text, strict=False) for text in texts)


@dataclass(frozen=True, slots=True)
class Sides:
    """Which side a peer is on, before any login: LAN or OUTSIDE.

    The interface on which a connection arrived decides first: over the line anybody may claim an address of the LAN
    (the peer's own is negotiated by IPCP, RFC 1332 §3.3). Within the LAN the address decides.
    """

    networks: tuple[IpNetwork, ...]
    provider_networks: tuple[IpNetwork, ...]
    lan_interface: str = ""
    has_line: bool = False
    """Whether the station dials: then no address is trusted if the system does not report the interface."""
    beside_us: IpNetwork | None = None
    """The LAN itself, as far as the configuration defines it."""
    router: str = ""
    """The LAN's router. It may replace the addresses of those it lets in with its own."""

    @classmethod
    def from_config(cls, config: Config) -> Sides:
        """As configured."""
        relay, lan = config.relay, config.lan
        own = (lan.address if lan.method is LanMethod.STATIC else lan.fallback_address) or None
        return cls(
            parse_networks(relay.networks),
            parse_networks(relay.provider_networks),
            lan.interface,
            config.link.kind is LinkKind.MODEM,
            ip_network(own, strict=False) if own else None,
            lan.gateway if lan.method is LanMethod.STATIC else "",
        )

    def of(self, address: str, interface: str) -> Origin:
        """LAN or OUTSIDE. An unreadable address is OUTSIDE."""
        parsed = _parsed(address)
        if parsed is None:
            return Origin.OUTSIDE
        if not self._is_ours(interface) or any(parsed in network for network in self.provider_networks):
            return Origin.OUTSIDE
        return Origin.LAN if any(parsed in network for network in self.networks) else Origin.OUTSIDE

    def is_provider(self, address: str, interface: str) -> bool:
        """Whether that peer counts as the provider's: with a modem, those on its line and those named; behind a
        router, everybody outside the LAN, whether trusted there or not.
        """
        if self.of(address, interface) is not Origin.OUTSIDE:
            return False
        if not self.has_line and not self.is_named_provider(address) and self._is_beside_us(address):
            return False
        if not self.has_line or is_line(interface) or interface in {"", OWN_INTERFACE}:
            return True
        return self.is_named_provider(address)

    def is_named_provider(self, address: str) -> bool:
        """Whether it is in relay.provider_networks."""
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self.provider_networks)

    def _is_beside_us(self, address: str) -> bool:
        parsed = _parsed(address)
        return (
            parsed is not None
            and self.beside_us is not None
            and parsed in self.beside_us
            and parsed != _parsed(self.router)
        )

    def _is_ours(self, interface: str) -> bool:
        """Whether addresses can be trusted on that interface."""
        if not interface:
            return not self.has_line
        if is_line(interface):
            return False
        return interface == OWN_INTERFACE or self.lan_interface in {"", interface}


def _parsed(address: str) -> IpAddress | None:
    """Without its zone; None if it is not an address."""
    try:
        return ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None


def may_relay(origin: Origin) -> bool:
    """Whether mail from there may be relayed to the world."""
    return origin in {Origin.SUBMITTED, Origin.LAN}


def loop_refusal(
    facts: HeaderFacts, max_received: int, recipients: Sequence[str], own_names: Sequence[str] = ()
) -> Reply | None:
    """554 5.4.6 if the header shows that the message is looping (RFC 5321 §6.3)."""
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
    """How far back a stored message can make another a repeat (RFC 1047), even though the clock may be set in the
    meantime.

    A board without a battery-backed clock stores its first mail in 1970. The window is measured back from the time
    the clock would show had it never been set: a step forward may make it longer, never shorter.
    """

    def __init__(self, window_s: int) -> None:
        self._window_s = window_s
        self._offset_s: float | None = None

    def since_s(self, wall_s: float, monotonic_s: float) -> int:
        """Unix seconds, by the clock at the time of storing."""
        offset_s = wall_s - monotonic_s
        if self._offset_s is None or offset_s < self._offset_s:
            self._offset_s = offset_s
        return int(self._offset_s + monotonic_s) - self._window_s
