"""The small files: the station's name, its time zone, chrony's time servers.

Sources: hosts(5), localtime(5), chrony.conf(5) of chrony 4.6 (`sourcedir`; Debian's chrony reads /run/chrony-dhcp).
"""

from __future__ import annotations

from dialpost.core.config.model import BatteryClock, ClockSource, Config, LinkKind
from dialpost.core.system.apply.rendered import (
    BATTERY_CLOCK,
    CHRONY,
    HEADER,
    HOSTNAME,
    HOSTS,
    LOCALTIME,
    Rendered,
    address,
    host_name,
    zone,
)

UNNAMED = "dialpost"
"""The name of a station before its first configuration."""
ZONES = "/usr/share/zoneinfo"
_POOL = "pool.ntp.org"


def hostname(config: Config) -> Rendered:
    """The kernel's host name: the first part of the full one. Raises: ValueError."""
    return Rendered(HOSTNAME, _short(config) + "\n")


def hosts(config: Config) -> Rendered:
    """/etc/hosts. Raises: ValueError."""
    full = host_name(config.station.hostname or UNNAMED)
    names = full if full == _short(config) else f"{full} {_short(config)}"
    lines = ["127.0.0.1 localhost", f"127.0.1.1 {names}", "::1 localhost ip6-localhost ip6-loopback"]
    lines += ["ff02::1 ip6-allnodes", "ff02::2 ip6-allrouters"]
    return Rendered(HOSTS, HEADER + "".join(f"{line}\n" for line in lines))


def _short(config: Config) -> str:
    return host_name((config.station.hostname or UNNAMED).partition(".")[0])


def localtime(config: Config) -> Rendered:
    """The time zone file to which /etc/localtime leads. Raises: ValueError."""
    return Rendered(LOCALTIME, f"{ZONES}/{zone(config.schedule.timezone or 'UTC')}", is_link=True)


def battery_clock(config: Config) -> Rendered:
    """The chip as the kernel calls it and its address on the bus, or "none"."""
    chip = config.clock.battery
    return Rendered(
        BATTERY_CLOCK, "none\n" if chip is BatteryClock.NONE else f"{chip.value} 0x{chip.address:02x}\n"
    )


def chrony(config: Config) -> Rendered | None:
    """The servers for chrony; None if it must not ask any. Raises: ValueError."""
    if config.clock.source in {ClockSource.NEVER, ClockSource.SNTP}:
        return None
    # On a dialled line the hook that runs when it comes up says when to ask (`chronyc online`).
    when = "iburst" if config.link.kind is LinkKind.GATEWAY else "iburst offline"
    lines = [f"server {_server(name)} {when}\n" for name in config.clock.servers]
    return Rendered(CHRONY, HEADER + ("".join(lines) or f"pool {_POOL} {when} maxsources 3\n"))


def _server(text: str) -> str:
    """A host's name or address."""
    return address(text) if ":" in text else host_name(text)
