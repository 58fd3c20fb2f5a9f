"""The serial port as the modem's flows need it, a Protocol; `edge/line/serial_port.SerialPort` is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from dialpost.core.line.modem.profile import FlowControl


class Port(Protocol):
    """An open serial port. Raises: PortError once it is gone."""

    @property
    def device(self) -> str:
        """Its path."""

    def fileno(self) -> int:
        """The open descriptor."""

    async def read(self, most: int) -> bytes:
        """At least one byte, at most `most`; the rest stays in the kernel."""

    async def write(self, data: bytes) -> None:
        """Hand all of it to the kernel."""

    def set_speed(self, speed_bps: int) -> None:
        """Change the speed; what was not read or sent is dropped."""

    def set_dtr(self, on: bool) -> bool:
        """Switch DTR; False if the port has no such line."""

    def carrier(self) -> bool | None:
        """DCD; None if the port has no such line."""

    def close(self, *, keep_dtr: bool) -> None:
        """Close at once, dropping unwritten output. DTR goes off unless `keep_dtr`. Harmless if already closed."""


OpenPort = Callable[[str, int, FlowControl], Port]
"""Device, speed in bit/s, flow control. Raises: PortError with a sentence for people."""
