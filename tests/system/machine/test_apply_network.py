"""systemd-networkd of Debian 13 with the file that `dialpost apply` makes: which addresses and routes there are."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from rig.needs import needs
from rig.processes import eventually
from rig.servers.chroots import Chroot, Inmate
from rig.spaces import StationBetween

from dialpost.core.config.model import Config
from dialpost.core.config.text import parse_config
from dialpost.core.system.apply.network import network

pytestmark = [pytest.mark.system, needs("station", commands=("ip",))]

BASE = '[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example"]\n'
FALLBACK = "192.168.216.25/24"
# No udev and no service manager in there: what they would do, done by hand. A read-only /sys means no udev.
_START = """
mount -t sysfs -o ro sysfs /sys
mkdir -p /run/systemd/network /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
chown -R systemd-network:systemd-network /run/systemd/netif
ln -s "$1" /run/systemd/network/10-test.network
export SYSTEMD_LOG_TARGET=console SYSTEMD_LOG_LEVEL=debug
exec /usr/lib/systemd/systemd-networkd
"""
_DHCP_SERVER = """\
[Match]
Name=w0
[Network]
Address=192.168.5.1/24
DHCPServer=yes
[DHCPServer]
PoolOffset=100
PoolSize=1
DNS=192.168.5.53
Router=192.168.5.1
PersistLeases=no
[DHCPv6]
DUIDType=link-layer
"""


class Networkd:
    """networkd in one of the namespaces, with one file; `reload` after that was changed."""

    def __init__(self, work: Path, space: str, name: str) -> None:
        self.file, self._space = work / f"{name}.network", space
        self.file.touch()
        self._command = ["ip", "netns", "exec", space]
        self._chroot, self.log = Chroot("station", (work,)), work / f"{name}.log"
        self._child: Inmate | None = None

    def start(self, text: str) -> None:
        self.file.write_text(text)
        command = self._chroot.command("bash", "-ec", _START, "networkd", self.file)
        self._child = Inmate([*self._command, *command], self.log)

    def reload(self, text: str) -> None:
        """As `systemctl reload` does it (Type=notify-reload)."""
        self.file.write_text(text)
        assert self._child is not None
        os.kill(self._daemon(self._child.pid), signal.SIGHUP)

    def _daemon(self, pid: int) -> int:
        """The last in the row of only children."""
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return self._daemon(int(children[0])) if children else pid

    def close(self) -> None:
        if self._child is not None:
            self._child.kill()


@pytest.fixture
def between() -> Iterator[StationBetween]:
    made = StationBetween()
    try:
        for space, device in ((made.station, "eth0"), (made.lan, "w0")):
            made.inside(space, "ip", "addr", "flush", "dev", device)
        yield made
    finally:
        made.close()


@pytest.fixture
def station(work: Path, between: StationBetween) -> Iterator[Networkd]:
    made = Networkd(work, between.station, "station")
    yield made
    made.close()


def addresses(between: StationBetween, device: str = "eth0") -> set[str]:
    """The IPv4 addresses of the station's interface that are in use."""
    told = json.loads(between.inside(between.station, "ip", "-j", "-4", "addr", "show", "dev", device))
    return {f"{entry['local']}/{entry['prefixlen']}" for link in told for entry in link.get("addr_info", ())}


def default_routes(between: StationBetween) -> list[tuple[str, int]]:
    told = json.loads(between.inside(between.station, "ip", "-j", "-4", "route", "show", "default"))
    return [(route["gateway"], route.get("metric", 0)) for route in told]


def made(more: str) -> str:
    return network(parse_config(BASE + more)).text


def test_a_fixed_address_and_another_after_a_commit(between: StationBetween, station: Networkd) -> None:
    first = '[lan]\nmethod = "static"\naddress = "192.168.1.25/24"\ngateway = "192.168.1.1"\n'
    station.start(made(first))
    eventually(lambda: addresses(between) == {"192.168.1.25/24"})
    eventually(lambda: default_routes(between) == [("192.168.1.1", 1024)])
    station.reload(made('[lan]\nmethod = "static"\naddress = "10.0.0.9/16"\n'))
    eventually(lambda: addresses(between) == {"10.0.0.9/16"})
    assert default_routes(between) == []
    station.reload(made(first))  # a commit that was not confirmed
    eventually(lambda: addresses(between) == {"192.168.1.25/24"})
    # The line's end of the station is none of networkd's business.
    assert addresses(between, "ppp0") == {"10.77.0.2/24"}


def test_without_a_dhcp_server_the_fallback_address_is_there(between: StationBetween, station: Networkd) -> None:
    station.start(network(Config()).text)
    eventually(lambda: addresses(between) == {FALLBACK})


def test_with_a_dhcp_server_both_addresses_are_there(
    work: Path, between: StationBetween, station: Networkd
) -> None:
    server = Networkd(work, between.lan, "server")
    server.start(_DHCP_SERVER)
    try:
        station.start(made(""))
        eventually(lambda: addresses(between) == {FALLBACK, "192.168.5.100/24"}, within_s=40)
        eventually(lambda: default_routes(between) == [("192.168.5.1", 1024)])
    finally:
        server.close()


def test_a_second_station_leaves_the_fallback_address_to_the_first(
    between: StationBetween, station: Networkd
) -> None:
    between.inside(between.lan, "ip", "addr", "add", FALLBACK, "dev", "w0")
    station.start(network(Config()).text)
    eventually(lambda: "Conflict on 192.168.216.25" in station.log.read_text())  # its words at debug level
    assert addresses(between) == set()
