"""What the provider is sending at this moment: the evidence by which a call decides when to hang up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dialpost.core.mail.esmtp.tls_cost import TlsCost


class InboundActivity:
    """Counts connections, messages and bytes from outside. Used from the event loop only.

    `last_activity_s` is when anything last happened, `last_byte_s` when the last command or content came (both
    monotonic, None: never).
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._changed = asyncio.Event()
        self.connections = 0
        self.last_activity_s: float | None = None
        self.last_byte_s: float | None = None
        self.messages = 0
        self.bytes = 0
        self.tls_cost = TlsCost()

    def opened(self) -> None:
        """A connection was made."""
        self.connections += 1
        self._tell()

    def closed(self) -> None:
        """A connection is gone."""
        self.connections -= 1
        self._tell()

    def moved(self, count: int) -> None:
        """Bytes of a message came: the line is alive, but nobody needs to wake up for each of them."""
        self.bytes += count
        self.last_activity_s = self.last_byte_s = self._monotonic()

    def spoke(self) -> None:
        """A command came."""
        self.last_activity_s = self.last_byte_s = self._monotonic()

    def shook_hands(self, cost: TlsCost) -> None:
        """A TLS handshake is over."""
        self.tls_cost += cost
        self.spoke()

    def message_in(self) -> None:
        """A message is in."""
        self.messages += 1
        self._tell()

    async def changed(self) -> None:
        """Wait until a connection is made or ends, or a message is in."""
        await self._changed.wait()

    def _tell(self) -> None:
        self.last_activity_s = self._monotonic()
        # A fresh event, so that everyone who waits now wakes exactly once and later waiters wait for the next
        # change.
        self._changed.set()
        self._changed = asyncio.Event()
