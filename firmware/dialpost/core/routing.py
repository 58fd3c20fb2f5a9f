"""Which way mail for a domain takes: a route of its own, the smarthost, or the receiver's MX.

The most specific `[[outbound.route]]` wins: the domain itself before `.parent`, a longer `.parent` before others.
"""

from __future__ import annotations

from dataclasses import dataclass

from dialpost.core.config import Config, OutboundConfig, RouteConfig, TlsMode, TlsVerify, Via
from dialpost.core.smtp_target import ConnectSettings


@dataclass(frozen=True, slots=True)
class ToHost:
    """Through one host, whatever the domain. "" as `host` means that none is configured."""

    host: str
    port: int
    settings: ConnectSettings


@dataclass(frozen=True, slots=True)
class ToMx:
    """Straight to the servers of `domain`, as DNS names them."""

    domain: str
    port: int
    settings: ConnectSettings


NextHop = ToHost | ToMx


def next_hop(domain: str, config: Config) -> NextHop:
    """The way of mail for `domain` (lower case, A-labels). An address literal goes straight to its address."""
    outbound = config.outbound
    route = find_route(domain, outbound.route)
    if route is None:
        if outbound.via is Via.MX:
            return ToMx(domain, outbound.mx_port, mx_settings(config))
        return ToHost(outbound.smarthost, outbound.port, smarthost_settings(config))
    if route.via is Via.MX:
        return ToMx(domain, outbound.mx_port, mx_settings(config))
    if not route.host:
        return ToHost(outbound.smarthost, outbound.port, smarthost_settings(config))
    return ToHost(route.host, route.port, _settings(config, route))


def find_route(domain: str, routes: tuple[RouteConfig, ...]) -> RouteConfig | None:
    """The most specific route that names the domain or something above it."""
    by_name = {name: route for route in routes for name in route.domains}
    if domain in by_name:
        return by_name[domain]
    rest = domain
    while "." in rest:
        rest = rest.partition(".")[2]
        if "." + rest in by_name:
            return by_name["." + rest]
    return None


def smarthost_settings(config: Config) -> ConnectSettings:
    """How to talk to the provider's host."""
    return _settings(config, config.outbound)


def mx_settings(config: Config) -> ConnectSettings:
    """How to talk to a stranger's MX: TLS where offered, unverified, because DNS without DNSSEC can't promise more
    than the name it gave (RFC 7435); never a login.
    """
    return ConnectSettings(
        helo=config.station.hostname,
        tls=TlsMode.OPPORTUNISTIC,
        tls_verify=TlsVerify.NONE,
        pipelining=config.outbound.pipelining,
        chunking=config.outbound.chunking,
        timeout_scale=config.outbound.timeout_scale,
    )


def _settings(config: Config, way: OutboundConfig | RouteConfig) -> ConnectSettings:
    # Opportunistic TLS takes any certificate: a demand that plain text would not have to meet is no protection.
    verify = TlsVerify.NONE if way.tls is TlsMode.OPPORTUNISTIC else way.tls_verify
    return ConnectSettings(
        helo=config.station.hostname,
        tls=way.tls,
        tls_verify=verify,
        tls_fingerprint=way.tls_fingerprint,
        user=way.user,
        password=way.password,
        auth=way.auth,
        pipelining=config.outbound.pipelining,
        chunking=config.outbound.chunking,
        timeout_scale=config.outbound.timeout_scale,
    )
