"""The queue database as the flows see it: coroutines over one writer and one reader thread.

A method that changes something is durable when it returns. If the caller is cancelled while waiting, the change is
made nevertheless. Queries see every change that has returned.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence, Set
from pathlib import Path

from dialpost.core.json_value import JsonObject, JsonValue
from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.queue.ids import queue_id
from dialpost.core.mail.queue.records import Entry, MessageRecord, QueueCounts, RecipientRecord, RecipientState
from dialpost.core.mail.queue.spool_log import LogEntry
from dialpost.edge.mail.store import changes, opening, queries
from dialpost.edge.mail.store.accept_log import AcceptLog, note_of
from dialpost.edge.mail.store.faults import storage_error
from dialpost.edge.mail.store.rows import number_of
from dialpost.edge.mail.store.threads import StoreThreads

_IDS_AT_ONCE = 1000


def _nothing() -> Iterable[QueueId]:
    return ()


class Store(StoreThreads):
    """One open queue database. Made by `open`; used from one event loop.

    `opening_report` says in sentences what was wrong and what was done about it; empty if all is well. `many` is
    the part for changes of many messages, `boxes` for mailboxes at providers.
    """

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        wall_clock: Callable[[], float] = time.time,
        bodies: Callable[[], Iterable[QueueId]] = _nothing,
        ids_elsewhere: Callable[[], Iterable[QueueId]] = _nothing,
        make_room: Callable[[], bool] = lambda: False,
        log: AcceptLog | None = None,
    ) -> Store:
        """Open or create the database; a damaged one is set aside, and its readable rows are salvaged.

        `bodies` lists the ids of all body files, `ids_elsewhere` those in mailboxes: new ids are above all of them
        even if the database is lost. `make_room` is called if a full card blocks a change to existing messages
        (new mail is refused then); it returns whether it made room. `log`: what makes small messages durable, the
        spool's.
        Raises: StorageFullError, StorageError.
        """
        opened = await asyncio.to_thread(
            opening.open_database,
            path,
            lambda: queries.as_numbers(bodies()),
            lambda: queries.as_numbers(ids_elsewhere()),
            log,
        )
        try:
            return cls(path, opened, wall_clock, make_room, log)
        except sqlite3.Error as error:
            opening.close_unfinished(opened.connection, path)
            raise storage_error(error, path) from error

    # ids

    def next_id(self) -> QueueId:
        """An id never assigned before. Raises: StorageError if none could be reserved (card full ...)."""
        return queue_id(self._ids.next())

    # messages

    async def accept(self, message: MessageRecord) -> None:
        """Store a message. Raises: StorageFullError, StorageError; nothing of it is stored then."""
        entry = self._entry(message)
        await self._add(lambda done: changes.insert_message(done, message, entry), entry)

    def _entry(self, message: MessageRecord) -> LogEntry | None:
        """What the log keeps of a message; None if its body is a file."""
        body = None if self._log is None else self._log.body_of(message.queue_id)
        return None if body is None else LogEntry(number_of(message.queue_id), note_of(message), body)

    async def accept_unless_repeat(
        self, message: MessageRecord, since_s: int, *, of_same_peer: bool, not_of: set[QueueId]
    ) -> QueueId | None:
        """Store a message, or return the id of the one it repeats (queries.find_repeat), as one step.

        The id found is added to `not_of` in the same step: of two at the same moment only one can be the repeat.
        """
        entry = self._entry(message)
        return await self._add(
            lambda done: changes.insert_unless_repeat(
                done, message, since_s, entry, of_same_peer=of_same_peer, not_of=not_of
            ),
            entry,
        )

    async def waiting_bytes(self, account: str) -> int:
        """The bytes that wait in the queue for a mailbox here, held or not."""
        if not (self._counts.waiting_local or self._counts.held):
            return 0
        return await self._ask(queries.waiting_bytes, account)

    def answer_heard(self, message: QueueId) -> asyncio.Future[None]:
        """The sender of a message saw its 250: nothing stored from here on is a repeat of it.

        Soon durable, but not yet when it returns: it is no reason for a flush of the card.
        """
        number = number_of(message)
        lazily = None if self._log is None else 0
        return asyncio.shield(
            self._writer.submit(lambda done: changes.answer_heard(done, number), logged_bytes=lazily)
        )

    async def get(self, wanted: QueueId) -> MessageRecord | None:
        """A message with all its recipients."""
        return await self._ask(queries.one_message, number_of(wanted))

    async def update_recipients(self, message: QueueId, recipients: Sequence[RecipientRecord]) -> None:
        """Write the outcome of an attempt. WAITING does not undo a hold or a deletion made meanwhile."""
        await self.update_many([(message, recipients)])

    async def update_many(self, updates: Sequence[tuple[QueueId, Sequence[RecipientRecord]]]) -> None:
        """`update_recipients` for many messages in one transaction."""
        numbered = [(number_of(message), recipients) for message, recipients in updates]
        await self._change(lambda done: changes.update_recipients(done, numbered))

    async def local_batch(self, limit: int, after: QueueId | None = None) -> list[MessageRecord]:
        """Messages with recipients here that are due (only those recipients), numbered above `after`."""
        return await self._ask(
            queries.local_batch, self._now_s(), limit, None if after is None else number_of(after)
        )

    async def remote_batch(
        self, domains: Sequence[str] | None, now_s: int, limit: int, exclude: Set[QueueId]
    ) -> list[MessageRecord]:
        """Messages with due recipients in `domains` (None: any), only those recipients.

        Ordered by priority, wire size, age. `exclude` are those already in flight.
        """
        excluded = queries.as_numbers(exclude)
        return await self._ask(queries.remote_batch, domains, now_s, limit, excluded)

    async def remote_domains(self, now_s: int) -> list[tuple[str, int]]:
        """Domains with due recipients and how many, most first."""
        return await self._ask(queries.remote_domains, now_s)

    async def overdue(
        self,
        received_before_s: int,
        limit: int,
        after: QueueId | None = None,
        *,
        unnotified: bool = False,
    ) -> list[MessageRecord]:
        """Messages received before then with WAITING recipients, here or in the world (only those).

        Oldest first, numbered above `after`. `unnotified`: only recipients without a delay notice yet.
        """
        number = None if after is None else number_of(after)
        return await self._ask(queries.overdue, received_before_s, limit, number, unnotified)

    async def untold_holds(self, limit: int) -> list[MessageRecord]:
        """Messages held for their size whose notice is due (only the held recipients), oldest first."""
        return await self._ask(queries.untold_holds, limit)

    async def held_for_size(self) -> tuple[int, int]:
        """The number of messages held for their size, and their bytes on the line."""
        return await self._ask(queries.held_for_size)

    async def counts(self) -> QueueCounts:
        """The numbers of what waits; costs nothing."""
        return self._counts

    async def listing(
        self,
        *,
        states: Set[RecipientState],
        limit: int,
        address: str | None = None,
        offset: int = 0,
        after: QueueId | None = None,
    ) -> list[MessageRecord]:
        """Messages with a recipient in one of `states`, with all recipients, oldest first, above `after`."""
        first = None if after is None else number_of(after)
        return await self._ask(queries.listing, states, limit, address, offset, first)

    async def find(self, text: str, limit: int) -> list[MessageRecord]:
        """Messages by queue id, address (sender or recipient) or Message-ID, newest first."""
        return await self._ask(queries.find, text, limit)

    async def failure_notices(self, about: QueueId) -> list[MessageRecord]:
        """The notices to the sender that this message could not be delivered, oldest first."""
        return await self._ask(queries.failure_notices, about)

    # the operator's hand

    async def set_state(
        self,
        message: QueueId,
        from_states: Set[RecipientState],
        to_state: RecipientState,
        numbers: Sequence[int] | None = None,
        reason: str | None = None,
    ) -> int:
        """Hold, release or delete recipients (all, or those numbered); returns how many changed.

        A recipient held for its size and made to wait is released for good. `reason`, if the station itself does
        it, becomes the last reply, by BY_STATION.
        """
        number = number_of(message)
        return await self._change(
            lambda done: changes.set_state(done, number, from_states, to_state, numbers=numbers, reason=reason)
        )

    async def hold_big(self, larger_than: int) -> list[QueueId]:
        """Hold larger mail that waits for the world, unless the operator released it; returns the ids."""
        return [queue_id(one) for one in await self._change(lambda done: changes.hold_big(done, larger_than))]

    async def pass_big(self, up_to: int | None) -> list[QueueId]:
        """Release mail held for its size that is not larger than `up_to` (None: all); returns the ids."""
        return [queue_id(one) for one in await self._change(lambda done: changes.pass_big(done, up_to))]

    async def told_of_hold(self, message: QueueId) -> None:
        """Mark that the sender of a message held for its size was notified."""
        number = number_of(message)
        await self._change(lambda done: changes.told_of_hold(done, number))

    async def retry_now(self, message: QueueId | None) -> int:
        """Make waiting recipients due at once, of one message or of all; returns how many."""
        number = None if message is None else number_of(message)
        return await self._change(lambda done: changes.retry_now(done, number))

    # upkeep

    def finished(self, limit: int) -> list[QueueId]:
        """Messages that finished in this run, each reported once, oldest first.

        Their bodies can be removed. Recovery at the next start finds those that a crash or a failed removal leaves.
        """
        return [queue_id(self._finished.popleft()) for _ in range(min(limit, len(self._finished)))]

    async def unfinished(self, after: QueueId | None, limit: int) -> list[tuple[QueueId, int]]:
        """(id, size) of waiting and held messages, ascending, above `after`."""
        first = -1 if after is None else number_of(after)
        found = await self._ask(queries.unfinished_numbers, first, limit)
        return [(queue_id(number), size) for number, size in found]

    async def known(self, ids: Sequence[QueueId]) -> dict[QueueId, Entry]:
        """The state of those of `ids` that have a row."""
        found = await self._ask(queries.known, [number_of(one) for one in ids])
        return {queue_id(number): entry for number, entry in found.items()}

    async def hold_incomplete(self, message: QueueId, reason: str) -> int:
        """Hold a message for its recipients whose rows are missing (Entry.INCOMPLETE); returns how many are."""
        number = number_of(message)
        return await self._change(lambda done: changes.hold_incomplete(done, number, reason))

    async def prune(self, before_s: int) -> int:
        """Delete finished messages from before then; returns how many. Call only while the clock is trusted."""
        if not await self._ask(queries.prunable, before_s, 1):
            return 0
        await self._empty_log()  # a finished message in the log, without its row, would be taken for a lost one
        pruned = 0
        while numbers := await self._ask(queries.prunable, before_s, _IDS_AT_ONCE):
            deleted = await self._delete(numbers)
            pruned += deleted
            if not deleted:
                break
        return pruned

    async def _delete(self, numbers: Sequence[int]) -> int:
        return await self._change(lambda done: changes.delete_messages(done, numbers))

    async def save_call(self, call: JsonObject) -> None:
        """Add a call to the history."""
        await self._change(lambda done: changes.insert_call(done, call))

    async def calls(self, limit: int) -> list[dict[str, JsonValue]]:
        """The newest calls first, each with its "number"."""
        return await self._ask(queries.calls, limit)

    async def prune_calls(self, keep: int) -> int:
        """Delete all but the newest `keep` calls."""
        return await self._change(lambda done: changes.delete_calls(done, keep))

    async def remember(self, key: str, value: str) -> None:
        """Store a small fact that outlives restarts."""
        await self._change(lambda done: changes.remember(done, f"fact:{key}", value))

    async def recall(self, key: str) -> str | None:
        """A fact stored by `remember`, or None."""
        return await self._ask(queries.recall, f"fact:{key}")

    async def forget(self, key: str) -> None:
        """Delete a fact."""
        await self._change(lambda done: changes.forget(done, f"fact:{key}"))
