"""Whether a connection runs between this station and its provider over a dialled line that the owner trusts.

Trust belongs to a connection, never to an address: it needs the owner's answer (ppp.trusted_line), a line that this
station's own modem has dialled, pppd's interface below the connection, and the provider at its other end. A router
on the LAN never gets it, nor does a host of the LAN, nor a host on the internet behind the provider.
"""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Protocol

from dialpost.core.config.model import Config, TlsMode
from dialpost.core.config.trust import DEMANDS_TLS, plain_host, provider_hosts, trusts_line
from dialpost.core.mail.intake_rules import parse_networks
from dialpost.core.mail.smtp_target import ConnectSettings, Trust


class Network(Protocol):
    """The subset needed here of what pppd's hook reports (core/line/ppp/events.PppUp)."""

    @property
    def interface(self) -> str:
        """Like ppp0."""

    @property
    def local(self) -> str:
        """The station's address on the line."""

    @property
    def remote(self) -> str:
        """The address of the provider's end."""


class LineTrust:
    """What holds on the line that is up. `interface` and `local` are "" while nothing may be trusted."""

    def __init__(self, config: Config) -> None:
        self._is_trusted = trusts_line(config)
        self._networks = parse_networks(config.relay.provider_networks)
        self._providers: set[str] = set()
        self.interface = self.local = ""

    def line_up(self, up: Network) -> None:
        """The modem's line has a network."""
        if self._is_trusted:
            self.interface, self.local = up.interface, up.local
            self._providers = {up.remote}

    def line_down(self) -> None:
        """It is gone, or about to be."""
        self.interface = self.local = ""
        self._providers = set()

    def reached(self, address: str) -> None:
        """One of the provider's hosts has this address, and the station connects to it over the line."""
        if self.interface:
            self._providers.add(address)

    def covers(self, address: str, interface: str) -> bool:
        """Whether the client of a connection to the station is the provider on its line: it needs no TLS.

        `interface` is the one the kernel reports for the connection ("" = it does not).
        """
        return bool(self.interface) and interface == self.interface and self._is_providers(address)

    def _is_providers(self, address: str) -> bool:
        if address in self._providers:
            return True
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)


def trust_in(config: Config, host: str, tls: TlsMode) -> Trust:
    """Whether a session with this host needs no TLS where it runs over the line."""
    is_theirs = trusts_line(config) and plain_host(host) in provider_hosts(config)
    return Trust.ON_THE_LINE if is_theirs and tls not in DEMANDS_TLS else Trust.NONE


def on_trusted_line(settings: ConnectSettings) -> ConnectSettings:
    """How to talk over a connection that is known to be on the line: without TLS, and no password in clear."""
    return replace(settings, tls=TlsMode.NONE, clear_password=False, trust=Trust.IN_USE)
