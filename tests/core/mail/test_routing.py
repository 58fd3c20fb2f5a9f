"""Routes: the most specific wins, and each way out says how to talk there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cases import cases
from dialpost.core.config.model import AuthMechanism, Config, RouteConfig, StationConfig, TlsMode, TlsVerify, Via
from dialpost.core.mail.routing import NextHop, RouteTable, asking_settings, connect_settings, route_for

STATION = StationConfig(hostname="mail.clinic.example", domains=("clinic.example",))


def config_with(
    *routes: RouteConfig, via: Via = Via.SMARTHOST, smarthost: str = "smtp.isp.example", **more: object
) -> Config:
    config = Config(station=STATION)
    outbound = replace(config.outbound, via=via, smarthost=smarthost, route=routes, **more)  # type: ignore[arg-type]
    return replace(config, outbound=outbound)


def to(host: str, *domains: str) -> RouteConfig:
    return RouteConfig(domains=domains, host=host)


ROUTES = (
    to("all-org", ".org"),
    to("all-example", ".example.org"),
    to("one", "deep.example.org", "BÜCHER.example"),
    to("late", "deep.example.org"),
)


@cases(
    ("domain", "host"),
    [
        ("elsewhere.test", "smtp.isp.example"),
        ("org", "smtp.isp.example"),  # a leading dot means below, not the domain itself
        ("example.org", "all-org"),
        ("a.example.org", "all-example"),
        ("a.b.example.org", "all-example"),
        ("deep.example.org", "one"),
        ("x.deep.example.org", "all-example"),
        ("DEEP.Example.ORG.", "one"),
        ("notexample.org", "all-org"),
        ("xn--bcher-kva.example", "one"),
        ("[192.0.2.7]", "smtp.isp.example"),
    ],
)
def test_the_most_specific_route_wins(domain: str, host: str) -> None:
    hop = route_for(domain, config_with(*ROUTES))
    assert hop is not None
    assert hop.host == host


def test_smarthost_hop_carries_everything_needed_to_talk_to_it() -> None:
    config = config_with(
        port=465,
        tls=TlsMode.IMPLICIT,
        tls_verify=TlsVerify.CA_ONLY,
        user="u",
        password="p",
        auth=AuthMechanism.LOGIN,
    )
    hop = route_for("x.test", config)
    assert hop == NextHop(
        Via.SMARTHOST,
        "smtp.isp.example",
        465,
        TlsMode.IMPLICIT,
        TlsVerify.CA_ONLY,
        "",
        "u",
        "p",
        AuthMechanism.LOGIN,
    )
    settings = connect_settings(hop, config)
    assert (settings.helo, settings.user, settings.password) == ("mail.clinic.example", "u", "p")
    assert "'p'" not in repr(hop)


@pytest.mark.parametrize(
    ("tls", "expected"),
    [
        (TlsMode.AUTO, TlsMode.OPPORTUNISTIC),  # the smarthost's default can't be asked of strangers
        (TlsMode.STARTTLS, TlsMode.OPPORTUNISTIC),
        (TlsMode.IMPLICIT, TlsMode.OPPORTUNISTIC),
        (TlsMode.NONE, TlsMode.NONE),
    ],
)
def test_direct_mail_takes_tls_where_it_is_offered(tls: TlsMode, expected: TlsMode) -> None:
    hop = route_for("x.test", config_with(via=Via.MX, tls=tls, mx_port=2525, user="u", password="p"))
    assert hop == NextHop(Via.MX, "", 2525, expected, TlsVerify.NONE)


@pytest.mark.parametrize("route", [(), (to("smtp.isp.example", "x.test"),)], ids=["smarthost", "route"])
def test_where_nothing_is_said_of_tls_the_smarthost_must_offer_it(route: tuple[RouteConfig, ...]) -> None:
    routes = tuple(replace(one, tls=TlsMode.AUTO) for one in route)
    config = config_with(*routes)
    hop = route_for("x.test", config)
    assert hop is not None and hop.tls is TlsMode.AUTO
    assert connect_settings(hop, config).tls is TlsMode.STARTTLS


def test_a_route_without_a_host_is_the_general_smarthost_with_its_login() -> None:
    config = config_with(RouteConfig(domains=("partner.test",)), via=Via.MX, user="u", password="p")
    hop = route_for("partner.test", config)
    assert hop is not None
    assert (hop.host, hop.port, hop.user) == ("smtp.isp.example", 587, "u")


def test_no_smarthost_is_no_way_but_a_route_still_is_one() -> None:
    table = RouteTable.from_config(config_with(to("[192.0.2.1]", "x.test"), smarthost=""))
    assert table.next_hop("y.test") is None
    hop = table.next_hop("x.test")
    assert hop is not None
    assert hop.host == "192.0.2.1"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (config_with(), True),
        (config_with(to("h", "x.test")), False),
        (config_with(via=Via.MX), False),
        (config_with(smarthost=""), False),
    ],
)
def test_one_way_for_all(config: Config, expected: bool) -> None:
    assert RouteTable.from_config(config).is_one_smarthost is expected


def test_a_route_by_mx_has_tls_of_its_own() -> None:
    route = replace(to("", "partner.example"), via=Via.MX, tls=TlsMode.STARTTLS)
    config = config_with(route, mx_port=2525)
    assert route_for("partner.example", config) == NextHop(
        Via.MX, "", 2525, TlsMode.STARTTLS, route.tls_verify, route.tls_fingerprint
    )


def test_the_hosts_that_are_asked_for_mail_have_settings_of_their_own() -> None:
    config = config_with(timeout_scale=2.0)
    etrn = replace(config.etrn, tls=TlsMode.AUTO, user="e", password="f")
    atrn = replace(config.atrn, tls=TlsMode.IMPLICIT, tls_verify=TlsVerify.CA_ONLY, user="a", clear_password=True)
    found = [asking_settings(config, way, "smtp.isp.example") for way in (etrn, atrn)]
    assert [(one.tls, one.user, one.clear_password, one.timeout_scale) for one in found] == [
        (TlsMode.STARTTLS, "e", False, 2.0),
        (TlsMode.IMPLICIT, "a", True, 2.0),
    ]
    assert (found[0].password, found[1].tls_verify, found[0].helo) == ("f", TlsVerify.CA_ONLY, STATION.hostname)
