"""Checks on the LAN's settings, alone and against the line's."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from dialpost.core.config.model import Config, LanMethod, LinkKind

_Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


def lan_faults(config: Config) -> Iterator[str]:
    """One sentence for each contradiction that makes the configuration unusable."""
    lan = config.lan
    if lan.method is LanMethod.STATIC:
        if lan.address:
            yield from _address("lan.address", config, ipaddress.ip_interface(lan.address))
            yield from _gateway(lan.gateway, ipaddress.ip_interface(lan.address))
        else:
            yield 'lan.method = "static" needs lan.address, for example 192.168.1.25/24.'
    elif lan.fallback_address:
        yield from _address("lan.fallback_address", config, ipaddress.ip_interface(lan.fallback_address))
    for service in dict.fromkeys(lan.services):
        if lan.services.count(service) > 1:
            yield f"lan.services names {service.value} {lan.services.count(service)} times; name it once."
    yield from _ports(config)


def _address(key: str, config: Config, own: _Interface) -> Iterator[str]:
    network = own.network
    if network.num_addresses < 2:
        yield f"{key} = {own}: that network has no room for another host; /24 is usual."
    elif own.version == 4 and network.num_addresses > 2 and own.ip in {network[0], network[-1]}:
        yield f"{key} = {own} is the network's own address or its broadcast address; choose one in between."
    for other in ("local_address", "remote_address"):
        text: str = getattr(config.ppp, other)
        if text and ipaddress.ip_address(text) in network:
            yield (f"{key} = {own} and ppp.{other} = {text} are in the same network: LAN and line must differ.")


def _gateway(text: str, own: _Interface) -> Iterator[str]:
    if not text:
        return
    gateway = ipaddress.ip_address(text)
    if gateway == own.ip:
        yield f"lan.gateway = {text} is the station itself; enter the router's address."
    elif gateway not in own.network:
        yield f"lan.gateway = {text} is not in the network of lan.address = {own}, so it is unreachable."


def _ports(config: Config) -> Iterator[str]:
    taken = {service.port: service.value for service in config.lan.services}
    for key in ("listen", "submission_listen", "submissions_listen"):
        listens: tuple[str, ...] = getattr(config.smtp, key)
        for listen in listens:
            service = taken.get(int(listen.rpartition(":")[2]))
            if service:
                yield f'smtp.{key} has "{listen}", but {service} (lan.services) already uses that port.'


def lan_warnings(config: Config) -> Iterator[str]:
    """One sentence for each setting that works but deserves attention."""
    lan = config.lan
    if lan.method is LanMethod.DHCP:
        for key in ("address", "gateway"):
            if getattr(lan, key):
                yield f'lan.{key} has no effect while lan.method = "dhcp".'
        networks = [lan.fallback_address] if lan.fallback_address else []
    else:
        networks = [lan.address]
        if config.link.kind is not LinkKind.MODEM and not lan.gateway:
            yield (
                f'lan.gateway is empty: with link.kind = "{config.link.kind.value}" the router is the only way out.'
            )
            if not lan.dns:
                yield "lan.dns is empty as well: no host can be looked up by name, not even the provider's."
    for text in networks:
        network = ipaddress.ip_interface(text).network
        for theirs in config.relay.provider_networks:
            other = ipaddress.ip_network(theirs)
            if other.version == network.version and other.overlaps(network):
                yield f"relay.provider_networks {theirs} includes the LAN {network}: its hosts may not relay."
