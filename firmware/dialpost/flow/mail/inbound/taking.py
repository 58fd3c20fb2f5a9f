"""One message from a mailbox on its way into the intake.

Its header is gathered first (bounded), because it says whose the message is; from then on the content streams into
the spool. What the intake refuses is read to its end and dropped: the protocols can't stop in the middle. What an
earlier call has brought of it goes first (`resuming`).
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from dialpost.core.mail.envelope import BodyType, Envelope, Recipient
from dialpost.core.mail.inbound.boxes import BoxUid
from dialpost.core.mail.inbound.owner import LONGEST_HEADER, OwnerRule, owner_of, reason_field, without_return_path
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.session import MessageSink, Peer
from dialpost.flow.mail.inbound.resuming import Beginning
from dialpost.flow.mail.needs import Directories

NOT_NOW = Reply(451, ("The list of mailboxes is being repaired: later",), "4.3.0")
_HEADER_ENDS = (b"\r\n\r\n", b"\n\n")


class Accounts(Directories, Protocol):
    """The subset of flow/mail/accounts needed here."""

    @property
    def is_restored(self) -> bool:
        """Whether the accounts come from an older copy, so that some may be missing."""


class Intake(Protocol):
    """The subset of flow/mail/incoming/intake needed here."""

    async def begin_collected(self, peer: Peer, envelope: Envelope, taken: BoxUid) -> MessageSink | Reply:
        """A sink for the content, or the reply that refuses it."""


class Taking:
    """One message. `add` what comes, then `complete`, or `abort`."""

    def __init__(
        self,
        taken: BoxUid,
        rule: OwnerRule,
        peer: Peer,
        intake: Intake,
        accounts: Accounts,
        beginning: Beginning | None = None,
    ) -> None:
        """`beginning`: where the protocol can go on in the middle of a message."""
        self.taken = taken
        self.bytes = 0
        """What came over the line."""
        self.recipients: tuple[str, ...] = ()
        self._beginning = beginning
        self._is_replayed = beginning is None
        self._is_other = False
        self._rule, self._peer, self._intake, self._accounts = rule, peer, intake, accounts
        self._head = bytearray()
        self._sink: MessageSink | None = None
        self._refusal: Reply | None = None

    @property
    def offset(self) -> int:
        """The byte from which to fetch it."""
        return 0 if self._beginning is None else self._beginning.offset

    @property
    def is_other(self) -> bool:
        """Whether, after all of it came, it is not the message of which an earlier call brought the beginning."""
        return self._beginning is not None and (self._is_other or not self._beginning.is_proved)

    async def add(self, data: bytes) -> None:
        """The next piece of its content. Raises: StorageError."""
        self.bytes += len(data)
        if self._beginning is None:
            await self._take(data)
            return
        new = None if self._is_other else await self._beginning.take(data)
        self._is_other = new is None
        if new:
            await self._replay()
            await self._take(new)

    async def _replay(self) -> None:
        """What is here already, before anything new."""
        if not self._is_replayed and self._beginning is not None:
            self._is_replayed = True
            for block in self._beginning.blocks():
                await self._take(block)

    async def _take(self, data: bytes) -> None:
        if self._sink is not None:
            self._sink.write(data)
        elif self._refusal is None:
            self._head += data
            if len(self._head) >= LONGEST_HEADER or any(end in self._head for end in _HEADER_ENDS):
                await self._begin()

    async def complete(self) -> Reply:
        """All of it has come: 250 once it is durable here, with the note that it was taken.

        A cancellation leaves either both or neither. Raises: StorageError.
        """
        await self._replay()
        if self._sink is None and self._refusal is None:
            await self._begin()
        if self._sink is None:
            assert self._refusal is not None
            return self._refusal
        sink, self._sink = self._sink, None
        finishing = asyncio.ensure_future(sink.finish())
        try:
            return await asyncio.shield(finishing)
        except asyncio.CancelledError:
            await asyncio.wait({finishing})
            raise

    async def cut(self) -> None:
        """It is not coming to its end now: keep what is here. Raises: StorageError."""
        self.abort()
        if self._beginning is not None and not self._is_other:
            await self._beginning.cut()

    async def forget_beginning(self) -> None:
        """It is accepted, or has to begin at its first byte."""
        if self._beginning is not None:
            await self._beginning.done()

    def abort(self) -> None:
        """It is not coming to its end."""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.abort()

    async def _begin(self) -> None:
        head, self._head = bytes(self._head), bytearray()
        owner = owner_of(head, self._rule, self._accounts.directory)
        self.recipients = owner.recipients
        if owner.unknown and self._accounts.is_restored:
            self._refusal = NOT_NOW
            return
        envelope = Envelope(
            owner.sender,
            tuple(map(Recipient, owner.recipients)),
            BodyType.EIGHT_BIT,
            smtputf8=not all(address.isascii() for address in (owner.sender, *owner.recipients)),
            declared_bytes=self.taken.size,
        )
        begun = await self._intake.begin_collected(self._peer, envelope, self.taken)
        if isinstance(begun, Reply):
            self._refusal = begun
        else:
            self._sink = begun
            self._sink.write(reason_field(owner.why).replace(b"\n", b"\r\n") + without_return_path(head))
