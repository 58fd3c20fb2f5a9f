"""The serial ports of this machine, with the descriptions of their USB devices.

pyserial finds them; UARTs that are not fitted are left out, and so is the kernel's console. If
$DIALPOST_SERIAL_PORTS names ports (separated by colons), only these exist: a simulated modem, a remote port.
"""

from __future__ import annotations

import os
from pathlib import Path

from serial.tools import list_ports

from dialpost.core.line.modem.probe import PortFacts

ENVIRONMENT = "DIALPOST_SERIAL_PORTS"
_TTYS = Path("/sys/class/tty")
_LASTING = Path("/dev/serial/by-id")


def serial_ports(ttys: Path = _TTYS, lasting: Path = _LASTING) -> list[PortFacts]:
    """All ports that may have a modem, sorted by name. USB ports have their stable name (/dev/serial/by-id)."""
    told = os.environ.get(ENVIRONMENT, "")
    if told:
        return [PortFacts(path, path) for path in told.split(":") if path]
    consoles = _read(ttys / "console" / "active").split()
    names = _lasting_names(lasting)
    found = []
    for port in list_ports.comports():
        tty = Path(port.device).name
        if tty in consoles or _read(ttys / tty / "type") == "0":  # 0 = PORT_UNKNOWN: no such UART is fitted
            continue
        usb = f"{port.vid:04x}:{port.pid:04x}" if port.vid is not None and port.pid is not None else ""
        words = (port.manufacturer, port.product, port.interface) if usb else (port.description,)
        told = " ".join(dict.fromkeys(word for word in words if word and word != "n/a"))
        found.append(PortFacts(names.get(port.device, port.device), port.device, told, usb))
    return sorted(found, key=lambda port: port.name)


def _lasting_names(folder: Path) -> dict[str, str]:
    """The names that devices keep in whichever socket they are plugged, by their kernel names."""
    if not folder.is_dir():
        return {}
    return {str(link.resolve()): str(link) for link in sorted(folder.iterdir(), reverse=True)}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
