"""The configuration's LAN section: the station's address there, and which mail services the LAN may reach."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dialpost.core.config.setting import setting


class LanMethod(Enum):
    """Where the station's address on the LAN comes from."""

    DHCP = "dhcp"
    STATIC = "static"


class LanService(Enum):
    """A way to read mail that hosts of the LAN may use."""

    IMAPS = "imaps"  # TLS from the first byte
    POP3S = "pop3s"
    IMAP = "imap"  # STARTTLS before any login
    POP3 = "pop3"

    @property
    def port(self) -> int:
        """The port it is served on (RFC 8314 §7)."""
        return {"imaps": 993, "pop3s": 995, "imap": 143, "pop3": 110}[self.value]


@dataclass(frozen=True, slots=True)
class LanConfig:
    """The local network."""

    method: LanMethod = setting(
        LanMethod.DHCP, "dhcp: the LAN's router assigns the address; static: the one in `address`."
    )
    interface: str = setting(
        "",
        "The LAN's network interface; empty: the wired one. Name it if there is more than one.",
        kind="interface",
        example="eth0",
    )
    address: str = setting(
        "",
        "For method = static: the station's address and prefix length.",
        kind="interface-address",
        example="192.168.1.25/24",
    )
    gateway: str = setting(
        "", "For method = static: the LAN's router; empty: there is none.", kind="ip", example="192.168.1.1"
    )
    dns: tuple[str, ...] = setting(
        (),
        "Name servers on the LAN, in addition to those from DHCP; empty with method = static: the router "
        "(gateway). Not those of a modem's line.",
        kind="ip",
        maximum=3,
        example='["192.168.1.1"]',
    )
    fallback_address: str = setting(
        "192.168.216.25/24",
        "For method = dhcp: an extra address, at which the station can be reached even "
        "without a DHCP server. Empty: none.",
        kind="interface-address",
    )
    services: tuple[LanService, ...] = setting(
        (LanService.IMAPS, LanService.POP3S, LanService.IMAP),
        "How hosts on the LAN may read mail. imap and pop3 require STARTTLS before login.",
        maximum=4,
    )
    ssh: bool = setting(False, "Let hosts on the LAN reach the console over ssh (port 22).")
