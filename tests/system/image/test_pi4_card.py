"""A Pi 4's card where a real one has it: U-Boot reads its settings from there, no key stops it, nothing on a USB
stick is started. And the same where its settings are gone: then the device tree of the boot partition says it.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from image.rig.card import OFFICE, Card
from image.rig.pi import ARGUMENTS, Model, Pi, emulator

from dialpost.core.system.boot.state import FRESH, Slot, choose

CARD_BYTES = 4 << 30
CLOCK = ("-device", "ds1338,bus=i2c-bus.1,address=0x68")
KEYS = b"\x03 \r\x1bx\x04q"
"""Ctrl-C, blank, Enter, Escape, Ctrl-D and letters: whatever stops some boot loader."""

pytestmark = pytest.mark.skipif(
    not emulator(), reason="this test needs a QEMU that knows raspi4b; get it with: make image-deps"
)


@pytest.fixture(scope="module")
def stick(module_work: Path) -> Path:
    """A USB stick with an EFI program, as an installer's has."""
    made = module_work / "stick.img"
    with made.open("wb") as file:
        file.truncate(64 << 20)
    program = module_work / "BOOTAA64.EFI"
    program.write_bytes(b"MZ not really a program, but offered as one")
    for command in (
        ["mformat", "-F", "-i", str(made), "::"],
        ["mmd", "-i", str(made), "::EFI", "::EFI/BOOT"],
        ["mcopy", "-i", str(made), str(program), "::EFI/BOOT/BOOTAA64.EFI"],
    ):
        subprocess.run(command, check=True)
    return made


def _starts_the_slot(pi: Pi, card: Card) -> None:
    pi.console.expect_exact("Starting kernel ...")
    said = pi.console_text()
    assert "dialpost: slot a" in said and "cannot be started" not in said
    for word in ("U-Boot>", "EFI", "bootflow", "stop autoboot"):
        assert word not in said, said[-3000:]
    counted = card.boot_state()
    assert counted == choose(FRESH)[1] and counted is not None
    assert counted.left(Slot.A) == FRESH.left(Slot.A) - 1


def test_no_key_and_no_stick_comes_between(module_work: Path, stick: Path) -> None:
    """As far as the start of the kernel, which says nothing on this machine of QEMU's (it lacks the PCIe bus)."""
    card = Card(module_work / "card.img", size=CARD_BYTES).prepare(arguments=ARGUMENTS)
    with Pi(card, module_work / "pi4", model=Model.PI4, stick=stick, noise=KEYS) as pi:
        _starts_the_slot(pi, card)
        pi.took("Raspberry Pi 4, card on emmc2: until the kernel starts")
        assert "Loading Environment from FAT... OK" in pi.console_text()
        assert "starting USB" not in pi.console_text()


def test_the_same_without_its_settings(module_work: Path, stick: Path) -> None:
    card = Card(module_work / "bare.img", size=CARD_BYTES).prepare(arguments=ARGUMENTS)
    card.remove("uboot.env")
    with Pi(card, module_work / "bare", model=Model.PI4, stick=stick, noise=KEYS) as pi:
        _starts_the_slot(pi, card)
        assert "Unable to read" in pi.console_text()


def test_a_pi_3_is_no_different_and_reads_the_clock_on_its_header(module_work: Path) -> None:
    """Its card hangs on another controller; without settings the device tree says which. A clock with a battery is
    taken in use at the first start (QEMU's DS1338 has all that is used of a DS3231).
    """
    card = Card(module_work / "pi3.img", size=CARD_BYTES)
    card.prepare(OFFICE + '[clock]\nbattery = "ds3231"\n', arguments=f"{ARGUMENTS} ignore_loglevel")
    card.remove("uboot.env")
    with Pi(card, module_work / "pi3", model=Model.PI3, noise=KEYS, arguments=CLOCK) as pi:
        _starts_the_slot(pi, card)
        pi.quiet()
        pi.console.expect(r"rtc-ds1307 \S+: registered as rtc0")
        pi.console.expect(r"rtc-ds1307 \S+: setting system clock to 20\d\d")
        pi.took("Raspberry Pi 3: until the battery's clock is read")
