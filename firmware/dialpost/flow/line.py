"""What a call needs of its link: the way to the world as the call machine sees it."""

from __future__ import annotations

from typing import Protocol

from dialpost.core.config import LinkKind
from dialpost.core.link import DialOutcome, Traffic


class Link(Protocol):
    """The way to the world. One call at a time: dial, negotiate, (lost), hang_up, in this order."""

    @property
    def kind(self) -> LinkKind:
        """Which of the three it is."""

    async def dial(self) -> DialOutcome:
        """Bring up the carrier. Never raises for what a line does. A cancellation leaves the link as it
        is; `hang_up` follows.
        """

    async def negotiate(self) -> DialOutcome:
        """Bring up the network over the carrier: CONNECTED when mail can flow."""

    async def lost(self) -> str:
        """Wait until the line is lost; why, in words."""

    async def hang_up(self) -> None:
        """Put the line down, in whatever state it is; returns when it is down. Harmless if it is."""

    def traffic(self) -> Traffic | None:
        """Bytes of this call so far (still told after `hang_up`), None where the link can't count."""

    def doubt(self, why: str) -> None:
        """The provider can't be reached: the link may check whether it is still up."""
