"""What the mail of a call needs of the flush, of ETRN, of the provider's side and of the line, and what it counts.

`flow/line/call/mail_part` is given these; the wiring passes in what has them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from dialpost.core.line.link import Traffic
from dialpost.core.mail.etrn import EtrnAnswer
from dialpost.core.mail.queue.hope import Hope


class Etrn(Protocol):
    """The subset of flow/mail/outgoing/etrn.EtrnAsk a call needs."""

    async def ask(self, *, is_retry: bool = False) -> tuple[EtrnAnswer, ...]:
        """Ask for every name; one answer each, whatever happens. `is_retry`: nobody was reached a moment ago."""


class FlushedCounts(Protocol):
    """The subset of a flush's result that a call needs: messages of one run, and what is left in this call."""

    @property
    def sent(self) -> int:
        """Taken by a next hop."""

    @property
    def deferred(self) -> int:
        """Tried in this call, and still waiting."""

    @property
    def refused(self) -> int:
        """Refused for good."""

    @property
    def notes(self) -> tuple[str, ...]:
        """The part of it that the operator should know."""

    @property
    def hope(self) -> Hope:
        """The mail left over that another try may deliver."""

    @property
    def why_left(self) -> str:
        """Why something is left, in the words of who deferred it."""


class FlushForCall(Protocol):
    """The subset of flow/mail/outgoing/flush.Flush a call needs."""

    def begin_call(self) -> None:
        """A new call: what was tried in the one before may be tried again."""

    async def run(self) -> FlushedCounts:
        """Send what is due. Returns when nothing due is left or `stop` was called; outcomes are on record."""

    def retry(self) -> None:
        """Have the next run try again what was deferred in this call and may go now."""

    def stop(self, after_current: bool) -> None:
        """End the run under way: after the message being sent, or at once."""

    @property
    def patience_ends_s(self) -> float:
        """Until when sessions (ETRN's too) are worth waiting for, where nothing else needs the line."""

    def stop_waiting(self, why: str) -> None:
        """End the sessions that wait for their other side, as after a time-out."""

    @property
    def sending(self) -> Collection[object]:
        """The messages on their way at this moment."""


class Inbound(Protocol):
    """The subset of flow/mail/incoming/inbound_activity.InboundActivity a call needs: the provider's side only."""

    @property
    def connections(self) -> int:
        """Open now."""

    @property
    def last_activity_s(self) -> float | None:
        """When the last byte went over one of them (monotonic), None if never."""

    @property
    def messages(self) -> int:
        """Messages taken in, ever."""

    @property
    def bytes(self) -> int:
        """Bytes of mail received, ever."""

    async def changed(self) -> None:
        """Wait until a connection is made or ends, or a message is in."""


class LineMeter(Protocol):
    """The subset of a link that counts."""

    def traffic(self) -> Traffic | None:
        """Bytes since the line came up, None if the link can't count."""

    def doubt(self, why: str) -> None:
        """The provider can't be reached: the link may check whether it is still up."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Messages of one call so far, and the bytes of mail received."""

    sent: int = 0
    received: int = 0
    deferred: int = 0
    refused: int = 0
    bytes_received: int = 0
    notes: tuple[str, ...] = ()
    hope: Hope = Hope.NONE
    why_left: str = ""
