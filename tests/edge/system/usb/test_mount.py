"""Which USB sticks are mounted and how, on machines made of files."""

from pathlib import Path

import pytest

from dialpost.edge.system.usb import mount as usb_mount
from dialpost.edge.system.usb import sticks as usb_sticks
from dialpost.edge.system.usb.mount import OPTIONS, Machine, command
from known import is_a


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "udev").mkdir()
    for folder in ("sys/dev/block", "sys/class/block", "sys/devices"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "mounts").write_text("25 1 179:2 / / ro,noatime shared:1 - ext4 /dev/mmcblk0p2 ro\n")
    add(tmp_path, "mmcblk0", "179:0")
    add(tmp_path, "mmcblk0p2", "179:2", "mmcblk0", "ext4")
    return Machine(tmp_path / "sys", tmp_path / "udev", tmp_path / "mounts")


def add(root: Path, name: str, number: str, disk: str = "", kind: str = "") -> Path:
    """A block device, as /sys and udev show it."""
    folder = root / "sys" / "devices" / disk / name
    folder.mkdir(parents=True)
    (folder / "dev").write_text(number + "\n")
    if disk:
        (folder / "partition").write_text("1\n")
    (root / "sys/dev/block" / number).symlink_to(folder)
    (root / "sys/class/block" / name).symlink_to(folder)
    (root / "udev" / f"b{number}").write_text(f"S:disk/by-id/x\nE:ID_BUS=usb\nE:ID_FS_TYPE={kind}\n")
    return folder


def mount(root: Path, *lines: str) -> None:
    with (root / "mounts").open("a") as file:
        file.writelines(line + "\n" for line in lines)


@pytest.mark.parametrize("kind", list(OPTIONS))
def test_a_stick_is_mounted_where_the_console_looks_for_it(tmp_path: Path, machine: Machine, kind: str) -> None:
    add(tmp_path, "sda", "8:0")
    add(tmp_path, "sda1", "8:1", "sda", kind)
    made = command("sda1", machine)
    assert made[-2:] == ["/dev/sda1", f"{usb_sticks.STICKS}/sda1"]
    assert made[0] == "/usr/bin/systemd-mount" and f"--type={kind}" in made
    options = next(word for word in made if word.startswith("--options=")).partition("=")[2].split(",")
    assert {"nosuid", "nodev", "noexec"} <= set(options)
    assert "dialpost" in " ".join(options)


def test_a_stick_without_partitions(tmp_path: Path, machine: Machine) -> None:
    add(tmp_path, "sdb", "8:16", kind="vfat")
    assert command("sdb", machine)[-2] == "/dev/sdb"


def test_a_second_partition_of_a_stick_that_is_mounted_already(tmp_path: Path, machine: Machine) -> None:
    add(tmp_path, "sda", "8:0")
    add(tmp_path, "sda1", "8:1", "sda", "vfat")
    add(tmp_path, "sda2", "8:2", "sda", "ext4")
    mount(tmp_path, "99 1 8:1 / /run/media/dialpost/sda1 rw shared:9 - vfat /dev/sda1 rw")
    assert command("sda2", machine)[-2] == "/dev/sda2"


def test_the_systems_own_disk_is_left_alone_although_it_is_on_usb(tmp_path: Path, machine: Machine) -> None:
    add(tmp_path, "sda", "8:0")
    add(tmp_path, "sda1", "8:1", "sda", "vfat")
    add(tmp_path, "sda4", "8:4", "sda", "ext4")
    mount(tmp_path, "31 25 8:4 / /data rw shared:3 - ext4 /dev/sda4 rw")
    assert command("sda1", machine) == "sda1 is on a disk that the system uses itself"


def test_so_is_one_under_a_verified_root(tmp_path: Path, machine: Machine) -> None:
    add(tmp_path, "sda", "8:0")
    part = add(tmp_path, "sda2", "8:2", "sda", "ext4")
    add(tmp_path, "sda1", "8:1", "sda", "vfat")
    mapped = add(tmp_path, "dm-0", "254:0", kind="ext4")
    (mapped / "slaves").mkdir()
    (mapped / "slaves" / "sda2").symlink_to(part)
    mount(tmp_path, "31 25 254:0 / /usr ro shared:3 - ext4 /dev/dm-0 ro", "32 25 0:21 / /run rw - tmpfs tmpfs rw")
    assert "uses itself" in command("sda1", machine)


@pytest.mark.parametrize("kind", ["ntfs", "", "vfat,exec", "crypto_LUKS"])
def test_what_is_not_known_is_not_mounted(tmp_path: Path, machine: Machine, kind: str) -> None:
    add(tmp_path, "sda", "8:0", kind=kind)
    assert is_a(str, command("sda", machine)).startswith(f"sda has {kind or 'no file system'};")


@pytest.mark.parametrize("name", ["", "../sda", "sda 1", "sda1\n", "-sda", "SDA", "a" * 40])
def test_names_that_are_no_device(machine: Machine, name: str) -> None:
    assert "is not a block device" in command(name, machine)


def test_a_stick_that_is_gone_again(machine: Machine) -> None:
    with pytest.raises(OSError, match="sdz"):
        command("sdz", machine)


def test_both_sides_mean_one_place() -> None:
    assert str(usb_sticks.STICKS) == usb_mount.STICKS


def test_mounted_sticks_are_those_that_are_mount_points(tmp_path: Path) -> None:
    (tmp_path / "sda1").mkdir()
    assert usb_sticks.mounted(tmp_path) == []
    assert usb_sticks.mounted(tmp_path / "none") == []
