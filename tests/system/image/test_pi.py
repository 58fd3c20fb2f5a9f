"""The same card in QEMU's Raspberry Pi 3: U-Boot for the Pi, the selector, the slot's script, Debian's kernel, our
console on the header's UART; and one switch of slots. This machine is slow: a start for each, no more.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from image.rig.card import SLOT_BYTES, SLOT_OFFSETS, Card
from image.rig.pi import ARGUMENTS, Pi

from dialpost.core.system.boot.state import FRESH, BootState, Slot, choose

CARD_BYTES = 4 << 30
PIECE_BYTES = 1 << 20
DEVICE_TREE = "bcm2837-rpi-3-b.dtb"


@pytest.fixture(scope="module")
def card(module_work: Path) -> Card:
    """As flashed, and the same system in the second slot."""
    card = Card(module_work / "card.img", size=CARD_BYTES)
    card.prepare(arguments=ARGUMENTS)
    with card.path.open("r+b") as file:
        for place in range(0, SLOT_BYTES, PIECE_BYTES):
            piece = os.pread(file.fileno(), PIECE_BYTES, SLOT_OFFSETS[Slot.A] + place)
            if any(piece):
                os.pwrite(file.fileno(), piece, SLOT_OFFSETS[Slot.B] + place)
    return card


def _lay_waste(card: Card, slot: Slot) -> None:
    with card.path.open("r+b") as file:
        for place in range(0, SLOT_BYTES, PIECE_BYTES):
            os.pwrite(file.fileno(), bytes(PIECE_BYTES), SLOT_OFFSETS[slot] + place)


def _tree_bytes(card: Card, slot: Slot) -> int:
    """The size of this board's device tree in the slot (that of the boot partition names the card besides)."""
    place = f"{card.path}?offset={SLOT_OFFSETS[slot]}"
    listed = subprocess.run(
        ["/sbin/debugfs", "-R", f"stat /boot/dtb/broadcom/{DEVICE_TREE}", place],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = re.search(r"Size: (\d+)", listed)
    assert found is not None, listed
    return int(found[1])


def _loads(pi: Pi, card: Card, slot: Slot, state: BootState) -> None:
    """U-Boot's part: that slot is loaded, its try is counted."""
    pi.console.expect("dialpost: slot ([ab])\r")
    assert pi.console.match[1] == slot.value
    pi.console.expect_exact("Starting kernel ...")
    pi.took(f"Raspberry Pi, slot {slot.value}: until the kernel starts")
    # U-Boot knows the board: the device tree it takes from the slot is this one's.
    assert f"\n{_tree_bytes(card, slot)} bytes read" in pi.console_text()
    assert "cannot be started" not in pi.console_text()
    counted = card.boot_state()
    assert counted == choose(state)[1]
    assert counted is not None
    assert counted.left(slot) == state.left(slot) - 1


def _offers_the_set_up(pi: Pi, slot: Slot) -> None:
    """Linux's part, up to what an operator at the UART sees."""
    pi.console.expect("Dialpost .*Press Enter")
    pi.took(f"Raspberry Pi, slot {slot.value}: until the console is there")
    pi.console.sendline()
    pi.console.expect_exact("This station is not set up yet")
    pi.console.expect_exact("Domain:")


def test_the_whole_chain_up_to_the_console(card: Card, module_work: Path) -> None:
    with Pi(card, module_work / "pi-a") as pi:
        _loads(pi, card, Slot.A, FRESH)
        _offers_the_set_up(pi, Slot.A)


def test_a_switch_of_slots(card: Card, module_work: Path) -> None:
    """The second slot on trial, and no other system left on the card that could start in its place. That it then
    proves itself is test_update's.
    """
    _lay_waste(card, Slot.A)
    wanted = FRESH.on_trial(Slot.B)
    for state in (FRESH, wanted):
        card.set_boot_state(state)
    with Pi(card, module_work / "pi-b") as pi:
        _loads(pi, card, Slot.B, wanted)
        pi.console.expect("Welcome to .*Debian")
        pi.took("Raspberry Pi, slot b: until its service manager runs")
