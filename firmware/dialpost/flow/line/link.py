"""The link as the call machine sees it: the way to the world."""

from __future__ import annotations

import asyncio
from typing import Protocol

from dialpost.core.config.model import LinkKind
from dialpost.core.line.link import Again, DialOutcome, DialResult, Traffic


class Link(Protocol):
    """The way to the world. One call at a time: dial, negotiate, (lost), hang_up, in this order."""

    @property
    def kind(self) -> LinkKind:
        """Its kind, one of three."""

    async def dial(self) -> DialOutcome:
        """Bring up the carrier. Never raises for what a line does. A cancellation leaves the link as it is;
        `hang_up` follows.
        """

    async def negotiate(self) -> DialOutcome:
        """Bring up the network over the carrier; CONNECTED once mail can flow."""

    async def lost(self) -> str:
        """Wait until the line is lost; returns why, in words."""

    async def hang_up(self) -> None:
        """Hang up, whatever the state of the line; returns when it is down. Harmless if it is already."""

    def traffic(self) -> Traffic | None:
        """Bytes of this call so far (still known after `hang_up`); None if the link can't count."""

    def doubt(self, why: str) -> None:
        """The provider can't be reached: the link may check whether it is still up."""


class NoLink:
    """Stands in for a modem that can't be used as configured: every dial says why."""

    kind = LinkKind.MODEM

    def __init__(self, why: str) -> None:
        self._why = why

    async def dial(self) -> DialOutcome:
        """The reason, as an outcome."""
        return DialOutcome(DialResult.ERROR, self._why, again=Again.AFTER_CHANGE)

    async def negotiate(self) -> DialOutcome:
        """The same: nothing was dialled."""
        return await self.dial()

    async def lost(self) -> str:
        """Never: there is no line."""
        await asyncio.Event().wait()
        return self._why

    async def hang_up(self) -> None:
        """Nothing to hang up."""

    def traffic(self) -> Traffic | None:
        """None."""
        return None

    def doubt(self, why: str) -> None:
        """Nothing to check."""
