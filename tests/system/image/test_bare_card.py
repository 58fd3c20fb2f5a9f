"""A card nobody prepared: nothing but the set-up wizard on the serial line, and the panel. Then the button and the
lamps, through the kernel's GPIO, and a factory reset by a file on the boot partition.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from image.rig import person
from image.rig.card import Card
from image.rig.machine import Machine
from rig.processes import eventually

from dialpost.core.mail.queue.records import EARLIEST_TRUE_TIME_S

POWER_LAMP = 1 << 0  # board/qemu-virt.toml
JOURNAL = "journalctl -b -u dialpost --no-pager -o cat"

FLOOR_S = EARLIEST_TRUE_TIME_S - 5 * 365 * 86_400
"""Where a clock starts that was never set (image-build/slot)."""


@pytest.fixture(scope="module")
def card(module_work: Path) -> Card:
    return Card(module_work / "card.img").prepare()


@pytest.fixture(scope="module")
def board(card: Card, module_work: Path) -> Iterator[Machine]:
    with Machine(card, module_work / "bare", clock="1970-01-01T00:00:00") as machine:
        yield machine


def test_the_serial_line_offers_the_set_up(board: Machine) -> None:
    person.sit_down(board.console)
    board.took("bare first start, until the set-up wizard is there")


def test_nothing_failed_although_there_is_neither_network_nor_time(board: Machine) -> None:
    board.check_up()
    assert "ordering cycle" not in board.run("journalctl -b --no-pager")


def test_a_clock_that_was_never_set_starts_at_the_floor_whatever_systemd_did(board: Machine) -> None:
    assert FLOOR_S <= int(board.run("date +%s")) < FLOOR_S + 86_400
    assert int(board.run("stat -c %Y /usr/lib/systemd/systemd")) > FLOOR_S + 86_400


def test_the_daemon_starts_with_the_clock_at_the_floor(board: Machine) -> None:
    """Else what it dates at its start would be later than what it dates next."""
    order = "systemctl show -P After dialpost.service"
    assert "chrony.service" in board.run(order).split()


def test_the_power_lamp_burns(board: Machine) -> None:
    """It may blink while nothing is set up: what counts is that the daemon drives it."""
    seen = set()

    def both() -> bool:
        seen.add(bool(board.qmp.lamps() & POWER_LAMP))
        return True in seen

    eventually(both, within_s=120, what="the power lamp in the PL061's register")
    assert "9030000.pl061" in board.run("cat /sys/kernel/debug/gpio")


def test_a_press_of_the_button_reaches_the_daemon(board: Machine) -> None:
    assert "button pressed" not in board.run(JOURNAL)
    board.qmp.press_button()
    eventually(lambda: "panel: button pressed" in board.run(JOURNAL), within_s=60, what="the press in the log")
    assert board.is_running()


def test_a_file_on_the_boot_partition_resets_the_station(board: Machine, card: Card, module_work: Path) -> None:
    before = board.run("cat /data/station/machine-id")
    board.run("echo junk >/data/dialpost/letter; mkdir -p /data/config; echo junk >/data/config/junk")
    board.switch_off()
    card.put("factory-reset", "")
    with Machine(card, module_work / "reset") as again:
        again.check_up()
        assert again.run("ls /data/dialpost/letter /data/config/junk", check=False).count("No such file") == 2
        assert again.run("ls /data/dialpost/factory-reset", check=False).count("No such file") == 1
        kept = again.run("cat /data/station/machine-id")
        assert len(kept) == 32
        assert kept != before
        again.switch_off()
    assert card.get("factory-reset") is None


def test_a_clock_that_nobody_sets_goes_on_over_a_power_cut(card: Card, module_work: Path) -> None:
    """Else what was done later is dated before what was done earlier. A day passes at once; the timer's unit keeps
    the time, the plug is pulled, and the board's own clock shows 1970 again.
    """
    with Machine(card, module_work / "cut", clock="1970-01-01T00:00:00") as machine:
        machine.wait_up()
        assert machine.run("systemctl is-active dialpost-clock.timer") == "active"
        kept = int(machine.run("date -s @$(($(date +%s) + 86400)) +%s"))
        machine.run("systemctl start dialpost-clock.service && sync")
        machine.pull_plug()
    with Machine(card, module_work / "after", clock="1970-01-01T00:00:00") as machine:
        machine.wait_up()
        assert kept <= int(machine.run("date +%s")) < kept + 3600
        machine.switch_off()
