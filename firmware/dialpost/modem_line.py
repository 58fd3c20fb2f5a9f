"""Wiring of the modem's line: which edges serve the link, with which files from board/. Part of the daemon's
wiring."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dialpost.core.call_reason import CallReason
from dialpost.core.config.model import Config, LinkKind, Via
from dialpost.core.config.trust import is_line_plain, trusts_line
from dialpost.core.errors import ConfigError, NotFoundError
from dialpost.core.ip_text import IpNetwork, ip_network
from dialpost.core.line.dial_plan import DialPlan
from dialpost.core.line.modem.set_up import line_rate_bps, port_settings
from dialpost.core.line.ppp.events import PppUp
from dialpost.core.line.ppp.options import PppRequest, answers_soon, with_close_echoes
from dialpost.core.line.redial_rules import vain_call
from dialpost.core.mail.places import hosts_to_knock_at
from dialpost.edge.line.gateway_link import DialupGateway
from dialpost.edge.line.ppp.compressed import crossed
from dialpost.edge.line.ppp.pppd import Pppd
from dialpost.edge.line.serial_port import open_port
from dialpost.edge.mail.resolver import Resolver
from dialpost.edge.system.board_files import BoardFiles
from dialpost.edge.system.clock import RELEASED_S, Clock
from dialpost.edge.system.sntp_client import ask as ask_time
from dialpost.flow import maillog
from dialpost.flow.line.call.forecasts import Forecasts, HistoryAndQueue
from dialpost.flow.line.link import Link, NoLink
from dialpost.flow.line.modem.dialled_line import LineWatcher, ModemLink, Ppp
from dialpost.flow.line.modem.modem import Modem
from dialpost.flow.line.modem.refused_pin import RefusedPin
from dialpost.flow.line.pace import LinePace
from dialpost.flow.mail.outgoing.host_troubles import HostTroubles, HostUse
from dialpost.flow.memory import Memory
from dialpost.flow.system.clock_setter import ClockSetter

_log = logging.getLogger("dialpost.line")


@dataclass(frozen=True, slots=True)
class ConfiguredLink:
    """The link of a configuration. `modem` is the same link if it is a modem's. `why_not`: why no call can be
    made."""

    link: Link
    plan: DialPlan | None = None
    modem: ModemLink | None = None
    why_not: str = ""


def configured_link(
    config: Config,
    clock: Clock,
    resolver: Resolver,
    memory: Memory,
    on_step: Callable[[], Awaitable[object]],
    *,
    ppp: Ppp | None,
    on_rate: Callable[[int], None],
    round_trip_s: Callable[[], float | None],
    watchers: Sequence[LineWatcher],
) -> ConfiguredLink:
    """A dialled link. A modem that can't be driven as configured stops calls, not the office's mail."""
    if config.link.kind is LinkKind.DIALUP_GATEWAY:
        return ConfiguredLink(DialupGateway(hosts_to_knock_at(config), config.call.dial_timeout_s))
    try:
        link, plan = modem_line(
            config,
            clock,
            resolver,
            memory,
            on_step,
            ppp=ppp,
            on_rate=on_rate,
            round_trip_s=round_trip_s,
            watchers=watchers,
        )
    except (ConfigError, NotFoundError) as error:
        maillog.operator_needed("modem: it can't be used as configured", error=error)
        return ConfiguredLink(NoLink(str(error)), why_not=str(error))
    return ConfiguredLink(link, plan, link)


def in_vain(config: Config, troubles: HostTroubles, reason: CallReason, *, waits: bool) -> str:
    """Why an automatic call could achieve nothing: every host it would be made for refused the login."""
    outbound, refused = config.outbound, troubles.is_barred
    is_way_out_barred = (
        outbound.via is Via.SMARTHOST
        and not outbound.route
        and refused(HostUse.OUTBOUND, outbound.smarthost, outbound.port)
    )
    is_etrn_barred = config.etrn_wanted and refused(HostUse.ETRN, config.etrn_host, config.etrn.port)
    return vain_call(reason, is_way_out_barred=is_way_out_barred, is_etrn_barred=is_etrn_barred, waits=waits)


def modem_line(
    config: Config,
    clock: Clock,
    resolver: Resolver,
    memory: Memory,
    on_step: Callable[[], Awaitable[object]],
    *,
    ppp: Ppp | None = None,
    watchers: Sequence[LineWatcher] = (),
    on_rate: Callable[[int], None] = lambda rate_bps: None,
    round_trip_s: Callable[[], float | None] = lambda: None,
) -> tuple[ModemLink, DialPlan]:
    """The link, and the plan by which it dials.

    `on_step` is called when the wall clock has been set, `on_rate` with the line's rate (bits per second) before
    the network comes up; `round_trip_s` returns the line's in the call before, if known; `watchers` are notified
    when the network comes and goes. `ppp` is pppd unless given (the simulation has its own).

    Raises: ConfigError, NotFoundError if a file in board/ or a setting is missing.
    """
    if not config.modem.port:
        raise ConfigError(("modem.port is not set: `dialpost modem probe` finds it.",))
    files = BoardFiles()
    profile, country = files.profile(config.modem.profile), files.country(config.modem.country)
    plan = DialPlan(config.modem, country, profile.default_numbers)
    if not plan.numbers:
        raise ConfigError(("modem.numbers is empty: set it to the provider's number.",))
    speed_bps, flow_control = port_settings(profile, config.modem)
    hosts = _mail_hosts(config)

    def request(rate_bps: int | None) -> PppRequest:
        """The line's rate is that in CONNECT if plausible; otherwise the profile's, or the configured one.

        Root accepts only the names of serial ports: a link like /dev/serial0 or one made by udev is resolved here.
        """
        known = line_rate_bps(rate_bps, profile, config.link.line_rate_bps, speed_bps)
        is_quick = answers_soon(round_trip_s())
        on_rate(known)
        wanted = PppRequest.from_config(
            config.ppp,
            device=os.path.realpath(config.modem.port),
            speed_bps=speed_bps,
            rate_bps=known,
            flow_control=flow_control.value,
            has_carrier_line=modem.has_carrier_line,
            mail_hosts=hosts,
            answers_soon=is_quick,
        )
        return wanted if modem.has_carrier_line else with_close_echoes(wanted)

    async def addresses(host: str) -> tuple[str, ...]:
        found = await resolver.addresses(host)
        if not isinstance(found, tuple):
            raise OSError(f"{host} has no known address")
        return found

    setter = ClockSetter(
        config.clock,
        clock,
        mail_host=config.outbound.smarthost,
        addresses=addresses,
        ask=partial(ask_time, not_before_s=RELEASED_S),
        on_step=on_step,
    )
    modem = Modem(
        config.modem, profile, open_port, _say, country=country, refused_pin=RefusedPin(memory), memory=memory
    )
    ppp = ppp or Pppd(Path(config.station.run_dir), log=lambda line: _log.info("pppd: %s", line))
    everybody: list[LineWatcher] = [*watchers, setter]
    if config.ppp.use_peer_dns and not config.dns.servers:
        everybody.insert(0, _NameService(resolver, is_trusted=trusts_line(config)))
    return ModemLink(config.ppp, modem, ppp, plan, request, watchers=everybody, ready=setter.ready), plan


def line_pace(config: Config) -> LinePace:
    """What the line of a call may have in flight, by what the kernel counts of it."""
    return LinePace(crossed, mtu=config.ppp.mtu)


def expected_rate_bps(config: Config) -> int:
    """The line's rate before the first call has shown it: the profile's, or link.line_rate_bps."""
    configured = config.link.line_rate_bps
    if config.link.kind is not LinkKind.MODEM:
        return configured
    try:
        profile = BoardFiles().profile(config.modem.profile)
    except (ConfigError, NotFoundError):
        return configured  # the code that makes the link reports it
    return line_rate_bps(None, profile, configured, 0)


def line_forecasts(config: Config, store: HistoryAndQueue) -> Forecasts:
    """The forecasts of calls over the configured line."""
    return Forecasts(config.budget, expected_rate_bps(config), store, is_plain=is_line_plain(config))


class _NameService:
    """While the line is up, only this station's resolver uses the peer's name servers.

    On a trusted line they alone say which host gets mail without TLS: nobody on the LAN may answer for them.
    """

    def __init__(self, resolver: Resolver, *, is_trusted: bool) -> None:
        self._resolver, self._is_trusted = resolver, is_trusted

    def line_up(self, up: PppUp) -> None:
        self._resolver.use_servers(up.dns, up.interface if self._is_trusted else "")

    def line_down(self) -> None:
        self._resolver.use_servers(())


def _say(words: str) -> None:
    _log.info("modem: %s", words)


def _mail_hosts(config: Config) -> tuple[IpNetwork, ...]:
    """The provider's hosts that are known by address; the others are learnt (core/line/firewall)."""
    found = [ip_network(text, strict=False) for text in config.relay.provider_networks]
    for host in (config.outbound.smarthost, config.etrn_host):
        try:
            found.append(ip_network(host))
        except ValueError:
            continue
    return tuple(dict.fromkeys(found))
