"""The operator's actions on many messages: retry, hold, release and delete what matches filters.

A request looks at a bounded number of messages, in slices; the face asks again from where it ended. So no request
takes long, mail and other faces have their turn in between, and an operator who interrupts the command stops it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence, Set
from dataclasses import dataclass
from typing import Protocol

from dialpost.core.control import queue as api
from dialpost.core.errors import ControlError, NotFoundError
from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.queue.choice import Choice, Slice, address_filter
from dialpost.core.mail.queue.ids import queue_id, queue_number
from dialpost.core.mail.queue.records import MessageRecord, RecipientState
from dialpost.flow import maillog

_SLICE = 500
"""Recipients that are changed in one transaction."""
_MOST_READ_BYTES = 50_000_000
"""Bodies that a request to release checks by reading them: a few seconds on a slow card."""
_EXAMPLES = 10
_WAITING, _HELD = frozenset({RecipientState.WAITING}), frozenset({RecipientState.HELD})
_FROM_STATES = {
    api.Action.RETRY: _WAITING,
    api.Action.HOLD: _WAITING,
    api.Action.RELEASE: _HELD,
    api.Action.DELETE: _WAITING | _HELD,
}
_TO_STATE = {
    api.Action.HOLD: RecipientState.HELD,
    api.Action.RELEASE: RecipientState.WAITING,
    api.Action.DELETE: RecipientState.DELETED,
}
_DONE = {
    api.Action.RETRY: "retry",
    api.Action.HOLD: "held",
    api.Action.RELEASE: "released",
    api.Action.DELETE: "deleted",
}


class Matching(Protocol):
    """How much a choice matches (edge/mail/store/many)."""

    @property
    def messages(self) -> int: ...
    @property
    def recipients(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def newest(self) -> QueueId | None: ...


class ManyInQueue(Protocol):
    """The subset of the store (edge/mail/store/many) that is needed here."""

    async def matching(self, choice: Choice) -> Matching:
        """How much the choice matches now."""

    async def chosen(self, choice: Choice, limit: int) -> list[MessageRecord]:
        """The oldest matching messages with their matching recipients."""

    async def next_slice(self, choice: Choice, limit: int, after: QueueId | None) -> Slice | None:
        """The first `limit` matching recipients, and the rest of the last message's, of messages above `after`."""

    async def get_all(self, messages: Collection[QueueId]) -> list[MessageRecord]:
        """These messages, oldest first."""

    async def move(
        self,
        part: Slice,
        from_states: Set[RecipientState],
        to_state: RecipientState,
        *,
        until: QueueId,
        without: Set[QueueId],
    ) -> tuple[int, int]:
        """Change the state of these recipients, durably, but not of messages above `until` or in `without`; returns
        how many messages and recipients changed.
        """

    async def retry_now(self, part: Slice) -> None:
        """Make these recipients due at once, durably."""


class SoundBodies(Protocol):
    """The subset of the spool (edge/mail/spool) that is needed here."""

    def is_sound(self, queue_id: QueueId, size: int, checksum: int | None) -> bool:
        """Whether a body is exactly as it was stored. Blocks."""


@dataclass(slots=True)
class _Tally:
    messages: int = 0
    recipients: int = 0
    damaged: int = 0
    looked_at: int = 0
    read_bytes: int = 0


class ManyControl:
    """The operator's control of many messages. `view` shows one with its unfinished recipients; the other callables
    are as in `QueueControl`.
    """

    def __init__(
        self,
        queue: ManyInQueue,
        bodies: SoundBodies,
        view: Callable[[MessageRecord], api.Message],
        *,
        clock_trusted: Callable[[], bool],
        wall_clock: Callable[[], float],
        on_work: Callable[[], None] = lambda: None,
        on_finished: Callable[[], None] = lambda: None,
    ) -> None:
        self._queue, self._bodies, self._view = queue, bodies, view
        self._clock_trusted, self._wall_clock = clock_trusted, wall_clock
        self._on_work, self._on_finished = on_work, on_finished

    async def match(self, wanted: api.MatchParams) -> api.Match:
        """Count what would be affected. Raises: ControlError, AddressError."""
        choice = self._choice(wanted, None)
        found = await self._queue.matching(choice)
        examples = await self._queue.chosen(choice, _EXAMPLES) if found.messages else []
        return api.Match(
            messages=found.messages,
            recipients=found.recipients,
            bytes=found.size,
            newest=found.newest or "",
            examples=tuple(self._view(message) for message in examples),
        )

    async def change(self, wanted: api.ChangeParams) -> api.Changed:
        """Change the first messages that match; durable when it returns.

        Raises: ControlError, NotFoundError, AddressError (nothing is changed); StorageError.
        """
        choice = self._choice(wanted, wanted.up_to)
        after = None if wanted.after is None else given_id(wanted.after)
        tally, rest = _Tally(), ""
        try:
            while part := await self._queue.next_slice(
                choice, min(_SLICE, api.MOST_AT_ONCE - tally.looked_at), after
            ):
                after = await self._change(wanted.action, part, tally)
                if tally.looked_at >= api.MOST_AT_ONCE or tally.read_bytes >= _MOST_READ_BYTES:
                    rest = after
                    break
        finally:
            if tally.messages:
                maillog.operator_many(_DONE[wanted.action], tally.messages, tally.recipients, until=after or "")
                self._set_in_motion(wanted.action)
        return api.Changed(messages=tally.messages, recipients=tally.recipients, damaged=tally.damaged, next=rest)

    async def _change(self, action: api.Action, part: Slice, tally: _Tally) -> QueueId:
        """Change a slice, or the beginning of it; returns the last message that was looked at."""
        last, damaged = part.last, set[QueueId]()
        if action is api.Action.RETRY:
            await self._queue.retry_now(part)
            messages, recipients = part.messages, len(part.keys)
        else:
            if action is api.Action.RELEASE and part.held_by_station:
                doubtful = await self._queue.get_all(part.held_by_station)
                last, damaged = await asyncio.to_thread(self._check, doubtful, part.last, tally)
            messages, recipients = await self._queue.move(
                part, _FROM_STATES[action], _TO_STATE[action], until=last, without=damaged
            )
        tally.looked_at += len(part.keys)
        tally.messages += messages
        tally.recipients += recipients
        tally.damaged += len(damaged)
        return last

    def _check(
        self, doubtful: Sequence[MessageRecord], last: QueueId, tally: _Tally
    ) -> tuple[QueueId, set[QueueId]]:
        """Read bodies, until they are as many bytes as a request has time for; returns the message reached, and
        those that are damaged.
        """
        damaged = set()
        for one in doubtful:
            if not self._bodies.is_sound(one.queue_id, one.size, one.checksum):
                damaged.add(one.queue_id)
            tally.read_bytes += one.size
            if tally.read_bytes >= _MOST_READ_BYTES:
                return one.queue_id, damaged
        return last, damaged

    def _set_in_motion(self, action: api.Action) -> None:
        if action is api.Action.DELETE:
            self._on_finished()
        elif action is not api.Action.HOLD:
            self._on_work()

    def _choice(self, wanted: api.MatchParams, up_to: str | None) -> Choice:
        filters = (wanted.sender, wanted.recipient, wanted.older_than_s, wanted.larger_than, wanted.state)
        if not wanted.every and all(one is None for one in filters):
            raise ControlError("Nothing says which messages: give a filter, or ask for every message.")
        states = _FROM_STATES[wanted.action]
        if wanted.state is not None:
            states &= {RecipientState(wanted.state.value)}
        if not states:
            raise ControlError(f"{wanted.action.value} does nothing to {wanted.state and wanted.state.value} mail.")
        return Choice(
            states=states,
            sender=None if wanted.sender is None else address_filter(wanted.sender),
            recipient=None if wanted.recipient is None else address_filter(wanted.recipient),
            received_before_s=self._received_before_s(wanted.older_than_s),
            larger_than=wanted.larger_than,
            up_to=None if up_to is None else given_id(up_to),
        )

    def _received_before_s(self, older_than_s: int | None) -> int | None:
        if older_than_s is None:
            return None
        if not self._clock_trusted():
            raise ControlError("The clock is not set yet, so nobody knows how old the mail is.")
        return int(self._wall_clock()) - older_than_s


def given_id(text: str) -> QueueId:
    """The ID in a request. Raises: NotFoundError if it is none."""
    number = queue_number(text.strip())
    if number is None:
        raise NotFoundError(f"{text!r} is not the ID of a message.")
    return queue_id(number)
