"""What is verified in a host's TLS, what success proves, and what follows a failed handshake.

Whether TLS is used at all: `core/mail/routing`, `core/mail/esmtp/opening`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dialpost.core.config.model import AuthMechanism, TlsMode, TlsVerify
from dialpost.core.mail.smtp_target import ConnectSettings, HostTarget


@dataclass(frozen=True, slots=True)
class TlsUse:
    """How TLS is done with one host. `is_proof`: success proves who the host is."""

    host: str
    verify: TlsVerify
    fingerprint: str

    @property
    def is_proof(self) -> bool:
        """Any host can get a certificate from a known authority, so ca-only proves nothing."""
        return self.verify in (TlsVerify.FULL, TlsVerify.FINGERPRINT)


def tls_use(target: HostTarget, settings: ConnectSettings) -> TlsUse:
    """What the settings require; opportunistic TLS verifies nothing (RFC 7435 §3)."""
    verify = TlsVerify.NONE if settings.tls is TlsMode.OPPORTUNISTIC else settings.tls_verify
    fingerprint = settings.tls_fingerprint.lower().removeprefix("sha256:").replace(":", "").replace(" ", "")
    return TlsUse(target.host.rstrip("."), verify, fingerprint)


def after_failed_tls(settings: ConnectSettings) -> ConnectSettings | None:
    """How to connect again after a failed handshake: in clear text with opportunistic TLS (RFC 7435 §4.3), None =
    not at all.

    Naming a login mechanism allows it in clear text only if the settings themselves want no TLS, so it is not named
    here.
    """
    if settings.tls is not TlsMode.OPPORTUNISTIC:
        return None
    auth = settings.auth if settings.clear_password else AuthMechanism.AUTO
    return replace(settings, tls=TlsMode.NONE, auth=auth)
