"""What a TLS certificate says of itself, as a value: for whom it is, and from when to when it holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """`names` are the DNS names and IP addresses it is for, in lower case. Times are Unix seconds.

    `fingerprint` is the SHA-256 of its DER form in hex, as `tls_fingerprint` in the configuration wants it.
    """

    names: tuple[str, ...]
    not_before_s: int
    not_after_s: int
    self_signed: bool
    fingerprint: str

    def covers(self, host: str) -> bool:
        """Whether a client that connects to `host` finds that name (RFC 9525 §6.3: `*` is one whole label)."""
        name = host.lower().removesuffix(".")
        return name in self.names or "*." + name.partition(".")[2] in self.names
