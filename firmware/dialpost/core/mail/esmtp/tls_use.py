"""What is verified of a host's TLS, and what success proves.

Whether TLS is used at all: `core/mail/routing`, `core/mail/esmtp/opening`.
"""

from __future__ import annotations

from dataclasses import dataclass

from dialpost.core.config.model import TlsMode, TlsVerify
from dialpost.core.mail.smtp_target import ConnectSettings, HostTarget


@dataclass(frozen=True, slots=True)
class TlsUse:
    """How TLS is done with one host. `is_proof` tells whether success proves who the host is."""

    host: str
    verify: TlsVerify
    fingerprint: str

    @property
    def is_proof(self) -> bool:
        """Any host can get a certificate from a known authority, so ca-only proves nothing."""
        return self.verify in (TlsVerify.FULL, TlsVerify.FINGERPRINT)


def tls_use(target: HostTarget, settings: ConnectSettings) -> TlsUse:
    """What the settings ask for; opportunistic TLS verifies nothing (RFC 7435 §3)."""
    verify = TlsVerify.NONE if settings.tls is TlsMode.OPPORTUNISTIC else settings.tls_verify
    fingerprint = settings.tls_fingerprint.lower().removeprefix("sha256:").replace(":", "").replace(" ", "")
    return TlsUse(target.host.rstrip("."), verify, fingerprint)
