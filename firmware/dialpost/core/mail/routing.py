"""Where mail for a domain goes: to the general smarthost, the domain's own MX hosts, or along a separate route.

The most specific [[outbound.route]] wins: the domain itself, then the longest `.suffix`. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dialpost.core.address import normalise_domain
from dialpost.core.config.model import (
    AtrnConfig,
    AuthMechanism,
    Config,
    EtrnConfig,
    RouteConfig,
    TlsMode,
    TlsVerify,
    Via,
)
from dialpost.core.config.trust import plain_host
from dialpost.core.errors import AddressError
from dialpost.core.mail.esmtp.line_trust import trust_in
from dialpost.core.mail.smtp_target import ConnectSettings, Trust


@dataclass(frozen=True, slots=True)
class NextHop:
    """Where mail goes and how to talk there. Equal hops share a connection.

    `host` is "" if `via` is MX: then each domain's own hosts are looked up.
    """

    via: Via
    host: str
    port: int
    tls: TlsMode = TlsMode.OPPORTUNISTIC
    tls_verify: TlsVerify = TlsVerify.NONE
    tls_fingerprint: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    auth: AuthMechanism = AuthMechanism.AUTO
    clear_password: bool = False


@dataclass(frozen=True, slots=True)
class RouteTable:
    """All routes for outgoing mail. `general` is None if no smarthost is configured."""

    exact: Mapping[str, NextHop | None]
    below: Mapping[str, NextHop | None]  # keyed without the leading dot
    general: NextHop | None

    @classmethod
    def from_config(cls, config: Config) -> RouteTable:
        """Build the table; of two routes for the same domain the first counts."""
        exact: dict[str, NextHop | None] = {}
        below: dict[str, NextHop | None] = {}
        for route in config.outbound.route:
            hop = _hop_of_route(route, config)
            for domain in route.domains:
                table = below if domain.startswith(".") else exact
                table.setdefault(_normal(domain.removeprefix(".")), hop)
        return cls(exact, below, _general(config))

    @property
    def is_one_smarthost(self) -> bool:
        """Whether all mail goes to the same host."""
        return not self.exact and not self.below and self.general is not None and bool(self.general.host)

    def next_hop(self, domain: str) -> NextHop | None:
        """The hop for mail to `domain` (in any form); None if nothing is configured for it."""
        name = _normal(domain)
        if name in self.exact:
            return self.exact[name]
        labels = name.split(".")
        for start in range(1, len(labels)):
            suffix = ".".join(labels[start:])
            if suffix in self.below:
                return self.below[suffix]
        return self.general


def route_for(domain: str, config: Config) -> NextHop | None:
    """The hop for one domain, for callers that ask only once (the flush keeps a `RouteTable`)."""
    return RouteTable.from_config(config).next_hop(domain)


def connect_settings(hop: NextHop, config: Config) -> ConnectSettings:
    """How the ESMTP client is to talk to a host of this hop."""
    return ConnectSettings(
        helo=config.station.hostname,
        tls=without_auto(hop.tls),
        tls_verify=hop.tls_verify,
        tls_fingerprint=hop.tls_fingerprint,
        user=hop.user,
        password=hop.password,
        auth=hop.auth,
        clear_password=hop.clear_password,
        pipelining=config.outbound.pipelining,
        chunking=config.outbound.chunking,
        timeout_scale=config.outbound.timeout_scale,
        trust=trust_in(config, hop.host, hop.tls) if hop.via is Via.SMARTHOST else Trust.NONE,
    )


def asking_settings(config: Config, way: EtrnConfig | AtrnConfig, host: str) -> ConnectSettings:
    """How the ESMTP client is to talk to the host that is asked for the provider's mail."""
    return ConnectSettings(
        helo=config.station.hostname,
        tls=without_auto(way.tls),
        tls_verify=way.tls_verify,
        tls_fingerprint=way.tls_fingerprint,
        user=way.user,
        password=way.password,
        clear_password=way.clear_password,
        timeout_scale=config.outbound.timeout_scale,
        trust=trust_in(config, host, way.tls),
    )


def without_auto(tls: TlsMode) -> TlsMode:
    """The mode that holds where the line is not trusted."""
    return TlsMode.STARTTLS if tls is TlsMode.AUTO else tls


def _normal(domain: str) -> str:
    try:
        return normalise_domain(domain)
    except AddressError:
        return domain.lower()  # an address literal, or nothing that a route could name


def _general(config: Config) -> NextHop | None:
    outbound = config.outbound
    if outbound.via is Via.MX:
        # `tls` is about the smarthost. Of strangers' servers we can ask no more than "if you offer it" (RFC 7435);
        # "none" is honoured, because a handshake costs seconds on a slow line.
        tls = TlsMode.NONE if outbound.tls is TlsMode.NONE else TlsMode.OPPORTUNISTIC
        return NextHop(Via.MX, "", outbound.mx_port, tls)
    return _general_smarthost(config)


def _general_smarthost(config: Config) -> NextHop | None:
    outbound = config.outbound
    if not outbound.smarthost:
        return None
    return NextHop(
        Via.SMARTHOST,
        plain_host(outbound.smarthost),
        outbound.port,
        outbound.tls,
        outbound.tls_verify,
        outbound.tls_fingerprint,
        outbound.user,
        outbound.password,
        outbound.auth,
        outbound.clear_password,
    )


def _hop_of_route(route: RouteConfig, config: Config) -> NextHop | None:
    if route.via is Via.MX:
        return NextHop(Via.MX, "", config.outbound.mx_port, route.tls, route.tls_verify, route.tls_fingerprint)
    if not route.host:
        return _general_smarthost(config)
    return NextHop(
        Via.SMARTHOST,
        plain_host(route.host),
        route.port,
        route.tls,
        route.tls_verify,
        route.tls_fingerprint,
        route.user,
        route.password,
        route.auth,
        route.clear_password,
    )
