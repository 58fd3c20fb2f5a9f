"""What the owner's answer about the dialled line means in the configuration: whom it concerns, what contradicts it.

The answer is `ppp.trusted_line`. What is made of it on a connection: core/mail/esmtp/line_trust.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from dialpost.core.config.model import (
    AtrnConfig,
    AuthMechanism,
    Config,
    EtrnConfig,
    LinkKind,
    OutboundConfig,
    RouteConfig,
    TlsMode,
    Via,
)

DEMANDS_TLS = frozenset({TlsMode.STARTTLS, TlsMode.IMPLICIT})
"""What is named in the configuration holds on a trusted line too."""
_SENDS_PASSWORD = frozenset({AuthMechanism.PLAIN, AuthMechanism.LOGIN})


_Way = OutboundConfig | EtrnConfig | AtrnConfig | RouteConfig


def trusts_line(config: Config) -> bool:
    """Whether the owner trusts the line, and it is one that the station dials by itself."""
    return config.ppp.trusted_line and config.link.kind is LinkKind.MODEM


def is_line_plain(config: Config) -> bool:
    """Whether no call needs TLS: the line is trusted, and all that goes over it is the provider's and ours."""
    if not trusts_line(config) or config.outbound.via is Via.MX:
        return False
    hosts = provider_hosts(config)
    routes = config.outbound.route
    is_elsewhere = bool(config.inbound.mailbox) or any(
        route.via is Via.MX or plain_host(route.host) not in hosts for route in routes
    )
    return not is_elsewhere and all(way.tls not in DEMANDS_TLS for _, _, way in _ways_to_provider(config))


def provider_hosts(config: Config) -> frozenset[str]:
    """The names of the provider's own hosts: the smarthost, and those asked by ETRN and ATRN."""
    hosts = (config.outbound.smarthost, config.etrn_host, config.atrn_host if config.atrn.user else "")
    return frozenset({plain_host(host) for host in hosts} - {""})


def plain_host(host: str) -> str:
    """A host as configured: brackets around an address and a final dot are dropped."""
    return host.strip().removeprefix("[").removesuffix("]").rstrip(".").lower()


def trust_warnings(config: Config) -> Iterator[str]:
    """One sentence for each setting that contradicts the owner's trust in the line."""
    if not config.ppp.trusted_line:
        return
    if not trusts_line(config):
        yield (
            f'ppp.trusted_line has no effect: with link.kind = "{config.link.kind.value}" the station dials no '
            "line of its own, so TLS is used as everywhere. Set it to false."
        )
        return
    ways = list(_ways_to_provider(config))
    for label, host, way in ways:
        yield from _contradictions(label, host, way)
    named = [host for _, host, way in ways if way.tls not in DEMANDS_TLS and not _is_address(host)]
    if named and (config.dns.servers or not config.ppp.use_peer_dns):
        yield (
            f"The address of {named[0]} decides who gets mail in clear on the trusted line, and it does not come "
            "from the provider's name servers. Leave dns.servers empty with ppp.use_peer_dns = true, or enter the "
            "host's address in place of its name."
        )


def _ways_to_provider(config: Config) -> Iterator[tuple[str, str, _Way]]:
    hosts = provider_hosts(config)
    if config.outbound.via is Via.SMARTHOST and config.outbound.smarthost:
        yield "outbound", config.outbound.smarthost, config.outbound
    if config.etrn_wanted and config.etrn_host:
        yield "etrn", config.etrn_host, config.etrn
    if config.atrn.user:
        yield "atrn", config.atrn_host, config.atrn
    for number, route in enumerate(config.outbound.route, 1):
        if route.via is Via.SMARTHOST and plain_host(route.host) in hosts:
            yield f"outbound.route[{number}]", route.host, route


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(plain_host(host))
    except ValueError:
        return False
    return True


def _contradictions(label: str, host: str, way: _Way) -> Iterator[str]:
    if way.tls in DEMANDS_TLS:
        yield (
            f'{label}.tls = "{way.tls.value}" demands TLS: it is used with {host} although ppp.trusted_line is '
            f'true. If the line is to be trusted there too, set {label}.tls = "auto".'
        )
        return
    if way.user and not isinstance(way, EtrnConfig | AtrnConfig) and way.auth in _SENDS_PASSWORD:
        yield (
            f'{label}.auth = "{way.auth.value}" sends the password itself, which never happens on a trusted line: '
            f'{host} would get no mail. Set {label}.auth = "auto" if it offers CRAM-MD5 or SCRAM; otherwise '
            f'{label}.tls = "starttls", or ppp.trusted_line = false.'
        )
    if way.user and way.clear_password:
        yield (
            f"{label}.clear_password has no effect on a trusted line: the password goes as a digest only. If "
            f"{host} does not offer that, set ppp.trusted_line = false."
        )
