"""Whom the station takes for the LAN: not who calls himself so on the line. On real interfaces and sockets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rig.needs import needs
from rig.spaces import LAN6_HOST, LAN6_STATION, LAN_HOST, LAN_STATION, LINE_STATION, StationBetween

import dialpost

pytestmark = [pytest.mark.system, needs(commands=("ip",), root=True)]

_FOREIGN = "10.78.0.50"
"""An address of the LAN's network that the line's peer gives itself."""
_TELL = """
import json, socket, sys
from dialpost.core.config.text import parse_config
from dialpost.core.mail.intake_rules import Sides
from dialpost.edge.mail.smtp_server.interface import came_in_on
sides = Sides.from_config(parse_config(sys.argv[1]))
server = socket.create_server(("::", 25), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
while True:
    sock, peer = server.accept()
    with sock:
        address = peer[0].removeprefix("::ffff:")
        interface = came_in_on(sock)
        sock.sendall(json.dumps([interface, sides.of(address, interface).value]).encode())
"""
_ASK = """
import socket, sys
with socket.create_connection((sys.argv[2], 25), 5, (sys.argv[1], 0)) as sock:
    print(sock.recv(1000).decode())
"""
CONFIG = """
[station]
hostname = "mail.clinic.example"
domains = ["clinic.example"]
[relay]
networks = ["10.78.0.0/24", "fd78::/64"]
[link]
kind = "modem"
"""


@pytest.fixture
def station() -> Iterator[StationBetween]:
    spaces = StationBetween()
    path = {"PYTHONPATH": str(Path(dialpost.__file__).parents[1])}
    child = subprocess.Popen(
        ["ip", "netns", "exec", spaces.station, sys.executable, "-c", _TELL, CONFIG],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | path,
    )
    try:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
        yield spaces
    finally:
        child.kill()
        child.wait()
        spaces.close()


def test_the_lines_peer_does_not_become_the_lan_by_its_address(station: StationBetween) -> None:
    def ask(space: str, source: str, target: str) -> list[str]:
        told: list[str] = json.loads(station.inside(space, sys.executable, "-c", _ASK, source, target))
        return told

    assert ask(station.lan, LAN_HOST, LAN_STATION) == ["eth0", "lan"]
    assert ask(station.lan, LAN6_HOST, LAN6_STATION) == ["eth0", "lan"]
    # The peer takes an address of the LAN, and the way back to it leads over the line: as IPCP makes it.
    station.inside(station.line, "ip", "addr", "add", f"{_FOREIGN}/32", "dev", "w0")
    station.inside(station.station, "ip", "route", "add", f"{_FOREIGN}/32", "dev", "ppp0")
    assert ask(station.line, _FOREIGN, LINE_STATION) == ["ppp0", "outside"]
    assert ask(station.line, _FOREIGN, LAN_STATION) == ["ppp0", "outside"]  # whichever of our addresses it asks
