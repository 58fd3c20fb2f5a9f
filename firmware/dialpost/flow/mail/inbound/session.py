"""One session with a mailbox: what the box lists is fetched, held or deleted, message by message.

A message counts as taken when the intake has answered 250; only then is it deleted there. What goes wrong with one
message is noted, and the others go on. `mailboxes` runs the sessions of a box.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from dialpost.core.mail.inbound.boxes import BoxNote, BoxState, BoxUid
from dialpost.core.mail.inbound.collected import CollectFate, Way
from dialpost.core.mail.inbound.dialogue import (
    BoxEvent,
    BoxMessage,
    Complete,
    Content,
    Deleted,
    Ended,
    Failed,
    Header,
    Listed,
    MailboxDialogue,
)
from dialpost.core.mail.inbound.letter import author_of, held_letter, subject_of
from dialpost.core.mail.inbound.owner import OwnerRule, owner_of
from dialpost.core.mail.inbound.picking import Limits, Pick, failed_once_more, hold_words, pick
from dialpost.core.mail.reply import CARD_FULL, Reply
from dialpost.core.mail.session import Listener, Peer
from dialpost.flow import maillog
from dialpost.flow.mail.inbound.resuming import Beginnings, Partials
from dialpost.flow.mail.inbound.taking import Accounts, Intake, Taking


class BoxSession(Protocol):
    """A connection that drives a dialogue (edge/mail/collecting/connection)."""

    @property
    def dialogue(self) -> MailboxDialogue:
        """What it drives."""

    @property
    def address(self) -> str:
        """The host's, once connected."""

    @property
    def can_ask(self) -> bool:
        """Whether one more `look`, `fetch` or `delete` may be given now."""

    @property
    def patience_ends_s(self) -> float:
        """Until when it is worth waiting for if nothing else keeps a paid line up."""

    def look(self, uid: str) -> None:
        """Ask for a message's header."""

    def fetch(self, uid: str, offset: int = 0) -> None:
        """Ask for a message's content from this byte on."""

    def delete(self, uids: Sequence[str]) -> None:
        """Have these messages deleted."""

    def quit(self) -> None:
        """End the session once everything asked for is answered."""

    def break_off(self, why: str) -> None:
        """End it now."""

    def events(self) -> AsyncGenerator[BoxEvent, None]:
        """Connect, and hand out everything that happens; the last one is `Ended`."""


class BoxNotes(Protocol):
    """The notes about the messages in boxes (edge/mail/store/boxes). Each raises StorageError."""

    async def of(self, box: str) -> dict[str, BoxNote]:
        """The notes about one box, by UID."""

    async def note(self, box: str, notes: Mapping[str, BoxNote | None]) -> None:
        """Write notes by UID; None forgets one."""


class Letters(Protocol):
    """The subset of flow/mail/bounces needed here. Raises: StorageError."""

    async def tell(self, address: str, subject: str, words: str) -> None:
        """Send a letter from the station to an address here."""


@dataclass(frozen=True, slots=True)
class Box:
    """One mailbox. `key` names it in the notes: the same for as long as it is the same box at the same host."""

    name: str
    way: Way
    key: str
    host: str
    port: int
    rule: OwnerRule


@dataclass(frozen=True, slots=True)
class BoxTools:
    """What every session needs. `big_words`: when big messages come, "" if no hour is set.

    `partials` keeps the beginnings of messages that were cut.
    """

    notes: BoxNotes
    intake: Intake
    accounts: Accounts
    letters: Letters
    limits: Callable[[], Limits]
    wall_clock: Callable[[], float]
    big_words: str = ""
    partials: Partials | None = None


@dataclass(slots=True)
class Tally:
    """What the sessions of one call achieved."""

    messages: int = 0
    bytes: int = 0
    held: int = 0
    left: int = 0
    skipped: tuple[str, ...] = ()
    taken: set[str] = field(default_factory=set)
    """UIDs of the messages."""
    gone: tuple[str, ...] = ()
    """UIDs of held messages that somebody else has deleted."""


@dataclass(slots=True)
class SessionRun:
    """The state of one session. `run` takes it from the connection to its end."""

    box: Box
    tools: BoxTools
    session: BoxSession
    tally: Tally
    has_more: bool = False
    """Whether messages wait that another session may take."""
    _is_stopped: bool = False
    _has_quit: bool = False
    _notes: dict[str, BoxNote] = field(default_factory=dict)
    _sizes: dict[str, int] = field(default_factory=dict)
    _fetch: deque[BoxMessage] = field(default_factory=deque)
    _look: deque[BoxMessage] = field(default_factory=deque)
    _looking: dict[str, BoxMessage] = field(default_factory=dict)
    _taking: dict[str, Taking] = field(default_factory=dict)
    _trouble: Ended | None = None
    _beginnings: Beginnings = field(init=False)

    def __post_init__(self) -> None:
        can_resume = self.session.dialogue.can_resume
        self._beginnings = Beginnings(self.tools.partials if can_resume else None, self.box.key)

    async def run(self) -> Ended:
        """Returns how it ended. Raises: StorageError."""
        events = self.session.events()
        try:
            async for event in events:
                if isinstance(event, Ended):
                    await self._note_cut(event)
                    return self._trouble or event
                await self._handle(event)
        except asyncio.CancelledError:  # the line is gone
            await asyncio.wait({asyncio.ensure_future(self._note_cut(Ended(CollectFate.CUT)))})
            raise
        finally:
            for taking in self._taking.values():
                taking.abort()
            await events.aclose()
        raise AssertionError("a session ends with Ended")

    def stop(self) -> None:
        """End after the current message."""
        self._is_stopped = True
        self.tally.left += len(self._fetch)
        self._fetch.clear()
        self._look.clear()
        if not self._taking:
            self.session.break_off("ended on request")

    async def _handle(self, event: BoxEvent) -> None:
        if isinstance(event, Content):
            if event.uid in self._taking:
                await self._taking[event.uid].add(event.data)
            return
        if isinstance(event, Listed):
            await self._listed(event)
        elif isinstance(event, Header):
            await self._hold(self._looking.pop(event.uid), event.data)
        elif isinstance(event, Complete):
            await self._complete(event.uid)
        elif isinstance(event, Failed):
            await self._failed(event)
        elif isinstance(event, Deleted) and not self.session.dialogue.can_resume:
            # With IMAP the note stays until a list lacks the message: a server may say that it is deleted and keep
            # it. By then a UID of POP3 may name another message.
            await self.tools.notes.note(self.box.key, dict.fromkeys(event.uids))
        self._go_on()

    async def _listed(self, listed: Listed) -> None:
        self._notes = await self.tools.notes.of(self.box.key)
        picked = pick(listed, self._notes, self.tools.limits())
        self._sizes = {message.uid: message.size for message in listed.messages}
        await self.tools.notes.note(self.box.key, dict.fromkeys(picked.forget))
        for words in listed.skipped:
            maillog.fault("mailbox: a message was skipped", mailbox=self.box.name, words=words)
        self.tally.held, self.tally.gone = picked.held, picked.gone
        self.tally.skipped = listed.skipped
        self._choose(picked)
        wanted = {message.uid: message.size for message in self._fetch}
        await self._beginnings.load(wanted, self._sizes if listed.is_whole else None)
        if picked.delete:
            self.session.delete(picked.delete)

    def _choose(self, picked: Pick) -> None:
        """As many as one session takes."""
        most, room = self.session.dialogue.most_taken, self.session.dialogue.most_taken_bytes
        for message in picked.fetch:
            is_over = room is not None and room <= 0
            if is_over or (most is not None and len(self._fetch) >= most):
                self.has_more = True
                break
            self._fetch.append(message)
            room = None if room is None else room - message.size
        self._look.extend(picked.look)

    def _go_on(self) -> None:
        while self._look and self.session.can_ask:
            message = self._look.popleft()
            self._looking[message.uid] = message
            self.session.look(message.uid)
        while self._fetch and self.session.can_ask:
            message = self._fetch.popleft()
            peer = Peer(self.session.address, Listener.PROVIDER, self.box.host, self.box.way.words)
            taking = Taking(
                BoxUid(self.box.key, message.uid, message.size),
                self.box.rule,
                peer,
                self.tools.intake,
                self.tools.accounts,
                self._beginnings.of(message.uid, message.size),
            )
            self._taking[message.uid] = taking
            self.session.fetch(message.uid, taking.offset)
        if not (self._fetch or self._look or self._looking or self._taking or self._has_quit):
            self._has_quit = True
            self.session.quit()

    async def _complete(self, uid: str) -> None:
        taking = self._taking[uid]
        if taking.is_other:
            del self._taking[uid]
            taking.abort()
            await taking.forget_beginning()
            self._fetch.appendleft(BoxMessage(uid, self._sizes[uid]))
            return
        reply = await taking.complete()
        del self._taking[uid]
        if reply.is_completion:
            await taking.forget_beginning()
            self.tally.messages += 1
            self.tally.taken.add(uid)
            self.tally.bytes += taking.bytes
            self.session.delete([uid])
        else:
            await self._not_taken(uid, taking, reply)
        if self._is_stopped and self._taking:
            self.tally.left += len(self._taking)
            self.session.break_off("ended on request")

    async def _not_taken(self, uid: str, taking: Taking, reply: Reply) -> None:
        self.tally.left += 1
        if reply == CARD_FULL or reply.code == 451:  # nothing else can be taken either
            self._trouble = Ended(CollectFate.NOT_NOW, f"the station can't take mail at the moment: {reply}")
            self.stop()
            return
        note = failed_once_more(self._notes.get(uid), taking.taken.size, str(reply), self._now_s())
        if reply.is_permanent:
            note = replace(note, state=BoxState.HELD, why=f"refused here: {reply}")
        await self._note(uid, replace(note, recipients=taking.recipients))

    async def _failed(self, failed: Failed) -> None:
        """The server can't serve it."""
        self._looking.pop(failed.uid, None)
        taking = self._taking.pop(failed.uid, None)
        if taking is not None:
            await taking.cut()
            self.tally.left += 1
        size = self._sizes.get(failed.uid, 0)
        maillog.fault("mailbox: the provider can't serve a message", mailbox=self.box.name, words=failed.words)
        note = failed_once_more(self._notes.get(failed.uid), size, failed.words, self._now_s())
        await self._note(failed.uid, note)

    async def _hold(self, message: BoxMessage, header: bytes) -> None:
        """It stays there; its recipients get a letter, once. The letter first: a crash between may repeat it."""
        owner = owner_of(header, self.box.rule, self.tools.accounts.directory)
        author, subject = author_of(header), subject_of(header)
        before = self._notes.get(message.uid)
        limits = self.tools.limits()
        why = hold_words(before if before is not None and before.why else message, limits, self.tools.big_words)
        note = BoxNote(
            BoxState.HELD,
            message.size,
            author,
            subject,
            owner.recipients,
            "" if before is None else before.why,
            0 if before is None else before.tries,
            True,
            self._now_s(),
        )
        short = BoxUid(self.box.key, message.uid, message.size).short
        for recipient in owner.recipients:
            await self.tools.letters.tell(recipient, *held_letter(author, subject, message.size, why, short))
        await self._note(message.uid, note)

    async def _note_cut(self, ended: Ended) -> None:
        """A message under way at a cut goes last in the next session, unless it can go on where it was cut."""
        self.tally.left += len(self._fetch)
        begun = [uid for uid, taking in self._taking.items() if taking.bytes]
        for uid in begun:
            await self._taking[uid].cut()
        if self._is_stopped:
            return
        self.tally.left += len(self._taking)
        if ended.fate is CollectFate.CUT and begun and not self.session.dialogue.can_resume:
            note = self._notes.get(begun[0])
            await self._note(begun[0], failed_once_more(note, self._sizes[begun[0]], "cut", self._now_s()))

    async def _note(self, uid: str, note: BoxNote) -> None:
        self._notes[uid] = note
        await self.tools.notes.note(self.box.key, {uid: note})

    def _now_s(self) -> int:
        return int(self.tools.wall_clock())
