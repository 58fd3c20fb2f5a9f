"""Notifying the service manager that we are ready, alive, stopping (sd_notify(3)).

Sends datagrams to the socket named in NOTIFY_SOCKET; without that variable every call does nothing.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class ServiceManager:
    """The service manager of this process, if there is one."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        self._address = environ.get("NOTIFY_SOCKET", "")
        wanted = environ.get("WATCHDOG_PID", "") in {"", str(os.getpid())}
        self.watchdog_s = int(environ.get("WATCHDOG_USEC", "0")) / 1_000_000 if wanted else 0.0
        """Seconds after which silence counts as a hang; 0 = no watchdog."""

    def ready(self, status: str) -> None:
        """The sockets answer: units ordered after us may start."""
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={text}")

    def alive(self) -> None:
        """Feed the watchdog. Call it from the event loop only, so that a hung loop stops feeding."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """We are stopping on purpose."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # A leading @ means the abstract namespace, whose names begin with a zero byte (unix(7)).
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)  # a hanging manager must not stop the mail
            try:
                sock.connect(address)
                sock.send(message.encode())
            except OSError:
                return  # nobody listens: the mail matters, the notice does not
