"""What may come in over the line: mail from the provider's hosts, answers to what we asked, and nothing else.

An nftables table of our own, for the line's interface only, so that it neither needs nor disturbs the LAN's rules.
It also takes the TCP timestamp option off every SYN on the line: with it VJ header compression (RFC 1144) sends
12 bytes more in each packet, 40 instead of 3-5 in the worst case. Source: nft(8), "reset tcp option".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

TABLE = "dialpost_line"


def remove() -> str:
    """Take the table away, whether it is there or not."""
    return f"table inet {TABLE}\ndelete table inet {TABLE}\n"


def ruleset(
    interface: str, mail_hosts: Sequence[str], *, filtered: bool, timestamps_off: bool, share_with_lan: bool
) -> str:
    """The table, replacing one that is there. `mail_hosts` are addresses or networks in text; the peer is one."""
    chains = []
    if filtered:
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


def _input(interface: str, mail_hosts: Sequence[str]) -> str:
    rules = [
        "ct state established,related accept",
        "meta l4proto icmp icmp type echo-request limit rate 2/second accept",
    ]
    for family, hosts in _by_family(mail_hosts):
        rules.append(f"{family} saddr {{ {', '.join(hosts)} }} tcp dport 25 accept")
    rules.append("drop")
    lines = "".join(f'    iifname "{interface}" {rule}\n' for rule in rules)
    return f"  chain input {{\n    type filter hook input priority filter;\n{lines}  }}\n"


def _forward(interface: str, *, share_with_lan: bool) -> str:
    rules = [f'iifname "{interface}" ct state established,related accept'] if share_with_lan else []
    rules.append(f'iifname "{interface}" drop')
    if not share_with_lan:
        rules.append(f'oifname "{interface}" drop')
    lines = "".join(f"    {rule}\n" for rule in rules)
    return f"  chain forward {{\n    type filter hook forward priority filter;\n{lines}  }}\n"


def _by_family(hosts: Sequence[str]) -> list[tuple[str, list[str]]]:
    networks = {ipaddress.ip_network(host, strict=False) for host in hosts}
    found = []
    for family, version in (("ip", 4), ("ip6", 6)):
        of_family = ipaddress.collapse_addresses(n for n in networks if n.version == version)  # type: ignore[type-var]
        texts = [str(network).removesuffix("/32").removesuffix("/128") for network in of_family]
        if texts:
            found.append((family, texts))
    return found
