"""The frozen selector in real U-Boot: for each boot state, valid or not, which slot it starts and what it writes.

The boot partition is the image's own; the slots are small ones that only say their name. `core/system/boot/state`
is the reference: U-Boot and Python must agree.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
import zlib
from pathlib import Path

import pytest
from image.rig.card import OUT, SLOT_OFFSETS, Card
from image.rig.machine import u_boot_command

from dialpost.core.system.boot.state import (
    FRESH,
    RECORD_OFFSETS,
    UNKNOWN,
    BootState,
    Slot,
    choose,
)

A, B = Slot.A, Slot.B
SLOT_SCRIPT = """\
part uuid ${devtype} ${devnum}:${part} root
echo STARTED ${slot} ${root} extra=${extra_args}
poweroff
"""


def _legacy_script(text: str) -> bytes:
    """What mkimage makes of a script: the header of 64 bytes (U-Boot, include/image.h), a table of one length."""
    data = len(text).to_bytes(4, "big") + bytes(4) + text.encode()
    kind = bytes([5, 22, 6, 0])  # Linux, arm64, script, not packed

    def header(own_crc: int) -> bytes:
        numbers = (0x27051956, own_crc, 0, len(data), 0, 0, zlib.crc32(data))
        return b"".join(number.to_bytes(4, "big") for number in numbers) + kind + b"slot".ljust(32, b"\0")

    return header(zlib.crc32(header(0))) + data


@pytest.fixture(scope="module")
def slots(module_work: Path) -> Path:
    """A file system with a slot's script and nothing else."""
    (module_work / "tree/boot").mkdir(parents=True)
    (module_work / "tree/boot/slot.scr").write_bytes(_legacy_script(SLOT_SCRIPT))
    made = module_work / "slot.ext4"
    with made.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["/sbin/mkfs.ext4", "-q", "-d", module_work / "tree", made], check=True)
    return made


@pytest.fixture
def card(work: Path, slots: Path) -> Card:
    """The image's boot partition and partition table, and two slots that say their name."""
    path = work / "card.img"
    with (OUT / "dialpost.img").open("rb") as image, path.open("wb") as file:
        file.write(image.read(132 << 20))
        file.truncate(2 << 30)
    small = Card.of(path)
    for offset in SLOT_OFFSETS.values():
        _write(path, offset, slots.read_bytes())
    return small


def _write(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        os.pwrite(file.fileno(), data, offset)


def _start(card: Card) -> tuple[Slot, str]:
    """The slot U-Boot starts, and everything it said."""
    with subprocess.Popen(
        u_boot_command(card.path), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        said, begun = b"", time.monotonic()
        while not (found := re.search(rb"STARTED ([ab]) ", said)) or b"poweroff ..." not in said:
            data = os.read(process.stdout.fileno(), 4096)
            said += data
            if not data or time.monotonic() - begun > 60:
                process.kill()
                raise AssertionError(f"no slot was started:\n{said[-1500:].decode('utf-8', 'replace')}")
        process.wait(60)
    return Slot(found[1].decode()), said.decode("utf-8", "replace")


@pytest.mark.parametrize(
    "state",
    [
        FRESH,
        FRESH.on_trial(B),
        BootState(sequence=0x1F, first=B, good=A, left_a=9, left_b=1),
        BootState(sequence=0xFF, first=B, good=A, left_a=9, left_b=0),
        BootState(sequence=0xA0, first=A, good=B, left_a=0, left_b=0),
        BootState(sequence=0x99, first=A, good=A, left_a=0xA, left_b=3),
    ],
    ids=["flashed", "update waits", "last try", "no tries", "none anywhere", "ten tries"],
)
def test_u_boot_and_python_agree(card: Card, state: BootState) -> None:
    before = FRESH if state.offset != FRESH.offset and state.sequence > FRESH.sequence else None
    for record in (before, state):
        if record is not None:
            card.set_boot_state(record)
    slot, following = choose(state)
    started, said = _start(card)
    assert started is slot
    assert f"STARTED {slot.value} 64706f73-0{2 if slot is A else 3} " in said
    assert card.boot_state() == (following or state)


def test_an_update_that_never_says_it_is_well_gets_three_starts(card: Card) -> None:
    card.set_boot_state(FRESH.on_trial(B))
    assert [_start(card)[0] for _ in range(4)] == [B, B, B, A]


def test_a_torn_record_counts_as_none(card: Card) -> None:
    card.set_boot_state(FRESH)
    torn = FRESH.on_trial(B)
    _write(card.path, torn.offset, torn.render()[:200].ljust(512, b"\xff"))
    assert _start(card)[0] is A
    assert card.boot_state() == choose(FRESH)[1]


def test_without_any_record_slot_a_is_tried_then_b(card: Card) -> None:
    for offset in RECORD_OFFSETS:
        _write(card.path, offset, bytes(512))
    assert _start(card)[0] is A
    assert card.boot_state() == choose(UNKNOWN)[1]
    assert _start(card)[0] is B


def test_a_slot_whose_files_are_gone_is_left_for_the_other_at_once(card: Card) -> None:
    _write(card.path, SLOT_OFFSETS[A], bytes(16 << 20))
    slot, said = _start(card)
    assert slot is B
    assert "slot a cannot be started" in said


def test_arguments_of_the_boot_partition_reach_the_slot(card: Card) -> None:
    card.put("args.txt", "extra_args=one two=three\nbootcmd=reset\n")
    assert "extra=one two=three" in _start(card)[1]
