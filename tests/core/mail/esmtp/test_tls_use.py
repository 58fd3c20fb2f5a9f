"""Which TLS a hop gets."""

from __future__ import annotations

import pytest

from dialpost.core.config.model import AuthMechanism, TlsMode, TlsVerify
from dialpost.core.mail.esmtp.tls_use import after_failed_tls, tls_use
from dialpost.core.mail.smtp_target import ConnectSettings, HostTarget

TARGET = HostTarget("mx.far.example.", ("192.0.2.1",), 25)


def test_opportunistic_tls_verifies_nothing() -> None:
    """RFC 7435 §3: a certificate that can't be verified is still better than none."""
    use = tls_use(
        TARGET, ConnectSettings("mail.clinic.example", tls=TlsMode.OPPORTUNISTIC, tls_verify=TlsVerify.FULL)
    )
    assert (use.verify, use.is_proof) == (TlsVerify.NONE, False)


@pytest.mark.parametrize(
    ("verify", "is_proof"),
    [
        (TlsVerify.FULL, True),
        (TlsVerify.FINGERPRINT, True),
        (TlsVerify.CA_ONLY, False),
        (TlsVerify.NONE, False),
    ],
)
@pytest.mark.parametrize("mode", [TlsMode.STARTTLS, TlsMode.IMPLICIT])
def test_required_tls_verifies_what_is_configured(mode: TlsMode, verify: TlsVerify, is_proof: bool) -> None:
    use = tls_use(TARGET, ConnectSettings("mail.clinic.example", tls=mode, tls_verify=verify))
    assert (use.host, use.verify, use.is_proof) == ("mx.far.example", verify, is_proof)


def test_a_fingerprint_is_compared_however_it_was_written() -> None:
    settings = ConnectSettings(
        "mail.clinic.example",
        tls=TlsMode.STARTTLS,
        tls_verify=TlsVerify.FINGERPRINT,
        tls_fingerprint="SHA256:AB:cd EF",
    )
    assert tls_use(TARGET, settings).fingerprint == "abcdef"


@pytest.mark.parametrize(("clear_password", "auth"), [(False, AuthMechanism.AUTO), (True, AuthMechanism.PLAIN)])
def test_after_a_failed_handshake_opportunistic_tls_goes_on_in_clear(
    clear_password: bool, auth: AuthMechanism
) -> None:
    """RFC 7435 §4.3. To name a way to log in allows no password in clear, and nothing follows a try in clear."""
    settings = ConnectSettings(
        "mail.clinic.example",
        tls=TlsMode.OPPORTUNISTIC,
        auth=AuthMechanism.PLAIN,
        clear_password=clear_password,
    )
    clear = after_failed_tls(settings)
    assert clear is not None
    assert (clear.tls, clear.auth, clear.helo) == (TlsMode.NONE, auth, "mail.clinic.example")
    assert after_failed_tls(clear) is None


@pytest.mark.parametrize("mode", [TlsMode.STARTTLS, TlsMode.IMPLICIT, TlsMode.NONE])
def test_required_tls_that_failed_is_not_followed_by_clear_text(mode: TlsMode) -> None:
    assert after_failed_tls(ConnectSettings("mail.clinic.example", tls=mode)) is None
