"""GPIO chips, found by label: the number of /dev/gpiochipN differs between kernels and from boot to boot."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import gpiod

from dialpost.core.errors import GpioError, GpioNotThereError

DEVICES = Path("/dev")
HEADER_LABELS = ("pinctrl-rp1", "pinctrl-bcm2711", "pinctrl-bcm2835")
"""The chips of a Raspberry Pi's header, if no chip is named."""


def open_chip(label: str, devices: Path = DEVICES) -> gpiod.Chip:
    """The chip of that label, open. Raises: GpioNotThereError, GpioError (two of that label, no right to open)."""
    seen: dict[str, str] = {}
    denied: list[str] = []
    found: list[Path] = []
    for path in _chip_files(devices):
        try:
            with gpiod.Chip(str(path)) as chip:
                seen[path.name] = chip.get_info().label
        except PermissionError:
            denied.append(str(path))
        except OSError:
            continue  # unplugged a moment ago, or not a chip at all
        else:
            if seen[path.name] == label:
                found.append(path)
    if len(found) > 1:
        raise GpioError(f"Two GPIO chips are labelled {label}: {', '.join(map(str, found))}.")
    if found:
        return gpiod.Chip(str(found[0]))
    if denied:
        raise GpioError(f"{denied[0]} may not be opened: this user must be in the group gpio.")
    raise GpioNotThereError(f"There is no GPIO chip labelled {label} here; {_told(seen)}.")


def default_label(devices: Path = DEVICES) -> str:
    """The chip if none is named: a Raspberry Pi's header, or the only one there is. Raises: GpioNotThereError."""
    seen = []
    for path in _chip_files(devices):
        with contextlib.suppress(OSError), gpiod.Chip(str(path)) as chip:
            seen.append(chip.get_info().label)
    for label in HEADER_LABELS:
        if label in seen:
            return label
    if len(seen) == 1:
        return str(seen[0])
    told = ", ".join(seen) or "none"
    raise GpioNotThereError(f"Which GPIO chip? Name its label; there are: {told}.")


def _chip_files(devices: Path) -> Iterator[Path]:
    """Each chip once, by number. (Some kernels leave gpiochip4 as a link to gpiochip0.)"""
    numbered = []
    for path in devices.glob("gpiochip*"):
        match = re.fullmatch(r"gpiochip(\d+)", path.name)
        if match is not None and not path.is_symlink():
            numbered.append((int(match[1]), path))
    for _, path in sorted(numbered):
        yield path


def _told(seen: dict[str, str]) -> str:
    if not seen:
        return "this machine has none"
    return "there are " + ", ".join(f"{label} ({name})" for name, label in seen.items())
