"""The facts in a TLS certificate: its names, and from when to when it is valid."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from dialpost.core.config.lan import LanMethod
from dialpost.core.config.model import Config

SOON_DAYS = 30
"""How many days before it expires a certificate is renewed, or its owner is asked to renew it."""


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """`names` are the DNS names and IP addresses it covers, in lower case. Times are Unix seconds.

    `fingerprint` is the SHA-256 of its DER form in hex, as `tls_fingerprint` in the configuration wants it.
    """

    names: tuple[str, ...]
    not_before_s: int
    not_after_s: int
    self_signed: bool
    fingerprint: str

    def covers(self, host: str) -> bool:
        """Whether it is valid for a client that connects to `host` (RFC 9525 §6.3: `*` is one whole label)."""
        name = plain_name(host)
        return name in self.names or "*." + name.partition(".")[2] in self.names

    def lacking(self, names: Sequence[str]) -> tuple[str, ...]:
        """The names and addresses among these that it does not cover."""
        return tuple(name for name in names if not self.covers(name))


def certificate_names(config: Config) -> tuple[str, ...]:
    """Every name and address that mail programs connect to; the host name first.

    An address assigned by DHCP is not among them: it changes, and after each new certificate every mail program
    asks whether to trust it. Such stations are reached by name, or at the fallback address.
    """
    smtp, lan = config.smtp, config.lan
    listens = (*smtp.listen, *smtp.submission_listen, *smtp.submissions_listen)
    own = lan.address if lan.method is LanMethod.STATIC else lan.fallback_address
    addresses = [own.partition("/")[0], *(listen.rpartition(":")[0].strip("[]") for listen in listens)]
    usable = [address for address in addresses if address and not ipaddress.ip_address(address).is_unspecified]
    names = (config.station.hostname, *config.station.domains, *usable)
    return tuple(dict.fromkeys(map(plain_name, names)))


def plain_name(host: str) -> str:
    """A host name or address in the form used for comparing."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.lower().removesuffix(".")


def is_address(name: str) -> bool:
    """Whether it is an IP address, not a name (RFC 5280 §4.2.1.6 has a kind of entry for each)."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
