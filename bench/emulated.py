"""The SD image in an emulated board: the start, memory, sizes, and what is written to the card.

Seconds are those of software emulation on this machine, several times those of a board; bytes are the same as on a
board. It needs the image (`make image`), and the tools to start it (`make image-deps`).
"""

from __future__ import annotations

import json
import shutil
import smtplib
import socket
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from image.rig.account import resident, wait_settled, written
from image.rig.card import OFFICE, Card
from image.rig.machine import Machine
from rig.card.disks import enter_mount_namespace
from rig.mailboxes import make_message
from rig.processes import eventually
from rig.servers.chroots import missing

from contenders import RECIPIENTS, PostfixContender
from figures import Amounts, Row, show
from image_sizes import image_sizes
from writes import bytes_a_message

_BOOT_S = 900.0
_CONFIG = OFFICE.replace('"gateway"', '"dialup-gateway"') + '\n[relay]\nnetworks = ["10.0.2.0/24"]\n'
"""No line that is always up; clients on the emulator's network may send to the world."""
_WARM_UP = 20
_PARTS = ("daemon", "console", "dovecot")


def image(work: Path, amounts: Amounts) -> list[Row]:
    """All figures of the image: one card, two starts of one board."""
    rows = image_sizes(work, amounts)
    card = Card(work / "card.img").prepare(_CONFIG)
    folder = Path(tempfile.mkdtemp(prefix="dp-bench-"))  # short, because it contains sockets
    try:
        with Machine(card, folder / "first") as board:
            rows.append(_first_220(board, "the first start of a card"))
            board.wait_up()
            wait_settled(board)
            board.switch_off()
        with Machine(card, folder / "later") as board:
            rows.append(_first_220(board, "a later start"))
            board.wait_up()
            wait_settled(board)
            rows += [*_memory(board), *_idle(board, amounts), *_messages(board, work, amounts)]
            board.switch_off()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return rows


def _told(
    what: str, figure: float, unit: str, promise: str = "", kept: bool | None = None, theirs: float | None = None
) -> Row:
    row = Row("image", what, figure, theirs, unit, promise, kept)
    show(row)
    return row


def _first_220(board: Machine, what: str) -> Row:
    """From power-on to the first greeting on port 25, in emulation."""

    def greets() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", board.ports[25]), timeout=5) as client:
            return client.recv(4) == b"220 "
        return False

    eventually(greets, within_s=_BOOT_S, what="the greeting on port 25")
    return _told(f"plug to first 220, {what}", time.monotonic() - board.started_s, "s emulated")


def _memory(board: Machine) -> list[Row]:
    held = resident(board)

    def megabytes(name: str) -> float:
        return sum(kilobytes for kilobytes, command in held if name in command) * 1024 / 1e6

    total = megabytes("")
    rows = [_told("memory at idle, ours and Dovecot's together", total, "MB", "less than 90 MB", total < 90)]
    return rows + [_told(f"memory at idle, of it {name}", megabytes(name), "MB") for name in _PARTS]


def _idle(board: Machine, amounts: Amounts) -> list[Row]:
    """Writes while idle: nothing is sent, no call is due. Counted for some minutes, reported per hour."""
    before, begun = written(board), time.monotonic()
    time.sleep(amounts.idle_s)  # this measures elapsed time
    counted, seconds = written(board) - before, time.monotonic() - begun
    hour = counted * 3600 / seconds / 1e6
    what = f"written in an idle hour ({seconds / 60:.0f} min seen)"
    return [_told(what, hour, "MB", "less than 1 MB", hour < 1)]


def _messages(board: Machine, work: Path, amounts: Amounts) -> list[Row]:
    """For an accepted message: its copies, the queue's database, journals, and whatever else the system writes."""
    board.run("dialpost account add anna --password-stdin <<<'correct horse battery'")
    theirs_needs = missing(servers=("postfix",), commands=("mkfs.ext4", "losetup"))
    if theirs_needs:
        print(f"image: NOT MEASURED beside it: Postfix's bytes for a message; needs {theirs_needs}", flush=True)
    rows = []
    for mode, recipient in RECIPIENTS.items():
        _send(board, recipient, 4_000, _WARM_UP)
        for size, number in amounts.on_card.items():
            before = written(board)
            _send(board, recipient, size, number)
            each = (written(board) - before) / number
            theirs = None
            if not theirs_needs:
                enter_mount_namespace()
                theirs = bytes_a_message(work, PostfixContender, mode, sessions=1, messages=number, size=size)
            what = f"written for a message, {mode}, {size / 1000:,.0f} kB"
            rows.append(_told(what, each, "bytes", theirs=theirs))
    return rows


def _send(board: Machine, recipient: str, size: int, number: int) -> None:
    """Send one after another in one session, and wait until each is at its destination."""
    with smtplib.SMTP("127.0.0.1", board.ports[25], "client.clinic.example", timeout=300) as client:
        for count in range(number):
            message = make_message(f"{count}.{size}@clinic.example", "bob@clinic.example", [recipient], size=size)
            client.sendmail("bob@clinic.example", [recipient], message)

    def waiting() -> int:
        return int(json.loads(board.run("dialpost status --json"))["queue"]["waiting_local"])

    eventually(lambda: waiting() == 0, within_s=600, what="every message in its mailbox")
