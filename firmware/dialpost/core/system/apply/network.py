"""The LAN's interface for systemd-networkd: systemd.network(5) of systemd 257.

With DHCP the fallback address is always there, beside the one from the LAN's router: nothing has to time out first,
and a computer plugged directly into the station can reach it. Default routes of the LAN get a metric, so that the
line's (metric 0) is used while the line is up.
"""

from __future__ import annotations

from dialpost.core.config.model import Config, LanConfig, LanMethod, LinkKind
from dialpost.core.ip_text import interface_name
from dialpost.core.system.apply.rendered import HEADER, NETWORK, Rendered, address

ROUTE_METRIC = 1024  # what networkd gives to routes of DHCP and of router advertisements
WIRED = ("en*", "eth*")
"""The names that the kernel and udev give to wired interfaces."""


def network(config: Config) -> Rendered:
    """The .network file. Raises: ValueError."""
    lan = config.lan
    sections = [_match(lan), ("Link", ["RequiredForOnline=no"]), _network(lan), *_addresses(lan)]
    if lan.method is LanMethod.DHCP:
        # The router identifies the board by its MAC address, whatever its machine-id.
        options = ["ClientIdentifier=mac", f"RouteMetric={ROUTE_METRIC}", "UseHostname=no", "UseTimezone=no"]
        sections.append(("DHCPv4", options))
    # Without a machine-id (a board's very first start) networkd would make no DUID of its usual kind, and give up.
    sections.append(("DHCPv6", ["DUIDType=link-layer"]))
    # The line carries only IPv4: with an IPv6 route on the LAN, traffic would leave through the LAN's router.
    line = ["UseGateway=no"] if config.link.kind is LinkKind.MODEM else [f"RouteMetric={ROUTE_METRIC}"]
    sections.append(("IPv6AcceptRA", line))
    text = "\n".join(f"[{name}]\n" + "".join(f"{line}\n" for line in lines) for name, lines in sections)
    return Rendered(NETWORK, HEADER + text)


def _match(lan: LanConfig) -> tuple[str, list[str]]:
    if lan.interface:
        return "Match", [f"Name={interface_name(lan.interface)}"]
    return "Match", ["Type=ether", f"Name={' '.join(WIRED)}"]


def _network(lan: LanConfig) -> tuple[str, list[str]]:
    lines = [f"DHCP={'yes' if lan.method is LanMethod.DHCP else 'no'}", "LinkLocalAddressing=ipv6"]
    lines += ["IPv6AcceptRA=yes", "LLMNR=no", "MulticastDNS=no"]
    return "Network", lines + [f"DNS={address(server)}" for server in _name_servers(lan)]


def _name_servers(lan: LanConfig) -> tuple[str, ...]:
    """Without a configured name server, the router's address: nearly every router answers DNS queries."""
    is_told = lan.dns or lan.method is LanMethod.DHCP or not lan.gateway
    return lan.dns if is_told else (lan.gateway,)


def _addresses(lan: LanConfig) -> list[tuple[str, list[str]]]:
    if lan.method is LanMethod.DHCP:
        if not lan.fallback_address:
            return []
        # If another host already has that address (a second station), this one does without.
        probing = [] if ":" in lan.fallback_address else ["DuplicateAddressDetection=ipv4"]
        return [("Address", [f"Address={address(lan.fallback_address)}", *probing])]
    found = [("Address", [f"Address={address(lan.address)}"])]
    if lan.gateway:
        found.append(("Route", [f"Gateway={address(lan.gateway)}", f"Metric={ROUTE_METRIC}"]))
    return found
