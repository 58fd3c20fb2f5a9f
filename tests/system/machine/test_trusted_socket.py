"""A connection on the trusted line stays on it, whatever routes are set beside it. On real interfaces."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rig.needs import needs
from rig.spaces import LAN_HOST, LINE_STATION, PEER, StationBetween

import dialpost

pytestmark = [pytest.mark.system, needs(commands=("ip", "setpriv"), root=True)]

_SERVE = """
import socket, sys
server = socket.create_server((sys.argv[1], 25))
print("ready", flush=True)
while True:
    sock, _ = server.accept()
    with sock:
        sock.sendall(sys.argv[2].encode())
"""
_CONNECT = f"""
import socket
from dialpost.edge.mail.wire.line_socket import socket_on_line
def answer(sock):
    with sock:
        sock.settimeout(30)
        sock.connect(("{PEER}", 25))
        return sock.recv(99).decode()
trusted = socket_on_line("{PEER}", "ppp0", "{LINE_STATION}")
print("not trusted" if trusted is None else answer(trusted), "/", answer(socket.socket()))
"""
_TO_THE_LAN = ("ip", "route", "add", f"{PEER}/32", "via", LAN_HOST, "dev", "eth0")


@pytest.fixture
def station() -> Iterator[StationBetween]:
    """The provider's address answers on the line, and on a host of the LAN that took it for itself."""
    spaces = StationBetween()
    children = []
    try:
        spaces.inside(spaces.lan, "ip", "addr", "add", f"{PEER}/32", "dev", "lo")
        for space, name in ((spaces.line, "line"), (spaces.lan, "lan")):
            command = ["ip", "netns", "exec", space, sys.executable, "-c", _SERVE, PEER, name]
            child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            children.append(child)
            assert child.stdout is not None and child.stdout.readline() == "ready\n"
        yield spaces
    finally:
        for child in children:
            child.kill()
            child.wait()
        spaces.close()


def connects(station: StationBetween, *as_user: str) -> str:
    """Who answers on a socket for the trusted line, and on an ordinary one."""
    path = f"PYTHONPATH={Path(dialpost.__file__).parents[1]}"
    told = station.inside(
        station.station, *as_user, "env", path, "PYTHONDONTWRITEBYTECODE=1", sys.executable, "-c", _CONNECT
    )
    return told.strip()


def test_it_reaches_the_provider(station: StationBetween) -> None:
    assert connects(station) == "line / line"


def test_it_needs_no_privilege(station: StationBetween) -> None:
    """Of root's rights this user has one: to read Python and this tree wherever they lie."""
    reads = "+dac_read_search"
    nobody = ("--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps", reads, "--ambient-caps", reads)
    assert connects(station, "setpriv", *nobody) == "line / line"


def test_a_route_by_the_lan_ends_the_trust(station: StationBetween) -> None:
    station.inside(station.station, *_TO_THE_LAN)
    assert connects(station) == "not trusted / lan"


def test_a_route_by_the_lan_that_looks_like_the_line_does_not_get_the_connection(station: StationBetween) -> None:
    """It makes the kernel give the line's own address to what leaves by the LAN."""
    station.inside(station.station, *_TO_THE_LAN, "src", LINE_STATION)
    station.inside(station.lan, "ip", "route", "add", f"{LINE_STATION}/32", "dev", "w0")
    assert connects(station) == "line / lan"


def test_a_line_that_went_down_leads_nowhere(station: StationBetween) -> None:
    station.inside(station.station, "ip", "link", "set", "ppp0", "down")
    station.inside(station.station, *_TO_THE_LAN)
    assert connects(station) == "not trusted / lan"
