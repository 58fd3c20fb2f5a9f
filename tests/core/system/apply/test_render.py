"""From configurations to files: whole texts for the usual ones, and no way out of them for hostile ones."""

import dataclasses
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialpost.core.config.model import Config, LanService
from dialpost.core.config.text import parse_config
from dialpost.core.errors import ConfigError
from dialpost.core.system.apply import host_firewall
from dialpost.core.system.apply.dovecot import MOST_CLIENTS
from dialpost.core.system.apply.host_firewall import lan_ports
from dialpost.core.system.apply.render import render
from dialpost.core.system.apply.rendered import (
    CHRONY,
    DOVECOT,
    FIREWALL,
    HOSTNAME,
    HOSTS,
    LOCALTIME,
    NETWORK,
    PLACES,
    Rendered,
)
from dialpost.core.system.apply.system import battery_clock
from fuzzing import inputs

BASE = '[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example"]\n'
STATIC = '[lan]\nmethod = "static"\naddress = "192.168.1.25/24"\n'


def files(more: str = "") -> dict[str, Rendered]:
    return {file.path: file for file in render(parse_config(BASE + more))}


def body(path: str, more: str = "") -> str:
    return "".join(line for line in files(more)[path].text.splitlines(True) if not line.startswith("# Made by"))


def test_every_file_by_its_name_and_mode() -> None:
    made = files()
    assert list(made) == list(PLACES)
    assert {file.mode for file in made.values()} == {0o644}
    assert [path for path, file in made.items() if file.is_link] == [LOCALTIME]


def test_a_file_elsewhere_is_none_of_ours() -> None:
    with pytest.raises(ValueError, match="not one of our places"):
        Rendered("/etc/passwd", "")


def test_the_lan_by_dhcp() -> None:
    assert (
        body(NETWORK)
        == """\
[Match]
Type=ether
Name=en* eth*

[Link]
RequiredForOnline=no

[Network]
DHCP=yes
LinkLocalAddressing=ipv6
IPv6AcceptRA=yes
LLMNR=no
MulticastDNS=no

[Address]
Address=192.168.216.25/24
DuplicateAddressDetection=ipv4

[DHCPv4]
ClientIdentifier=mac
RouteMetric=1024
UseHostname=no
UseTimezone=no

[DHCPv6]
DUIDType=link-layer

[IPv6AcceptRA]
UseGateway=no
"""
    )
    assert "[Address]" not in body(NETWORK, '[lan]\nfallback_address = ""\n')


def test_a_fixed_address_asks_the_router_for_names_where_nobody_else_is_told() -> None:
    router = 'gateway = "192.168.1.1"\n'
    assert "DNS=192.168.1.1\n" in body(NETWORK, STATIC + router)
    assert "DNS=192.168.1.1\n" not in body(NETWORK, STATIC + router + 'dns = ["192.168.1.9"]\n')
    assert "\nDNS=" not in body(NETWORK, STATIC)
    assert "\nDNS=" not in body(NETWORK)


def test_a_fixed_address_on_a_named_interface() -> None:
    more = 'gateway = "192.168.1.1"\ndns = ["192.168.1.1", "fd00::53"]\ninterface = "eth1"\n'
    assert (
        body(NETWORK, STATIC + more + '[link]\nkind = "gateway"\n')
        == """\
[Match]
Name=eth1

[Link]
RequiredForOnline=no

[Network]
DHCP=no
LinkLocalAddressing=ipv6
IPv6AcceptRA=yes
LLMNR=no
MulticastDNS=no
DNS=192.168.1.1
DNS=fd00::53

[Address]
Address=192.168.1.25/24

[Route]
Gateway=192.168.1.1
Metric=1024

[DHCPv6]
DUIDType=link-layer

[IPv6AcceptRA]
RouteMetric=1024
"""
    )


def test_the_small_files() -> None:
    made = files('[schedule]\ntimezone = "America/Argentina/Ushuaia"\n')
    assert made[HOSTNAME].text == "mail\n"
    assert "127.0.1.1 mail.clinic.example mail\n" in made[HOSTS].text
    assert made[LOCALTIME].text == "/usr/share/zoneinfo/America/Argentina/Ushuaia"
    assert files()[LOCALTIME].text == "/usr/share/zoneinfo/UTC"


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        ("", ["pool pool.ntp.org iburst offline maxsources 3"]),
        ('[link]\nkind = "gateway"\n', ["pool pool.ntp.org iburst maxsources 3"]),
        (
            '[clock]\nservers = ["time.provider.example", "192.0.2.1", "2001:db8::1"]\n',
            [
                "server time.provider.example iburst offline",
                "server 192.0.2.1 iburst offline",
                "server 2001:db8::1 iburst offline",
            ],
        ),
        ('[clock]\nsource = "never"\n', None),
        ('[clock]\nsource = "sntp"\n', None),
    ],
)
def test_whom_chrony_asks(more: str, lines: list[str] | None) -> None:
    assert (body(CHRONY, more).splitlines() if CHRONY in files(more) else None) == lines


def test_before_the_first_configuration_the_station_can_be_reached_and_serves_no_mail() -> None:
    made = {file.path: file.text for file in render(Config())}
    assert list(made) == [path for path in PLACES if path != DOVECOT]
    assert made[HOSTNAME] == "dialpost\n"
    assert "127.0.1.1 dialpost\n" in made[HOSTS]
    assert "Address=192.168.216.25/24" in made[NETWORK]


@pytest.mark.parametrize(
    ("more", "ports"),
    [
        ("", [25, 143, 465, 587, 993, 995]),
        ('[lan]\nservices = ["imaps"]\nssh = true\n', [22, 25, 465, 587, 993]),
        ("[lan]\nservices = []\n[smtp]\nlisten = []\nsubmission_listen = []\n", [465]),
        (
            '[lan]\nservices = ["pop3"]\n[smtp]\nlisten = ["127.0.0.1:25", "[::1]:25"]\n'
            'submission_listen = [":2587"]\n',
            [110, 465, 2587],
        ),
    ],
)
def test_which_ports_the_lan_reaches(more: str, ports: list[int]) -> None:
    assert lan_ports(parse_config(BASE + more)) == ports
    accepted = f"tcp dport {{ {', '.join(map(str, ports))} }} accept"
    assert body(FIREWALL, more).count(accepted) == 1


def test_nothing_is_forwarded_unless_the_line_is_shared() -> None:
    assert body(FIREWALL).endswith("type filter hook forward priority filter; policy drop;\n  }\n}\n")
    shared = body(FIREWALL, "[ppp]\nshare_with_lan = true\n").partition("chain forward")[2]
    assert re.findall(r"^    (iif.*)$", shared, re.MULTILINE) == [
        'iifname "ppp*" ct state established,related accept',
        'iifname "en*" oifname "ppp*" accept',
        'iifname "eth*" oifname "ppp*" accept',
    ]


@pytest.mark.parametrize("service", list(LanService))
def test_dovecot_listens_where_it_is_asked_to_and_nowhere_else(service: LanService) -> None:
    text = body(DOVECOT, f'[lan]\nservices = ["{service.value}"]\n')
    listening = re.findall(r"inet_listener (\w+) \{\n    port = (\d+)", text)
    assert len(listening) == 2, "one that is named and one of port 0, or Dovecot listens on its own"
    assert [(name, port) for name, port in listening if port != "0"] == [(service.value, str(service.port))]
    assert f"client_limit = {2 * MOST_CLIENTS}\n" in text and f"process_limit = {MOST_CLIENTS}\n" in text
    assert f"protocols = {service.value[:4]}\n" in text
    assert ("imap_quota" in text) is service.value.startswith("imap")


def test_no_service_no_dovecot() -> None:
    assert DOVECOT not in files("[lan]\nservices = []\n")


def test_the_certificate_that_is_configured() -> None:
    assert "ssl_server_cert_file = /var/lib/dialpost/tls/station.pem\n" in body(DOVECOT)
    own = '[tls]\ncertificate = "/etc/dialpost/own.pem"\nkey = "/etc/dialpost/own.key"\n'
    assert "ssl_server_key_file = /etc/dialpost/own.key\n" in body(DOVECOT, own)


def test_dovecot_is_restarted_for_a_certificate_with_other_names() -> None:
    def mark(more: str = "") -> str:
        [found] = re.findall(
            r"^# For mail\.clinic\.example \(certificate ([0-9a-f]{16})\)$", body(DOVECOT, more), re.MULTILINE
        )
        return str(found)

    assert mark() == mark("[lan]\nssh = true\n")
    assert mark() != mark(STATIC)


@pytest.mark.parametrize(
    "path",
    [
        "/a b",
        "/a/../../etc",
        "/..",
        "/x;y",
        "/x{",
        "/x}\n",
        "/%{env:HOME}",
        "/$ENV",
        '/x"',
        "/x#y",
        "/x=y",
        "/é",
        "/.ssh",
        "/",
        "/a//b",
        "/<x",
        "/x\\",
        "/x\u2028y",
    ],
)
@pytest.mark.parametrize("key", ["data_dir", "certificate", "key"])
def test_paths_that_dovecot_could_read_otherwise_stop_everything(key: str, path: str) -> None:
    config = Config(
        station=dataclasses.replace(Config().station, hostname="mail.clinic.example", domains=("clinic.example",))
    )
    if key == "data_dir":
        config = dataclasses.replace(config, station=dataclasses.replace(config.station, data_dir=path))
    else:
        paths = {"certificate": "/c.pem", "key": "/k.pem"} | {key: path}
        config = dataclasses.replace(config, tls=dataclasses.replace(config.tls, **paths))
    with pytest.raises(ValueError, match="no path"):
        render(config)


# What a daemon that was taken over could put into the file, past every check of the parser.
HOSTILE = st.text(
    st.sampled_from(list("aZ9.-_/:[]{}\"'\\\n\r\t\0 ;#$%*,=<>!|&()`~@^+?\x1b\x7f\u2028é")), max_size=40
)
_TARGETS = {
    ("station", "hostname"): "mail.clinic.example",
    ("station", "data_dir"): "/data",
    ("tls", "certificate"): "/c",
    ("tls", "key"): "/k",
    ("lan", "interface"): "eth0",
    ("lan", "address"): "192.0.2.1/24",
    ("lan", "gateway"): "192.0.2.9",
    ("lan", "fallback_address"): "192.0.2.7/24",
    ("schedule", "timezone"): "UTC",
}
"""Where texts get into files, each with a harmless one."""
_MARKS = "\n{}[];\"'#=%$<>\\"


@given(st.sampled_from(list(_TARGETS)), HOSTILE, st.booleans())
@settings(max_examples=inputs(600), deadline=None)
def test_no_value_gets_out_of_its_place_although_no_parser_stood_before(
    target: tuple[str, str], text: str, static: bool
) -> None:
    """Even a value that no parser would have let through adds no line, no block and no character with a meaning."""
    good = parse_config(BASE + (STATIC + 'gateway = "192.168.1.1"\n' if static else ""))
    if not text and target == ("station", "hostname"):
        return  # a station without a name is one before its first configuration
    try:
        made = render(_with(good, target, text))
    except ValueError:
        return
    harmless = render(_with(good, target, _TARGETS[target] if text else ""))
    assert [_marks(file) for file in made] == [_marks(file) for file in harmless]


def _with(config: Config, target: tuple[str, str], text: str) -> Config:
    section, key = target
    part = dataclasses.replace(getattr(config, section), **{key: text})
    return dataclasses.replace(config, **{section: part})


def _marks(file: Rendered) -> tuple[str, dict[str, int]]:
    """What gives a text its structure; a value must add none of it, nor anything that is not plain."""
    assert file.text.isascii() and file.text.replace("\n", "").isprintable()
    return file.path, {mark: file.text.count(mark) for mark in _MARKS}


@given(st.dictionaries(st.sampled_from(["interface", "address", "gateway", "fallback_address", "method"]), HOSTILE))
@settings(max_examples=inputs(300), deadline=None)
def test_any_file_is_rendered_or_refused(values: dict[str, str]) -> None:
    import json

    lines = "".join(f"{key} = {json.dumps(value)}\n".replace("\x7f", "\\u007f") for key, value in values.items())
    try:
        config = parse_config(f"{BASE}[lan]\n{lines}")
    except ConfigError:
        return
    assert [file.path for file in render(config)] == list(PLACES)


def test_without_a_firewall_of_its_own_the_line_comes_in() -> None:
    config = dataclasses.replace(Config(), ppp=dataclasses.replace(Config().ppp, firewall=False))
    with_it, without = host_firewall.firewall(Config()).text, host_firewall.firewall(config).text
    assert f'iifname "{host_firewall.LINE}" accept' in without
    assert f'iifname "{host_firewall.LINE}" accept' not in with_it
    assert f'iifname "{host_firewall.LINE}" tcp dport 25 accept' in with_it


@pytest.mark.parametrize(
    ("chip", "said"), [("none", "none\n"), ("ds3231", "ds3231 0x68\n"), ("pcf85063", "pcf85063 0x51\n")]
)
def test_the_battery_clock_and_its_place_on_the_bus(chip: str, said: str) -> None:
    assert battery_clock(parse_config(f'{BASE}[clock]\nbattery = "{chip}"\n')).text == said
