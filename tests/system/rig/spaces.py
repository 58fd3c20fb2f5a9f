"""A station between two networks, each a namespace: the LAN by `eth0`, the line's other end by `ppp0`."""

from __future__ import annotations

import json
import os
import subprocess
import sys

LAN_STATION, LAN_HOST = "10.78.0.2", "10.78.0.9"
LINE_STATION, PEER, STRANGER = "10.77.0.2", "10.77.0.1", "10.77.0.9"
LAN6_STATION, LAN6_HOST = "fd78::2", "fd78::9"

_SERVER = """
import socket, sys
both = {"family": socket.AF_INET6, "dualstack_ipv6": True}
servers = [socket.create_server(("::", port), **both) for port in map(int, sys.argv[1:])]
print("ready", flush=True)
sys.stdin.read()
"""
_KNOCK = """
import json, socket, sys, threading
source, target, ports = sys.argv[1], sys.argv[2], list(map(int, sys.argv[3:]))
answers = []
def knock(port):
    try:
        socket.create_connection((target, port), 1.5, (source, 0)).close()
        answers.append(port)
    except OSError:
        pass
threads = [threading.Thread(target=knock, args=(port,)) for port in ports]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(sorted(answers)))
"""

_PING = """
import socket, struct, sys
six = ":" in sys.argv[1]
request, answer = (128, 129) if six else (8, 0)
data = struct.pack("!BBHHH", request, 0, 0, 4711, 1)
check = 0xFFFF - sum(struct.unpack("!4H", data)) % 0xFFFF  # of ICMPv6 the kernel makes it
data = data[:2] + struct.pack("!H", check) + data[4:]
kind = (socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) if six else (
    socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
with socket.socket(*kind) as sock:
    sock.settimeout(2)
    sock.connect((sys.argv[1], 0))
    sock.send(data)
    try:
        while True:
            got = sock.recv(2000)
            if got[0 if six else (got[0] & 15) * 4] == answer:
                print("answered")
                break
    except TimeoutError:
        pass
"""


def run(*command: str, given: str | None = None, check: bool = True) -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 or not check, f"{command}: {done.stderr}"
    return done.stdout


class StationBetween:
    """The namespaces `station`, `lan` and `line`, with their cables; gone after `close`."""

    def __init__(self) -> None:
        tag = f"da{os.getpid()}"
        self.station, self.lan, self.line = f"{tag}s", f"{tag}l", f"{tag}w"
        self._children: list[subprocess.Popen[str]] = []
        for space in (self.station, self.lan, self.line):
            run("ip", "netns", "add", space)
        self._cable(
            "eth0", self.lan, [f"{LAN_STATION}/24", f"{LAN6_STATION}/64"], [f"{LAN_HOST}/24", f"{LAN6_HOST}/64"]
        )
        self._cable("ppp0", self.line, [f"{LINE_STATION}/24"], [f"{PEER}/24", f"{STRANGER}/24"])
        self.inside(self.lan, "ip", "route", "add", "default", "via", LAN_STATION)
        self.inside(self.line, "ip", "route", "add", "default", "via", LINE_STATION)

    def _cable(self, device: str, other: str, ours: list[str], theirs: list[str]) -> None:
        run(
            "ip", "link", "add", device, "netns", self.station, "type", "veth", "peer", "name", "w0", "netns", other
        )
        for space, interface, addresses in ((self.station, device, ours), (other, "w0", theirs)):
            for address in addresses:
                nodad = ["nodad"] if ":" in address else []
                self.inside(space, "ip", "addr", "add", address, "dev", interface, *nodad)
            self.inside(space, "ip", "link", "set", interface, "up")
            self.inside(space, "ip", "link", "set", "lo", "up")

    def inside(self, space: str, *command: str, given: str | None = None, check: bool = True) -> str:
        return run("ip", "netns", "exec", space, *command, given=given, check=check)

    def serve(self, space: str, *ports: int) -> None:
        """Something that answers on these ports of a namespace."""
        child = subprocess.Popen(
            ["ip", "netns", "exec", space, sys.executable, "-c", _SERVER, *map(str, ports)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._children.append(child)
        assert child.stdout is not None and child.stdout.readline() == "ready\n"

    def knock(self, space: str, source: str, target: str, *ports: int) -> list[int]:
        """Which of these ports answer."""
        found: list[int] = json.loads(
            self.inside(space, sys.executable, "-c", _KNOCK, source, target, *map(str, ports))
        )
        return found

    def pings(self, space: str, target: str) -> bool:
        """Whether an echo request is answered."""
        return self.inside(space, sys.executable, "-c", _PING, target) == "answered\n"

    def close(self) -> None:
        for child in self._children:
            assert child.stdin is not None
            child.stdin.close()
            child.wait(10)
        for space in (self.station, self.lan, self.line):
            run("ip", "netns", "del", space)
