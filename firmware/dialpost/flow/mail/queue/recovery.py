"""Recovery after a start: makes bodies and rows agree again, whatever a crash or a failing card left behind.

| body | row | it means | what is done |
|---|---|---|---|
| there | unfinished | all is well | nothing; a wrong size: held, reported |
| there | finished | the removal was cut off | removed |
| there | a recipient's row is missing | whether that one got it, nobody knows | held, reported |
| there, empty | none, numbered by this database | a power cut took it before it was whole | removed |
| there | none, numbered by this database | whole, but never acknowledged | set aside, reported |
| there | none, numbered by a lost database | may be somebody's mail | set aside, reported |
| missing | unfinished | the card lost it | held, reported; the sender hears nothing untrue |

A whole body without a row is kept even if its sender must still have it: if the database's log has lost its end,
such bodies are all that is left of acknowledged mail, and nothing else shows it.

Runs once, beside the traffic: it looks only at ids assigned before this start. It takes a slice at a time, so
100,000 bodies need no more memory than a few hundred.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

from dialpost.core.amounts import count_words
from dialpost.core.errors import StorageError
from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.queue.records import Entry, RecipientState
from dialpost.flow import maillog

_SLICE = 500
KEPT_UNCONFIRMED_DAYS = 30
"""The time unacknowledged mail is kept: longer than any mail server retries (RFC 5321 §4.5.4.1: 4-5 days)."""
_KEEPING = frozenset({Entry.UNFINISHED, Entry.INCOMPLETE})
_UNFINISHED = frozenset({RecipientState.WAITING, RecipientState.HELD})


class QueueForRecovery(Protocol):
    """The subset of the store (edge/mail/store) recovery needs."""

    @property
    def first_new_id(self) -> QueueId:
        """The first id of this start: lower ones were assigned before it."""

    @property
    def bodies_known_from(self) -> QueueId:
        """The first id assigned by this very database: from it on, a body without a row was not acknowledged."""

    async def known(self, ids: Sequence[QueueId]) -> dict[QueueId, Entry]:
        """Those that have a row, and the state of each."""

    async def hold_incomplete(self, message: QueueId, reason: str) -> int:
        """Hold a message for its recipients whose rows are missing; returns how many are."""

    async def unfinished(self, after: QueueId | None, limit: int) -> list[tuple[QueueId, int]]:
        """(id, size) of unfinished messages, ascending."""

    async def set_state(
        self,
        message: QueueId,
        from_states: Set[RecipientState],
        to_state: RecipientState,
        *,
        reason: str | None,
    ) -> int:
        """Change the state of recipients, durably."""


class BodiesForRecovery(Protocol):
    """The subset of the spool (edge/mail/spool) recovery needs."""

    def ids(self) -> Iterator[QueueId]:
        """The ids of all bodies."""

    def size(self, queue_id: QueueId) -> int | None:
        """A body's length; None if it is missing."""

    def remove(self, queue_id: QueueId) -> None:
        """Remove a body."""

    def set_aside(self, queue_id: QueueId, why: str, *, is_unconfirmed: bool = False) -> Path:
        """Move a body out of the spool, with a note that says why; an unconfirmed one is removed after a time."""


@dataclass(slots=True)
class RecoveryReport:
    """What was done. `sentences` is for the operator; empty if all is well."""

    removed: int = 0
    set_aside: int = 0
    unconfirmed: int = 0
    held: int = 0
    incomplete: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def sentences(self) -> tuple[str, ...]:
        """One sentence for each kind of trouble."""
        said = [
            words(number)
            for number, words in (
                (self.set_aside, _set_aside_words),
                (self.unconfirmed, _unconfirmed_words),
                (self.incomplete, _incomplete_words),
                (self.held, _held_words),
            )
            if number
        ]
        return (*said, *self.faults)


class Recovery:
    """One pass over what was there before this start."""

    def __init__(self, queue: QueueForRecovery, bodies: BodiesForRecovery) -> None:
        self._queue = queue
        self._bodies = bodies
        self._report = RecoveryReport()

    async def run(self) -> RecoveryReport:
        """Run the pass. Faults of the card are not raised but reported."""
        for part in (self._look_at_bodies, self._look_at_rows):
            try:
                await part()
            except StorageError as error:
                self._report.faults.append(f"The spool could not be read: {error}")
                maillog.operator_needed("recovery: could not finish", error=error)
        return self._report

    async def _look_at_bodies(self) -> None:
        ids = self._bodies.ids()
        while found := await asyncio.to_thread(lambda: list(islice(ids, _SLICE))):
            # Newer bodies belong to messages that are coming in right now.
            old = [queue_id for queue_id in found if queue_id < self._queue.first_new_id]
            known = await self._queue.known(old)
            useless = [queue_id for queue_id in old if known.get(queue_id) not in _KEEPING]
            await asyncio.to_thread(self._clear, [(queue_id, queue_id in known) for queue_id in useless])
            for queue_id in (queue_id for queue_id in old if known.get(queue_id) is Entry.INCOMPLETE):
                missing = await self._queue.hold_incomplete(queue_id, _INCOMPLETE)
                self._report.incomplete += 1
                maillog.operator_needed(f"{queue_id}: held", why=_INCOMPLETE, recipients_missing=missing)

    def _clear(self, bodies: list[tuple[QueueId, bool]]) -> None:
        """Treat each body by the table above, in a thread; the `bool` says whether it has a (finished) row."""
        for queue_id, is_finished in bodies:
            try:
                if is_finished:
                    self._remove(queue_id, "every recipient is finished")
                elif queue_id >= self._queue.bodies_known_from and not self._bodies.size(queue_id):
                    self._remove(queue_id, "empty and never acknowledged")
                else:
                    self._set_aside(queue_id)
            except StorageError as error:
                self._report.faults.append(str(error))
                maillog.operator_needed(f"{queue_id}: recovery failed", error=error)

    def _remove(self, queue_id: QueueId, why: str) -> None:
        self._bodies.remove(queue_id)
        self._report.removed += 1
        maillog.body_removed(queue_id, why=why)

    def _set_aside(self, queue_id: QueueId) -> None:
        if queue_id >= self._queue.bodies_known_from:
            path = self._bodies.set_aside(queue_id, _NOT_CONFIRMED.format(queue_id), is_unconfirmed=True)
            self._report.unconfirmed += 1
            maillog.fault(f"{queue_id}: set aside", path=path, why="never acknowledged")
        else:
            path = self._bodies.set_aside(queue_id, _NO_ENTRY.format(queue_id))
            self._report.set_aside += 1
            maillog.operator_needed(f"{queue_id}: set aside", path=path, why="no queue entry")

    async def _look_at_rows(self) -> None:
        after: QueueId | None = None
        while slice_ := await self._queue.unfinished(after, _SLICE):
            old = [(queue_id, size) for queue_id, size in slice_ if queue_id < self._queue.first_new_id]
            for queue_id, reason in await asyncio.to_thread(self._spoiled, old):
                held = await self._queue.set_state(queue_id, _UNFINISHED, RecipientState.HELD, reason=reason)
                self._report.held += bool(held)
                maillog.operator_needed(f"{queue_id}: held", why=reason)
            # Ids ascend: from the first new one on, everything belongs to this start.
            if len(old) < len(slice_):
                return
            after = slice_[-1][0]

    def _spoiled(self, messages: list[tuple[QueueId, int]]) -> list[tuple[QueueId, str]]:
        """Those whose body is not as it was written, and what is wrong with it; in a thread."""
        found = []
        for queue_id, size in messages:
            actual = self._bodies.size(queue_id)
            if actual is None:
                found.append((queue_id, "Its content is missing on the card."))
            elif actual != size:
                found.append((queue_id, f"Its content is damaged: {actual} bytes instead of {size}."))
        return found


def _set_aside_words(number: int) -> str:
    return (
        f"{count_words(number, 'message was', 'messages were')} set aside (set-aside/), without an entry in "
        "the queue. Look there: each has a note beside it; forward by hand what matters."
    )


def _unconfirmed_words(number: int) -> str:
    return (
        f"{count_words(number, 'message was', 'messages were')} set aside (set-aside/unconfirmed/), not yet "
        "acknowledged when the station stopped. Whoever sent this mail retries automatically, and the copies are "
        f"removed after {KEPT_UNCONFIRMED_DAYS} days."
    )


def _incomplete_words(number: int) -> str:
    return (
        f"{count_words(number, 'message is', 'messages are')} held because the card lost some of the recipients. "
        "`dialpost queue list --held` shows this mail; the header may name the recipients. Forward what matters, "
        "then delete it."
    )


def _held_words(number: int) -> str:
    return (
        f"{count_words(number, 'message is', 'messages are')} held because the content is missing or damaged on "
        "the card. `dialpost queue list --held` shows this mail: ask for it to be sent again, then delete it."
    )


_INCOMPLETE = "The card lost a recipient; the message's header may name it."
_NOT_CONFIRMED = (
    "{} had arrived, but the queue has no entry for it: it was not yet acknowledged to its sender when the "
    "station stopped, and the sender retries automatically.\nIf it has not arrived again in a few days, the card "
    "may have lost the entry: forward it by hand. Its header may name the recipient.\nBoth files are removed "
    f"after {KEPT_UNCONFIRMED_DAYS} days."
)
_NO_ENTRY = (
    "{} was in the spool, but no queue entry says who it was from or for: the queue database was lost or "
    "damaged.\nIt may be mail that was accepted and not delivered, or mail already delivered.\nIts header may "
    "name the recipient. Delete both files when done."
)
