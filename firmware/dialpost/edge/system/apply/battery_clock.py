"""Registering a clock chip on the header's I2C lines with the kernel, which does not look for one on its own.

The kernel takes the time from a chip registered with it (CONFIG_RTC_HCTOSYS), and chrony writes the right time back
(`rtcsync`). Source: Linux, Documentation/i2c/instantiating-devices.rst, method 3.
"""

from __future__ import annotations

import time
from pathlib import Path

ADAPTERS = Path("/sys/bus/i2c/devices")
HEADER = "i2c@7e804000"
"""The controller of pins 3 and 5 in the device trees of the Pi 3, Zero 2 W and 4."""
_DRIVER_S = 10.0
"""The time udev may take to load the driver of the bus, and again that of the chip."""
_LOOK_S = 0.1


class BatteryClockError(Exception):
    """The chip is missing or wrong; in words."""


def tell(text: str, adapters: Path = ADAPTERS, driver_s: float = _DRIVER_S) -> None:
    """Register the chip of `text` ("ds3231 0x68"), or remove any ("none"). Raises: BatteryClockError."""
    chip, _, address = text.strip().partition(" ")
    deadline_s = time.monotonic() + driver_s
    while (bus := _bus(adapters)) is None and address and time.monotonic() < deadline_s:
        time.sleep(_LOOK_S)
    if bus is None:
        if address:
            raise BatteryClockError("this board has no I2C bus on pins 3 and 5 of its header")
        return
    for there in sorted((*bus.glob("*-0051"), *bus.glob("*-0068"))):
        if (there / "name").read_text().strip() == chip and (there / "driver").exists():
            return
        _write(bus / "delete_device", f"0x{int(there.name.rpartition('-')[2], 16):02x}")
    if not address:
        return
    _write(bus / "new_device", f"{chip} {address}")
    made = bus / f"{bus.name.removeprefix('i2c-')}-{int(address, 16):04x}"
    deadline_s = time.monotonic() + driver_s
    while not (made / "driver").exists():
        if time.monotonic() >= deadline_s:
            # Leave nothing registered that does not answer.
            _write(bus / "delete_device", address)
            raise BatteryClockError(
                f"no {chip} answers at {address} on pins 3 and 5: check its wires, its supply, and which chip it is"
            )
        time.sleep(_LOOK_S)


def _bus(adapters: Path) -> Path | None:
    for adapter in sorted(adapters.glob("i2c-*")):
        if (adapter / "of_node").resolve().name == HEADER:
            return adapter.resolve()
    return None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text + "\n", "ascii")
    except OSError as error:
        raise BatteryClockError(f"{path}: {error.strerror or error}") from error
