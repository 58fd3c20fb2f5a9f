"""Our units as systemd of Debian 13 sees them, and a USB stick mounted as its unit asks for it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from rig.card.loop_device import LoopDevice
from rig.needs import needs
from rig.servers.chroots import Chroot

from dialpost.edge.system.usb.mount import OPTIONS, USER

pytestmark = [pytest.mark.system, needs("station", commands=("losetup", "mkfs.ext4"))]

UNITS = Path(__file__).parents[3] / "systemd"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
_ROW = re.compile(r"^\| `(dialpost\S*\.service)` \| ([\d.]+) \|", re.MULTILINE)
FIGURES = dict(_ROW.findall((UNITS / "README.md").read_text()))
"""What systemd/README.md says: 0 is closed, 10 open; each open item has its reason there."""
WITHOUT_A_REASON = 3.0


@pytest.fixture
def chroot(work: Path) -> Chroot:
    shutil.copytree(UNITS, work, dirs_exist_ok=True)
    return Chroot("station", (work,))


@pytest.mark.parametrize("unit", SERVICES)
def test_exposure(work: Path, chroot: Chroot, unit: str) -> None:
    told = chroot.run("systemd-analyze", "security", "--no-pager", "--offline=true", named(work, unit), check=False)
    level = re.search(r"Overall exposure level for \S+: ([\d.]+)", told)
    assert level is not None, told
    assert float(level[1]) <= float(FIGURES.get(unit, WITHOUT_A_REASON)), told


def test_the_daemon_is_closed_well() -> None:
    assert float(FIGURES["dialpost.service"]) <= 2.0


def named(work: Path, unit: str) -> Path:
    """A template gets an instance: it can't be looked at without."""
    return (work / unit).rename(work / unit.replace("@.", "@x."))


@pytest.mark.parametrize("unit", [*SERVICES, *sorted(path.name for path in UNITS.glob("*.socket"))])
def test_systemd_understands_every_line(work: Path, chroot: Chroot, unit: str) -> None:
    path = named(work, unit)
    done = subprocess.run(
        chroot.command("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", path),
        capture_output=True,
        text=True,
        timeout=120,
    )
    said = [line for line in (done.stdout + done.stderr).splitlines() if path.name in line]
    # Programs of the station are not in this chroot; that they are there is the image's business.
    assert [line for line in said if "is not executable" not in line] == []


def test_the_users_of_a_stick_with_ext4(work: Path) -> None:
    """Owned by the station's user although root made the file system; nothing on it runs."""
    image = work / "stick"
    with image.open("wb") as file:
        file.truncate(32 * 1_048_576)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    device = LoopDevice(image)
    try:
        options = OPTIONS["ext4"].replace(f"group={USER}", "group=nogroup").replace(USER, "nobody")
        script = (
            'mkdir /tmp/stick; mount -t ext4 -o "$1" "$2" /tmp/stick; stat -c "%U %G %a" /tmp/stick; '
            "setpriv --reuid=65534 --regid=65534 --clear-groups cp /bin/true /tmp/stick/x; "
            "chmod 4755 /tmp/stick/x; "
            "grep /tmp/stick /proc/mounts; /tmp/stick/x 2>/dev/null || echo refused; umount /tmp/stick"
        )
        told = Chroot("station").run("bash", "-ec", script, "mount", options, device.path).splitlines()
    finally:
        device.close()
    assert told[0] == "nobody nogroup 770"
    assert {"nosuid", "nodev", "noexec"} <= set(told[1].split()[3].split(","))
    assert told[2] == "refused"
