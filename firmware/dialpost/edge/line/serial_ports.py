"""The serial ports of this machine, with what their USB devices say of themselves.

pyserial finds them; left out are UARTs that are not fitted and the one the kernel writes its messages to. Where
$DIALPOST_SERIAL_PORTS names some (with colons between), these are all there are: a simulated modem, a remote port.
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
    """All that may be a modem's, sorted by name. A USB port goes by the name that stays (/dev/serial/by-id)."""
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
    """Names that a device keeps whichever socket it is put into, by the kernel's name."""
    if not folder.is_dir():
        return {}
    return {str(link.resolve()): str(link) for link in sorted(folder.iterdir(), reverse=True)}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
