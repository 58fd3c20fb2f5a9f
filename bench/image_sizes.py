"""How large the SD image is: what is downloaded for a card and for an update, and what a slot contains."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from image.rig.card import IMAGE, OUT, SLOT_OFFSETS

from dialpost.core.system.boot.state import Slot
from figures import Amounts, Row, show

_MOST_MB = 400


def image_sizes(work: Path, amounts: Amounts) -> list[Row]:
    """The sizes of the published files, and of the root file system in them."""
    del work, amounts
    names = {"card, to download": "dialpost.img.zst", "update, to download": "dialpost.raucb"}
    rows = [Row("image", what, (OUT / name).stat().st_size / 1e6, None, "MB") for what, name in names.items()]
    used = slot_bytes() / 1e6
    rows.append(Row("image", "a slot holds", used, None, "MB", f"at most {_MOST_MB} MB", used <= _MOST_MB))
    for row in rows:
        show(row)
    return rows


def slot_bytes() -> int:
    """The size of slot A's file system, including its own tables. Raises: CalledProcessError, LookupError."""
    told = subprocess.run(
        ["/sbin/dumpe2fs", "-h", f"{IMAGE}?offset={SLOT_OFFSETS[Slot.A]}"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return (_field(told, "Block count") - _field(told, "Free blocks")) * _field(told, "Block size")


def _field(told: str, name: str) -> int:
    if not (found := re.search(rf"^{name}: +(\d+)$", told, re.MULTILINE)):
        raise LookupError(name)
    return int(found[1])
