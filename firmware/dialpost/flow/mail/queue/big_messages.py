"""Holding big messages until their window opens or the operator releases them, and the notices about it.

An incoming message that is too big is stored as held (`as_held`, called by the intake). Waiting ones are held or
released when a window closes or opens, and at the start, because the configuration may have changed. The sender
gets one notice, the recipients one short note in the next call. Both are durable before the message is marked, so
a crash between the two sends a notice twice rather than never. Runs as one task in the daemon's event loop.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from email.utils import formatdate
from typing import Protocol

from dialpost.core.config.model import BudgetConfig
from dialpost.core.errors import StorageError
from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.queue import big_messages as rules
from dialpost.core.mail.queue.records import MessageRecord, RecipientRecord
from dialpost.flow import maillog
from dialpost.flow.mail.needs import BodyFiles

LOOK_EVERY_S = 300.0
"""The longest time between two checks of the clock: it may have been set."""
_MOST_HEADER_BYTES = 1_048_576
"""A header longer than this is not read for the marks of a mailing list; then no notice is sent."""
_READ_BYTES = 65_536
_BATCH = 50


class Queue(Protocol):
    """The subset of the store needed here. Each raises StorageError; changes are durable on return."""

    async def hold_big(self, larger_than: int) -> list[QueueId]:
        """Hold larger messages that wait for the world, unless the operator released them."""

    async def pass_big(self, up_to: int | None) -> list[QueueId]:
        """Release messages held for their size that are not larger (None: all)."""

    async def untold_holds(self, limit: int) -> list[MessageRecord]:
        """Messages held for their size whose notice is still to be sent."""

    async def told_of_hold(self, message: QueueId) -> None:
        """Mark that its notices are stored."""


class Notices(Protocol):
    """The subset of flow/mail/bounces needed here. Each raises StorageError if no notice could be stored."""

    async def held(self, message: MessageRecord, because: str) -> None:
        """Notify the sender."""

    async def announce(self, text: bytes, recipients: Sequence[RecipientRecord]) -> None:
        """Send a note to recipients in the world."""


class BigMessages:
    """The holds. `on_work` is called when held mail was released; `on_held` when waiting mail was held: whoever is
    about to send it must ask the queue again.
    """

    def __init__(
        self,
        config: BudgetConfig,
        hostname: str,
        queue: Queue,
        bodies: BodyFiles,
        notices: Notices,
        *,
        zone: tzinfo = UTC,
        clock_trusted: Callable[[], bool] = lambda: True,
        wall_clock: Callable[[], float] = time.time,
        on_work: Callable[[], None] = lambda: None,
        on_held: Callable[[], None] = lambda: None,
    ) -> None:
        self._config, self._hostname, self._queue, self._bodies = config, hostname, queue, bodies
        self._notices, self._on_work, self._on_held = notices, on_work, on_held
        self._zone, self._clock_trusted, self._wall_clock = zone, clock_trusted, wall_clock
        self._came = asyncio.Event()

    def as_held(self, message: MessageRecord) -> MessageRecord:
        """The incoming message, held if it is too big for this hour."""
        return rules.as_held(message, self._config, self._local_time())

    def accepted(self, message: MessageRecord) -> None:
        """A message is in the queue; if it is held, its notices follow."""
        if any(recipient.is_held_for_size for recipient in message.recipients):
            self._came.set()

    def words(self, queue_id: str) -> str:
        """Why such a message waits, and what to do about it."""
        return rules.held_words(self._config, queue_id)

    async def run(self) -> None:
        """Run until cancelled; after a fault of the card, log it and retry later."""
        while True:
            self._came.clear()
            looked_s = self._wall_clock()  # a window that opens during the look is seen by the next
            try:
                await self.look()
            except StorageError as error:
                maillog.fault("big messages: deferred", error=error)
            await self._sleep(looked_s)

    async def look(self) -> None:
        """One pass: hold, release, and notify. Raises: StorageError."""
        if rules.is_open(self._config, self._local_time()):
            passed = await self._queue.pass_big(None)
        else:
            passed = await self._queue.pass_big(self._config.big_message_bytes)
            held = await self._queue.hold_big(self._config.big_message_bytes)
            for queue_id in held:
                maillog.held(queue_id, why=f"larger than {self._config.big_message_bytes} bytes")
            if held:
                self._on_held()
        for queue_id in passed:
            maillog.let_go(queue_id, why="big messages may be sent now")
        if passed:
            self._on_work()
        await self._tell_all()

    async def _tell_all(self) -> None:
        while batch := await self._queue.untold_holds(_BATCH):
            for message in batch:
                # Marked after its notices are stored: a crash between the two repeats them.
                await self._tell(message)
                await self._queue.told_of_hold(message.queue_id)

    async def _tell(self, message: MessageRecord) -> None:
        header = await asyncio.to_thread(self._header, message)
        if header is None or not rules.may_tell(message, header):
            return
        await self._notices.held(message, rules.sender_words(self._config, message))
        if self._config.big_message_notice and len(message.recipients) <= rules.MOST_TOLD:
            date = formatdate(self._wall_clock(), localtime=True)
            frame = rules.NoteFrame(self._hostname, date, f"{message.queue_id}.{secrets.token_hex(6)}")
            note = rules.recipients_note(message, message.recipients, self._config, frame)
            await self._notices.announce(note, message.recipients)

    def _header(self, message: MessageRecord) -> bytes | None:
        """The message's header; None if it can't be read whole: then a list's mail might look like a user's."""
        header = b""
        try:
            with self._bodies.stored(message.queue_id).open("rb") as body:
                body.seek(message.local_prefix)
                # The whole header: a mailing list's mark may be its last field.
                while b"\n\n" not in header:
                    more = body.read(_READ_BYTES)
                    header += more
                    if not more or len(header) > _MOST_HEADER_BYTES:
                        return None
        except (OSError, StorageError):
            return None
        return header

    def _local_time(self) -> datetime | None:
        return datetime.fromtimestamp(self._wall_clock(), self._zone) if self._clock_trusted() else None

    async def _sleep(self, looked_s: float) -> None:
        """Sleep until mail comes in, a window opens or closes after `looked_s`, or the clock may have been set."""
        change_s = rules.until_change_s(self._config, looked_s, self._zone)
        nap_s = LOOK_EVERY_S if change_s is None else min(LOOK_EVERY_S, change_s + 0.5)  # safely past the change
        try:
            async with asyncio.timeout(nap_s):
                await self._came.wait()
        except TimeoutError:
            return
