"""One session for ETRN and mail: where TLS is paid for, the mail for a host waits for the ETRN dialogue with it.

The dialogue leaves its open session to the mail instead of ending it. That costs the mail a round trip, and spares
a connection and a handshake. Whoever waits gets None if it has to connect by itself.
"""

from __future__ import annotations

import asyncio

from dialpost.core.mail.esmtp.phases import Phase
from dialpost.core.mail.smtp_target import SessionEnd
from dialpost.edge.mail.smtp_client.driver import SessionDriver

MOST_WAIT_S = 30.0
"""How long mail waits for a host's answers to ETRN: at 2,400 bit/s they take 17 s with a full handshake."""


class Handover:
    """What one ETRN dialogue leaves. `addresses` are those it tries.

    `unreachable` is its end if no address took a connection, `broken` that of everybody if the line is gone. `left`
    is a session that was given to somebody who is cancelled: it has to be closed.
    """

    def __init__(self, addresses: tuple[str, ...]) -> None:
        self.addresses = addresses
        self.unreachable: SessionEnd | None = None
        self.broken: SessionEnd | None = None
        self.left: SessionDriver | None = None
        self._wanted: asyncio.Future[SessionDriver | None] | None = None
        self._is_over = False

    def give(self, talk: SessionDriver) -> bool:
        """Leave the session to the mail that waits; False if none does, or the session is not open for it."""
        if self._wanted is None or self._wanted.done() or talk.core.phase is not Phase.OPEN:
            return False
        talk.is_handed_over = True
        self._wanted.set_result(talk)
        return True

    def end(self) -> None:
        """The dialogue is over. Harmless after `give`."""
        self._is_over = True
        if self._wanted is not None and not self._wanted.done():
            self._wanted.set_result(None)

    def end_for(self, addresses: tuple[str, ...]) -> SessionEnd | None:
        """How a connection to these addresses would end, where that is known."""
        return self.broken or (self.unreachable if addresses == self.addresses else None)

    async def take(self) -> SessionDriver | None:
        """Wait for the session. A cancellation may leave one behind (`left`)."""
        if self._is_over or self._wanted is not None:
            return None
        wanted = self._wanted = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait({wanted}, timeout=MOST_WAIT_S)
        except asyncio.CancelledError:
            self.left = wanted.result() if wanted.done() else None
            raise
        finally:
            wanted.cancel()
        return None if wanted.cancelled() else wanted.result()
