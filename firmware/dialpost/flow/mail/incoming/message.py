"""One incoming message: our header lines, the body into the spool, the envelope into the queue, then the 250.

A big body is durable before the database names it, a small one together with its row (docs/decisions/0051), and
all of it before the 250. A fault on the way is remembered and answered at the end, so that the dialogue stays in
step; nothing of the message remains then.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from dialpost.core.config.model import Config, OwnSenders
from dialpost.core.errors import StorageError, StorageFullError
from dialpost.core.mail.authors import claims_to_be_ours, sender_field, unverified_mark, user_refusal
from dialpost.core.mail.content.incoming import LineEnds
from dialpost.core.mail.envelope import Envelope, QueueId
from dialpost.core.mail.header.incoming import HeaderPass
from dialpost.core.mail.header.scan import HeaderFacts
from dialpost.core.mail.header.trace import date, message_id, message_id_text, received, return_path
from dialpost.core.mail.inbound.boxes import BoxUid
from dialpost.core.mail.intake_rules import RepeatWindow, loop_refusal
from dialpost.core.mail.queue.records import MessageRecord, Origin, RecipientRecord
from dialpost.core.mail.recipients import resolve
from dialpost.core.mail.reply import CARD_FULL, OUR_FAULT, Reply
from dialpost.core.mail.session import Peer
from dialpost.flow import maillog
from dialpost.flow.mail.incoming.inbound_activity import InboundActivity
from dialpost.flow.mail.incoming.mailbox_room import Place
from dialpost.flow.mail.needs import BodyWriter, Directories, NewBodies, NewMessages

_log = logging.getLogger("dialpost.mail")

CARD_FAULT = Reply(451, ("The station can't store mail at the moment: try again later",), "4.3.0")
MAILBOX_FULL = Reply(452, ("That mailbox is full at the moment: try again later",), "4.2.2")
NOT_LOGGED_IN = Reply(550, ("Log in to send from an address of this station",), "5.7.1")
CHANGED_MEANWHILE = Reply(451, ("The mailboxes here have just changed: send it again",), "4.3.0")


class SpoolForIntake(NewBodies, Protocol):
    """The subset of the spool needed here."""

    def free_bytes(self) -> int:
        """Free room on the card, less the reserve."""


class StoreForIntake(NewMessages, Protocol):
    """The subset of the store needed here."""

    async def accept_unless_repeat(
        self, message: MessageRecord, since_s: int, *, of_same_peer: bool, not_of: set[QueueId]
    ) -> QueueId | None:
        """Like `accept`, but if this message came before and its 250 may not have been seen, returns the earlier
        id.

        That id is then in `not_of`, too.
        """

    async def waiting_bytes(self, account: str) -> int:
        """The bytes that wait in the queue for a mailbox here, held or not."""

    def answer_heard(self, queue_id: QueueId) -> asyncio.Future[None]:
        """From now on nothing is a repeat of this message; durable when the future is done."""


@dataclass(frozen=True, slots=True)
class IntakeTools:
    """What every incoming message needs."""

    config: Config
    accounts: Directories
    store: StoreForIntake
    spool: SpoolForIntake
    activity: InboundActivity
    on_accepted: Callable[[MessageRecord], None]
    wall_clock: Callable[[], float]
    monotonic: Callable[[], float]
    repeat_window: RepeatWindow
    is_over_the_line: Callable[[Peer], bool]
    as_held: Callable[[MessageRecord], MessageRecord] = lambda message: message
    """Holds a message too big for this hour before it is stored, so that the flush never sees it."""
    unrepeatable: set[QueueId] = field(default_factory=set)
    """Messages without repeats: their connection is open, or the note that the 250 was seen is being stored."""


@dataclass(slots=True)
class Incoming:
    """The sink of one message (core/mail/session.MessageSink)."""

    tools: IntakeTools
    peer: Peer
    origin: Origin
    envelope: Envelope
    queue_id: QueueId
    body: BodyWriter
    place: Place
    taken: BoxUid | None = None
    """What it is in a mailbox at a provider, if the station fetched it from there."""
    _line_ends: LineEnds = field(default_factory=LineEnds)
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    _header: HeaderPass = field(init=False)
    _has_begun: bool = False
    _fault: Reply | None = None
    _newlines: int = 0
    _local_prefix: int = 0
    _recipients: tuple[RecipientRecord, ...] = ()
    _received_s: int = 0
    _is_left: bool = False
    _promised: QueueId | None = None
    """The message whose repeat may come if the 250 gets lost; None if repeats are not recognised."""
    _is_heard: bool = False

    def __post_init__(self) -> None:
        station = self.tools.config.station
        own = station.domains if self.origin is not Origin.OUTSIDE else ()
        self._header = HeaderPass(station.hostname, self._missing_fields, own)

    def write(self, data: bytes) -> None:
        """Take the next piece. A fault is remembered for the reply."""
        if self.tools.is_over_the_line(self.peer):
            self.tools.activity.moved(len(data))
        if self._fault is not None:
            return
        stored = self._line_ends.feed(data)
        self._digest.update(stored)
        try:
            self._take(stored)
        except StorageError as error:
            self._keep_fault(error)
        except Exception:  # the dialogue has to stay in step until the content's end
            _log.exception("%s: a fault while mail came in", self.queue_id)
            self._fault = OUR_FAULT

    async def finish(self) -> Reply:
        """The content is complete: make it durable, then acknowledge it."""
        try:
            if self._fault is None:
                rest = self._line_ends.finish()
                self._digest.update(rest)
                self._take(rest, is_last=True)
            if self._fault is None:
                return await self._commit()
        except StorageError as error:
            self._keep_fault(error)
        except BaseException:
            self.body.abort()
            raise
        finally:
            self.place.release()
        self._forget_body()
        assert self._fault is not None
        self._log_refusal(self._fault)
        return self._fault

    def abort(self) -> None:
        """The client is gone or aborted: forget everything."""
        self.place.release()
        self.body.abort()

    def seen(self, *, spoke: bool) -> None:
        """The 250 reached the client's TCP.

        That is enough for a device, which may send the same bytes twice on purpose. A mail server's repeat carries
        the Received line of the first attempt (RFC 5321 §4.4), and a new message has a new one: of a server the
        program itself must have continued the dialogue (decision 4).
        """
        if self._promised is None or self._is_heard or (self._header.facts().received and not spoke):
            return
        self._is_heard = True
        promised, unrepeatable = self._promised, self.tools.unrepeatable
        unrepeatable.add(promised)

        def noted(done: asyncio.Future[None]) -> None:
            if done.cancelled() or (error := done.exception()) is None:
                unrepeatable.discard(promised)
            else:
                maillog.fault(f"{promised}: could not note that its 250 was heard", error=error)

        self.tools.store.answer_heard(promised).add_done_callback(noted)

    def left(self) -> None:
        """The client is gone for good: from now on it may send this message again."""
        self._is_left = True
        if self._promised is not None and not self._is_heard:
            self.tools.unrepeatable.discard(self._promised)

    def _take(self, stored: bytes, *, is_last: bool = False) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._begin_body()
        was_over = self._header.is_over
        ready = self._header.feed(stored)
        if is_last:
            ready += self._header.finish()
        if self._header.is_over and not was_over:
            self._judge_header()
        if self._fault is None:
            self._put(ready)

    def _begin_body(self) -> None:
        """Our own header lines come first."""
        self._received_s = int(self.tools.wall_clock())
        recipients = resolve(self.envelope, self.tools.accounts.directory)
        if recipients is None:
            self._fault = CHANGED_MEANWHILE
            return
        self._recipients = recipients
        mailboxes = sum(one.local_account is not None for one in self._recipients)
        if mailboxes > 1:
            self.body.will_be_shared()
        prefix = return_path(self.envelope.sender) if mailboxes else b""
        self._local_prefix = len(prefix)
        self.body.write(prefix)
        given = self.envelope.recipients
        only = given[0].address if len(given) == 1 else None
        hostname = self.tools.config.station.hostname
        self._put(received(self.peer, hostname, self.queue_id, self._received_s, only))

    def _judge_header(self) -> None:
        addresses = [recipient.address for recipient in self.envelope.recipients]
        most = self.tools.config.smtp.max_received_headers
        facts = self._header.facts()
        self._fault = self._fault or loop_refusal(facts, most, addresses) or self._author_refusal(facts)

    def _author_refusal(self, facts: HeaderFacts) -> Reply | None:
        smtp = self.tools.config.smtp
        if self.peer.account is not None:
            return user_refusal(smtp.user_from, facts.named, self._is_own, self._own_address())
        if smtp.own_senders is OwnSenders.REFUSE and self.taken is None and self._bears_our_name(facts):
            return NOT_LOGGED_IN
        return None

    def _is_own(self, address: str) -> bool:
        return self.peer.account is not None and self.tools.accounts.directory.owns(self.peer.account, address)

    def _own_address(self) -> str:
        """The address of the user who logged in: the envelope's sender, or the account's first address."""
        directory = self.tools.accounts.directory
        account = directory.accounts.get(self.peer.account or "")
        if self.envelope.sender or account is None:
            return self.envelope.sender
        return directory.addresses_of(account)[0]

    def _bears_our_name(self, facts: HeaderFacts) -> bool:
        """Whether a stranger's message claims to come from here."""
        domains = self.tools.config.station.domains
        return self.origin is Origin.OUTSIDE and claims_to_be_ours(
            (self.envelope.sender, *facts.named.authors), domains
        )

    def _missing_fields(self, facts: HeaderFacts) -> bytes:
        """The fields a message lacks (RFC 6409 §8), or the mark on one that only claims to come from here.

        They go to the end of the header, because only there the whole header has been seen.
        """
        fields, smtp = b"", self.tools.config.smtp
        if self.peer.account is not None:
            fields += sender_field(smtp.user_from, facts.named, self._is_own, self._own_address())
        elif smtp.own_senders is not OwnSenders.ALLOW and self._bears_our_name(facts):
            fields += unverified_mark(self.peer.address)
        if self.origin is not Origin.OUTSIDE:
            if not facts.has_date:
                fields += date(self._received_s)
            if not facts.has_message_id:
                fields += message_id(self.tools.config.station.hostname, self.queue_id, self._received_s)
        return fields

    def _put(self, data: bytes) -> None:
        self._newlines += data.count(b"\n")
        self.body.write(data)

    async def _commit(self) -> Reply:
        # The body before its row: a body without a row is only set aside at the next start, but a row without a
        # body would be acknowledged mail that no longer exists.
        size = await self.body.commit()
        if not await self.place.resize(size):
            self._forget_body()
            self._log_refusal(MAILBOX_FULL)
            return MAILBOX_FULL
        message = self.tools.as_held(self._record(size))
        earlier = await self._store(message)
        if earlier is not None:
            self._forget_body()
            maillog.repeat_recognised(earlier, sender=self.envelope.sender, peer=self.peer.address)
            return Reply(250, (f"Ok: queued as {earlier}",), "2.0.0")
        maillog.accepted(
            self.queue_id,
            sender=self.envelope.sender,
            recipients=len(self._recipients),
            size=size,
            origin=self.origin.value,
            peer=self.peer.address,
            account=self.peer.account,
        )
        if self.tools.is_over_the_line(self.peer):
            self.tools.activity.message_in()
        try:
            self.tools.on_accepted(message)
        except Exception:  # the message is ours already: whatever went wrong, the sender must not send it again
            _log.exception("%s: accepted, but not every part of the station was notified", self.queue_id)
        return Reply(250, (f"Ok: queued as {self.queue_id}",), "2.0.0")

    async def _store(self, message: MessageRecord) -> QueueId | None:
        tools = self.tools
        if self.origin is Origin.OUTSIDE and tools.config.smtp.duplicate_window_hours:
            if self.taken is None:
                return await self._store_unless_repeat(message)
            if self._header.facts().received:  # the same under another UID, as in a box that was moved
                since_s = tools.repeat_window.since_s(tools.wall_clock(), tools.monotonic())
                return await tools.store.accept_unless_repeat(message, since_s, of_same_peer=False, not_of=set())
        await tools.store.accept(message)
        return None

    async def _store_unless_repeat(self, message: MessageRecord) -> QueueId | None:
        """A repeat is a message stored before, over a connection that ended before its 250 was seen.

        A client without Received lines that closes its side again without waiting for the reply never sees one:
        each of its messages is intended.
        """
        tools, is_traced = self.tools, bool(self._header.facts().received)
        self._promise(self.queue_id)
        since_s = tools.repeat_window.since_s(tools.wall_clock(), tools.monotonic())
        try:
            earlier = await tools.store.accept_unless_repeat(
                message, since_s, of_same_peer=not is_traced, not_of=tools.unrepeatable
            )
        except BaseException:
            tools.unrepeatable.discard(self.queue_id)
            raise
        if earlier is None:
            return None
        if self._is_left:
            tools.unrepeatable.discard(earlier)
            if not is_traced:
                await tools.store.accept(message)
                return None
        tools.unrepeatable.discard(self.queue_id)
        self._promise(earlier)
        return earlier

    def _promise(self, queue_id: QueueId) -> None:
        """The 250 will name this message."""
        self._promised = queue_id
        if not self._is_left:
            self.tools.unrepeatable.add(queue_id)

    def _record(self, size: int) -> MessageRecord:
        facts = self._header.facts()
        wire_size = size - self._local_prefix + self._newlines
        hostname = self.tools.config.station.hostname
        own_id = self.origin is not Origin.OUTSIDE and not facts.has_message_id
        return MessageRecord(
            queue_id=self.queue_id,
            sender=self.envelope.sender,
            size=size,
            wire_size=wire_size,
            local_prefix=self._local_prefix,
            received_s=self._received_s,
            origin=self.origin,
            recipients=self._recipients,
            body_type=self.envelope.body_type,
            smtputf8=self.envelope.smtputf8,
            envid=self.envelope.envid,
            ret=self.envelope.ret,
            priority=facts.priority,
            content_digest=self._digest.digest(),
            peer=self.peer.address,
            account=self.peer.account,
            message_id_header=message_id_text(hostname, self.queue_id, self._received_s)
            if own_id
            else facts.message_id,
            subject=facts.subject,
            checksum=self.body.checksum,
            from_box=self.taken,
        )

    def _forget_body(self) -> None:
        """Remove all of it, complete or not. If even that fails, recovery finds a body without a row."""
        self.body.abort()
        with contextlib.suppress(StorageError):
            self.tools.spool.remove(self.queue_id)

    def _keep_fault(self, error: StorageError) -> None:
        if isinstance(error, StorageFullError):
            self._fault = CARD_FULL
        else:
            self._fault = CARD_FAULT
            maillog.operator_needed("intake: the card failed", error=error)

    def _log_refusal(self, reply: Reply) -> None:
        maillog.refused(
            peer=self.peer.address, stage="content", sender=self.envelope.sender, recipient="", reply=str(reply)
        )
