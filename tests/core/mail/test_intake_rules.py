"""Who may send what to whom."""

from dataclasses import replace

import pytest

from cases import cases
from dialpost.core.config.model import Config, LanConfig, LanMethod
from dialpost.core.config.text import parse_config
from dialpost.core.mail.header.scan import HeaderFacts
from dialpost.core.mail.intake_rules import (
    MAX_OWN_PASSES,
    RepeatWindow,
    Sides,
    loop_refusal,
    may_relay,
    parse_networks,
)
from dialpost.core.mail.queue.records import Origin

LAN = parse_networks(("192.168.1.7/24", "fd00::/8", "10.0.0.0/8"))
PROVIDER = parse_networks(("10.9.0.0/16",))
DIALLED = Sides(LAN, PROVIDER, has_line=True)
ROUTED = Sides(LAN, PROVIDER)
AT_A_ROUTER = Sides.from_config(
    parse_config(
        """
        [station]
        hostname = "mail.clinic.example"
        domains = ["clinic.example"]
        [link]
        kind = "dialup-gateway"
        [lan]
        method = "static"
        address = "192.168.5.25/24"
        gateway = "192.168.5.1"
        """
    )
)


@cases(
    ("address", "side"),
    [
        ("192.168.1.200", Origin.LAN),
        ("192.168.2.1", Origin.OUTSIDE),
        ("fd00::1%eth0", Origin.LAN),
        ("2001:db8::1", Origin.OUTSIDE),
        ("10.1.1.1", Origin.LAN),
        ("10.9.1.1", Origin.OUTSIDE),
        ("", Origin.OUTSIDE),
        ("unix", Origin.OUTSIDE),
        ("127.0.0.1", Origin.OUTSIDE),
    ],
)
def test_sides(address: str, side: Origin) -> None:
    assert DIALLED.of(address, "eth0") is side


@pytest.mark.parametrize("address", ["192.168.1.50", "10.1.1.1", "fd00::1"])
@pytest.mark.parametrize(
    ("sides", "interface", "side"),
    [
        (DIALLED, "eth0", Origin.LAN),
        (DIALLED, "lo", Origin.LAN),
        (DIALLED, "br-lan", Origin.LAN),
        (DIALLED, "ppp0", Origin.OUTSIDE),
        (DIALLED, "ppp12", Origin.OUTSIDE),
        (DIALLED, "", Origin.OUTSIDE),
        (ROUTED, "eth0", Origin.LAN),
        (ROUTED, "", Origin.LAN),
        (ROUTED, "ppp0", Origin.OUTSIDE),
        (replace(DIALLED, lan_interface="eth0"), "eth0", Origin.LAN),
        (replace(DIALLED, lan_interface="eth0"), "eth1", Origin.OUTSIDE),
        (replace(DIALLED, lan_interface="eth0"), "lo", Origin.LAN),
    ],
)
def test_an_address_of_the_lan_counts_only_where_the_lan_is(
    address: str, sides: Sides, interface: str, side: Origin
) -> None:
    assert sides.of(address, interface) is side


@cases(
    ("sides", "address", "interface", "is_provider"),
    [
        (DIALLED, "192.0.2.1", "ppp0", True),
        (DIALLED, "192.168.1.50", "ppp0", True),
        (DIALLED, "192.0.2.1", "lo", True),
        (DIALLED, "192.0.2.1", "eth0", False),
        (DIALLED, "10.9.1.1", "eth0", True),
        (DIALLED, "192.168.1.50", "eth0", False),
        (ROUTED, "192.0.2.1", "eth0", True),
        (ROUTED, "192.168.1.50", "eth0", False),
        (DIALLED, "nonsense", "eth0", False),
        (AT_A_ROUTER, "192.168.5.50", "eth0", False),
        (AT_A_ROUTER, "192.168.5.1", "eth0", True),
        (AT_A_ROUTER, "192.0.2.1", "eth0", True),
        (replace(AT_A_ROUTER, provider_networks=parse_networks(["192.168.5.9/32"])), "192.168.5.9", "eth0", True),
    ],
)
def test_the_provider_of_a_dialled_line_is_who_came_over_it(
    sides: Sides, address: str, interface: str, is_provider: bool
) -> None:
    assert sides.is_provider(address, interface) is is_provider


def test_only_our_own_people_relay() -> None:
    assert [origin for origin in Origin if may_relay(origin)] == [Origin.SUBMITTED, Origin.LAN]


@pytest.mark.parametrize(
    ("facts", "is_refused"),
    [
        (HeaderFacts(received=100), False),
        (HeaderFacts(received=101), True),
        (HeaderFacts(own_received=MAX_OWN_PASSES), False),
        (HeaderFacts(own_received=MAX_OWN_PASSES + 1), True),
        (HeaderFacts(delivered_to=("a@b.example",)), False),
        (HeaderFacts(delivered_to=("a@b.example",) * (MAX_OWN_PASSES + 1)), True),
        (HeaderFacts(delivered_to=("x@b.example",) * 50), False),
    ],
)
def test_loops(facts: HeaderFacts, is_refused: bool) -> None:
    refusal = loop_refusal(facts, 100, ["A@b.example"])
    assert (refusal is not None) == is_refused
    assert refusal is None or str(refusal).startswith("554 5.4.6")


def test_the_window_for_repeats_goes_with_the_hours_not_with_the_clocks_steps() -> None:
    window = RepeatWindow(100)
    steps = [(60, 0), (1_000_060, 0), (1_000_100, 40), (50, 50), (2_000_000, 200)]
    assert [window.since_s(wall_s, monotonic_s) for wall_s, monotonic_s in steps] == [-40, -40, 0, -50, 100]


def test_the_sides_of_a_configuration() -> None:
    text = (
        '[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example"]\n[lan]\ninterface = "eth7"\n'
        '[relay]\nnetworks = ["192.168.1.0/24"]\nprovider_networks = ["10.9.0.0/16"]\n[link]\nkind = "{}"\n'
    )
    for kind, has_line in (("modem", True), ("gateway", False)):
        assert Sides.from_config(parse_config(text.format(kind))) == Sides(
            parse_networks(["192.168.1.0/24"]),
            parse_networks(["10.9.0.0/16"]),
            "eth7",
            has_line,
            parse_networks([LanConfig().fallback_address])[0],
        )


def test_the_router_is_the_gateway_of_a_static_lan() -> None:
    assert AT_A_ROUTER.router == "192.168.5.1"
    dhcp = LanConfig(method=LanMethod.DHCP, gateway="192.168.5.1")
    assert Sides.from_config(replace(Config(), lan=dhcp)).router == ""


@pytest.mark.parametrize("router", ["192.168.5.1", "192.168.5.100", "192.168.5.254"])
def test_only_the_router_itself_is_not_beside_us(router: str) -> None:
    sides = replace(AT_A_ROUTER, router=router)
    found = {address: sides.is_provider(address, "") for address in ("192.168.5.50", "192.168.5.150", router)}
    assert found == {"192.168.5.50": False, "192.168.5.150": False, router: True}
