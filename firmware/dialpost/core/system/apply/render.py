"""Renders the configuration into every file that the system needs."""

from __future__ import annotations

from dialpost.core.config.model import Config
from dialpost.core.system.apply.dovecot import dovecot
from dialpost.core.system.apply.host_firewall import firewall
from dialpost.core.system.apply.network import network
from dialpost.core.system.apply.rendered import Rendered
from dialpost.core.system.apply.system import battery_clock, chrony, hostname, hosts, localtime


def render(config: Config) -> tuple[Rendered, ...]:
    """All files, in the order in which they are applied. A file that is not among them must not exist.

    `Config()`, with no name and no domain, is a station before its first configuration: the LAN by DHCP and the
    fallback address, and no mail to read. Raises: ValueError naming the value that can't be used.
    """
    mail = dovecot(config) if config.station.hostname else None
    made = [firewall(config), network(config), hostname(config), hosts(config), localtime(config)]
    made.append(battery_clock(config))
    return tuple(file for file in (*made, chrony(config), mail) if file is not None)
