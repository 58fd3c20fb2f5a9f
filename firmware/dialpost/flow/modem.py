"""The modem: opens its port, dials, logs in where the provider wants it before PPP, watches the carrier, hangs up.

Drives the pure procedures of `core/at` over a `Port`. Nothing that a line, a modem or a port does is raised out of
here: it is a `DialOutcome`, or words. One task at a time: dial, login, (pause_reading, pppd, carrier_lost,
resume_reading), hang_up. A cancelled `dial` or `login` leaves the port open for `hang_up`, which closes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from dialpost.core.config import ModemConfig
from dialpost.core.country import Country
from dialpost.core.link import DialOutcome
from dialpost.core.modem_profile import FlowControl, ModemProfile


class Port(Protocol):
    """An open serial port; `edge/serial_port.SerialPort` is one. Raises: PortError when it is gone."""

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
"""Device, speed in bit/s, flow control. Raises: PortError with a sentence for a person."""


class Modem:
    """One modem on one port. `say` hears each step in words."""

    def __init__(
        self, config: ModemConfig, profile: ModemProfile, open_port: OpenPort, say: Callable[[str], None],
        *, country: Country | None = None,
    ) -> None:  # fmt: skip
        self._config, self._profile, self._open_port, self._say = config, profile, open_port, say
        self._country = country or Country("generic", "Anywhere", "")

    @property
    def device(self) -> str:
        """The port's path, as configured."""
        return self._config.port

    def fileno(self) -> int:
        """The open port, for pppd's standard input. Raises: PortError where it is closed."""
        raise NotImplementedError

    async def dial(self, number: str) -> DialOutcome:
        """Open the port, wake and set up the modem, see to PIN and network, dial; the modem's own words in `detail`."""
        raise NotImplementedError

    async def login(self, user: str, password: str) -> DialOutcome:
        """Play modem.login_script; CONNECTED when it is through, or where there is none."""
        raise NotImplementedError

    def pause_reading(self) -> None:
        """From now on pppd reads the port."""
        raise NotImplementedError

    def resume_reading(self) -> None:
        """pppd is gone."""
        raise NotImplementedError

    async def carrier_lost(self) -> str:
        """Wait until the carrier is lost or the port unplugged; why, in words. Where the port can't tell: for ever."""
        raise NotImplementedError

    async def hang_up(self) -> str:
        """Put the line down in whatever state it is, in bounded time, and close the port.

        "" when it is down as far as can be known, else a sentence that says it may still be up and what to do.
        """
        raise NotImplementedError
