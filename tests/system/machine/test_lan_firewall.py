"""The station's own firewall with the real nftables: what the LAN reaches, and the line's table beside it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from rig.needs import needs
from rig.servers.chroots import CACHE
from rig.spaces import (
    LAN6_HOST,
    LAN6_STATION,
    LAN_HOST,
    LAN_STATION,
    LINE_STATION,
    PEER,
    STRANGER,
    StationBetween,
)

from dialpost.core.config.model import Config
from dialpost.core.config.text import parse_config
from dialpost.core.ip_text import ip_network
from dialpost.core.line import firewall as line_firewall
from dialpost.core.system.apply.host_firewall import firewall

pytestmark = [pytest.mark.system, needs(commands=("nft", "ip"), root=True)]

BASE = '[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example"]\n'
ALL = (22, 25, 53, 80, 110, 143, 465, 587, 993, 995, 8080)

CONFIGURATIONS = {
    "as it comes": ("", [25, 143, 465, 587, 993, 995]),
    "everything": (
        '[lan]\nservices = ["imaps", "pop3s", "imap", "pop3"]\nssh = true\n',
        [22, 25, 110, 143, 465, 587, 993, 995],
    ),
    "submission with TLS only": (
        '[lan]\nservices = ["imaps"]\n[smtp]\nsubmission_listen = []\nlisten = ["127.0.0.1:25"]\n',
        [465, 993],
    ),
    "nothing": ("[lan]\nservices = []\n[smtp]\nlisten = []\nsubmission_listen = []\nsubmissions_listen = []\n", []),
}


@pytest.fixture
def between() -> Iterator[StationBetween]:
    made = StationBetween()
    try:
        yield made
    finally:
        made.close()


def load(between: StationBetween, more: str = "") -> None:
    between.inside(between.station, "nft", "-f", "-", given=firewall(parse_config(BASE + more)).text)


def line_up(between: StationBetween, **more: bool) -> None:
    settings = {"filtered": True, "timestamps_off": True, "share_with_lan": False} | more
    rules = line_firewall.ruleset("ppp0", [ip_network(PEER)], **settings)
    between.inside(between.station, "nft", "-f", "-", given=rules)


def from_lan(between: StationBetween) -> list[int]:
    return between.knock(between.lan, LAN_HOST, LAN_STATION, *ALL)


def from_line(between: StationBetween, source: str) -> list[int]:
    return between.knock(between.line, source, LINE_STATION, *ALL)


@pytest.mark.parametrize("name", list(CONFIGURATIONS))
def test_the_lan_reaches_what_is_configured_and_nothing_else(between: StationBetween, name: str) -> None:
    more, ports = CONFIGURATIONS[name]
    between.serve(between.station, *ALL)
    assert from_lan(between) == list(ALL)  # without the firewall
    load(between, more)
    assert from_lan(between) == ports
    assert between.knock(between.lan, LAN6_HOST, LAN6_STATION, *ALL) == ports
    assert between.pings(between.lan, LAN_STATION) and between.pings(between.lan, LAN6_STATION)


def test_each_new_ruleset_replaces_the_one_before(between: StationBetween) -> None:
    between.serve(between.station, *ALL)
    for name in ("everything", "nothing", "as it comes", "as it comes"):
        load(between, CONFIGURATIONS[name][0])
        assert from_lan(between) == CONFIGURATIONS[name][1]


def test_the_station_itself_gets_answers_everywhere(between: StationBetween) -> None:
    between.serve(between.lan, 53, 80)
    between.serve(between.line, 25, 80)
    between.serve(between.station, 8080)
    load(between)
    line_up(between)
    assert between.knock(between.station, LAN_STATION, LAN_HOST, 53, 80) == [53, 80]
    assert between.knock(between.station, LINE_STATION, PEER, 25, 80) == [25, 80]
    assert between.knock(between.station, "127.0.0.1", "127.0.0.1", 8080) == [8080]


def test_lan_and_line_together(between: StationBetween) -> None:
    """On the line both tables must agree: the provider's hosts reach port 25, whatever the LAN is offered."""
    between.serve(between.station, *ALL)
    load(between, CONFIGURATIONS["everything"][0])
    assert from_line(between, STRANGER) == [25]  # the moment before the line's own table is there
    line_up(between)
    assert (from_line(between, PEER), from_line(between, STRANGER)) == ([25], [])
    assert from_lan(between) == CONFIGURATIONS["everything"][1]
    load(between)  # a commit while the line is up changes the LAN's part only
    assert (from_line(between, PEER), from_line(between, STRANGER)) == ([25], [])
    assert from_lan(between) == CONFIGURATIONS["as it comes"][1]
    assert between.pings(between.line, LINE_STATION)
    between.inside(between.station, "nft", "-f", "-", given=line_firewall.remove())
    assert from_lan(between) == CONFIGURATIONS["as it comes"][1]


def test_a_line_without_firewall_is_open_as_configured(between: StationBetween) -> None:
    between.serve(between.station, *ALL)
    load(between, "[ppp]\nfirewall = false\n")
    assert from_line(between, STRANGER) == list(ALL)


@pytest.mark.parametrize("shared", [False, True])
def test_hosts_of_the_lan_get_out_by_the_line_only_if_it_is_shared(between: StationBetween, shared: bool) -> None:
    between.serve(between.line, 80)
    between.serve(between.lan, 80)
    between.inside(between.station, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
    assert between.knock(between.lan, LAN_HOST, PEER, 80) == [80]  # forwarding alone would let it through
    load(between, f"[ppp]\nshare_with_lan = {str(shared).lower()}\n")
    line_up(between, share_with_lan=shared)
    assert between.knock(between.lan, LAN_HOST, PEER, 80) == ([80] if shared else [])
    assert between.knock(between.line, PEER, LAN_HOST, 80) == []  # never the other way round


def test_a_named_interface_is_the_only_lan(between: StationBetween) -> None:
    between.serve(between.station, 25)
    load(between, '[lan]\ninterface = "eth1"\n')
    assert from_lan(between) == []
    load(between, '[lan]\ninterface = "eth0"\n')
    assert from_lan(between) == [25]


def test_before_the_first_configuration(between: StationBetween) -> None:
    between.serve(between.station, *ALL)
    between.inside(between.station, "nft", "-f", "-", given=firewall(Config()).text)
    assert from_lan(between) == CONFIGURATIONS["as it comes"][1]


@needs("station")
@pytest.mark.parametrize("name", list(CONFIGURATIONS))
def test_the_stations_own_nft_takes_it(between: StationBetween, name: str) -> None:
    """nftables of Debian 13; checking, too, asks the kernel of a namespace."""
    text = firewall(parse_config(BASE + CONFIGURATIONS[name][0])).text
    between.inside(between.station, "chroot", str(CACHE / "station"), "nft", "-c", "-f", "-", given=text)
