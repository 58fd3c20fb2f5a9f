"""The firewall: lets in only the services for the LAN, and on the line whatever the line's own table then checks.

nftables consults every table: a packet comes in only if all of them accept it. So on the line this table accepts
just what the line's own (core/line/firewall, loaded during a call) may allow, and that one decides by host. Until
it is loaded, nobody on the line can reach more than port 25. Source: nft(8) of nftables 1.1; RFC 4890 (ICMPv6).
"""

from __future__ import annotations

from dialpost.core.config.model import Config
from dialpost.core.ip_text import interface_name, ip_address
from dialpost.core.system.apply.rendered import FIREWALL, HEADER, Rendered

TABLE = "dialpost_lan"
LINE = "ppp*"
_SSH = 22
_ANY_ADDRESS = "::"
_NEIGHBOURS = "nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert, nd-router-solicit"
_LISTENERS = "mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report"


def firewall(config: Config) -> Rendered:
    """The ruleset; loading it replaces the previous one atomically. Raises: ValueError."""
    lan = [interface_name(config.lan.interface)] if config.lan.interface else ["en*", "eth*"]
    body = _lan_chain(config) + _input(config, lan) + _forward(config, lan)
    start = f"table inet {TABLE}\ndelete table inet {TABLE}\n"
    return Rendered(FIREWALL, f"{HEADER}{start}table inet {TABLE} {{\n{body}}}\n")


def lan_ports(config: Config) -> list[int]:
    """The TCP ports that hosts on the LAN can reach."""
    smtp = config.smtp
    ports = {
        int(port) for port in map(_port, (*smtp.listen, *smtp.submission_listen, *smtp.submissions_listen)) if port
    }
    ports |= {service.port for service in config.lan.services}
    return sorted(ports | {_SSH} if config.lan.ssh else ports)


def _port(listen: str) -> int:
    """The port of ADDRESS:PORT; 0 if only this machine itself can reach it."""
    host, _, port = listen.rpartition(":")
    return 0 if ip_address(host.strip("[]") or _ANY_ADDRESS).is_loopback else int(port)


def _lan_chain(config: Config) -> str:
    ports = lan_ports(config)
    rules = [f"tcp dport {{ {', '.join(map(str, ports))} }} accept"] if ports else []
    rules += [
        "icmp type echo-request limit rate 20/second accept",
        "icmpv6 type echo-request limit rate 20/second accept",
        f"ip6 hoplimit 255 icmpv6 type {{ {_NEIGHBOURS} }} accept",
        f"ip6 saddr fe80::/10 icmpv6 type {{ {_LISTENERS} }} accept",
        "udp sport 67 udp dport 68 accept",  # DHCP's answers to a station that has no address yet
        "ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept",
        # Servers query this port before they accept mail (RFC 1413): a plain refusal is quicker than silence.
        "tcp dport 113 reject with tcp reset",
    ]
    return _chain("lan", rules)


def _input(config: Config, lan: list[str]) -> str:
    rules = ["type filter hook input priority filter; policy drop;", 'iifname "lo" accept']
    rules += ["ct state established,related accept", "ct state invalid drop"]
    rules += [f'iifname "{name}" jump lan' for name in lan]
    if config.ppp.firewall:
        rules += [f'iifname "{LINE}" tcp dport 25 accept']
        rules += [f'iifname "{LINE}" icmp type echo-request limit rate 2/second accept']
    else:
        rules.append(f'iifname "{LINE}" accept')
    return _chain("input", rules)


def _forward(config: Config, lan: list[str]) -> str:
    rules = ["type filter hook forward priority filter; policy drop;"]
    if config.ppp.share_with_lan:
        rules.append(f'iifname "{LINE}" ct state established,related accept')
        rules += [f'iifname "{name}" oifname "{LINE}" accept' for name in lan]
    return _chain("forward", rules)


def _chain(name: str, rules: list[str]) -> str:
    return f"  chain {name} {{\n" + "".join(f"    {rule}\n" for rule in rules) + "  }\n"
