"""TLS of a provider's mail program as a client, over memory: asyncio's own can't resume a session.

Postfix keeps its sessions (smtp_tls_session_cache_database); Exim and sendmail, as they come, keep none.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable


class TlsClient:
    """One connection's. `write` sends its bytes; `kept` holds the session for the next connection, if any."""

    def __init__(
        self, context: ssl.SSLContext, write: Callable[[bytes], None], kept: list[ssl.SSLSession] | None
    ) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = kept[-1] if kept else None
        self._tls = context.wrap_bio(self._incoming, self._outgoing, session=session)
        self._write, self._kept = write, kept
        self.is_ready = False
        self._advance()

    def received(self, data: bytes) -> bytes:
        """What these bytes bring. Raises: ssl.SSLError."""
        self._incoming.write(data)
        self._advance()
        found = b""
        if self.is_ready:
            try:
                while piece := self._tls.read(65_536):
                    found += piece
            except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
                pass
            self._flush()
        if found and self._kept is not None and self._tls.session is not None:
            self._kept[:] = [self._tls.session]  # TLS 1.3: the ticket comes with the first data
        return found

    def send(self, data: bytes) -> None:
        """Encrypt and send."""
        self._tls.write(data)
        self._flush()

    def _advance(self) -> None:
        if not self.is_ready:
            try:
                self._tls.do_handshake()
                self.is_ready = True
            except ssl.SSLWantReadError:
                pass
            self._flush()

    def _flush(self) -> None:
        if data := self._outgoing.read():
            self._write(data)
