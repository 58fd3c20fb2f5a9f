"""Who gets the owner's trust in the dialled line: the provider's hosts on it, and nobody else by any means."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from dialpost.core.config.line import LinkKind
from dialpost.core.config.model import AuthMechanism, Config, StationConfig, TlsMode, Via
from dialpost.core.mail.esmtp.line_trust import LineTrust, on_trusted_line, trust_in
from dialpost.core.mail.routing import connect_settings, route_for
from dialpost.core.mail.smtp_target import ConnectSettings, Trust

PEER, OURS = "10.64.0.1", "10.64.0.2"


@dataclass(frozen=True)
class Up:
    interface: str = "ppp0"
    local: str = OURS
    remote: str = PEER


def config(kind: LinkKind = LinkKind.MODEM, *, trusted: bool = True, networks: tuple[str, ...] = ()) -> Config:
    made = Config(station=StationConfig(hostname="mail.clinic.example", domains=("clinic.example",)))
    return replace(
        made,
        link=replace(made.link, kind=kind),
        ppp=replace(made.ppp, trusted_line=trusted),
        relay=replace(made.relay, provider_networks=networks, networks=("192.168.1.0/24",)),
        outbound=replace(made.outbound, smarthost="Smtp.isp.example."),
        etrn=replace(made.etrn, host="etrn.isp.example"),
    )


def up(of: Config) -> LineTrust:
    line = LineTrust(of)
    line.line_up(Up())
    return line


def test_the_peer_on_the_line_is_trusted_while_it_is_up() -> None:
    line = LineTrust(config())
    assert not line.covers(PEER, "ppp0") and not line.covers(PEER, "")
    line.line_up(Up())
    assert line.covers(PEER, "ppp0")
    assert (line.interface, line.local) == ("ppp0", OURS)
    line.line_down()
    assert not line.covers(PEER, "ppp0") and not line.covers(PEER, "")
    assert (line.interface, line.local) == ("", "")


@pytest.mark.parametrize("interface", ["eth0", "lo", "wlan0", "ppp1", "ppp", "pppoe0", ""])
@pytest.mark.parametrize("address", [PEER, OURS, "192.168.1.9", "198.51.100.7"])
def test_no_other_interface_is_trusted_whatever_the_address(interface: str, address: str) -> None:
    line = up(config(networks=("198.51.100.0/24", "192.168.1.0/24")))
    line.reached(address)
    assert not line.covers(address, interface)


def test_on_the_line_only_the_providers_addresses_are_trusted() -> None:
    line = up(config(networks=("198.51.100.0/24",)))
    assert line.covers("198.51.100.7", "ppp0")
    assert not line.covers("203.0.113.5", "ppp0")  # from the internet behind the provider
    assert not line.covers("2001:db8::1", "ppp0") and not line.covers("not an address", "ppp0")
    line.reached("203.0.113.5")  # the smarthost, as it turned out
    assert line.covers("203.0.113.5", "ppp0")
    line.line_down()
    line.line_up(Up(remote="10.64.0.9"))
    assert not line.covers("203.0.113.5", "ppp0") and not line.covers(PEER, "ppp0")  # that was another call


def test_an_address_reached_without_a_line_is_nobodys() -> None:
    line = LineTrust(config())
    line.reached("192.168.1.9")
    line.line_up(Up())
    assert not line.covers("192.168.1.9", "ppp0")


@pytest.mark.parametrize("kind", LinkKind)
@pytest.mark.parametrize("trusted", [True, False])
def test_only_a_modem_and_the_owners_yes_make_a_line_trusted(kind: LinkKind, trusted: bool) -> None:
    made = config(kind, trusted=trusted)
    is_trusted = kind is LinkKind.MODEM and trusted
    assert up(made).covers(PEER, "ppp0") == is_trusted
    assert bool(up(made).interface) == is_trusted
    assert trust_in(made, "smtp.isp.example", TlsMode.AUTO) is (Trust.ON_THE_LINE if is_trusted else Trust.NONE)


@pytest.mark.parametrize(
    ("host", "tls", "expected"),
    [
        ("smtp.isp.example", TlsMode.AUTO, Trust.ON_THE_LINE),
        ("ETRN.isp.example.", TlsMode.OPPORTUNISTIC, Trust.ON_THE_LINE),
        ("smtp.isp.example", TlsMode.NONE, Trust.ON_THE_LINE),  # for its password
        ("smtp.isp.example", TlsMode.STARTTLS, Trust.NONE),
        ("smtp.isp.example", TlsMode.IMPLICIT, Trust.NONE),
        ("mx.elsewhere.example", TlsMode.OPPORTUNISTIC, Trust.NONE),
        ("", TlsMode.OPPORTUNISTIC, Trust.NONE),
    ],
)
def test_whose_sessions_may_go_without_tls(host: str, tls: TlsMode, expected: Trust) -> None:
    assert trust_in(config(), host, tls) is expected


def test_what_is_demanded_of_a_hop_wins_and_strangers_get_what_they_always_got() -> None:
    made = config()
    smarthost = route_for("world.example", made)
    assert smarthost is not None
    settings = connect_settings(smarthost, made)
    assert (settings.tls, settings.trust) == (TlsMode.STARTTLS, Trust.ON_THE_LINE)
    demanded = replace(made, outbound=replace(made.outbound, tls=TlsMode.STARTTLS))
    assert connect_settings(replace(smarthost, tls=TlsMode.STARTTLS), demanded).trust is Trust.NONE
    direct = replace(made, outbound=replace(made.outbound, via=Via.MX))
    hop = route_for("world.example", direct)
    assert hop is not None
    settings = connect_settings(hop, direct)
    assert (settings.tls, settings.trust) == (TlsMode.OPPORTUNISTIC, Trust.NONE)
    assert connect_settings(replace(hop, host="smtp.isp.example"), direct).trust is Trust.NONE  # as somebody's MX


def test_on_the_line_nothing_sends_a_password_in_clear() -> None:
    settings = ConnectSettings(
        "mail.clinic.example",
        TlsMode.STARTTLS,
        user="u",
        password="p",
        auth=AuthMechanism.PLAIN,
        clear_password=True,
        trust=Trust.ON_THE_LINE,
    )
    used = on_trusted_line(settings)
    assert used == replace(settings, tls=TlsMode.NONE, clear_password=False, trust=Trust.IN_USE)
