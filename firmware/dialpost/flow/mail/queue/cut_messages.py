"""Holds messages that the line cuts again and again (core/mail/queue/cuts), and releases them in time.

The histories are one small record on the card, of unfinished messages only. A history and the sender's notice are
durable before the message is held, so a crash in between repeats the notice and loses nothing. If the card takes no
record, nothing is held: the message stays where it is. Runs in the daemon's event loop.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence, Set
from dataclasses import replace
from typing import Protocol

from dialpost.core.errors import StorageError
from dialpost.core.json_text import parse_object
from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.queue import cuts as rules
from dialpost.core.mail.queue.cuts import CutHistory
from dialpost.core.mail.queue.records import BY_STATION, MessageRecord, RecipientRecord, RecipientState
from dialpost.flow import maillog
from dialpost.flow.memory import Memory

LOOK_EVERY_S = 600.0
MOST_HISTORIES = 100
"""The oldest of a message that is not held is forgotten first. If all are held, no other message is."""
MOST_LOOKED_AT = 1000
"""Held messages that are examined at the start."""
_SETTLED_S = 60.0
"""By then the rows of a message that is to be held are written."""
_KEY = "mail.cuts"


class Queue(Memory, Protocol):
    """The subset of the store needed here. Each raises StorageError; changes are durable on return."""

    async def get(self, wanted: QueueId) -> MessageRecord | None:
        """A message with all its recipients."""

    async def listing(self, *, states: Set[RecipientState], limit: int) -> list[MessageRecord]:
        """Messages with a recipient in one of these states, oldest first."""

    async def set_state(
        self,
        message: QueueId,
        from_states: Set[RecipientState],
        to_state: RecipientState,
        numbers: Sequence[int] | None,
    ) -> int:
        """Change the state of recipients; returns how many."""


class Notices(Protocol):
    """The subset of flow/mail/bounces needed here."""

    async def held(self, message: MessageRecord, because: str) -> None:
        """Notify the sender. Raises: StorageError."""


class Clock(Protocol):
    """The wall clock, and whether it is right."""

    def wall_s(self) -> float:
        """Unix seconds."""

    def is_trusted(self) -> bool:
        """Whether it was set."""


class CutMessages:
    """The holds. `on_work` is called when held mail was released."""

    def __init__(self, queue: Queue, notices: Notices, clock: Clock, *, on_work: Callable[[], None]) -> None:
        self._queue, self._notices, self._clock, self._on_work = queue, notices, clock, on_work
        self._histories: dict[QueueId, CutHistory] | None = None
        self._has_looked_back = False
        self._seen_s: dict[QueueId, float] = {}  # since when it was seen as held (monotonic)

    async def cut(self, message: MessageRecord, carried_bytes: int) -> str:
        """The connection broke before it was acknowledged. Returns why it must be held now, "" if it need not."""
        if carried_bytes < rules.LEAST_CARRIED_BYTES:
            return ""
        try:
            histories = await self._recalled()
            if not _has_room(histories, message.queue_id):
                return ""
            before = histories.get(message.queue_id, CutHistory(message.wire_size))
            history = rules.after_cut(before, carried_bytes)
            is_to_hold = rules.is_to_hold(history)
            if is_to_hold:
                history = rules.held(history, int(self._clock.wall_s()))
                self._seen_s[message.queue_id] = asyncio.get_running_loop().time()
                if not history.is_told:
                    await self._notices.held(message, rules.sender_words(history, message.queue_id))
                    history = replace(history, is_told=True)
            histories[message.queue_id] = history
            await self._keep()
        except StorageError as error:
            maillog.fault("queue: a message that was cut is not held", queue_id=message.queue_id, error=error)
            return ""
        if not is_to_hold:
            return ""
        words = rules.held_words(history, message.queue_id)
        maillog.held(message.queue_id, why=words)
        return words

    async def call_begins(self, last_call_bytes: int) -> None:
        """A call is on line; in the previous one, hosts took this number of bytes. What may go now is released."""
        try:
            histories = await self._recalled()
            for queue_id, history in histories.items():
                if history.is_held:
                    histories[queue_id] = replace(history, calls=history.calls + 1)
            await self._look(last_call_bytes)
        except StorageError as error:
            maillog.fault("queue: messages that were cut stay held", error=error)

    async def run(self) -> None:
        """Run until cancelled; after a fault of the card, log it and retry later."""
        while True:
            try:
                await self.look()
            except StorageError as error:
                maillog.fault("queue: messages that were cut stay held", error=error)
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Release what may go, and forget what is finished. Raises: StorageError."""
        if await self._look():
            self._on_work()

    # -- inside ---------------------------------------------------------------------------------------

    async def _look(self, last_call_bytes: int = 0) -> bool:
        """`look`; returns whether something was released, which a call about to begin finds by itself."""
        histories = await self._recalled()
        released = await self._release_forgotten()
        for queue_id in list(histories):
            released |= await self._look_at(queue_id, last_call_bytes)
        await self._keep()
        return released

    async def _look_at(self, queue_id: QueueId, last_call_bytes: int) -> bool:
        """One of them: another look may be under way, so its history is read after its message."""
        histories, message = await self._recalled(), await self._queue.get(queue_id)
        history = histories.get(queue_id)
        unfinished = () if message is None else message.recipients
        held = [one.number for one in unfinished if _is_held_here(one)]
        if history is None:
            return False
        if not any(one.state in {RecipientState.WAITING, RecipientState.HELD} for one in unfinished):
            del histories[queue_id]
            self._seen_s.pop(queue_id, None)
        elif history.is_held and not held:
            if self._seen_held_s(queue_id) > _SETTLED_S:  # the operator released it
                histories[queue_id] = replace(history, is_held=False)
        elif held and (
            not history.is_held or rules.may_go(history, self._held_s(queue_id, history), last_call_bytes)
        ):
            await self._release(queue_id, held)
            histories[queue_id] = replace(history, is_held=False)
            return True
        return False

    async def _release(self, queue_id: QueueId, numbers: Sequence[int]) -> None:
        await self._queue.set_state(queue_id, {RecipientState.HELD}, RecipientState.WAITING, numbers)
        maillog.let_go(queue_id, why="it was cut, and may be tried again")

    async def _release_forgotten(self) -> bool:
        """Once after each start: a hold without a history (the card lost it) would never end."""
        if self._has_looked_back:
            return False
        histories, released = await self._recalled(), False
        for message in await self._queue.listing(states={RecipientState.HELD}, limit=MOST_LOOKED_AT):
            held = [one.number for one in message.recipients if _is_held_here(one)]
            if held and message.queue_id not in histories:
                await self._release(message.queue_id, held)
                released = True
        self._has_looked_back = True
        return released

    def _held_s(self, queue_id: QueueId, history: CutHistory) -> float:
        """How long it has been held: by the clock where that is right, at least as long as this process knows."""
        by_clock_s = self._clock.wall_s() - history.held_at_s if self._clock.is_trusted() else 0.0
        return max(self._seen_held_s(queue_id), by_clock_s)

    def _seen_held_s(self, queue_id: QueueId) -> float:
        now_s = asyncio.get_running_loop().time()
        return now_s - self._seen_s.setdefault(queue_id, now_s)

    async def _recalled(self) -> dict[QueueId, CutHistory]:
        """The histories, read once. Raises: StorageError."""
        if self._histories is None:
            text = await self._queue.recall(_KEY)
            self._histories = _parsed(text or "")
        return self._histories

    async def _keep(self) -> None:
        histories = await self._recalled()
        text = json.dumps({queue_id: history.to_json() for queue_id, history in histories.items()})
        if text != (await self._queue.recall(_KEY) or "{}"):
            await self._queue.remember(_KEY, text)


def _is_held_here(recipient: RecipientRecord) -> bool:
    """Whether the station holds it because of its cuts."""
    is_held = recipient.state is RecipientState.HELD and recipient.last_by == BY_STATION
    return is_held and not recipient.is_held_for_size and rules.is_held_words(recipient.last_reply)


def _has_room(histories: dict[QueueId, CutHistory], queue_id: QueueId) -> bool:
    """Whether there is a place for this message's history; the oldest that holds nothing makes room."""
    if queue_id in histories or len(histories) < MOST_HISTORIES:
        return True
    oldest = next((one for one, history in histories.items() if not history.is_held), None)
    if oldest is not None:
        del histories[oldest]
    return oldest is not None


def _parsed(text: str) -> dict[QueueId, CutHistory]:
    """The record on the card; what makes no sense in it is left out."""
    try:
        value = parse_object(text.encode())
    except ValueError:
        return {}
    histories = {}
    for queue_id, history in value.items():
        try:
            histories[QueueId(queue_id)] = CutHistory.from_json(history if isinstance(history, dict) else {})
        except (ValueError, KeyError):
            continue
    return histories
