"""The operator's actions on many messages: retry, hold, release and delete what matches filters.

A request looks at a bounded number of messages, in slices; the face asks again from where it ended. So no request
takes long, mail and other faces have their turn in between, and an operator who interrupts the command stops it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Protocol

from dialpost.core.control import queue as api
from dialpost.core.errors import ControlError, NotFoundError
from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.queue.choice import Choice, address_filter
from dialpost.core.mail.queue.ids import queue_id, queue_number
from dialpost.core.mail.queue.records import MessageRecord, RecipientState
from dialpost.flow import maillog

_SLICE = 200
"""Messages that are changed in one transaction."""
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

    async def chosen(self, choice: Choice, limit: int, after: QueueId | None) -> list[MessageRecord]:
        """Matching messages with their matching recipients, oldest first, numbered above `after`."""

    async def move(
        self, messages: Sequence[MessageRecord], from_states: Set[RecipientState], to_state: RecipientState
    ) -> list[int]:
        """Change the state of these recipients, durably; returns for each message how many."""

    async def retry_now(self, messages: Sequence[MessageRecord]) -> None:
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
        examples = await self._queue.chosen(choice, _EXAMPLES, None) if found.messages else []
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
        tally, left, rest = _Tally(), api.MOST_AT_ONCE, ""
        left_bytes = _MOST_READ_BYTES
        try:
            while messages := await self._queue.chosen(choice, min(_SLICE, left), after):
                if wanted.action is api.Action.RELEASE:
                    messages, left_bytes = _readable(messages, left_bytes)
                await self._change(wanted.action, messages, tally)
                after, left = messages[-1].queue_id, left - len(messages)
                if not left or left_bytes <= 0:
                    rest = after
                    break
        finally:
            if tally.messages:
                maillog.operator_many(_DONE[wanted.action], tally.messages, tally.recipients, until=after or "")
                self._set_in_motion(wanted.action)
        return api.Changed(messages=tally.messages, recipients=tally.recipients, damaged=tally.damaged, next=rest)

    async def _change(self, action: api.Action, messages: Sequence[MessageRecord], tally: _Tally) -> None:
        if action is api.Action.RETRY:
            await self._queue.retry_now(messages)
            moved = [len(message.recipients) for message in messages]
        else:
            if action is api.Action.RELEASE:  # a held message may have been damaged since it was accepted
                sound = await asyncio.to_thread(self._sound, messages)
                tally.damaged += len(messages) - len(sound)
                messages = sound
            moved = await self._queue.move(messages, _FROM_STATES[action], _TO_STATE[action])
        tally.messages += sum(bool(one) for one in moved)
        tally.recipients += sum(moved)

    def _sound(self, messages: Sequence[MessageRecord]) -> list[MessageRecord]:
        return [one for one in messages if self._bodies.is_sound(one.queue_id, one.size, one.checksum)]

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


def _readable(messages: Sequence[MessageRecord], most_bytes: int) -> tuple[list[MessageRecord], int]:
    """The first messages whose size reaches `most_bytes`, or all; and the bytes left, 0 or less if reached."""
    taken = []
    for message in messages:
        taken.append(message)
        most_bytes -= message.size
        if most_bytes <= 0:
            break
    return taken, most_bytes


def given_id(text: str) -> QueueId:
    """The ID in a request. Raises: NotFoundError if it is none."""
    number = queue_number(text.strip())
    if number is None:
        raise NotFoundError(f"{text!r} is not the ID of a message.")
    return queue_id(number)
