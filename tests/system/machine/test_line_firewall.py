"""The line's firewall with the real nftables, between two network namespaces: who gets in, what is on the wire."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from rig.needs import needs

from dialpost.core.ip_text import ip_network
from dialpost.core.line.firewall import remove, ruleset
from known import is_a, known

pytestmark = needs(commands=("nft", "ip", "unshare"), root=True)

STATION, PEER, STRANGER = "10.77.0.2", "10.77.0.1", "10.77.0.9"
_IP_TIMESTAMP = 8  # TCP's option, RFC 7323

_SERVER = """
import socket, sys
servers = [socket.create_server(("0.0.0.0", port)) for port in map(int, sys.argv[1:])]
print("ready", flush=True)
sys.stdin.read()
"""
_KNOCK = """
import json, socket, sys
source, target, patient, ports = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), list(map(int, sys.argv[4:]))
open_ports = []
for port in ports:
    try:
        socket.create_connection((target, port), 30.0 if port in patient else 1.0, (source, 0)).close()
        open_ports.append(port)
    except OSError:
        pass
print(json.dumps(open_ports))
"""


class Spaces:
    """Two namespaces joined by a cable; the station's end is called as PPP's would be."""

    def __init__(self) -> None:
        tag = f"dp{os.getpid()}"
        self.station, self.world = f"{tag}s", f"{tag}w"
        self._children: list[subprocess.Popen[str]] = []
        for space in (self.station, self.world):
            run("ip", "netns", "add", space)
        run(
            "ip",
            "link",
            "add",
            "ppp0",
            "netns",
            self.station,
            "type",
            "veth",
            "peer",
            "name",
            "w0",
            "netns",
            self.world,
        )
        self.inside("ip", "addr", "add", f"{STATION}/24", "dev", "ppp0")
        for address in (PEER, STRANGER):
            self.outside("ip", "addr", "add", f"{address}/24", "dev", "w0")
        for space, device in ((self.station, "ppp0"), (self.world, "w0")):
            run("ip", "netns", "exec", space, "ip", "link", "set", device, "up")
            run("ip", "netns", "exec", space, "ip", "link", "set", "lo", "up")

    def inside(self, *command: str, given: str | None = None) -> str:
        return run("ip", "netns", "exec", self.station, *command, given=given)

    def outside(self, *command: str) -> str:
        return run("ip", "netns", "exec", self.world, *command)

    def serve(self, space: str, *ports: int) -> None:
        child = subprocess.Popen(
            ["ip", "netns", "exec", space, sys.executable, "-c", _SERVER, *map(str, ports)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert known(child.stdout).readline() == "ready\n"
        self._children.append(child)

    def knock(self, source: str, *ports: int, wanted: Sequence[int] = ()) -> list[int]:
        """Which ports of the station answer this address of the world. Those that should get time for it."""
        command = (sys.executable, "-c", _KNOCK, source, STATION, json.dumps(wanted), *map(str, ports))
        return is_a(list, json.loads(self.outside(*command)))

    def answers(self, source: str, *ports: int, by: Sequence[int]) -> bool:
        """Whether of these ports just those answer."""
        return self.knock(source, *ports, wanted=by) == list(by)

    def close(self) -> None:
        for child in self._children:
            known(child.stdin).close()
            child.wait(10)
        for space in (self.station, self.world):
            run("ip", "netns", "del", space)


def run(*command: str, given: str | None = None) -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


@pytest.fixture
def spaces() -> Iterator[Spaces]:
    made = Spaces()
    yield made
    made.close()


def rules(*hosts: str, **more: Any) -> str:
    settings = {"filtered": True, "timestamps_off": True, "share_with_lan": False} | more
    return ruleset("ppp0", [ip_network(host) for host in hosts], **settings)


def test_only_known_mail_hosts_reach_the_mail_port(spaces: Spaces) -> None:
    spaces.serve(spaces.station, 25, 22, 143, 587)
    assert spaces.answers(STRANGER, 25, 22, 143, 587, by=[25, 22, 143, 587])  # without the firewall
    spaces.inside("nft", "-f", "-", given=rules(PEER))
    assert spaces.answers(PEER, 25, 22, 143, 587, by=[25])
    assert spaces.answers(STRANGER, 25, 22, 143, 587, by=[])
    spaces.inside("nft", "-f", "-", given=rules(PEER))  # a second call replaces the first one's
    assert spaces.answers(PEER, 25, by=[25])
    spaces.inside("nft", "-f", "-", given=remove())
    assert spaces.answers(STRANGER, 25, 22, by=[25, 22])
    spaces.inside("nft", "-f", "-", given=remove())  # and again: harmless


_PING = """
import socket, struct, sys
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
raw.bind((sys.argv[1], 0))
raw.settimeout(1)
packet = struct.pack("!BBHHH", 8, 0, 0xF7FE - 7, 7, 1) + b"\\0\\0"
raw.sendto(packet, (sys.argv[2], 0))
try:
    while raw.recv(200)[20] != 0:
        pass
    print("answered")
except TimeoutError:
    print("silence")
"""


def test_only_the_provider_sees_that_the_station_is_there(spaces: Spaces) -> None:
    def pings(source: str) -> bool:
        return spaces.outside(sys.executable, "-c", _PING, source, STATION) == "answered\n"

    assert pings(STRANGER) and pings(PEER)
    spaces.inside("nft", "-f", "-", given=rules(PEER))
    assert pings(PEER)
    assert not pings(STRANGER)


@pytest.mark.parametrize(("port", "answers"), [(25, [25]), (587, [25]), (80, [])])
def test_whom_the_station_asks_on_a_mail_port_may_send_mail_back(
    spaces: Spaces, port: int, answers: list[int]
) -> None:
    spaces.serve(spaces.station, 25)
    spaces.serve(spaces.world, port)
    spaces.inside("nft", "-f", "-", given=rules(PEER))
    assert spaces.answers(STRANGER, 25, by=[])
    spaces.inside(sys.executable, "-c", _KNOCK, STATION, STRANGER, f"[{port}]", str(port))
    assert spaces.answers(STRANGER, 25, by=answers)


def test_answers_to_what_we_asked_come_in(spaces: Spaces) -> None:
    spaces.serve(spaces.world, 80)
    spaces.inside("nft", "-f", "-", given=rules())
    assert json.loads(spaces.inside(sys.executable, "-c", _KNOCK, STATION, STRANGER, "[80]", "80")) == [80]


_SNIFF = """
import json, socket, sys
sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
sniffer.bind(("w0", 0))
sniffer.settimeout(60)
print("ready", flush=True)
while True:
    frame = sniffer.recv(2000)
    packet = frame[14:]
    tcp = packet[(packet[0] & 15) * 4:]
    if packet[9] == 6 and tcp[13] & 2:
        print(tcp[20:(tcp[12] >> 4) * 4].hex(), flush=True)
        break
"""


@pytest.mark.parametrize("off", [True, False])
def test_the_timestamp_option_is_off_the_wire(spaces: Spaces, off: bool) -> None:
    spaces.serve(spaces.world, 80)
    spaces.inside("nft", "-f", "-", given=rules(filtered=False, timestamps_off=off))
    child = subprocess.Popen(
        ["ip", "netns", "exec", spaces.world, sys.executable, "-c", _SNIFF], stdout=subprocess.PIPE, text=True
    )
    assert known(child.stdout).readline() == "ready\n"
    spaces.inside(sys.executable, "-c", _KNOCK, STATION, PEER, "[80]", "80")
    options = bytes.fromhex(known(child.stdout).readline())
    child.wait(10)
    assert (_IP_TIMESTAMP in kinds(options)) is not off


def kinds(options: bytes) -> list[int]:
    """The kinds of TCP options in a header."""
    found, at = [], 0
    while at < len(options) and options[at] != 0:
        kind = options[at]
        found.append(kind)
        at += 1 if kind == 1 else options[at + 1]
    return found
