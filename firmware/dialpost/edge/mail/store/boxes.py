"""The notes about messages in mailboxes at providers, as the flow that collects mail sees them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from dialpost.core.mail.inbound.boxes import BoxNote
from dialpost.edge.mail.store.box_rows import AFTER, PREFIX, box_key, write_notes
from dialpost.edge.mail.store.parts import Ask, Make


class BoxNotes:
    """The store, as seen by the flow that collects mail. Changes are durable when a method returns."""

    def __init__(self, ask: Ask, make: Make) -> None:
        self._ask, self._make = ask, make

    async def of(self, box: str) -> dict[str, BoxNote]:
        """The notes about one box, by UID."""
        return (await self._ask(lambda connection: _notes(connection, box))).get(box, {})

    async def all(self) -> dict[str, dict[str, BoxNote]]:
        """All notes, by box and UID."""
        return await self._ask(lambda connection: _notes(connection, None))

    async def note(self, box: str, notes: Mapping[str, BoxNote | None]) -> None:
        """Write notes by UID; None forgets one."""
        if notes:
            await self._make(lambda done: write_notes(done.connection, box, notes))


def _notes(connection: sqlite3.Connection, box: str | None) -> dict[str, dict[str, BoxNote]]:
    first, last = (PREFIX, PREFIX + AFTER) if box is None else (box_key(box, ""), box_key(box, AFTER))
    found: dict[str, dict[str, BoxNote]] = {}
    for key, value in connection.execute("SELECT key, value FROM memory WHERE key >= ? AND key < ?", (first, last)):
        name, _, uid = key.removeprefix(PREFIX).partition("\n")
        note = BoxNote.from_text(value)
        if note is not None:
            found.setdefault(name, {})[uid] = note
    return found
