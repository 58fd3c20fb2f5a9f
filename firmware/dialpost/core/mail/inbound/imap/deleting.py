"""Taking messages out of the folder once they are safe here (RFC 9051 §6.4.6, §6.4.9; RFC 4315 UIDPLUS).

UID EXPUNGE removes exactly those. A server without it knows EXPUNGE only, which removes whatever anybody has marked
as deleted: it is used where nothing else is marked, and otherwise ours stay marked, and known to the station.
"""

from __future__ import annotations

from collections.abc import Iterable

from dialpost.core.mail.inbound.dialogue import Deleted
from dialpost.core.mail.inbound.imap.answers import Answer
from dialpost.core.mail.inbound.imap.settings import number_set
from dialpost.core.mail.inbound.imap.wire import Ask, Asked, Wire

BATCH = 50
"""Messages whose deletion waits for company: each pair of commands costs as much as a tenth of a small message."""
MOST_AT_ONCE = 200
"""In one command, which stays below what servers take as a line."""


class Deleting:
    """Marks, looks where that is needed, and expunges."""

    def __init__(self, wire: Wire, prefix: str, *, has_uidplus: bool, is_read_only: bool) -> None:
        self._wire = wire
        self._prefix = prefix
        self._has_uidplus = has_uidplus
        self._is_read_only = is_read_only
        self._wanted: list[int] = []
        self._marked: set[int] = set()
        self._found: set[int] = set()
        self.expected = 0
        """How many EXPUNGE responses may come because of us."""
        self.note = ""
        """Why messages stay there, for an operator."""

    def delete(self, uids: Iterable[int]) -> None:
        """Have these removed, together with others."""
        if self._is_read_only:
            self.note = "the folder is read-only: what was fetched stays there"
            return
        self._wanted += uids
        if len(self._wanted) >= BATCH:
            self.send()

    def send(self) -> None:
        """Wait for no more company."""
        wanted, self._wanted = self._wanted, []
        for at in range(0, len(wanted), MOST_AT_ONCE):
            batch = tuple(wanted[at : at + MOST_AT_ONCE])
            numbers = number_set(batch)
            self._marked.update(batch)
            self._wire.command(b"UID STORE " + numbers + b" +FLAGS.SILENT (\\Deleted)", Asked(Ask.STORE, batch))
            if self._has_uidplus:
                self.expected += len(batch)
                self._wire.command(b"UID EXPUNGE " + numbers, Asked(Ask.EXPUNGE, batch))
            else:
                self._wire.command(b"UID SEARCH DELETED", Asked(Ask.SEARCH, batch))

    def found(self, numbers: str) -> None:
        """What the server lists as marked."""
        self._found = {int(number) for number in numbers.split() if number.isdecimal() and len(number) <= 10}

    def answered(self, asked: Asked, answer: Answer) -> None:
        """The end of one of these commands."""
        if answer.word != "OK":
            self.note = f"the server does not remove what was fetched: {answer}"
            return
        if asked.ask is Ask.SEARCH:
            self._expunge_all(asked.uids)
        elif asked.ask is Ask.EXPUNGE:
            self._wire.tell(Deleted(tuple(f"{self._prefix}{uid}" for uid in asked.uids)))

    def _expunge_all(self, uids: tuple[int, ...]) -> None:
        if self._found - self._marked:
            self.note = (
                "the server can't remove single messages (UIDPLUS), and others in the folder are marked as "
                "deleted: what was fetched stays there, marked, too"
            )
            return
        self.expected += len(self._found)
        self._wire.command(b"EXPUNGE", Asked(Ask.EXPUNGE, uids))
