"""image-build/first_stages.py: no card is made that a board's own first stages would find incomplete."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

BUILD = Path(__file__).parents[2] / "image-build"
SHIPPED = (
    "bootcode.bin",
    "start.elf",
    "start4.elf",
    "start_cd.elf",
    "start4cd.elf",
    "fixup.dat",
    "fixup4.dat",
    "fixup_cd.dat",
    "fixup4cd.dat",
    "u-boot.bin",
    "boot.scr",
    "uboot.env",
)
TREES = (
    "bcm2837-rpi-3-b.dtb",
    "bcm2837-rpi-3-b-plus.dtb",
    "bcm2837-rpi-zero-2-w.dtb",
    "bcm2711-rpi-4-b.dtb",
)
PI3, PI3_PLUS, ZERO, PI4 = "Raspberry Pi 3 B", "Raspberry Pi 3 B+", "Raspberry Pi Zero 2 W", "Raspberry Pi 4 B"
BASE = "arm_64bit=1\nupstream_kernel=1\nkernel=u-boot.bin\n"


def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("first_stages", BUILD / "first_stages.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


FIRST_STAGES = _module()


@pytest.fixture
def fat(tmp_path: Path) -> Path:
    """What `build` lays on the FAT partition, empty of meaning; beside it a slot's /boot."""
    slot = tmp_path / "slot"
    (slot / "dtb/broadcom").mkdir(parents=True)
    folder = tmp_path / "fat"
    folder.mkdir()
    for name in (*SHIPPED, *TREES):
        (folder / name).write_text("x")
    for name in ("slot.scr", "vmlinuz", "initrd.img", *(f"dtb/broadcom/{tree}" for tree in TREES)):
        (slot / name).write_text("x")
    (folder / "config.txt").write_bytes((BUILD / "boot/config.txt").read_bytes())
    return folder


def _lacking(fat: Path, config: str | None = None) -> dict[str, set[str]]:
    """For each model, the files that are asked for and not there."""
    if config is not None:
        (fat / "config.txt").write_text(config)
    found: dict[str, set[str]] = {}
    for problem in FIRST_STAGES.problems(fat, fat.parent / "slot"):
        model, _, rest = problem.partition(": ")
        found.setdefault(model, set()).add(rest.partition(" is not ")[0])
    return found


def test_the_card_as_it_is_built_is_whole(fat: Path) -> None:
    assert _lacking(fat) == {}


def test_what_is_copied_here_is_what_the_build_copies() -> None:
    script = (BUILD / "build").read_text()
    line = next(line for line in script.splitlines() if "bootcode.bin" in line and line.startswith("cp "))
    names = re.search(r"\"/\{(.*)\} \"", line)
    assert names is not None
    echoed = subprocess.run(
        ["bash", "-c", f"echo {{{names[1]}}}"], capture_output=True, text=True, check=True
    ).stdout
    assert set(echoed.split()) == {name for name in SHIPPED if name[0] in "bsf" and name != "boot.scr"}


def test_less_memory_for_the_picture_asks_for_the_cut_down_firmware(fat: Path) -> None:
    """The fault of a release: the strings are in bootcode.bin, the files were not on the card."""
    for name in ("start_cd.elf", "fixup_cd.dat", "start4cd.elf", "fixup4cd.dat"):
        (fat / name).unlink()
    cut_down = {"start_cd.elf", "fixup_cd.dat"}
    wanted = {PI3: cut_down, PI3_PLUS: cut_down, ZERO: cut_down, PI4: {"start4cd.elf", "fixup4cd.dat"}}
    assert _lacking(fat, BASE + "gpu_mem=16\n") == wanted
    assert _lacking(fat, BASE + "gpu_mem=31\n") == wanted
    assert _lacking(fat, BASE + "gpu_mem=32\n") == {}
    assert _lacking(fat, BASE) == {}


@pytest.mark.parametrize(
    ("lines", "lacks"),
    [
        ("start_x=1", {PI3: {"start_x.elf", "fixup_x.dat"}, PI4: {"start4x.elf", "fixup4x.dat"}}),
        ("[pi4]\nstart_debug=1", {PI4: {"start4db.elf", "fixup4db.dat"}}),
        ("[pi4]\nstart_file=start9.elf\nfixup_file=fixup9.dat", {PI4: {"start9.elf", "fixup9.dat"}}),
        ("[pi3]\nkernel=other.bin", {PI3: {"other.bin"}, PI3_PLUS: {"other.bin"}}),
        ("[pi3+]\nkernel=other.bin", {PI3_PLUS: {"other.bin"}}),
        ("[pi02]\nkernel=other.bin", {ZERO: {"other.bin"}}),
        ("[pi0]\nkernel=other.bin\n[pi02]\nkernel=u-boot.bin", {}),
        ("[pi1]\nkernel=other.bin\n[pi5]\nkernel=another.bin", {}),
        ("[none]\nkernel=other.bin", {}),
        ("[pi4]\n[none]\nkernel=other.bin", {}),
        ("[pi4]\n[all]\nkernel=other.bin", {PI3: {"other.bin"}, PI4: {"other.bin"}}),
        ("[pi4]\n[pi3]\nkernel=other.bin", {PI3: {"other.bin"}, PI3_PLUS: {"other.bin"}}),
        ("[EDID=VSC-TD2220]\nkernel=other.bin", {PI3: {"other.bin"}, PI4: {"other.bin"}}),
        ("[gpio4=1]\n[pi4]\nkernel=other.bin", {PI4: {"other.bin"}}),
        ("[pi4]\nupstream_kernel=0", {}),
        ("[pi02]\nupstream_kernel=0", {ZERO: {"bcm2710-rpi-zero-2-w.dtb"}}),
        ("device_tree=mine.dtb", {PI3: {"mine.dtb"}, PI4: {"mine.dtb"}}),
        ("[pi4]\ndtoverlay=disable-bt", {PI4: {"overlays/disable-bt.dtbo"}}),
        ("[pi4]\ndtoverlay=i2c-rtc,ds3231\ndtoverlay=", {PI4: {"overlays/i2c-rtc.dtbo"}}),
        ("[pi4]\narmstub=stub.bin", {PI4: {"stub.bin"}}),
        ("[pi4]\ninitramfs one.gz,two.gz followkernel", {PI4: {"one.gz", "two.gz"}}),
        (
            "[pi4]\nos_prefix=new/",
            {PI4: {"new/u-boot.bin", "upstream/bcm2711-rpi-4-b.dtb or new/bcm2711-rpi-4-b.dtb"}},
        ),
        ("[pi4]\ncmdline=mine.txt", {PI4: {"mine.txt"}}),
        ("[pi4]\ninclude more.txt", {PI4: {"more.txt"}}),
        ("gpu_mem=64\ngpu_mem_512=16", {}),
        ("#kernel=other.bin\n  # start_x=1", {}),
    ],
)
def test_each_setting_asks_for_its_files(fat: Path, lines: str, lacks: dict[str, set[str]]) -> None:
    found = _lacking(fat, BASE + lines + "\n")
    assert {model: files for model, files in found.items() if model in lacks} == lacks
    if (lines.startswith("[pi") and "[all]" not in lines) or not lacks:
        assert set(found) == set(lacks)


def test_memory_by_the_size_of_the_board(fat: Path) -> None:
    (fat / "start_cd.elf").unlink()
    assert _lacking(fat, BASE + "gpu_mem=64\ngpu_mem_512=16\n") == {ZERO: {"start_cd.elf"}}
    assert _lacking(fat, BASE + "gpu_mem=16\ngpu_mem_1024=64\ngpu_mem_512=64\n") == {}


def test_an_included_file_counts(fat: Path) -> None:
    (fat / "more.txt").write_text("[pi3]\nkernel=other.bin\n")
    assert _lacking(fat, BASE + "include more.txt\n") == {PI3: {"other.bin"}, PI3_PLUS: {"other.bin"}}
    (fat / "more.txt").write_text("include more.txt\n")
    assert _lacking(fat, BASE + "include more.txt\n") == {}


@pytest.mark.parametrize("name", [*SHIPPED, *TREES, "config.txt"])
def test_a_file_that_lacks_or_is_empty_is_found(fat: Path, name: str) -> None:
    if name.endswith(("cd.elf", "cd.dat")):  # these only for who lowers gpu_mem
        (fat / "config.txt").write_text(BASE + "gpu_mem=16\n")
    (fat / name).write_text("")
    assert name in str(_lacking(fat)) or name == "config.txt"
    (fat / name).unlink()
    assert _lacking(fat) != {}


@pytest.mark.parametrize("name", ["vmlinuz", "initrd.img", "slot.scr", "dtb/broadcom/bcm2711-rpi-4-b.dtb"])
def test_a_file_of_the_slot_that_lacks_is_found(fat: Path, name: str) -> None:
    (fat.parent / "slot" / name).unlink()
    assert _lacking(fat) != {}


def test_words_that_can_not_be_meant(fat: Path) -> None:
    assert "must be a number" in str(_lacking(fat, BASE + "gpu_mem=lots\n"))
    assert "hands none over" in str(_lacking(fat, BASE + "device_tree=\n"))
    assert "98 characters" in str(_lacking(fat, BASE + "dtparam=" + "x" * 100 + "\n"))


def test_the_build_asks_before_it_makes_a_card() -> None:
    script = (BUILD / "build").read_text()
    assert script.index('first_stages.py" "$work/fat"') < script.index("mkfs.vfat") < script.index("genimage --")


def test_as_the_build_runs_it(fat: Path) -> None:
    command = [sys.executable, str(BUILD / "first_stages.py"), str(fat), str(fat.parent / "slot")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    (fat / "start4.elf").unlink()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        "first stages: Raspberry Pi 4 B: start4.elf is not on the FAT partition (gpu_mem=32)\n",
    )
