"""Updates on the emulated board, from the serial console, by a USB stick or a computer on the LAN: what is refused,
what proves itself, what is rolled back. One board for all, in the order of the file, as each start takes its time:
the release that runs at a test's begin is the one the test before left.
"""

from __future__ import annotations

import imaplib
import re
import smtplib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pexpect
import pytest
from image.rig import web
from image.rig.bundles import Bundles, stick
from image.rig.card import OFFICE, Card
from image.rig.machine import BOOT_S, Machine
from rig.processes import eventually

from dialpost.core.system.boot.state import TRIES_ON_TRIAL, TRIES_PROVEN, Slot

PASSWORD = "correct horse battery"
FAULT_LAMP = 1 << 4  # board/qemu-virt.toml
INSTALL_S = 900.0
ENTER_S = 10.0
TRIAL_S = 900.0
BROKEN_UNIT = """\
[Unit]
Description=Does not work

[Service]
Type=oneshot
ExecStart=/bin/false

[Install]
WantedBy=multi-user.target
"""
FORMAT = (
    'sqlite3.connect("file:/data/dialpost/queue.db?mode=ro", uri=True).execute("PRAGMA user_version").fetchone()[0]'
)


@dataclass
class Workshop:
    """What the tests share: the bundles made for them, and the board."""

    bundles: Bundles
    board: Machine
    card: Card


@pytest.fixture(scope="module")
def bundles() -> Iterator[Bundles]:
    made = Bundles()
    yield made
    made.close()


@pytest.fixture(scope="module")
def plugged(bundles: Bundles, module_work: Path) -> Path:
    """A stick with all the bundles."""
    now = bundles.build_s
    good = bundles.slot("good")
    bundles.release(good, "0.7.0", now + 100)
    bundles.newer_format(good, 2)
    panics = bundles.slot("panics")
    bundles.release(panics, "0.8.0", now + 200)
    bundles.write(panics, "/boot/initrd.img", b"no RAM disk at all" * 1000)
    fails = bundles.slot("fails")
    bundles.release(fails, "0.9.0", now + 300)
    bundles.newer_format(fails, 3)
    bundles.write(fails, "/usr/lib/systemd/system/broken.service", BROKEN_UNIT)
    bundles.link(
        fails,
        "/etc/systemd/system/multi-user.target.wants/broken.service",
        "/usr/lib/systemd/system/broken.service",
    )
    files = {
        "good.raucb": bundles.bundle("good", good, version="0.7.0", build_s=now + 100),
        "panics.raucb": bundles.bundle("panics", panics, version="0.8.0", build_s=now + 200),
        "fails.raucb": bundles.bundle("fails", fails, version="0.9.0", build_s=now + 300),
        "older.raucb": bundles.bundle("older", None, version="0.0.9", build_s=now - 1),
        "board.raucb": bundles.bundle("board", None, version="0.7.0", build_s=now + 1, board="dialpost-riscv64"),
        "stranger.raucb": bundles.bundle(
            "stranger", None, version="0.7.0", build_s=now + 1, keys=bundles.other_keys()
        ),
    }
    whole = files["good.raucb"].read_bytes()
    files["cut.raucb"] = bundles.folder / "cut.raucb"
    files["cut.raucb"].write_bytes(whole[: len(whole) // 2])
    spoilt = bytearray(whole)
    middle = len(whole) // 2
    spoilt[middle : middle + 4096] = bytes(4096)
    files["spoilt.raucb"] = bundles.folder / "spoilt.raucb"
    files["spoilt.raucb"].write_bytes(spoilt)
    (bundles.folder / "noise.raucb").write_bytes(b"not a bundle\n" * 1000)
    files["noise.raucb"] = bundles.folder / "noise.raucb"
    return stick(module_work / "stick.img", files)


@pytest.fixture(scope="module")
def shop(bundles: Bundles, plugged: Path, module_work: Path) -> Iterator[Workshop]:
    card = Card(module_work / "card.img")
    card.prepare(OFFICE)
    arguments = ["-drive", f"if=none,id=stick,format=raw,file={plugged}", "-device", "usb-storage,drive=stick"]
    lan = [web.forward(bundles.folder)]
    with Machine(card, module_work / "update", arguments=arguments, lan=lan) as board:
        yield Workshop(bundles, board, card)


def _type(board: Machine, command: str, within_s: float = 300.0) -> str:
    """What the serial console answers to a command."""
    console = board.console
    # A console that is not there yet, at a start, takes no Enter.
    for _ in range(int(BOOT_S / ENTER_S)):
        console.sendline()
        if console.expect_exact(["dialpost> ", pexpect.TIMEOUT], timeout=ENTER_S) == 0:
            break
    console.sendline(command)
    console.expect_exact(command)
    console.expect_exact("dialpost> ", timeout=within_s)
    return " ".join(str(console.before).split())


def _install(shop: Workshop, name: str) -> str:
    said = _type(shop.board, f"update {name}", INSTALL_S)
    assert "Installed. It starts with the next reboot" in said, said
    assert "100%" in said, "progress is shown"
    return said


def _restart(board: Machine) -> None:
    board.run("systemctl --no-block reboot")
    board.qmp.wait_for("RESET", 300)


def _wait_proven(shop: Workshop, slot: Slot, within_s: float) -> None:
    """Until a start with that slot has been judged a good one."""

    def is_good() -> bool:
        state = shop.card.boot_state()
        return state is not None and state.good is slot and state.first is slot and state.left(slot) == TRIES_PROVEN

    eventually(is_good, within_s=within_s, what=f"slot {slot.value}, proven")


def _wait_back(shop: Workshop, slot: Slot, within_s: float) -> None:
    """The same after starts that this test has not followed."""
    _wait_proven(shop, slot, within_s)
    shop.board.shell.wait_ready(BOOT_S)
    assert f"rauc.slot={slot.value}" in shop.board.run("cat /proc/cmdline")


def _send(board: Machine, subject: str) -> None:
    with smtplib.SMTP("127.0.0.1", board.ports[25], timeout=120) as client:
        client.sendmail("bob@clinic.example", ["anna@clinic.example"], f"Subject: {subject}\r\n\r\nHello.\r\n")


def _subjects(board: Machine) -> list[str]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with imaplib.IMAP4_SSL("127.0.0.1", board.ports[993], ssl_context=context, timeout=120) as client:
        client.login("anna", PASSWORD)
        client.select(readonly=True)
        _, found = client.fetch("1:*", "(BODY[HEADER.FIELDS (SUBJECT)])")
        texts = [part[1].decode() for part in found if isinstance(part, tuple)]
    return sorted(text.partition(":")[2].strip() for text in texts)


def _format(board: Machine) -> str:
    return board.run(f"python3 -c 'import sqlite3; print({FORMAT})'")


def test_a_station_with_mail(shop: Workshop) -> None:
    shop.board.check_up()
    shop.board.run(f"dialpost account add anna --password-stdin <<<'{PASSWORD}'")
    _send(shop.board, "before")
    eventually(lambda: _subjects(shop.board) == ["before"], within_s=120, what="the letter")
    assert _format(shop.board) == "1"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("older", "is older than what runs"),
        ("board", "This update is for dialpost-riscv64; the station is dialpost-arm64"),
        ("stranger", "is not an update for this station: .*(?i:verif|certificate|signature)"),
        ("cut", "is not an update for this station"),
        ("noise", "is not an update for this station"),
        ("nowhere", r"No such file: nowhere\. Files on the stick: board\.raucb, cut\.raucb"),
    ],
)
def test_what_is_refused_changes_nothing(shop: Workshop, name: str, words: str) -> None:
    before = shop.card.boot_state()
    said = _type(shop.board, f"update {name}")
    assert re.search(words, said), said
    assert "installed" not in said
    assert shop.card.boot_state() == before
    assert shop.board.run("systemctl --failed --no-legend --plain") == ""


def test_one_that_is_spoilt_in_the_middle_is_not_started(shop: Workshop) -> None:
    said = _type(shop.board, "update spoilt", INSTALL_S)
    assert re.search(r"was not installed: .*The station keeps running as before", said), said
    state = shop.card.boot_state()
    assert state is not None
    assert (state.next_slot, state.left(Slot.B)) == (Slot.A, 0)
    assert "No update has been installed yet" in _type(shop.board, "update")


def test_a_good_one_proves_itself_and_only_then_changes_the_queue(shop: Workshop) -> None:
    board = shop.board
    said = _install(shop, f"http://{web.ADDRESS}/good.raucb")
    assert re.search(r"\d+ MB fetched", said), said
    assert "0.7.0" in _type(board, "status"), "it waits for the next start, and says so"
    state = shop.card.boot_state()
    assert state is not None
    assert (state.next_slot, state.left(Slot.B)) == (Slot.B, TRIES_ON_TRIAL)
    _restart(board)
    board.shell.wait_ready(BOOT_S)
    _type(board, "status")  # the daemon is there
    assert "tries the new release; mail waits" in _type(board, "status")
    assert (_format(board), board.run("cat /run/dialpost-boot/on-trial")) == ("1", "")
    assert "is still on trial" in _type(board, "update good")
    told = _type(board, "update")
    assert "runs and is on trial" in told and "next start" not in told, told
    _wait_proven(shop, Slot.B, TRIAL_S)
    assert "rauc.slot=b" in board.run("cat /proc/cmdline")
    eventually(lambda: _format(board) == "2", within_s=120, what="the queue's new format")
    _send(board, "after")
    letters = ["The station runs a new release", "after", "before"]
    eventually(lambda: _subjects(board) == letters, within_s=300, what="all letters, and that of the update")
    assert "0.7.0" in _type(board, "update")
    assert board.run("cat /etc/dialpost/dialpost.toml") == OFFICE.rstrip()


def test_one_whose_kernel_panics_is_rolled_back(shop: Workshop) -> None:
    board = shop.board
    _install(shop, "panics")
    panics = board.console_text().count("Kernel panic")
    _restart(board)
    _wait_back(shop, Slot.B, 2 * BOOT_S)
    assert board.console_text().count("Kernel panic") == panics + TRIES_ON_TRIAL
    _reports_that_it_was_rolled_back(board, "0.8.0", letters=1)


def test_one_with_a_service_that_fails_is_rolled_back(shop: Workshop) -> None:
    board = shop.board
    _install(shop, "fails")
    _restart(board)
    _wait_back(shop, Slot.B, 4 * BOOT_S)
    assert _format(board) == "2", "its format of the queue was never made"
    _reports_that_it_was_rolled_back(board, "0.9.0", letters=2)
    _send(board, "at last")
    eventually(lambda: "at last" in _subjects(board), within_s=120, what="mail goes on")
    assert {"before", "after", "at last"} <= set(_subjects(board))


def _reports_that_it_was_rolled_back(board: Machine, version: str, *, letters: int) -> None:
    """By mail, by the fault lamp, at the console; until somebody has seen it."""
    told = "The station's update was rolled back"
    eventually(lambda: _subjects(board).count(told) == letters, within_s=300, what="the letter")
    eventually(lambda: bool(board.qmp.lamps() & FAULT_LAMP), within_s=60, what="the fault lamp")
    assert f"The update to version {version}" in _type(board, "status")
    assert "did not prove itself" in _type(board, "update")
    assert "did not prove itself" not in _type(board, "status")
