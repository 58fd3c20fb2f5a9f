"""The LAN's settings: which values and which pairs of them can stand, and in which words the others are refused."""

import pytest

from cases import cases
from dialpost.core.config.check import warnings
from dialpost.core.config.model import Config, LanService
from dialpost.core.config.text import parse_config
from dialpost.core.errors import ConfigError

BASE = (
    '[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example"]\n'
    '[outbound]\nsmarthost = "smtp.provider.example"\n[schedule]\nentry = [{at = ["07:30"]}]\n'
)
STATIC = 'method = "static"\naddress = "192.168.1.25/24"\n'


def parse(lan: str, more: str = "") -> Config:
    return parse_config(f"{BASE}{more}\n[lan]\n{lan}" + ("" if "[link]" in more else '\n[link]\nkind = "gateway"'))


def problems(lan: str, more: str = "") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(lan, more)
    return list(caught.value.problems)


def test_without_the_section_dhcp_and_an_address_to_fall_back_on() -> None:
    lan = parse("").lan
    assert (lan.method.value, lan.fallback_address, lan.ssh) == ("dhcp", "192.168.216.25/24", False)
    assert [service.port for service in lan.services] == [993, 995, 143]
    assert LanService.POP3.port == 110


@cases(
    ("lan", "said"),
    [
        ('method = "static"', ['lan.method = "static" needs lan.address, for example 192.168.1.25/24.']),
        (
            'address = "192.168.1.25"',
            [
                'lan.address = "192.168.1.25" is not allowed: the prefix length is '
                "missing, for example 192.168.1.25/24."
            ],
        ),
        (
            'address = "127.0.0.1/8"',
            ['lan.address = "127.0.0.1/8" is not allowed: no host of a LAN can have that address.'],
        ),
        (
            'method = "static"\naddress = "192.168.1.0/24"',
            [
                "lan.address = 192.168.1.0/24 is the network's own address or its broadcast address; choose one "
                "in between."
            ],
        ),
        (
            'method = "static"\naddress = "192.168.1.255/24"',
            [
                "lan.address = 192.168.1.255/24 is the network's own address or its broadcast address; choose one "
                "in between."
            ],
        ),
        (
            'method = "static"\naddress = "192.168.1.9/32"',
            ["lan.address = 192.168.1.9/32: that network has no room for another host; /24 is usual."],
        ),
        (
            STATIC + 'gateway = "192.168.2.1"',
            [
                "lan.gateway = 192.168.2.1 is not in the network of lan.address = "
                "192.168.1.25/24, so it is unreachable."
            ],
        ),
        (
            STATIC + 'gateway = "fe80::1"',
            ["lan.gateway = fe80::1 is not in the network of lan.address = 192.168.1.25/24, so it is unreachable."],
        ),
        (
            STATIC + 'gateway = "192.168.1.25"',
            ["lan.gateway = 192.168.1.25 is the station itself; enter the router's address."],
        ),
        ('services = ["imaps", "imaps"]', ["lan.services names imaps 2 times; name it once."]),
        (
            'services = ["web"]',
            ['lan.services[1] = "web" is not allowed: each item must be one of: imaps, pop3s, imap, pop3.'],
        ),
        (
            'fallback_address = "10.0.0.255/24"',
            [
                "lan.fallback_address = 10.0.0.255/24 is the network's own "
                "address or its broadcast address; choose one in between."
            ],
        ),
    ],
)
def test_what_cannot_stand(lan: str, said: list[str]) -> None:
    assert problems(lan) == said


@cases("name", ["eth 0", "eth0\n", "lo", "ppp0", "a" * 16, "../eth0", 'eth0"', "eth*", "", "é0"])
def test_names_that_are_no_lan_interface(name: str) -> None:
    import json

    if name:
        assert problems(f"interface = {json.dumps(name)}")
    else:
        assert parse('interface = ""').lan.interface == ""


@pytest.mark.parametrize("name", ["eth0", "end0", "enx001122334455", "br0.2", "wlan0", "pppoe-lan"])
def test_names_of_interfaces(name: str) -> None:
    assert parse(f'interface = "{name}"').lan.interface == name


def test_lan_and_line_are_two_networks() -> None:
    ppp = '[ppp]\nlocal_address = "192.168.1.77"\nremote_address = "192.168.2.1"'
    assert problems(STATIC, ppp) == [
        "lan.address = 192.168.1.25/24 and ppp.local_address = 192.168.1.77 are in the same network: LAN and "
        "line must differ."
    ]
    assert problems('fallback_address = "192.168.2.25/24"', ppp) == [
        "lan.fallback_address = 192.168.2.25/24 and ppp.remote_address = 192.168.2.1 are in the same network: "
        "LAN and line must differ."
    ]


def test_one_port_one_server() -> None:
    assert problems('services = ["pop3"]', '[smtp]\nlisten = ["[::]:25", "0.0.0.0:110"]') == [
        'smtp.listen has "0.0.0.0:110", but pop3 (lan.services) already uses that port.'
    ]


def test_warnings() -> None:
    assert warnings(parse("")) == ()
    assert warnings(parse(STATIC + 'gateway = "192.168.1.1"')) == ()
    assert warnings(parse(STATIC)) == (
        'lan.gateway is empty: with link.kind = "gateway" the router is the only way out.',
        "lan.dns is empty as well: no host can be looked up by name, not even the provider's.",
    )
    assert len(warnings(parse(STATIC + 'dns = ["192.168.1.9"]'))) == 1
    assert warnings(parse('gateway = "192.168.1.1"')) == ('lan.gateway has no effect while lan.method = "dhcp".',)
    relay = '[relay]\nprovider_networks = ["192.168.0.0/16"]'
    assert warnings(parse(STATIC + 'gateway = "192.168.1.1"', relay)) == (
        "relay.provider_networks 192.168.0.0/16 includes the LAN 192.168.1.0/24: its hosts may not relay.",
    )


@cases(
    ("address", "stands"),
    [
        ("192.168.1.0/31", True),
        ("192.168.1.1/31", True),
        ("192.168.1.1/30", True),
        ("192.168.1.0/30", False),
        ("192.168.1.3/30", False),
        ("192.168.1.3/32", False),
        ("2001:db8::/64", True),
        ("2001:db8::1/128", False),
    ],
)
def test_an_address_that_a_host_of_its_network_may_have(address: str, stands: bool) -> None:
    for lan in (f'method = "static"\naddress = "{address}"', f'fallback_address = "{address}"'):
        if stands:
            parse(lan)
        else:
            assert len(problems(lan)) == 1


def test_a_fixed_address_makes_the_one_to_fall_back_on_idle() -> None:
    parse(STATIC + 'fallback_address = "192.168.1.0/24"\n', "")
    modem = '[link]\nkind = "modem"\n[modem]\nport = "/dev/ttyS0"\nnumbers = ["0961 123456"]'
    assert warnings(parse(STATIC, modem)) == ()
    assert warnings(parse('address = "192.168.1.9/24"')) == (
        'lan.address has no effect while lan.method = "dhcp".',
    )
    relay = '[relay]\nprovider_networks = ["192.168.216.9/32", "2001:db8::/32", "10.0.0.0/8"]'
    assert warnings(parse("", relay)) == (
        "relay.provider_networks 192.168.216.9/32 includes the LAN 192.168.216.0/24: its hosts may not relay.",
    )
    assert warnings(parse('fallback_address = ""', relay)) == ()
