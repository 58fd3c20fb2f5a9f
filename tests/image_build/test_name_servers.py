"""The SD image's script for /etc/resolv.conf: what the line told first, then what networkd knows, three at most."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "image-build/rootfs/usr/lib/dialpost/name-servers"
STATE = (
    "OPER_STATE=routable\nDNS=192.168.1.1 fe80::1%2 192.0.2.1:5353#name 2001:db8::5#dns.example\nNTP=192.168.1.9\n"
)


class Board:
    """The script with its folders in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self._kept = folder / "kept"
        self._script = folder / "name-servers"
        text = SCRIPT.read_text("utf-8")
        for place, own in (("/run/systemd/netif/state", self.state), ("/run/dialpost-resolv", self._kept)):
            assert place in text
            text = text.replace(place, str(own))
        self._script.write_text(text, "utf-8")

    def run(self, *arguments: str) -> list[str]:
        """What the system's resolver gets then."""
        subprocess.run(["/bin/sh", self._script, *arguments], check=True)
        assert sorted(file.name for file in self._kept.iterdir()) in (["line", "resolv.conf"], ["resolv.conf"])
        return (self._kept / "resolv.conf").read_text().splitlines()


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path)


LAN = ["nameserver 192.168.1.1", "nameserver 2001:db8::5"]


def test_without_network_there_is_an_empty_file(board: Board) -> None:
    assert board.run() == []


def test_what_networkd_knows_of_the_lan_but_no_port_and_no_interface(board: Board) -> None:
    board.state.write_text(STATE)
    assert board.run() == LAN


def test_the_lines_come_first_and_go_with_it(board: Board) -> None:
    board.state.write_text(STATE)
    up = board.run("line", "192.0.2.53", "192.0.2.54")
    assert up == ["nameserver 192.0.2.53", "nameserver 192.0.2.54", LAN[0]]
    assert board.run() == up, "a change on the LAN forgets none of the line's"
    assert board.run("line") == LAN


def test_what_is_no_address_is_left_out(board: Board) -> None:
    assert board.run("line", "$(reboot)", "192.0.2.53; options", "192.0.2.53") == ["nameserver 192.0.2.53"]
