"""What the board's modem dials: a simulated telephone line and, at its other end, a provider with a kernel of its
own, real pppd and real Postfix (a guest, as in tests/system/line), and a name server for its customers.

The board is wired to the line by `modem`, a pseudo-terminal that QEMU shows it as a USB serial port. That has no
DTR and DCD that lead anywhere, so a call ends there by +++ and ATH.
"""

from __future__ import annotations

from pathlib import Path

from dialpost.sim.telephone_line import TelephoneSettings
from rig.line.guests import ProviderGuest
from rig.line.places import HOSTS
from rig.line.telephone import TelephoneLine

BUFFER_BYTES = 32_768
"""QEMU stands still, lamps and clock with it, while what is at its serial port takes nothing: this modem does."""


class DialledProvider:
    """Line and provider; `guest` holds mail and takes mail, `line` tells what happened on the telephone."""

    def __init__(
        self, directory: Path, *, rate_bps: int = 33_600, rtt_s: float = 0.150, dial_s: float = 1.0
    ) -> None:
        settings = TelephoneSettings(
            rate_bps, rtt_s, dial_s=dial_s, buffer_bytes=BUFFER_BYTES, has_sim=False
        )  # a plain telephone modem
        self.line = TelephoneLine(settings)
        self.guest = ProviderGuest(directory, self.line.provider_path)
        self.line.on_carrier = self.guest.carrier

    @property
    def modem(self) -> str:
        """The path of the board's serial port on this machine."""
        return self.line.station_path

    def __enter__(self) -> DialledProvider:
        try:
            self.guest.begin()
            names = [f"{name}={address}" for name, address in HOSTS.items()]
            self.guest.start("python3", "/opt/guest/name_server.py", *names, name="name-server")
            self.guest.wait_for_log("name-server", "ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.guest.stop()
        self.line.close()

    def story(self) -> str:
        """What happened here, for the message of a failed test."""
        return "\n".join(
            [
                *(f"{seconds:8.3f} {what}" for seconds, what in self.line.events[-20:]),
                "--- pppd at the provider",
                self.guest.log(self.guest.answering)[-4000:],
                "--- Postfix at the provider",
                self.guest.mail_log()[-4000:],
                "--- name server",
                self.guest.log("name-server")[-1000:],
            ]
        )
