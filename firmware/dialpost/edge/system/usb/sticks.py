"""USB sticks: where they are mounted, for the console's `save to` and `restore from`.

The system mounts each file system of a stick that is plugged in (systemd/dialpost-usb.udev) as
`/run/media/dialpost/NAME`, NAME being the kernel's (`sda1`), readable and writable for the station's user, and
takes it away when the stick is pulled. Whoever writes there must fsync before saying that it is done.
$DIALPOST_STICKS names another folder, for tests: they must never see the sticks of the machine they run on.
"""

from __future__ import annotations

import os
from pathlib import Path

ENVIRONMENT = "DIALPOST_STICKS"
STICKS = Path("/run/media/dialpost")


def mounted(folder: Path | None = None) -> list[Path]:
    """The file systems of the sticks that are plugged in now, by name."""
    folder = folder or Path(os.environ.get(ENVIRONMENT) or STICKS)
    try:
        return sorted(place for place in folder.iterdir() if place.is_mount())
    except OSError:
        return []
