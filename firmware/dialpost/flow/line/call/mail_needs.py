"""What the mail of a call needs from the flush, ETRN, the provider's side and the line, and what it counts.

`flow/line/call/mail_part` takes these; the wiring passes in objects that have them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from dialpost.core.line.call.habits import ProviderHabits
from dialpost.core.line.link import Traffic
from dialpost.core.mail.etrn import EtrnAnswer
from dialpost.core.mail.inbound.collected import Collected
from dialpost.core.mail.queue.hope import Hope


class Etrn(Protocol):
    """The subset of flow/mail/outgoing/etrn.EtrnAsk a call needs."""

    async def ask(self, *, is_retry: bool = False) -> tuple[EtrnAnswer, ...]:
        """Ask for every name; one answer each, whatever happens. `is_retry`: nobody was reached a moment ago."""


class Collector(Protocol):
    """One connection of the station's own over which mail is fetched: ATRN's, or one to a mailbox."""

    async def collect(self) -> Collected:
        """Fetch what may be fetched, once. Never raises for what a server or a line does.

        A cancellation means that the line is gone: all that was acknowledged is safe.
        """

    def stop(self) -> None:
        """End after the current message."""

    @property
    def patience_ends_s(self) -> float:
        """Until when it is worth waiting for if nothing else keeps a paid line up (monotonic); inf if it does not
        wait for its other side."""

    def stop_waiting(self, why: str) -> None:
        """End it, as after a time-out, if it waits for its other side."""


@dataclass(frozen=True, slots=True)
class Start:
    """What begins now: ETRN, connections that fetch mail. `why` is a sentence for people, "" if it goes without
    saying."""

    etrn: bool = False
    collectors: tuple[Collector, ...] = ()
    why: str = ""


class Ways(Protocol):
    """Which ways the provider's mail takes in a call."""

    def begin_call(self) -> Start:
        """A call is on line."""

    def answered(self, answers: tuple[EtrnAnswer, ...]) -> Start:
        """What follows from the answers to ETRN."""

    def collected(self, result: Collected) -> Start:
        """What follows from the end of a collector."""

    def end_call(self, *, received: int, is_cut: bool) -> None:
        """The call is over; `received` counts its messages."""


class OnlyEtrn:
    """ETRN, and nothing else: what a station does that has no other way."""

    def begin_call(self) -> Start:
        """ETRN on every connect."""
        return Start(etrn=True)

    def answered(self, answers: tuple[EtrnAnswer, ...]) -> Start:
        """Nothing follows."""
        return Start()

    def collected(self, result: Collected) -> Start:
        """Nothing follows."""
        return Start()

    def end_call(self, *, received: int, is_cut: bool) -> None:
        """Nothing is learnt."""


class FlushedCounts(Protocol):
    """The subset of a flush's result that a call needs: messages of one run, and what is left in this call."""

    @property
    def sent(self) -> int:
        """Accepted by a next hop."""

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
        """The mail left behind that another attempt may deliver."""

    @property
    def why_left(self) -> str:
        """Why something was left behind, in the words of the host that deferred it."""


class FlushForCall(Protocol):
    """The subset of flow/mail/outgoing/flush.Flush a call needs."""

    def begin_call(self) -> None:
        """A new call: what was tried in the previous one may be tried again."""

    async def run(self) -> FlushedCounts:
        """Send what is due. Returns once nothing due is left or `stop` was called; outcomes are recorded then."""

    def retry(self) -> None:
        """Let the next run retry what was deferred in this call and may go now."""

    def stop(self, after_current: bool) -> None:
        """End the current run: after the message being sent, or immediately."""

    @property
    def patience_ends_s(self) -> float:
        """Until when sessions (including ETRN's) are worth waiting for if nothing else needs the line."""

    def stop_waiting(self, why: str) -> None:
        """End the sessions that wait for their other side, as after a time-out."""

    @property
    def sending(self) -> Collection[object]:
        """The messages being sent at this moment."""


class Inbound(Protocol):
    """The subset of flow/mail/incoming/inbound_activity.InboundActivity a call needs: the provider's side only."""

    @property
    def connections(self) -> int:
        """The number of open connections."""

    @property
    def last_activity_s(self) -> float | None:
        """When the last byte went over one of them (monotonic), None if never."""

    @property
    def messages(self) -> int:
        """Messages ever accepted."""

    @property
    def bytes(self) -> int:
        """Bytes of mail ever received."""

    async def changed(self) -> None:
        """Wait until a connection is made or ends, or a message is in."""


class LineMeter(Protocol):
    """The subset of a link that counts."""

    def traffic(self) -> Traffic | None:
        """Bytes since the line came up, None if the link can't count."""

    def doubt(self, why: str) -> None:
        """The provider can't be reached: the link may check whether it is still up."""


@dataclass(frozen=True, slots=True)
class Before:
    """What a call needs to know of those before it.

    `hanging_until_s`: until when connections of the provider may hang that a lost line left (core/line/call/end).
    """

    habits: ProviderHabits
    hanging_until_s: float


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
