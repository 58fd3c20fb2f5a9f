"""What the modem's flows need of a serial port, as a Protocol; `edge/line/serial_port.SerialPort` is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from dialpost.core.line.modem.profile import FlowControl


class Port(Protocol):
    """An open serial port. Raises: PortError when it is gone."""

    @property
    def device(self) -> str:
        """Its path."""

    def fileno(self) -> int:
        """The open descriptor."""

    async def read(self, most: int) -> bytes:
        """At least one byte, at most `most`; what is beyond stays in the kernel."""

    async def write(self, data: bytes) -> None:
        """Give all to the kernel."""

    def set_speed(self, speed_bps: int) -> None:
        """Change the speed; what was not yet read is dropped."""

    def set_dtr(self, on: bool) -> bool:
        """Switch DTR; False where the port has no such line."""

    def carrier(self) -> bool | None:
        """DCD, None where the port has no such line."""

    def close(self, *, keep_dtr: bool) -> None:
        """Close at once, dropping what is not yet written. DTR goes off unless `keep_dtr`. Harmless when closed."""


OpenPort = Callable[[str, int, FlowControl], Port]
"""Device, speed in bit/s, flow control. Raises: PortError with a sentence for people."""
