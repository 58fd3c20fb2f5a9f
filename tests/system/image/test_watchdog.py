"""What stands still is restarted, though nobody is there to pull the plug: the daemon by the service manager,
the service manager and the kernel by the watchdog of the board (QEMU's i6300esb). One board for all tests; each
finds it up and leaves it so.
"""

from __future__ import annotations

import smtplib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from image.rig.card import OFFICE, Card
from image.rig.machine import BOOTS, Machine

WATCHDOG_S = 60
"""RuntimeWatchdogSec in the image, WatchdogSec of dialpost.service."""
LATE_S = 240
"""How much later than that it may be seen here, on a busy host."""
STANDSTILLS = {
    # PID 1 takes no SIGSTOP; the kernel's freezer holds it as it holds any process.
    "the service manager": "echo 1 >/sys/fs/cgroup/init.scope/cgroup.freeze",
    # The image's own panic=10 would start it again without a watchdog's help: here it waits for ever.
    "the kernel": "echo 0 >/proc/sys/kernel/panic; echo c >/proc/sysrq-trigger",
}


@pytest.fixture(scope="module")
def card(module_work: Path) -> Card:
    return Card(module_work / "card.img").prepare(OFFICE)


@pytest.fixture(scope="module")
def board(card: Card, module_work: Path) -> Iterator[Machine]:
    with Machine(card, module_work / "watched") as machine:
        _is_up(machine)
        yield machine


def _is_up(board: Machine) -> None:
    """The start is over, and mail is taken. That nothing failed on the way is test_first_start's."""
    board.wait_up()
    _takes_mail(board)


def _takes_mail(board: Machine) -> None:
    with smtplib.SMTP("127.0.0.1", board.ports[25], timeout=LATE_S) as client:
        assert client.ehlo("pc.clinic.example")[0] == 250


def _of_daemon(board: Machine, what: str) -> str:
    return board.run(f"systemctl show -P {what} dialpost")


def test_the_watchdog_of_the_board_is_armed(board: Machine) -> None:
    assert board.run("systemctl show -P RuntimeWatchdogUSec") == "1min"
    shown = board.run("cd /sys/class/watchdog/watchdog0; cat identity state timeout")
    assert shown.split("\n") == ["i6300ESB timer", "active", str(WATCHDOG_S)]


def test_the_driver_of_the_pis_watchdog_is_in_the_image(board: Machine) -> None:
    """By the name under which the Pi's device tree asks for it."""
    told = board.run("modprobe --dry-run --verbose --show-depends bcm2835_wdt")
    assert "/kernel/drivers/watchdog/bcm2835_wdt.ko" in told


def test_a_daemon_that_stands_still_is_started_again(board: Machine) -> None:
    """Who asks meanwhile is kept waiting, not refused."""
    _takes_mail(board)
    assert _of_daemon(board, "WatchdogUSec") == "1min"
    before = _of_daemon(board, "MainPID")
    board.run(f"kill -STOP {before}")
    begun_s = time.monotonic()
    with socket.create_connection(("127.0.0.1", board.ports[25]), timeout=WATCHDOG_S + LATE_S) as waiting:
        assert waiting.recv(200).startswith(b"220 ")
    BOOTS.append(("daemon stopped, until it greets again", time.monotonic() - begun_s))
    assert _of_daemon(board, "MainPID") not in {before, "0"}
    assert _of_daemon(board, "NRestarts") == "1"
    assert "Watchdog timeout" in board.run("journalctl -b -u dialpost --no-pager -o cat")
    _takes_mail(board)


@pytest.mark.parametrize("what", STANDSTILLS)
def test_a_board_that_stands_still_is_reset(board: Machine, what: str) -> None:
    """By the watchdog, and by nothing else; then it starts from its card and takes mail again."""
    boot = board.run("cat /proc/sys/kernel/random/boot_id")
    board.run("sync")
    board.shell.send(STANDSTILLS[what])
    begun_s = time.monotonic()
    assert board.qmp.wait_for("WATCHDOG", WATCHDOG_S + LATE_S)["data"] == {"action": "reset"}
    BOOTS.append((f"{what} stands still, until the watchdog resets the board", time.monotonic() - begun_s))
    board.qmp.wait_for("RESET", LATE_S)
    _is_up(board)
    BOOTS.append((f"{what} stands still, until all is up again", time.monotonic() - begun_s))
    assert board.run("cat /proc/sys/kernel/random/boot_id") != boot
