"""TLS to other mail hosts: one context per kind of verification, and sessions kept for the next call.

A handshake takes 1.7 to 6 kB, by the host's certificates; a resumed one 1.2 kB. So a session is kept in memory for
each host (RFC 8446 §2.2), never shared between kinds of verification; decision 42 has the figures.
"""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

from dialpost.core.config.model import TlsVerify
from dialpost.core.mail.esmtp.tls_use import TlsUse

MAX_SESSIONS = 32  # some kB each; a station without a smarthost may write to many hosts


LEAN_GROUP = "prime256v1"
"""The one group for the key exchange on a dialled line; TLS 1.3 demands it of every host (RFC 8446 §9.1). What
OpenSSL 3.5 begins with (X25519MLKEM768) takes over a kilobyte more each way, in a resumed handshake too. Python
before 3.15 can name a single group only."""


class TlsRefusedError(Exception):
    """The handshake succeeded, but not as configured; or it failed. The text is for people.

    `is_to_repeat`: another connection would do it in another way.
    """

    def __init__(self, words: str, *, is_to_repeat: bool = False) -> None:
        super().__init__(words)
        self.is_to_repeat = is_to_repeat


class TlsMemory:
    """Contexts and sessions, for as long as the daemon runs."""

    def __init__(self, ca_file: Path | None = None, *, is_lean: bool = False) -> None:
        """`is_lean`: each byte costs, so the handshake offers one group, to hosts that take it."""
        self._ca_file = ca_file
        self._is_lean = is_lean
        self._not_lean: set[str] = set()
        self._contexts: dict[tuple[TlsVerify, bool], ssl.SSLContext] = {}
        self._sessions: dict[TlsUse, tuple[ssl.SSLContext, ssl.SSLSession]] = {}
        """With the context each belongs to: no other accepts it."""

    def begin(self, use: TlsUse, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> ssl.SSLObject:
        """A TLS object before its handshake. Raises: ssl.SSLError, OSError, ValueError."""
        context = self._context(use.verify, is_lean=self._is_lean_with(use.host))
        kept = self._sessions.get(use)
        session = kept[1] if kept is not None and kept[0] is context else None
        return context.wrap_bio(incoming, outgoing, server_hostname=use.host or None, session=session)

    def check(self, use: TlsUse, connection: ssl.SSLObject) -> None:
        """Check what the handshake itself does not. Raises: TlsRefusedError."""
        if use.verify is not TlsVerify.FINGERPRINT:
            return
        certificate = connection.getpeercert(binary_form=True)
        found = hashlib.sha256(certificate).hexdigest() if certificate else "none"
        if found != use.fingerprint:
            raise TlsRefusedError(
                f"the certificate of {use.host} has the fingerprint {found}, not the configured one"
            )

    def keep(self, use: TlsUse, connection: ssl.SSLObject) -> None:
        """Remember the session for the next connection."""
        if connection.session is None:
            return
        self._sessions.pop(use, None)
        self._sessions[use] = connection.context, connection.session
        if len(self._sessions) > MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]  # the one not used for longest

    def knows(self, use: TlsUse) -> bool:
        """Whether TLS was done with this host, since the start."""
        return use in self._sessions

    def failed(self, use: TlsUse) -> bool:
        """A handshake failed. Returns whether the next one is to be another: full, or with every group."""
        if self._sessions.pop(use, None) is not None:
            return True
        if not self._is_lean_with(use.host):
            return False
        self._not_lean.add(use.host)
        return True

    def _is_lean_with(self, host: str) -> bool:
        return self._is_lean and host not in self._not_lean

    def _context(self, verify: TlsVerify, *, is_lean: bool) -> ssl.SSLContext:
        context = self._contexts.get((verify, is_lean))
        if context is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8314 §4.1
            context.options |= ssl.OP_NO_RENEGOTIATION
            context.check_hostname = verify is TlsVerify.FULL
            if verify in (TlsVerify.FULL, TlsVerify.CA_ONLY):
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_default_certs()
                if self._ca_file is not None:
                    context.load_verify_locations(self._ca_file)
            else:
                context.verify_mode = ssl.CERT_NONE
            if is_lean:
                context.set_ecdh_curve(LEAN_GROUP)
            self._contexts[verify, is_lean] = context
        return context
