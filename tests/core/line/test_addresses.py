"""Which addresses the line may have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import cases
from dialpost.core.line.addresses import connected_networks, why_not

TABLE = """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	0101A8C0	0003	0	0	1024	00000000	0	0	0
eth0	0001A8C0	00000000	0001	0	0	1024	00FFFFFF	0	0	0
eth0	00D8A8C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
eth0	0101A8C0	00000000	0005	0	0	1024	FFFFFFFF	0	0	0
ppp0	0100000A	00000000	0005	0	0	0	FFFFFFFF	0	0	0
ppp0	0000000A	00000000	0001	0	0	0	00FFFFFF	0	0	0
ppp0	00000000	00000000	0001	0	0	0	00000000	0	0	0
eth1	0002A8C0	0101A8C0	0003	0	0	0	00FFFFFF	0	0	0
"""
LAN = connected_networks(TABLE)


def test_the_networks_this_machine_is_in() -> None:
    assert [str(network) for network in LAN] == ["192.168.1.0/24", "192.168.216.0/24"]


@cases(
    ("local", "peer", "words"),
    [
        ("10.0.0.2", "10.0.0.1", ""),
        ("100.64.1.2", "192.168.2.1", ""),
        (
            "10.0.0.2",
            "192.168.1.50",
            "the provider's end of the line, but that is in the LAN's network 192.168.1.0/24",
        ),
        ("192.168.1.50", "10.0.0.1", "this end of the line, but that is in the LAN's network 192.168.1.0/24"),
        ("10.0.0.2", "192.168.216.25", "192.168.216.0/24"),
        ("10.0.0.2", "127.0.0.1", "no line can have"),
        ("0.0.0.0", "10.0.0.1", "no line can have"),
        ("10.0.0.2", "224.0.0.1", "no line can have"),
    ],
)
def test_an_address_of_the_lan_is_refused(local: str, peer: str, words: str) -> None:
    found = why_not(local, peer, LAN)
    assert words in found and bool(found) == bool(words)


@given(st.text())
def test_any_route_table_can_be_read(text: str) -> None:
    connected_networks(text)
    connected_networks("head\n" + text)


ROUTES = """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	0101A8C0	0003	0	0	0	00000000	0	0	0
eth0	0001A8C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
eth0	0001A8C0	00000000	0001	0	0	9	00FFFFFF	0	0	0
eth0	0002A8C0	0101A8C0	0003	0	0	0	00FFFFFF	0	0	0
eth0	0701A8C0	00000000	0001	0	0	0	FFFFFFFF	0	0	0
ppp0	0000000A	00000000	0001	0	0	0	000000FF	0	0	0
wlan0	0000000A	00000000	0001	0	0	0	000000FF	0	0	0
wlan1	nonsense	00000000	0001	0	0	0	000000FF	0	0	0
short
"""


def test_what_of_a_table_of_routes_is_a_network_of_ours() -> None:
    assert list(map(str, connected_networks(ROUTES))) == ["192.168.1.0/24", "10.0.0.0/8"]
    assert connected_networks("") == ()


def route(*, flags: str = "0001", start: str = "0000A8C0", mask: str = "0000FFFF", name: str = "eth0") -> str:
    """One line of the table; the kernel writes addresses in its own byte order."""
    return f"head\n{name}\t{start}\t00000000\t{flags}\t0\t0\t0\t{mask}\t0\t0\t0\n"


@cases(
    ("line", "network"),
    [
        (route(), ["192.168.0.0/16"]),
        (route(flags="0002"), []),
        (route(flags="0003"), []),
        (route(flags="0005"), ["192.168.0.0/16"]),
        (route(flags="000A"), []),
        (route(flags="0101"), ["192.168.0.0/16"]),
        (route(flags="zz"), []),
        (route(mask="00000000"), []),
        (route(mask="00000080"), ["128.0.0.0/1"]),
        (route(mask="FEFFFFFF"), ["192.168.0.0/31"]),
        (route(mask="FFFFFFFF"), []),
        (route(name="lo"), []),
        (route(name="ppp3"), []),
        (route(name="ppp"), []),
        (route().removeprefix("head\n"), []),  # the first line is the table's head
    ],
)
def test_which_route_is_a_network_of_ours(line: str, network: list[str]) -> None:
    assert list(map(str, connected_networks(line))) == network


@pytest.mark.parametrize("bad", ["short", "eth0\tnonsense\t0\t0001\t0\t0\t0\t0000FFFF", "ppp0\t0\t0\t0001"])
def test_a_line_that_says_nothing_hides_none_behind_it(bad: str) -> None:
    text = "head\n" + bad + "\n" + route().removeprefix("head\n")
    assert list(map(str, connected_networks(text))) == ["192.168.0.0/16"]
