"""Each setting that takes effect while the station runs: committed, applied, and seen in the system itself. A board
with a fixed address from its first start; no start between the changes.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from image.rig.card import OFFICE, Card
from image.rig.machine import Machine
from rig.processes import eventually

FIXED = "10.0.2.15/24"
"""Where the emulator's network forwards to, whatever DHCP would say."""
LAN = f"""
[lan]
method = "static"
address = "{FIXED}"
gateway = "10.0.2.2"
"""
ADDRESSES = "ip -4 -o addr show dev eth0 | awk '{print $4}'"
_SET = """cat >/run/live.py <<'END'
import json, sys
from pathlib import Path
from dialpost.edge.control_socket import ControlConnection
with ControlConnection(Path("/run/dialpost/control.sock"), 240.0) as talk:
    talk.call("config.open", who="rig")
    for pair in sys.argv[1:]:
        key, _, value = pair.partition("=")
        if value:
            talk.call("config.set", key=key, value=value)
        else:
            talk.call("config.unset", key=key)
    print(json.dumps(talk.call("config.commit", comment="", anyway=True)))
END"""


@pytest.fixture(scope="module")
def board(module_work: Path) -> Iterator[Machine]:
    card = Card(module_work / "card.img").prepare(OFFICE + LAN)
    with Machine(card, module_work / "live") as machine:
        machine.check_up()
        machine.took("first start with a fixed address")
        machine.run(_SET)
        yield machine


def _commit(board: Machine, *pairs: str) -> None:
    """Commit; every step of applying it worked, according to the result and the unit's state."""
    since = board.run("cat /proc/uptime").split()[0]
    done = json.loads(board.run(f"python3 -P /run/live.py {' '.join(repr(pair) for pair in pairs)}", within_s=240))
    took = float(board.run("cat /proc/uptime").split()[0]) - float(since)
    result = json.loads(board.run("cat /run/dialpost-apply/result.json"))
    log = board.run("journalctl -b -u dialpost-apply --no-pager | tail -20")
    assert result["applied"] and result["problems"] == [], (result, log)
    assert done.get("problems", []) == [], done
    assert board.run("systemctl show -P Result dialpost-apply") == "success", log
    assert board.run("systemctl --failed --no-legend --plain", check=False) == ""
    board.took(f"live: {' '.join(pairs)} in {took:.1f} s; now")


def _answers(board: Machine) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", board.ports[25]), 10) as door:
            return door.recv(3) == b"220"
    except OSError:
        return False


def test_the_fixed_address_holds_from_the_first_start(board: Machine) -> None:
    assert board.run(ADDRESSES) == FIXED
    assert "default via 10.0.2.2" in board.run("ip -color=never route")
    assert board.run("cat /etc/resolv.conf") == "nameserver 10.0.2.2"
    eventually(lambda: _answers(board), within_s=60, what="SMTP at the fixed address")


def test_another_address_and_back(board: Machine) -> None:
    _commit(board, "lan.address=10.0.2.77/24")
    eventually(lambda: board.run(ADDRESSES) == "10.0.2.77/24", within_s=60, what="the new address")
    _commit(board, f"lan.address={FIXED}")
    eventually(lambda: board.run(ADDRESSES) == FIXED, within_s=60, what="the old address")
    eventually(lambda: _answers(board), within_s=60, what="SMTP at the address it had")


def test_from_fixed_to_dhcp_and_back(board: Machine) -> None:
    _commit(board, "lan.method=dhcp", "lan.address=", "lan.gateway=", "lan.fallback_address=192.168.216.25/24")
    eventually(
        lambda: set(board.run(ADDRESSES).split()) == {FIXED, "192.168.216.25/24"},
        within_s=120,
        what="an address by DHCP, and the fallback one",
    )
    _commit(board, "lan.fallback_address=192.168.217.25/24")
    eventually(lambda: "192.168.217.25/24" in board.run(ADDRESSES), within_s=60, what="another fallback address")
    assert "192.168.216.25/24" not in board.run(ADDRESSES)
    _commit(board, "lan.method=static", f"lan.address={FIXED}", "lan.gateway=10.0.2.2")
    eventually(lambda: board.run(ADDRESSES) == FIXED, within_s=60, what="the fixed address alone")


def test_name_servers(board: Machine) -> None:
    _commit(board, "lan.dns=192.0.2.1, 192.0.2.2")
    want = "nameserver 192.0.2.1\nnameserver 192.0.2.2"
    eventually(lambda: board.run("cat /etc/resolv.conf") == want, within_s=60, what="the name servers given")
    _commit(board, "lan.dns=")
    eventually(lambda: board.run("cat /etc/resolv.conf") == "nameserver 10.0.2.2", within_s=60, what="the router's")


def test_the_interface_by_name(board: Machine) -> None:
    _commit(board, "lan.interface=eth0")
    assert 'iifname "eth0" jump lan' in board.run("nft list table inet dialpost_lan")
    _commit(board, "lan.interface=")
    eventually(lambda: board.run(ADDRESSES) == FIXED, within_s=60, what="the address")


def test_services_and_doors_of_the_lan(board: Machine) -> None:
    ports = "nft list table inet dialpost_lan | sed -n 's/.*tcp dport {\\(.*\\)} accept/\\1/p'"
    _commit(board, "lan.services=imaps", "lan.ssh=true")
    assert board.run(ports).replace(" ", "").split(",") == ["22", "25", "465", "587", "993"]
    eventually(
        lambda: board.run("ss -Hltn 'sport = :993 or sport = :995 or sport = :143' | wc -l") in {"1", "2"},
        within_s=120,
        what="Dovecot serves IMAPS alone",
    )
    assert board.run("ss -Hltn 'sport = :995 or sport = :143'") == ""
    _commit(board, "lan.services=", "lan.ssh=")
    eventually(lambda: board.run("ss -Hltn 'sport = :995'") != "", within_s=120, what="POP3S again")


def test_whom_the_clock_asks(board: Machine) -> None:
    sources = "chronyc -n sources | awk '/^[\\^]/ {print $2}'"
    _commit(board, "clock.servers=192.0.2.123")
    eventually(lambda: board.run(sources) == "192.0.2.123", within_s=60, what="chrony asks the new server")
    _commit(board, "clock.servers=192.0.2.124, 192.0.2.125")
    eventually(
        lambda: board.run(sources).split() == ["192.0.2.124", "192.0.2.125"], within_s=60, what="two servers"
    )
    _commit(board, "clock.source=never")
    eventually(lambda: board.run(sources) == "", within_s=60, what="chrony asks nobody")
    _commit(board, "clock.source=")
    eventually(lambda: board.run(sources).split() == ["192.0.2.124", "192.0.2.125"], within_s=60, what="both again")
    assert "chronyc" not in board.run("journalctl -b -u dialpost-apply --no-pager | grep PROBLEM", check=False)


def test_time_zone_host_name_and_link(board: Machine) -> None:
    _commit(board, "schedule.timezone=Pacific/Auckland")
    assert board.run("date +%Z") in {"NZST", "NZDT"}
    _commit(board, "station.hostname=ship.clinic.example")
    assert board.run("hostname; cat /proc/sys/kernel/hostname") == "ship\nship"
    assert board.run("getent hosts ship.clinic.example | cut -d' ' -f1") == "127.0.1.1"
    eventually(lambda: _answers(board), within_s=60, what="SMTP under the new name")
    _commit(board, "link.kind=dialup-gateway")
    assert "offline" in board.run("cat /run/chrony-dhcp/dialpost.sources")
    _commit(board, "link.kind=gateway")
    assert "offline" not in board.run("cat /run/chrony-dhcp/dialpost.sources")


def test_nothing_failed_over_all_that(board: Machine) -> None:
    assert board.run("systemctl is-system-running", check=False) == "running"
    assert "PROBLEM" not in board.run("journalctl -b -u dialpost-apply --no-pager")


def test_nothing_in_the_log_that_only_looks_like_a_fault(board: Machine) -> None:
    """The watch over the start has judged it by now, and Dovecot was restarted more than once."""
    for words in ("setrlimit", "has no method", "Traceback", "ordering cycle"):
        assert board.run(f"journalctl -b --no-pager | grep -i '{words}'", check=False) == "", words
