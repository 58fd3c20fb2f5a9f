"""The root side of USB sticks: `dialpost-usb@NAME.service` runs it for each file system that udev finds on one.

Decides whether to mount it (a known kind of file system, on a disk that the running system does not use itself,
because a board may run from a USB disk), and leaves the mounting to systemd-mount, whose unit ends when the stick
is pulled. Programs, devices and set-uid files on a stick have no effect; its files belong to the station's user.

Sources: mount(8) of util-linux 2.41 (X-mount.owner), systemd-mount(1); udev's database of /run/udev/data.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

STICKS = "/run/media/dialpost"
"""As in edge/system/usb/sticks, which finds them there."""
USER = "dialpost"
_NAME = re.compile(r"[a-z][a-z0-9]{1,15}\Z")
_ALWAYS = "nosuid,nodev,noexec,noatime,nosymfollow"
OPTIONS = {
    "vfat": f"{_ALWAYS},uid={USER},gid={USER},umask=0007,utf8,flush",
    "exfat": f"{_ALWAYS},uid={USER},gid={USER},umask=0007",
    # Files of ext4 have owners of their own: at least the top of the stick is the station's.
    "ext4": f"{_ALWAYS},errors=remount-ro,X-mount.owner={USER},X-mount.group={USER},X-mount.mode=0770",
}
"""The mount options of each kind of file system."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the kernel and udev describe disks; tests use other places."""

    sys: Path = Path("/sys")
    udev: Path = Path("/run/udev/data")
    mounts: Path = Path("/proc/self/mountinfo")

    def disk_of(self, number: str) -> set[str]:
        """The disks under a block device MAJOR:MINOR; none if it is not a device (tmpfs, overlay)."""
        device = self.sys / "dev" / "block" / number
        if not device.exists():
            return set()
        folder = device.resolve()
        below = [path.resolve() for path in (folder / "slaves").iterdir()] if (folder / "slaves").is_dir() else []
        if below:  # device mapper
            return {disk for path in below for disk in self.disk_of((path / "dev").read_text().strip())}
        return {folder.parent.name if (folder / "partition").exists() else folder.name}

    def disks_in_use(self) -> set[str]:
        """The disks from which something is mounted, except sticks."""
        found: set[str] = set()
        for line in self.mounts.read_text("utf-8", "surrogateescape").splitlines():
            _, _, number, _, where, *_ = line.split()
            if not where.startswith(f"{STICKS}/"):
                found |= self.disk_of(number)
        return found

    def kind_of(self, number: str) -> str:
        """The kind of file system that udev found there."""
        for line in (self.udev / f"b{number}").read_text("utf-8", "replace").splitlines():
            if line.startswith("E:ID_FS_TYPE="):
                return line.partition("=")[2]
        return ""


def command(name: str, machine: Machine) -> list[str] | str:
    """The command that mounts the file system on the device `name`, or why it is left alone. Raises: OSError."""
    if not _NAME.match(name):
        return f"{name!r} is not a block device"
    number = (machine.sys / "class" / "block" / name / "dev").read_text().strip()
    kind = machine.kind_of(number)
    if kind not in OPTIONS:
        return f"{name} has {kind or 'no file system'}; read are {', '.join(OPTIONS)}"
    if machine.disk_of(number) & machine.disks_in_use():
        return f"{name} is on a disk that the system uses itself"
    return [
        "/usr/bin/systemd-mount",
        "--collect",
        "--no-ask-password",
        # A check could take minutes, and would change the stick.
        "--fsck=no",
        f"--type={kind}",
        f"--options={OPTIONS[kind]}",
        f"/dev/{name}",
        f"{STICKS}/{name}",
    ]


def main() -> None:
    """`python3 -P -m dialpost.edge.system.usb.mount NAME`."""
    try:
        found = command(sys.argv[1], Machine())
    except OSError as error:
        found = f"{error.filename}: {error.strerror}"
    if isinstance(found, str):
        sys.stderr.write(f"not mounted: {found}\n")
        return
    os.execv(found[0], found)


if __name__ == "__main__":
    main()
