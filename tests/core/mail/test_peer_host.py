"""Whom an address stands for where peers are counted."""

from cases import cases
from dialpost.core.mail.peer_host import host_of


@cases(
    ("address", "host"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:1::/64"),
        ("2001:db8:0:2::1", "2001:db8:0:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::", "::/64"),
        ("", ""),
        ("unix:socket", "unix:socket"),
    ],
)
def test_a_host_is_an_ipv4_address_or_an_ipv6_network_of_64_bits(address: str, host: str) -> None:
    assert host_of(address) == host
