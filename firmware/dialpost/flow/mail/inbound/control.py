"""What the operator sees of mail left in mailboxes at providers, and decides about it: the methods `inbound.*`.

A decision is a note; the next session with the mailbox acts on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from dialpost.core.control import inbound as api
from dialpost.core.control.declared import NoParams
from dialpost.core.control.queue import Done
from dialpost.core.control.serving import Served, serve
from dialpost.core.errors import NotFoundError
from dialpost.core.mail.inbound.boxes import BoxNote, BoxState, BoxUid
from dialpost.core.mail.inbound.picking import Limits, hold_words
from dialpost.flow import maillog
from dialpost.flow.mail.inbound.session import Box

_SHOWN = frozenset(BoxState) - {BoxState.TAKEN}


class BoxNotes(Protocol):
    """The subset of edge/mail/store/boxes needed here. Each raises StorageError."""

    async def all(self) -> dict[str, dict[str, BoxNote]]:
        """All notes, by box and UID."""

    async def note(self, box: str, notes: Mapping[str, BoxNote | None]) -> None:
        """Write notes by UID."""


class InboundControl:
    """`limits` and `big_words` as in flow/mail/inbound/session.BoxTools."""

    def __init__(
        self,
        notes: BoxNotes,
        boxes: Sequence[Box],
        limits: Callable[[], Limits],
        wall_clock: Callable[[], float],
        big_words: str = "",
    ) -> None:
        self._notes, self._limits, self._wall_clock, self._big_words = notes, limits, wall_clock, big_words
        self._names = {box.key: box.name for box in boxes}

    async def listing(self) -> tuple[api.LeftThere, ...]:
        """Those in mailboxes of the configuration, by mailbox, oldest decision first."""
        found = [left for box in self._names for left in await self._left_in(box)]
        return tuple(self._shown(of, note) for of, note in found)

    async def fetch(self, short: str) -> Done:
        """Raises: NotFoundError."""
        await self._decide(short, BoxState.WANTED)
        return Done(count=1, words="It is fetched in the next call, whatever its size.")

    async def drop(self, short: str) -> Done:
        """Raises: NotFoundError."""
        await self._decide(short, BoxState.UNWANTED)
        return Done(count=1, words="It is deleted at the provider in the next call. Its sender is not notified.")

    def methods(self) -> dict[str, Served]:
        """The methods by name."""

        async def listing(_: NoParams) -> tuple[api.LeftThere, ...]:
            return await self.listing()

        async def fetch(wanted: api.LeftParams) -> Done:
            return await self.fetch(wanted.id)

        async def drop(wanted: api.LeftParams) -> Done:
            return await self.drop(wanted.id)

        return serve(api.LIST, listing) | serve(api.FETCH, fetch) | serve(api.DROP, drop)

    async def _left_in(self, box: str) -> list[tuple[BoxUid, BoxNote]]:
        notes = (await self._notes.all()).get(box, {})
        left = [(BoxUid(box, uid, note.size), note) for uid, note in notes.items() if note.state in _SHOWN]
        return sorted(left, key=lambda one: (one[1].noted_s, one[0].uid))

    async def _decide(self, short: str, state: BoxState) -> None:
        for box in self._names:
            for of, note in await self._left_in(box):
                if of.short == short.strip().lower():
                    changed = replace(note, state=state, tries=0, noted_s=int(self._wall_clock()))
                    await self._notes.note(box, {of.uid: changed})
                    maillog.operator(f"{self._names[box]}/{short}", action=state.value, count=1)
                    return
        raise NotFoundError(
            f"No message {short} is left in a mailbox at a provider. `dialpost inbound list` shows those that are."
        )

    def _shown(self, of: BoxUid, note: BoxNote) -> api.LeftThere:
        return api.LeftThere(
            id=of.short,
            mailbox=self._names[of.box],
            sender=note.sender,
            subject=note.subject,
            size=note.size,
            recipients=note.recipients,
            state=note.state.value,
            words=self._words(note),
            since_s=note.noted_s,
        )

    def _words(self, note: BoxNote) -> str:
        if note.state is BoxState.HELD:
            return hold_words(note, self._limits(), self._big_words)
        if note.state is BoxState.WANTED:
            return "fetched in the next call"
        if note.state is BoxState.UNWANTED:
            return "deleted in the next call"
        return (
            "fetching it failed once; it is tried again"
            if note.tries == 1
            else (f"fetching it failed {note.tries} times; it is tried again")
        )
