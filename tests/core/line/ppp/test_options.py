"""pppd's options, and what root refuses to take from the daemon."""

import json
from dataclasses import replace
from typing import Any

import pytest

from cases import cases
from dialpost.core.config.model import PppAuth, PppConfig
from dialpost.core.ip_text import ip_network
from dialpost.core.line.firewall import remove, ruleset
from dialpost.core.line.ppp.options import PppRequest, answers_soon, options, with_close_echoes
from known import is_a

REQUEST = PppRequest("/dev/ttyUSB0", 115_200, 33_600, user="clinic", password="s3cret")


def lines(request: PppRequest) -> list[str]:
    return options(request, up_script="/x/up", down_script="/x/down").splitlines()


def test_a_telephone_line() -> None:
    found = lines(REQUEST)
    assert found[:2] == ["/dev/ttyUSB0", "115200"]
    for wanted in (
        "nodetach",
        "noauth",
        "crtscts",
        "local",
        "mtu 576",
        "mru 576",
        "asyncmap 0",
        "noipdefault",
        "usepeerdns",
        "defaultroute",
        "deflate 15,15",
        "lcp-echo-interval 20",
        "lcp-echo-failure 4",
        "lcp-echo-adaptive",
        'user "clinic"',
        'password "s3cret"',
        "ip-up-script /x/up",
    ):
        assert wanted in found
    assert not any(line.startswith("novj") for line in found)


def test_a_satellite_line_gets_small_packets_and_patience() -> None:
    found = lines(replace(REQUEST, rate_bps=2400))
    assert "mtu 296" in found and "lcp-restart 10" in found


@pytest.mark.parametrize("auth", PppAuth)
def test_only_the_configured_way_of_logging_in_is_allowed(auth: PppAuth) -> None:
    refused = {line for line in lines(replace(REQUEST, auth=auth.value)) if line.startswith("refuse-")} - {
        "refuse-eap"
    }
    ways = {"refuse-pap", "refuse-chap", "refuse-mschap", "refuse-mschap-v2"}
    allowed = {PppAuth.AUTO: ways, PppAuth.NONE: set()}.get(auth, {f"refuse-{auth.value}"})
    assert refused == ways - allowed


def test_what_is_off_is_off() -> None:
    found = lines(
        replace(
            REQUEST,
            compression=False,
            use_peer_dns=False,
            default_route=False,
            echo_interval_s=0,
            user="",
            flow_control="xonxoff",
            has_carrier_line=True,
            local_address="192.0.2.2",
            remote_address="192.0.2.1",
        )
    )
    for wanted in ("noccp", "nodefaultroute", "xonxoff", "asyncmap a0000", "modem", "192.0.2.2:192.0.2.1"):
        assert wanted in found
    for unwanted in ("usepeerdns", "noipdefault", "local", "crtscts"):
        assert unwanted not in found
    assert not any(line.startswith(("lcp-echo", "user", "password", "deflate")) for line in found)


@pytest.mark.parametrize(
    ("rate_bps", "interval_s", "failures", "expected"),
    [(33_600, 20, 4, (4, 3)), (2400, 20, 4, (10, 4)), (33_600, 2, 2, (2, 2)), (33_600, 0, 4, (0, 4))],
)
def test_without_dcd_echoes_come_closer(
    rate_bps: int, interval_s: int, failures: int, expected: tuple[int, int]
) -> None:
    asked = replace(REQUEST, rate_bps=rate_bps, echo_interval_s=interval_s, echo_failures=failures)
    found = with_close_echoes(asked)
    assert (found.echo_interval_s, found.echo_failures) == expected


def test_signs_of_a_password_stay_signs() -> None:
    found = lines(replace(REQUEST, password='a"b\\c #d'))
    assert 'password "a\\"b\\\\c #d"' in found


def test_the_request_survives_its_way() -> None:
    request = PppRequest.from_config(
        PppConfig(user="u", password="p", mtu=500),
        device="/dev/ttyS0",
        speed_bps=9600,
        rate_bps=9600,
        flow_control="none",
        has_carrier_line=True,
        mail_hosts=(ip_network("192.0.2.0/24"),),
        answers_soon=True,
    )
    assert PppRequest.from_json(request.to_json()) == request


def test_what_a_request_leaves_out_is_as_by_default() -> None:
    assert PppRequest.from_json('{"device": "/dev/ttyS0", "speed_bps": 9600, "rate_bps": 2400}') == PppRequest(
        "/dev/ttyS0", 9600, 2400
    )


@cases(
    "change",
    [
        {"device": "/dev/sda"},
        {"device": "/dev/ttyS0\nplugin x.so"},
        {"device": "/dev/../tmp/ttyS0"},
        {"device": "ttyS0"},
        {"user": "a\nconnect /tmp/x"},
        {"password": "a\nplugin x.so"},
        {"password": "\0"},
        {"user": "x" * 300},
        {"local_address": "1.2.3.4\nplugin x"},
        {"remote_address": "::1"},
        {"mtu": 2000},
        {"mtu": "576\nplugin x"},
        {"speed_bps": True},
        {"mtu": True},
        {"echo_interval_s": False},
        {"echo_failures": True},
        {"rate_bps": 33600.0},
        {"compression": 1},
        {"auth": "none\nplugin x"},
        {"flow_control": "x"},
        {"mail_hosts": ["x; flush ruleset"]},
        {"mail_hosts": ["fe80::%x; flush ruleset;/64"]},
        {"mail_hosts": ["::1%eth0"]},
        {"mail_hosts": [["192.0.2.1"]]},
        {"local_address": "1.2.3.4%x"},
        {"remote_address": " 1.2.3.4"},
        {"mail_hosts": "0.0.0.0/0"},
        {"rate_bps": 0},
        {"plugin": "x.so"},
        {"echo_failures": 0},
    ],
    ids=str,
)
def test_root_takes_nothing_else(change: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        PppRequest.from_json(json.dumps(json.loads(REQUEST.to_json()) | change))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "null", '"x"', "{}"])
def test_what_is_no_request_is_none(text: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        PppRequest.from_json(text)


def test_only_mail_hosts_reach_the_mail_port() -> None:
    hosts = ("192.0.2.1", "192.0.2.1/32", "198.51.100.0/24", "2001:db8::1")
    rules = ruleset(
        "ppp0", [ip_network(host) for host in hosts], filtered=True, timestamps_off=True, share_with_lan=False
    )
    assert rules.startswith(remove())
    assert 'iifname "ppp0" ip saddr { 192.0.2.1, 198.51.100.0/24 } tcp dport 25 accept' in rules
    assert 'iifname "ppp0" ip6 saddr { 2001:db8::1 } tcp dport 25 accept' in rules
    assert 'iifname "ppp0" drop' in rules and 'oifname "ppp0" drop' in rules
    assert "masquerade" not in rules
    assert rules.count("reset tcp option timestamp") == 2


def test_sharing_lets_the_lan_out_and_nobody_in() -> None:
    rules = ruleset("ppp0", (), filtered=True, timestamps_off=False, share_with_lan=True)
    assert 'oifname "ppp0" masquerade' in rules
    assert 'iifname "ppp0" ct state established,related accept' in rules
    assert 'oifname "ppp0" drop' not in rules
    assert "timestamp" not in rules and "saddr {" not in rules


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"local_address": "192.0.2.01"}, "local_address must be an IPv4 address"),
        ({"mail_hosts": ("192.0.2.1",)}, "mail_hosts has an entry that is not a network"),
    ],
)
def test_a_request_made_here_is_checked_too(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(REQUEST, **change)


def test_the_other_end_s_address_alone() -> None:
    assert {"noipdefault", ":192.0.2.1"} <= set(lines(replace(REQUEST, remote_address="192.0.2.1")))
    assert ":192.0.2.1" not in lines(replace(REQUEST, local_address="192.0.2.2", remote_address="192.0.2.1"))


def test_which_round_trips_show_that_a_line_answers_soon() -> None:
    found = [answers_soon(each) for each in (None, 0.001, 0.02, 0.5, 0.51, 1.8)]
    assert found == [False, False, True, True, False, False]


def test_a_slow_line_is_asked_again_less_often() -> None:
    """And a provider that says nothing is given up later there."""
    for rate_bps, is_quick, often in (
        (2400, False, (10, 10, 10)),
        (2400, True, (10, 10, 10)),
        (33_600, False, (3, 10, 3)),
        (33_600, True, (1, 30, 3)),
    ):
        found = lines(replace(REQUEST, rate_bps=rate_bps, answers_soon=is_quick))
        names = ("lcp-restart", "lcp-max-configure", "ipcp-restart")
        assert [f"{name} {value}" for name, value in zip(names, often, strict=True)] == [
            line for line in found if line.startswith(names)
        ]


@pytest.mark.parametrize(
    ("local", "remote", "wanted"),
    [
        ("", "", ["noipdefault", "ipcp-accept-local", "ipcp-accept-remote"]),
        ("", "192.0.2.1", ["noipdefault", ":192.0.2.1", "ipcp-accept-local", "ipcp-accept-remote"]),
        ("192.0.2.2", "", ["192.0.2.2:"]),
        ("192.0.2.2", "192.0.2.1", ["192.0.2.2:192.0.2.1"]),
    ],
)
def test_the_peers_addresses_are_taken_unless_our_own_is_configured(
    local: str, remote: str, wanted: list[str]
) -> None:
    found = lines(replace(REQUEST, local_address=local, remote_address=remote))
    assert [line for line in found if line.startswith(("noipdefault", "ipcp-accept", "192.", ":"))] == wanted


BOUNDS = [
    ("speed_bps", 300, 4_000_000),
    ("rate_bps", 50, 1_000_000_000),
    ("mtu", 0, 1500),
    ("echo_interval_s", 0, 3600),
    ("echo_failures", 1, 100),
]


@pytest.mark.parametrize(("name", "low", "high"), BOUNDS)
def test_each_number_has_its_bounds(name: str, low: int, high: int) -> None:
    assert [getattr(replace(REQUEST, **is_a(dict, {name: value})), name) for value in (low, high)] == [low, high]
    for value in (low - 1, high + 1):
        with pytest.raises(ValueError, match=f"{name} must be from {low} to {high}"):
            replace(REQUEST, **is_a(dict, {name: value}))


def test_a_login_is_as_long_as_pppd_takes_it() -> None:
    assert replace(REQUEST, user="x" * 255).user == "x" * 255
    with pytest.raises(ValueError, match="user has characters"):
        replace(REQUEST, user="x" * 256)


def test_the_whole_file_of_a_slow_line() -> None:
    assert lines(PppRequest("/dev/ttyS0", 9600, 9599)) == [
        "/dev/ttyS0",
        "9600",
        "nodetach",
        "nolock",
        "noauth",
        "hide-password",
        "refuse-eap",
        "noipv6",
        "crtscts",
        "local",
        "asyncmap 0",
        "mtu 296",
        "mru 296",
        "noipdefault",
        "ipcp-accept-local",
        "ipcp-accept-remote",
        "usepeerdns",
        "defaultroute",
        "deflate 15,15",
        "bsdcomp 15,15",
        "lcp-restart 10",
        "lcp-max-configure 10",
        "ipcp-restart 10",
        "lcp-echo-interval 20",
        "lcp-echo-failure 4",
        "lcp-echo-adaptive",
        "nopersist",
        "ipparam dialpost",
        "ip-up-script /x/up",
        "ip-down-script /x/down",
    ]
    assert "lcp-restart 3" in lines(PppRequest("/dev/ttyS0", 9600, 9600))


def test_a_request_that_says_no_more_is_filtered_and_shares_nothing() -> None:
    bare = PppRequest("/dev/ttyS0", 9600, 9600)
    assert (bare.firewall, bare.shaping, bare.share_with_lan, bare.has_carrier_line) == (True, True, False, False)
    assert (bare.compression, bare.use_peer_dns, bare.default_route) == (True, True, True)
    assert (bare.mtu, bare.mail_hosts, bare.user, bare.local_address) == (0, (), "", "")
