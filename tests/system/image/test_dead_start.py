"""Starts that get nowhere start over by themselves, and each counts as a try: one that hangs before the station is
up, a service manager that crashes, a data partition that cannot be mounted. One card for all.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from image.rig.card import SLOT_OFFSETS, Card
from image.rig.machine import BOOT_S, Machine
from rig.card.data_partition import DATA_OFFSET

from dialpost.core.system.boot.state import TRIES_ON_TRIAL, TRIES_PROVEN, BootState, Slot

UNITS = "/usr/lib/systemd/system"
HANG_S = 150
HANGS = """\
[Unit]
Description=Never ends
DefaultDependencies=no
Before=sysinit.target

[Service]
Type=oneshot
ExecStart=/bin/sleep infinity
"""
TIMED_OUT = "Forcibly rebooting: job timed out"
PATIENCE = f"[Unit]\nJobTimeoutSec={HANG_S}\n"


def _change_slot(card: Card, folder: Path, files: dict[str, str], links: dict[str, str]) -> None:
    """Files and symbolic links of slot A, in folders that are made where they are not there."""
    commands = []
    for number, (path, text) in enumerate(files.items()):
        (folder / f"file{number}").write_text(text)
        commands += [f"mkdir {Path(path).parent}", f"write {folder}/file{number} {path}"]
        commands += [f"set_inode_field {path} mode 0100644"]
    for path, target in links.items():
        commands += [f"mkdir {Path(path).parent}", f"symlink {path} {target}"]
    drive = f"{card.path}?offset={SLOT_OFFSETS[Slot.A]}"
    subprocess.run(
        ["/sbin/debugfs", "-w", "-f", "-", drive],
        input="\n".join(commands) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    for path in [*files, *links]:
        there = subprocess.run(["/sbin/debugfs", "-R", f"stat {path}", drive], capture_output=True, text=True)
        assert "Inode:" in there.stdout, (path, there.stdout, there.stderr)


@pytest.fixture(scope="module")
def card(module_work: Path) -> Card:
    """Its slot never reaches the station, and the watch over the start is less patient than on a real station."""
    card = Card(module_work / "card.img")
    card.prepare()
    _change_slot(
        card,
        module_work,
        {
            f"{UNITS}/hangs.service": HANGS,
            f"{UNITS}/dialpost-health.service.d/90-test.conf": PATIENCE,
        },
        {f"{UNITS}/sysinit.target.requires/hangs.service": "../hangs.service"},
    )
    return card


@pytest.fixture(scope="module")
def board(card: Card, module_work: Path) -> Iterator[Machine]:
    with Machine(card, module_work / "dead") as machine:
        yield machine


def _tries_left(card: Card) -> int:
    state = card.boot_state()
    assert state is not None
    return state.left_a


def _watchdog_bites(board: Machine) -> int:
    return sum(event["event"] == "WATCHDOG" for event in board.qmp.events)


def test_a_start_that_hangs_begins_again(board: Machine, card: Card) -> None:
    board.shell.wait_ready(BOOT_S)
    assert board.run("systemctl is-active hangs", check=False) == "activating"
    assert _tries_left(card) == TRIES_PROVEN - 1
    board.qmp.wait_for("RESET", BOOT_S)
    assert _watchdog_bites(board) == 0
    assert board.console_text().count(TIMED_OUT) == 1
    board.took("a start that hangs, until it restarts")


def test_a_service_manager_that_crashes_begins_again(board: Machine, card: Card) -> None:
    """In early user space: the board's watchdog need not be there yet."""
    board.shell.wait_ready(BOOT_S)
    assert _tries_left(card) == TRIES_PROVEN - 2
    assert board.run("systemctl is-active hangs", check=False) == "activating"
    board.run("kill -SEGV 1")
    board.qmp.wait_for("RESET", 300)
    # Systemd has done it by itself: neither the board's watchdog, nor the job of the start that hangs.
    assert _watchdog_bites(board) == 0
    assert board.console_text().count(TIMED_OUT) == 1


def test_a_card_whose_data_cannot_be_mounted_is_tried_again_and_again(
    board: Machine, card: Card, module_work: Path
) -> None:
    board.pull_plug()
    end = card.path.stat().st_size
    with card.path.open("r+b") as file:
        file.truncate(DATA_OFFSET)
        file.truncate(end)
    left = _tries_left(card)
    with Machine(card, module_work / "blank") as blank:
        blank.console.expect_exact("the station restarts in a minute", timeout=BOOT_S)
        assert _tries_left(card) == left - 1
        blank.qmp.wait_for("RESET", 300)
        blank.took("a start without /data, until it restarts")


def test_a_release_on_trial_whose_watch_fails_is_not_left_unjudged(module_work: Path) -> None:
    card = Card(module_work / "unjudged.img")
    card.prepare()
    watch = "[Service]\nExecStart=\nExecStart=/bin/false\n"
    _change_slot(card, module_work, {f"{UNITS}/dialpost-health.service.d/90-test.conf": watch}, {})
    card.set_boot_state(BootState(sequence=4, first=Slot.A, good=Slot.B, left_a=TRIES_ON_TRIAL, left_b=0))
    with Machine(card, module_work / "unjudged") as board:
        board.console.expect_exact("Starting kernel ...", timeout=BOOT_S)
        assert _tries_left(card) == TRIES_ON_TRIAL - 1
        board.qmp.wait_for("RESET", BOOT_S)
        board.took("a start on trial whose watch fails, until it restarts")
        assert _watchdog_bites(board) == 0
        board.console.expect_exact("Starting kernel ...", timeout=BOOT_S)
        assert _tries_left(card) == TRIES_ON_TRIAL - 2
