"""Checks on the configuration as a whole: keys that contradict each other.

`faults` make it unusable; `warnings` are shown but let it through, because a station that does part of its
work is better than none.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterator

from dialpost.core.config.console import CONSOLE_SPEEDS_BPS
from dialpost.core.config.inbound.check import inbound_faults, inbound_warnings
from dialpost.core.config.lan_check import lan_faults, lan_warnings
from dialpost.core.config.model import (
    AtrnConfig,
    Config,
    EtrnConfig,
    LinkKind,
    OutboundConfig,
    RouteConfig,
    TlsMode,
    TlsVerify,
    Via,
)
from dialpost.core.config.trust import trust_warnings

_Way = OutboundConfig | EtrnConfig | AtrnConfig | RouteConfig

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_EITHER = "Add it there, or remove it here."
_LEAST_MTU = 128  # pppd's MINMRU
_SMALL_PREFIX = {4: 24, 6: 56}
_WIDEST_LAN_PREFIX = {4: 8, 6: 7}  # 10.0.0.0/8 (RFC 1918), fc00::/7 (RFC 4193)


def faults(config: Config) -> Iterator[str]:
    """One sentence for each contradiction that makes the configuration unusable."""
    yield from _twice("station.domains", config.station.domains)
    yield from _order(
        "outbound.retry_min_s", config.outbound.retry_min_s, "outbound.retry_max_s", config.outbound.retry_max_s
    )
    yield from _order("call.grace_min_s", config.call.grace_min_s, "call.grace_max_s", config.call.grace_max_s)
    yield from _order("dns.try_s", config.dns.try_s, "dns.total_s", config.dns.total_s)
    yield from _listeners(config)
    yield from _relay(config)
    yield from _pairs(config)
    yield from _schedule(config)
    yield from _routes(config.outbound.route)
    yield from _circles(config)
    yield from inbound_faults(config)
    yield from lan_faults(config)
    if 0 < config.ppp.mtu < _LEAST_MTU:
        yield f"ppp.mtu = {config.ppp.mtu} is too small for PPP: use 0 or at least {_LEAST_MTU}."
    if config.console.speed_bps not in CONSOLE_SPEEDS_BPS:
        speeds = ", ".join(map(str, CONSOLE_SPEEDS_BPS))
        yield f"console.speed_bps = {config.console.speed_bps} is not a serial line speed: use one of {speeds}."
    for domain in config.delivery.catch_all:
        if domain not in config.station.domains:
            yield f"delivery.catch_all names {domain}, which is not among station.domains. {_EITHER}"
    for domain in config.delivery.separate_domains:
        if domain not in config.station.domains:
            yield f"delivery.separate_domains names {domain}, which is not among station.domains. {_EITHER}"
        elif domain == config.station.domains[0]:
            yield (
                f"delivery.separate_domains names {domain}, but in the main domain every account's name is an "
                "address. Remove it from the list."
            )


def _twice(key: str, items: tuple[str, ...]) -> Iterator[str]:
    for item, count in Counter(items).items():
        if count > 1:
            yield f"{key} names {item} {count} times; name it once."


def _order(low_key: str, low: float, high_key: str, high: float) -> Iterator[str]:
    if low > high:
        yield f"{low_key} = {low:g} must not be greater than {high_key} = {high:g}."


def _listeners(config: Config) -> Iterator[str]:
    """Two sockets can't have one address; [::] takes IPv4 as well."""
    smtp = config.smtp
    seen: dict[tuple[str, str], str] = {}
    for key in ("listen", "submission_listen", "submissions_listen"):
        listens: tuple[str, ...] = getattr(smtp, key)
        for listen in listens:
            host, _, port = listen.rpartition(":")
            anywhere = host.strip("[]") in {"", "::", "0.0.0.0"}
            place = ("any" if anywhere else host, port)
            if port != "0" and place in seen:
                yield f'smtp.{key} has "{listen}", and so has {seen[place]}: give one of them another port.'
            seen.setdefault(place, f'smtp.{key} "{listen}"')


def _circles(config: Config) -> Iterator[str]:
    """The station can't be its own provider."""
    own = {config.station.hostname, *config.station.domains}
    hosts = {"outbound.smarthost": config.outbound.smarthost, "etrn.host": config.etrn.host}
    hosts |= {"atrn.host": config.atrn.host}
    hosts |= {f"inbound.mailbox[{n}].host": box.host for n, box in enumerate(config.inbound.mailbox, 1)}
    hosts |= {f"outbound.route[{n}].host": route.host for n, route in enumerate(config.outbound.route, 1)}
    for key, host in hosts.items():
        if host and host in own:
            yield f'{key} = "{host}" is this station itself: mail would loop. Enter the provider\'s host.'
    for key, host, port in _hosts(config):
        if _is_here(host, config) and port in _own_ports(config):
            yield (
                f'{key} = "{host}" with port {port} is this station itself: mail would loop. Enter the '
                "provider's host."
            )


def _hosts(config: Config) -> Iterator[tuple[str, str, int]]:
    """Every host that mail goes to or is fetched from, with its port."""
    yield "outbound.smarthost", config.outbound.smarthost, config.outbound.port
    yield "etrn.host", config.etrn.host, config.etrn.port
    yield "atrn.host", config.atrn.host, config.atrn.port
    for number, box in enumerate(config.inbound.mailbox, 1):
        yield f"inbound.mailbox[{number}].host", box.host, box.port_used
    for number, route in enumerate(config.outbound.route, 1):
        yield f"outbound.route[{number}].host", route.host, route.port


def _is_here(host: str, config: Config) -> bool:
    """Whether it is this machine: localhost, or an address that the station assigns to itself on the LAN."""
    lan = {address.partition("/")[0] for address in (config.lan.address, config.lan.fallback_address)}
    if host == "localhost" or host.endswith(".localhost") or (host and host in lan):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _own_ports(config: Config) -> frozenset[int]:
    smtp = config.smtp
    listens = (*smtp.listen, *smtp.submission_listen, *smtp.submissions_listen)
    return frozenset(int(listen.rpartition(":")[2]) for listen in listens)


def _relay(config: Config) -> Iterator[str]:
    for text in config.relay.networks:
        network = ipaddress.ip_network(text)
        if network.version == 6 and network.overlaps(_MAPPED) and network.prefixlen >= _MAPPED.prefixlen:
            yield f'relay.networks has "{text}", IPv4 written as IPv6: write it as an IPv4 network.'
        elif network.prefixlen < _WIDEST_LAN_PREFIX[network.version]:
            yield (
                f'relay.networks has "{text}": that would let the whole world send through this station. Enter '
                "the LAN's own network, for example 192.168.1.0/24."
            )


def _pairs(config: Config) -> Iterator[str]:
    if bool(config.tls.certificate) != bool(config.tls.key):
        yield (
            "tls.certificate and tls.key belong together: set both, or neither to have the station create a "
            "certificate."
        )
    for label, way in _ways(config):
        if bool(way.user) != bool(way.password):
            yield f"{label}.user and {label}.password belong together: set both, or neither."
        if (way.tls_verify is TlsVerify.FINGERPRINT) != bool(way.tls_fingerprint):
            yield f'{label}.tls_verify = "fingerprint" and {label}.tls_fingerprint belong together.'


def _line(config: Config) -> Iterator[str]:
    """What a modem needs before it can dial."""
    if config.link.kind is LinkKind.MODEM and not config.modem.numbers and not config.modem.apn:
        yield "modem.numbers is empty: there is nobody to call. Set the provider's number (or modem.apn)."
    if config.link.kind is LinkKind.MODEM and not config.modem.port:
        yield "modem.port is not set: `dialpost modem probe` finds it."
    if any("%p" in text for text in config.modem.login_script) and not config.ppp.password:
        yield "modem.login_script sends %p, but ppp.password is empty: set it."


def _budget(config: Config) -> Iterator[str]:
    """Limits that allow nothing, or never apply."""
    budget = config.budget
    one_step = budget.cost_per_call + budget.cost_per_minute * budget.billing_step_s / 60
    for key, limit in (
        ("limit_per_call", budget.limit_per_call),
        ("limit_per_day", budget.limit_per_day),
        ("limit_per_month", budget.limit_per_month),
    ):
        if limit and not one_step:
            yield f"budget.{key} never applies: set budget.cost_per_minute or budget.cost_per_call."
        elif limit and limit < one_step:
            yield (
                f"budget.{key} = {limit:g}: the shortest call costs more ({one_step:g}), so the station will "
                "never call."
            )
    for key, minutes in (
        ("minutes_per_call", budget.minutes_per_call),
        ("minutes_per_day", budget.minutes_per_day),
        ("minutes_per_month", budget.minutes_per_month),
    ):
        if 0 < minutes < 1:
            yield f"budget.{key} = {minutes:g}: less than a minute is barely enough to log in and send anything."
    if budget.big_windows and not budget.big_message_bytes:
        yield "budget.big_windows has no effect: budget.big_message_bytes = 0, so no message is big."


def _ways(config: Config) -> list[tuple[str, _Way]]:
    """Every place in the file that says how to talk to a host."""
    routes = [(f"outbound.route[{n}]", route) for n, route in enumerate(config.outbound.route, 1)]
    return [("outbound", config.outbound), ("etrn", config.etrn), ("atrn", config.atrn), *routes]


def _open_password(label: str, way: _Way) -> Iterator[str]:
    if way.password and way.tls in {TlsMode.NONE, TlsMode.OPPORTUNISTIC}:
        yield f'{label}.tls = "{way.tls.value}" may expose {label}.password; use starttls or implicit.'
    elif way.password and way.tls_verify is TlsVerify.NONE:
        yield f'{label}.tls_verify = "none": somebody along the way could read {label}.password.'


def _schedule(config: Config) -> Iterator[str]:
    for number, entry in enumerate(config.schedule.entry, 1):
        label = f"schedule.entry[{number}]"
        if not entry.at and not entry.every_min:
            yield f"{label} never calls: set `at` or `every_min`."
        if (entry.start or entry.end) and not entry.every_min:
            yield f"{label} has start or end without every_min."
        if entry.start and entry.end and entry.start >= entry.end:
            yield (
                f"{label} starts at {entry.start} and ends at {entry.end}; the end must be later on the same "
                "day. For a span over midnight, use two entries."
            )


def _routes(routes: tuple[RouteConfig, ...]) -> Iterator[str]:
    for domain, count in Counter(domain for route in routes for domain in route.domains).items():
        if count > 1:
            yield f"outbound.route names {domain} {count} times; which route should its mail take?"


def warnings(config: Config) -> tuple[str, ...]:
    """One sentence for each setting that works but deserves attention."""
    return tuple(_warnings(config))


def _warnings(config: Config) -> Iterator[str]:
    outbound = config.outbound
    if outbound.via is Via.SMARTHOST and not outbound.smarthost:
        yield "outbound.smarthost is not set: outgoing mail will wait until it is."
    if outbound.smarthost and (outbound.port == 465) != (outbound.tls is TlsMode.IMPLICIT):
        yield (
            f'outbound.port = {outbound.port} with outbound.tls = "{outbound.tls.value}" is unusual: implicit '
            "goes with 465, starttls with 587 or 25."
        )
    for label, way in _ways(config):
        yield from _open_password(label, way)
    yield from trust_warnings(config)
    yield from inbound_warnings(config)
    for key, host, port in _hosts(config):
        if _is_here(host, config):
            yield (
                f'{key} = "{host}" is this machine itself: correct only if a program of yours (a tunnel, a '
                f"filter) listens there on port {port}. Otherwise enter the provider's host."
            )
    if config.etrn_wanted and not config.etrn_host:
        yield "etrn.host is not set: the station will not ask the provider for the mail it holds."
    if config.etrn_wanted and config.etrn.port in {465, 587}:
        yield f"etrn.port = {config.etrn.port}: submission ports do not offer ETRN; 25 is usual."
    yield from _line(config)
    yield from _budget(config)
    if config.link.kind is not LinkKind.GATEWAY and not config.schedule.entry:
        yield "There is no schedule.entry: only the button, a command or waiting mail starts a call."
    if not config.smtp.listen:
        yield (
            "smtp.listen is empty: no mail can arrive from the provider or the LAN unless systemd passes sockets."
        )
    for domain in config.delivery.separate_domains:
        if domain not in config.delivery.catch_all:
            yield (
                f"delivery.separate_domains names {domain}: mail for accounts' names in it is refused. Only the "
                "addresses and aliases added for it receive mail; `dialpost doctor` warns if there are none."
            )
    yield from _overlaps(config)
    yield from lan_warnings(config)
    for text in config.relay.networks:
        network = ipaddress.ip_network(text)
        if not network.is_private and network.prefixlen < _SMALL_PREFIX[network.version]:
            yield (
                f"relay.networks {text} is a large public network: every host in it may send through this station."
            )


def _overlaps(config: Config) -> Iterator[str]:
    for ours in config.relay.networks:
        for theirs in config.relay.provider_networks:
            one, other = ipaddress.ip_network(ours), ipaddress.ip_network(theirs)
            if one.overlaps(other):
                yield (
                    f"relay.networks {ours} and relay.provider_networks {theirs} overlap; the provider's rule wins."
                )
