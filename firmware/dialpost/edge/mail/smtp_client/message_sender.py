"""Sends messages over one connection; the next one is fetched while another is being sent.

Three things happen at once, so that the line never waits for the card: fetching (and examining) the next message,
sending, and reporting outcomes, which the flush makes durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from dialpost.core.mail.content.downgrade import CannotDowngradeError
from dialpost.core.mail.esmtp.wire import ContentRequest, Ended, Finished
from dialpost.core.mail.outcomes import Deferred, Delivered, Outcome, Refused
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.smtp_target import OutgoingMessage
from dialpost.edge.mail.smtp_client.content import Content, ContentError, Reader, look_over
from dialpost.edge.mail.smtp_client.driver import SessionDriver

NextMessage = Callable[[], Awaitable[OutgoingMessage | None]]
OnOutcome = Callable[[OutgoingMessage, tuple[Outcome, ...]], Awaitable[None]]
Report = tuple[OutgoingMessage, tuple[Outcome, ...]]

_GROUPING_PATIENCE_S = 0.1
"""The wait for the next message before the last block is sent: sharing its packet saves a round trip."""


class MessageSender:
    """The messages of one session. `run` returns when the session is over and every outcome was reported.

    `fallen` holds unreported messages that should be resent at once in a plainer session (`EsmtpClient.learnt`).
    """

    def __init__(self, talk: SessionDriver, next_message: NextMessage, on_outcome: OnOutcome) -> None:
        self.delivered = 0
        self.fallen: list[Report] = []
        self._talk = talk
        self._core = talk.core
        self._next_message = next_message
        self._on_outcome = on_outcome
        self._fetching: asyncio.Task[Content | None] | None = None
        self._is_dry = False
        self._finished = 0
        self._finished_at_fetch = 0
        self._contents: dict[int, Content] = {}  # by the message's identity
        self._spoilt: dict[int, ContentError] = {}  # likewise; found damaged while being sent
        self._reader: Reader | None = None
        self._reading_for: object = None
        self._reports: asyncio.Queue[Report | None] = asyncio.Queue()
        self._unreported = 0

    async def run(self) -> None:
        """Send until there is nothing more to send, or the session ends.

        A cancellation closes the connection and reports the outcomes that the server had given, nothing else.
        """
        reporting = asyncio.create_task(self._report_all())
        reporting.add_done_callback(lambda _: self._talk.wake())
        try:
            await self._send_all(reporting)
            await self._put_back_fetched()
        except Exception:
            self._talk.tell(self._core.failed("a fault on this side"))
            await self._take_events()
            raise
        finally:
            self._talk.close()
            self._close_reader()
            if self._fetching is not None:
                self._fetching.cancel()
            for event in self._talk.events_left():
                if isinstance(event, Finished):
                    self._report(event.message, event.outcomes)
            self._reports.put_nowait(None)
            await asyncio.shield(reporting)  # cancelled or not: what the server accepted must be recorded

    async def _send_all(self, reporting: asyncio.Task[None]) -> None:
        while True:
            await self._take_events()
            if self._talk.ended is not None:
                return
            if reporting.done():
                return  # it failed: `run` raises what it raised
            self._look_ahead()
            self._talk.flush()
            if not await self._send_content():
                await self._talk.wait()

    async def _take_events(self) -> None:
        while (event := await self._talk.next_event()) is not None:
            if isinstance(event, Finished):
                self._finished += 1
                self._is_dry = False  # new mail may have come meanwhile
                self._fell_or_report(event.message, event.outcomes, again=event.again)
            elif isinstance(event, Ended):
                return

    # Fetching

    def _look_ahead(self) -> None:
        if self._core.is_over:
            return  # a message fetched meanwhile is put back
        if self._fetching is not None and self._fetching.done():
            fetched = self._fetching.result()
            if fetched is not None and not self._core.can_submit:
                return  # the core is retrying recipients that the server had no room for; they go first
            self._fetching = None
            self._is_dry = fetched is None and self._finished == self._finished_at_fetch
            if fetched is not None:
                self._contents[id(fetched.message)] = fetched
                self._talk.tell(self._core.submit(fetched.message, fetched.facts))
        if self._fetching is None and self._core.can_submit and not self._is_dry:
            self._finished_at_fetch = self._finished
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(lambda _: self._talk.wake())
        elif self._fetching is None and self._core.is_idle and not self._unreported:
            self._talk.tell(self._core.quit())

    async def _fetch(self) -> Content | None:
        """The next readable message; an unreadable one is deferred, and the next one is tried."""
        while (message := await self._next_message()) is not None:
            try:
                return await asyncio.to_thread(look_over, message, self._core.extensions)
            except CannotDowngradeError as error:
                text = f"The next mail host takes no 8-bit content, and this message can't be converted: {error}"
                refused = Refused(Reply(554, (text,), "5.6.3"), self._talk.settings.helo)
                self._report(message, (refused,) * len(message.envelope.recipients))
            except ContentError as error:
                self._report(message, self._lost(message, error))
            except OSError as error:
                why = f"The stored message can't be sent: {error.strerror or error}"
                self._defer(message, Reply(451, (why,), "4.3.0"))
        return None

    def _lost(self, message: OutgoingMessage, error: ContentError) -> tuple[Outcome, ...]:
        reply = Reply(451, (str(error),), "4.3.0")
        outcome = Deferred(reply, self._talk.settings.helo, content_lost=True)
        return (outcome,) * len(message.envelope.recipients)

    async def _put_back_fetched(self) -> None:
        """Report a message fetched for a session that has ended as not tried."""
        if self._fetching is None:
            return
        fetched = await self._fetching
        self._fetching = None
        if fetched is not None:
            ended = self._talk.ended
            reply = (ended and ended.reply) or Reply(451, ("The session ended before it was sent",), "4.4.2")
            outcomes = self._off(fetched.message, reply, counts=False)
            self._fell_or_report(fetched.message, outcomes, again=self._core.learnt is not None)

    def _defer(self, message: OutgoingMessage, reply: Reply) -> None:
        self._report(message, self._off(message, reply))

    def _off(self, message: OutgoingMessage, reply: Reply, *, counts: bool = True) -> tuple[Outcome, ...]:
        outcome = Deferred(reply, self._talk.settings.helo, counts_as_attempt=counts)
        return (outcome,) * len(message.envelope.recipients)

    # Sending

    async def _send_content(self) -> bool:
        """Send one block, if one may be sent; returns whether there was something to do."""
        request = self._core.content_wanted
        if request is None or not self._talk.connection.is_writable:
            return False
        try:
            block, is_last = await self._read(request)
        except (OSError, ContentError) as error:
            self._close_reader()
            why = getattr(error, "strerror", None) or str(error)
            if isinstance(error, ContentError):
                self._spoilt[id(request.message)] = error
            if self._still_wanted(request):
                self._talk.tell(self._core.content_failed(f"the stored message can't be read: {why}"))
            return True
        if not self._still_wanted(request):  # replies came in while the card was being read
            self._close_reader()
            return True
        if is_last:
            await self._let_next_join()
            if not self._still_wanted(request):
                return True
            self._close_reader()
        self._core.feed(block, last=is_last)
        self._talk.flush()
        return True

    async def _read(self, request: ContentRequest) -> tuple[bytes, bool]:
        if self._reading_for is not request.transaction or self._reader is None:
            self._close_reader()
            self._reader = self._contents[id(request.message)].open()
            self._reading_for = request.transaction
        return await self._reader.read(request.max_bytes)

    def _still_wanted(self, request: ContentRequest) -> bool:
        now = self._core.content_wanted
        return now is not None and now.transaction is request.transaction and now.offset == request.offset

    async def _let_next_join(self) -> None:
        """Wait a moment for a message that is being fetched, so that its MAIL goes into the same packet."""
        if self._fetching is not None:
            await asyncio.wait({self._fetching}, timeout=_GROUPING_PATIENCE_S)
            self._look_ahead()

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    # Reporting

    def _fell_or_report(self, message: OutgoingMessage, outcomes: tuple[Outcome, ...], *, again: bool) -> None:
        if again and not self._talk.ended_early and id(message) not in self._spoilt:
            self._contents.pop(id(message), None)
            self.fallen.append((message, outcomes))
        else:
            self._report(message, outcomes)

    def _report(self, message: OutgoingMessage, outcomes: tuple[Outcome, ...]) -> None:
        self._contents.pop(id(message), None)
        error = self._spoilt.pop(id(message), None)
        if error is not None:  # refused recipients stay refused; for the others the content is lost
            outcomes = tuple(
                one if isinstance(one, Refused) else lost
                for one, lost in zip(outcomes, self._lost(message, error), strict=True)
            )
        self._unreported += 1
        if any(isinstance(outcome, Delivered) for outcome in outcomes):
            self.delivered += 1
        self._reports.put_nowait((message, outcomes))

    async def _report_all(self) -> None:
        while (report := await self._reports.get()) is not None:
            await self._on_outcome(*report)
            self._unreported -= 1
            self._talk.wake()
