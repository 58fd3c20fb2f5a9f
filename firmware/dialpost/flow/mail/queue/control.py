"""The operator's actions on the queue: list, show, retry, hold, release, delete, and trace a message.

Every answer carries its explanation in plain words (core/mail/queue/trace); the face that prints it only lays them
out. `flow/mail/queue/methods` offers the same on the control socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence, Set
from dataclasses import dataclass
from typing import Protocol

from dialpost.core.address import parse_mailbox
from dialpost.core.amounts import count_words
from dialpost.core.control.queue import MOST_LISTED, Done, Message, Recipient
from dialpost.core.errors import AddressError, ControlError, NotFoundError
from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.queue.ids import queue_id as queue_id_of
from dialpost.core.mail.queue.ids import queue_number
from dialpost.core.mail.queue.records import MessageRecord, RecipientRecord, RecipientState
from dialpost.core.mail.queue.trace import arrival, fate, recipient_name, sender_name
from dialpost.flow import maillog
from dialpost.flow.mail.queue.many import ManyControl, ManyInQueue, given_id

_UNFINISHED = frozenset({RecipientState.WAITING, RecipientState.HELD})
PAGE = 25
"""Messages of a long answer that are made at a time: the rest of the station has its turn in between."""
_READ_AT_ONCE = 100


class QueueForControl(Protocol):
    """The subset of the store (edge/mail/store) the operator's commands need."""

    @property
    def many(self) -> ManyInQueue:
        """The part for many messages."""

    async def get(self, wanted: QueueId) -> MessageRecord | None:
        """A message with all its recipients."""

    async def listing(
        self, *, states: Set[RecipientState], limit: int, address: str | None, offset: int, after: QueueId | None
    ) -> list[MessageRecord]:
        """Messages with a recipient in one of these states, oldest first, numbered above `after`."""

    async def find(self, text: str, limit: int) -> list[MessageRecord]:
        """By queue id, address or Message-ID, newest first."""

    async def failure_notices(self, about: QueueId) -> list[MessageRecord]:
        """The notices to the sender that this message could not be delivered."""

    async def set_state(
        self,
        message: QueueId,
        from_states: Set[RecipientState],
        to_state: RecipientState,
        numbers: Sequence[int] | None,
    ) -> int:
        """Change the state of recipients, durably; returns how many."""

    async def retry_now(self, message: QueueId | None) -> int:
        """Make waiting recipients due at once; returns how many."""


class BodiesForControl(Protocol):
    """The subset of the spool (edge/mail/spool) the operator's commands need."""

    def is_sound(self, queue_id: QueueId, size: int, checksum: int | None) -> bool:
        """Whether a body is exactly as it was stored. Blocks."""


class Clock(Protocol):
    """The wall clock, and whether it is right."""

    def wall_s(self) -> float:
        """Unix seconds."""

    def is_trusted(self) -> bool:
        """Whether it was set."""


@dataclass(frozen=True, slots=True)
class _Move:
    """A change of state by the operator, and the words for it."""

    from_states: frozenset[RecipientState]
    to_state: RecipientState
    done: str
    wanted: str


_HOLD = _Move(frozenset({RecipientState.WAITING}), RecipientState.HELD, "held", "waits")
_RELEASE = _Move(frozenset({RecipientState.HELD}), RecipientState.WAITING, "released", "is held")
_DELETE = _Move(_UNFINISHED, RecipientState.DELETED, "deleted", "waits or is held")


class QueueControl:
    """The operator's control of the queue; `many` is the part for many messages.

    `on_work` is called when something became due, `on_finished` when something was deleted. `waits_for` names what
    sends mail to the world here ("the next call", "the line"); `size_hold` returns what a message held for its size
    (by its id) waits for; `trouble_of` what must change before mail for an address can be sent.
    """

    def __init__(
        self,
        queue: QueueForControl,
        bodies: BodiesForControl,
        clock: Clock,
        *,
        waits_for: str = "the next call",
        size_hold: Callable[[str], str] = lambda _: "held because it is big",
        trouble_of: Callable[[str], str] = lambda _: "",
        on_work: Callable[[], None] = lambda: None,
        on_finished: Callable[[], None] = lambda: None,
    ) -> None:
        self._queue = queue
        self._bodies = bodies
        self._waits_for = waits_for
        self._size_hold = size_hold
        self._trouble_of = trouble_of
        self._on_work = on_work
        self._on_finished = on_finished
        self.many = ManyControl(
            queue.many,
            bodies,
            lambda message: self._view(message, _UNFINISHED),
            clock_trusted=clock.is_trusted,
            wall_clock=clock.wall_s,
            on_work=on_work,
            on_finished=on_finished,
        )

    async def listing(
        self,
        *,
        address: str | None = None,
        held_only: bool = False,
        limit: int = 100,
        offset: int = 0,
        after: str | None = None,
    ) -> AsyncIterator[list[Message]]:
        """Waiting and held messages (from or to `address`), oldest first, with the unfinished recipients, in pages.

        Begins after the message `after`. Raises: NotFoundError.
        """
        states = {RecipientState.HELD} if held_only else _UNFINISHED
        last = None if after is None else given_id(after)
        while limit > 0:
            found = await self._queue.listing(
                states=states,
                limit=min(limit, _READ_AT_ONCE),
                address=None if address is None else _as_stored(address),
                offset=offset,
                after=last,
            )
            for first in range(0, len(found), PAGE):
                yield [self._view(message, _UNFINISHED) for message in found[first : first + PAGE]]
            if len(found) < _READ_AT_ONCE:
                return
            limit, offset, last = limit - len(found), 0, found[-1].queue_id

    async def show(self, queue_id: str) -> Message:
        """One message with all recipients. Raises: NotFoundError."""
        return await self._whole_view(await self._get(queue_id))

    async def trace(self, text: str, limit: int = 20) -> list[Message]:
        """Find messages by queue id, address or Message-ID, newest first. Raises: NotFoundError."""
        wanted, limit = text.strip(), min(max(limit, 1), MOST_LISTED)
        found = await self._queue.find(wanted, limit) if wanted else []
        if not found and _as_stored(wanted) != wanted:
            # An address may have been typed with an international domain; the queue keeps A-labels.
            found = await self._queue.find(_as_stored(wanted), limit)
        if not found:
            raise NotFoundError(
                f"There is no record of {wanted!r}. Give a queue id (D0000012), an address or a Message-ID exactly "
                "as written; finished mail is listed for retention.history_days."
            )
        views: list[Message] = []
        for message in found:
            if len(views) % PAGE == 0:
                await asyncio.sleep(0)
            views.append(await self._whole_view(message))
        return views

    async def retry(self, queue_id: str | None) -> Done:
        """Make one message, or all waiting ones (None), due at once. Raises: NotFoundError."""
        message = None if queue_id is None else await self._get(queue_id)
        count = await self._queue.retry_now(None if message is None else message.queue_id)
        self._on_work()
        if message is None:
            return Done(count=count, words="Everything that waits is retried at the next opportunity.")
        maillog.operator(message.queue_id, action="retry", count=count)
        if not count:
            raise ControlError(f"{message.queue_id} has no recipient that waits. {_standing(message)}")
        return Done(
            count=count,
            words=f"{message.queue_id} is retried at the next opportunity ({count_words(count, 'recipient')}).",
        )

    async def hold(self, queue_id: str, address: str | None = None) -> Done:
        """Hold waiting recipients (of that address, or all). Raises: NotFoundError, ControlError."""
        return await self._move(_HOLD, queue_id, address)

    async def release(self, queue_id: str, address: str | None = None) -> Done:
        """Release held recipients. Raises: NotFoundError; ControlError if the content is damaged."""
        message = await self._get(queue_id)
        is_held = any(recipient.state is RecipientState.HELD for recipient in message.recipients)
        # Checked here, because a held message may have been damaged long after it was accepted.
        if is_held and not await asyncio.to_thread(
            self._bodies.is_sound, message.queue_id, message.size, message.checksum
        ):
            raise ControlError(
                f"{message.queue_id} can't be sent: its content is missing or damaged on the card. Ask "
                f"{sender_name(message.sender)} to send it again, then delete this one."
            )
        done = await self._move(_RELEASE, queue_id, address)
        self._on_work()
        return done

    async def delete(self, queue_id: str, address: str | None = None) -> Done:
        """Delete unfinished recipients without a notice to the sender. Raises: NotFoundError, ControlError."""
        done = await self._move(_DELETE, queue_id, address)
        self._on_finished()
        return done

    async def _move(self, move: _Move, queue_id: str, address: str | None) -> Done:
        message = await self._get(queue_id)
        numbers = None if address is None else _numbers(message, address)
        count = await self._queue.set_state(message.queue_id, move.from_states, move.to_state, numbers)
        if not count:
            raise ControlError(
                f"{message.queue_id} has no recipient that {move.wanted}. {_standing(message)}"
                if move is not _RELEASE or all(recipient.address for recipient in message.recipients)
                else f"{message.queue_id} can't be sent: the card lost its recipients. Its content is in the file "
                f"spool/{message.queue_id}: send it on by hand, then delete it."
            )
        maillog.operator(message.queue_id, action=move.done, count=count)
        return Done(count=count, words=f"{message.queue_id}: {count_words(count, 'recipient')} {move.done}.")

    async def _get(self, text: str) -> MessageRecord:
        number = queue_number(text.strip())
        message = None if number is None else await self._queue.get(queue_id_of(number))
        if message is None:
            raise NotFoundError(f"There is no message {text!r}. `dialpost queue list` shows the waiting mail.")
        return message

    async def _whole_view(self, message: MessageRecord) -> Message:
        """All recipients; for a bounced one also whether its notice arrived."""
        is_bounced = any(one.state is RecipientState.BOUNCED for one in message.recipients)
        notices = await self._queue.failure_notices(message.queue_id) if is_bounced and message.sender else []
        return self._view(message, frozenset(RecipientState), notices)

    def _view(
        self, message: MessageRecord, states: Set[RecipientState], notices: Sequence[MessageRecord] = ()
    ) -> Message:
        summary = arrival(message)
        recipients = tuple(
            self._recipient_view(message, recipient, notices)
            for recipient in message.recipients
            if recipient.state in states
        )
        return Message(
            queue_id=message.queue_id,
            sender=message.sender,
            subject=message.subject,
            size=message.size,
            received_s=message.received_s,
            priority=message.priority.name.lower(),
            origin=message.origin.value,
            message_id=message.message_id_header,
            summary=summary,
            recipients=recipients,
            sentences=(summary, *(f"{one.name or one.address}: {one.words}" for one in recipients)),
        )

    def _recipient_view(
        self, message: MessageRecord, recipient: RecipientRecord, notices: Sequence[MessageRecord]
    ) -> Recipient:
        notice = min(notices, key=lambda one: abs(one.received_s - recipient.last_try_s), default=None)
        because = self._size_hold(message.queue_id) if recipient.is_held_for_size else ""
        return Recipient(
            number=recipient.number,
            address=recipient.address,
            state=recipient.state.value,
            words=_joined(
                fate(message, recipient, waits_for=self._waits_for, size_hold=because, notice=notice),
                self._trouble_of(recipient.address) if _waits_for_world(recipient) else "",
            ),
            is_local=recipient.local_account is not None,
            attempts=recipient.attempts,
            next_try_s=recipient.next_try_s,
            answer_unknown=recipient.answer_unknown,
            held_because=because,
            original_address=_original(recipient),
            name=recipient_name(recipient),
        )


def _original(recipient: RecipientRecord) -> str:
    written = recipient.original_address or ""
    return "" if written == recipient.address else written


def _waits_for_world(recipient: RecipientRecord) -> bool:
    return recipient.state is RecipientState.WAITING and recipient.local_account is None


def _joined(words: str, trouble: str) -> str:
    return f"{words} {trouble}" if trouble else words


def _as_stored(text: str) -> str:
    """An address in the form the queue keeps (domains as A-labels); anything else as it is."""
    try:
        return str(parse_mailbox(text))
    except AddressError:
        return text


def _numbers(message: MessageRecord, address: str) -> list[int]:
    """The recipients of that address. Raises: NotFoundError."""
    wanted = _as_stored(address.strip()).lower()
    numbers = [
        recipient.number
        for recipient in message.recipients
        if wanted in (recipient.address.lower(), (recipient.original_address or "").lower())
    ]
    if not numbers:
        raise NotFoundError(f"{message.queue_id} has no recipient {address}.")
    return numbers


def _standing(message: MessageRecord) -> str:
    """The states of its recipients, for the refusal of an impossible request."""
    states = sorted({recipient.state.value for recipient in message.recipients})
    return f"It is {' and '.join(states)}."
