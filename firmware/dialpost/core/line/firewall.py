"""The firewall of the line: lets in mail from the provider's hosts and answers to our requests, nothing else.

The provider is known by the configuration, by the peer, and by our own connections: a host that the station
contacts on a mail port (for ETRN, or to submit mail) may send mail from the same address during this session. So no
name has to be looked up before the line is up. A provider that sends from hosts other than those contacted has to
be named in relay.provider_networks (decision 11).

It is our own nftables table, for the line's interface only, so that it neither needs nor disturbs the LAN's
rules. It also removes the TCP timestamp option from every SYN on the line: with it VJ header compression (RFC 1144)
sends 12 bytes more in each packet, 40 instead of 3-5 in the worst case. Source: nft(8), "reset tcp option".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from dialpost.core.ip_text import IpNetwork, interface_name

TABLE = "dialpost_line"
_ASKED = """  set asked {
    type ipv4_addr
    flags dynamic,timeout
    timeout 1d
    size 1024
  }
"""


def remove() -> str:
    """Remove the table, whether it exists or not."""
    return f"table inet {TABLE}\ndelete table inet {TABLE}\n"


def ruleset(
    interface: str, mail_hosts: Sequence[IpNetwork], *, filtered: bool, timestamps_off: bool, share_with_lan: bool
) -> str:
    """The table, replacing any existing one. `mail_hosts`: the peer is one. Raises: ValueError."""
    interface = interface_name(interface)
    chains = []
    if filtered:
        chains.append(_ASKED)
        chains.append(_output(interface))
        chains.append(_input(interface, mail_hosts))
        chains.append(_forward(interface, share_with_lan=share_with_lan))
    if share_with_lan:
        chains.append(
            "  chain nat {\n    type nat hook postrouting priority srcnat;\n"
            f'    oifname "{interface}" masquerade\n  }}\n'
        )
    if timestamps_off:
        for hook, side in (("postrouting", "oifname"), ("prerouting", "iifname")):
            chains.append(
                f"  chain syn_{hook} {{\n    type filter hook {hook} priority mangle;\n"
                f'    {side} "{interface}" tcp flags syn reset tcp option timestamp\n  }}\n'
            )
    return f"{remove()}table inet {TABLE} {{\n{''.join(chains)}}}\n"


def _input(interface: str, mail_hosts: Sequence[IpNetwork]) -> str:
    rules = ["ct state established,related accept"]
    for family, hosts in _by_family(mail_hosts):
        known = f"{family} saddr {{ {', '.join(hosts)} }}"
        rules.append(f"{known} tcp dport 25 accept")
        if family == "ip":  # a provider's engineer may ping the line; nobody else's packets may cost money
            rules.append(f"{known} icmp type echo-request limit rate 2/second accept")
    rules += ["ip saddr @asked tcp dport 25 accept", "drop"]
    lines = "".join(f'    iifname "{interface}" {rule}\n' for rule in rules)
    return f"  chain input {{\n    type filter hook input priority filter;\n{lines}  }}\n"


def _output(interface: str) -> str:
    """Remember which hosts the station contacts."""
    return (
        "  chain output {\n    type filter hook output priority filter;\n"
        f'    oifname "{interface}" tcp dport {{ 25, 465, 587 }} ct state new add @asked {{ ip daddr }}\n  }}\n'
    )


def _forward(interface: str, *, share_with_lan: bool) -> str:
    rules = [f'iifname "{interface}" ct state established,related accept'] if share_with_lan else []
    rules.append(f'iifname "{interface}" drop')
    if not share_with_lan:
        rules.append(f'oifname "{interface}" drop')
    lines = "".join(f"    {rule}\n" for rule in rules)
    return f"  chain forward {{\n    type filter hook forward priority filter;\n{lines}  }}\n"


def _by_family(hosts: Sequence[IpNetwork]) -> list[tuple[str, list[str]]]:
    found = []
    for family, version in (("ip", 4), ("ip6", 6)):
        of_family = ipaddress.collapse_addresses(n for n in hosts if n.version == version)  # type: ignore[type-var]
        texts = [str(network).removesuffix("/32").removesuffix("/128") for network in of_family]
        if texts:
            found.append((family, texts))
    return found
