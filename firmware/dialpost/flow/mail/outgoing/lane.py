"""One lane of the flush: the mail for one host, over one connection at a time.

Messages are fetched from the queue a few at a time, so that new mail takes its place in the order and a long queue
takes no memory. Each is offered once; a message that only fell with its connection is offered again on the next, as
long as connections deliver something.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from dialpost.core.errors import StorageError
from dialpost.core.mail.envelope import Envelope, QueueId, Recipient
from dialpost.core.mail.mx import DnsProblem
from dialpost.core.mail.outcomes import Deferred, Outcome
from dialpost.core.mail.queue.records import MessageRecord
from dialpost.core.mail.routing import NextHop
from dialpost.core.mail.smtp_target import ConnectSettings, HostTarget, OutgoingMessage, SessionEnd, SessionFate
from dialpost.flow.mail.needs import BodyFiles, WaitingMail

BATCH = 20
MAX_BARREN = 2
"""The number of connections in a row without a delivery after which the lane is left for later."""


class Sender(Protocol):
    """The subset of edge/mail/smtp_client the flush needs."""

    async def send(
        self,
        target: HostTarget,
        settings: ConnectSettings,
        next_message: Callable[[], Awaitable[OutgoingMessage | None]],
        on_outcome: Callable[[OutgoingMessage, tuple[Outcome, ...]], Awaitable[None]],
    ) -> SessionEnd:
        """Send all that `next_message` returns over one connection; report the outcomes of each message."""

    @property
    def patience_ends_s(self) -> float:
        """Until when its work is worth waiting for if nothing else keeps a paid line up (monotonic)."""

    def stop_waiting(self, why: str) -> None:
        """End all connections that wait for their other side, as after a time-out."""

    def break_off(self, why: str) -> None:
        """Break all connections now; each message in them still gets its outcomes."""


Record = Callable[[MessageRecord, Sequence[Outcome]], Awaitable[Sequence[Outcome]]]
"""Records outcomes and returns what happened to them."""


class LaneFate(Enum):
    """How a lane's run ended."""

    EMPTY = "empty"  # nothing more to send now
    UNREACHED = "unreached"  # nothing could be offered: `end` or `problem` says why
    STUCK = "stuck"  # connections that end without moving anything: enough for now


@dataclass(frozen=True, slots=True)
class LaneEnd:
    """The result of a lane's run."""

    fate: LaneFate
    end: SessionEnd | None = None
    problem: DnsProblem | None = None


@dataclass(slots=True)
class Lane:
    """Mail for one host of one next hop: for these domains, or for all (None).

    `tried` holds messages that were deferred in this call; they are not offered again in it.
    """

    hop: NextHop
    host: str
    domains: set[str] | None
    tried: set[QueueId] = field(default_factory=set)
    in_flight: dict[QueueId, MessageRecord] = field(default_factory=dict)
    fetched: deque[MessageRecord] = field(default_factory=deque)

    def covers(self) -> Sequence[str] | None:
        """The domains, in the form the queue expects."""
        return None if self.domains is None else sorted(self.domains)


class LaneRun:
    """Serves one lane once. `is_stopping` ends it after the messages in flight."""

    def __init__(
        self,
        lane: Lane,
        queue: WaitingMail,
        bodies: BodyFiles,
        record: Record,
        *,
        due_s: Callable[[], int],
        is_stopping: Callable[[], bool],
    ) -> None:
        self._lane, self._queue, self._bodies, self._record = lane, queue, bodies, record
        self._due_s, self._is_stopping = due_s, is_stopping
        self._moved = False
        self._fallen: dict[QueueId, tuple[MessageRecord, Sequence[Outcome]]] = {}
        self._fault: StorageError | None = None
        self.bytes_up = self.bytes_down = 0

    async def has_more(self) -> bool:
        """Whether there is anything to offer. Raises: StorageError."""
        if self._is_stopping() or self._fault is not None:
            return False
        if not self._lane.fetched:
            taken = self._lane.tried | self._lane.in_flight.keys() | self._fallen.keys()
            self._lane.fetched.extend(
                await self._queue.remote_batch(self._lane.covers(), self._due_s(), BATCH, taken)
            )
        return bool(self._lane.fetched)

    async def serve(self, sender: Sender, target: HostTarget, settings: ConnectSettings) -> LaneEnd:
        """Connect, and reconnect as long as that delivers something and more waits.

        Raises: StorageError if outcomes could not be recorded; nothing more is sent then.
        """
        was_ready, barren = False, 0
        while True:
            self._moved = False
            end = await sender.send(target, settings, self._next, self._done)
            self.bytes_up += end.bytes_up
            self.bytes_down += end.bytes_down
            was_ready = was_ready or end.ready
            barren = 0 if end.messages else barren + 1
            # Not marked as tried: the next connection fetches them again, at their place in the order.
            fallen, self._fallen = self._fallen, {}
            self._lane.fetched.clear()
            if not (end.ready and self._moved and barren < MAX_BARREN and await self.has_more()):
                await self._settle_fallen(fallen)
                if self._fault is not None:
                    raise self._fault
                return self._end(end, was_ready)

    def _end(self, end: SessionEnd, was_ready: bool) -> LaneEnd:
        if not end.ready:
            return LaneEnd(LaneFate.STUCK if was_ready else LaneFate.UNREACHED, end)
        is_cut = end.fate is not SessionFate.DONE
        return LaneEnd(LaneFate.STUCK if is_cut and not self._moved else LaneFate.EMPTY, end)

    async def _next(self) -> OutgoingMessage | None:
        """The next message to offer; None if there is nothing more now."""
        if not await self.has_more():
            return None
        message = self._lane.fetched.popleft()
        self._lane.in_flight[message.queue_id] = message
        recipients = tuple(Recipient(one.address, one.notify, one.orcpt) for one in message.recipients)
        envelope = Envelope(
            message.sender, recipients, message.body_type, message.smtputf8, message.envid, message.ret
        )
        body = self._bodies.stored(message.queue_id)
        return OutgoingMessage(
            message.queue_id, envelope, message.wire_size, body, message.local_prefix, message.checksum
        )

    async def _done(self, outgoing: OutgoingMessage, outcomes: tuple[Outcome, ...]) -> None:
        """Never raises for a fault of the card: the client has to report the server's other replies, too."""
        message = self._lane.in_flight[outgoing.queue_id]
        try:
            if all(_only_fell(outcome) for outcome in outcomes):
                self._fallen[message.queue_id] = (message, outcomes)
            else:
                await self._settle(message, outcomes)
        except StorageError as error:
            self._fault = error
        finally:
            self._lane.in_flight.pop(outgoing.queue_id, None)

    async def _settle(self, message: MessageRecord, outcomes: Sequence[Outcome]) -> None:
        self._moved = True
        self._lane.tried.add(message.queue_id)  # before recording: if that fails, it must not be offered again
        settled = await self._record(message, outcomes)
        if not any(isinstance(outcome, Deferred) for outcome in settled):
            self._lane.tried.discard(message.queue_id)

    async def _settle_fallen(self, fallen: Mapping[QueueId, tuple[MessageRecord, Sequence[Outcome]]]) -> None:
        for message, outcomes in fallen.values():
            self._lane.tried.add(message.queue_id)
            try:
                await self._record(message, outcomes)
            except StorageError as error:
                self._fault = error


def _only_fell(outcome: Outcome) -> bool:
    """Whether the connection failed, not the message: it was not tried, or the server was closing (421)."""
    return (
        isinstance(outcome, Deferred)
        and not outcome.answer_unknown
        and (not outcome.counts_as_attempt or outcome.reply.code == 421)
    )
