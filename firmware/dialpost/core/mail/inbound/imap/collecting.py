"""An open folder: list it, look at headers, fetch content, delete (RFC 9051 §6.4)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dialpost.core.errors import ProtocolError
from dialpost.core.mail.inbound.dialogue import Complete, Failed, Header
from dialpost.core.mail.inbound.dialogue import Content as ContentEvent
from dialpost.core.mail.inbound.imap.answers import Answer, Value, number_of, read_attributes
from dialpost.core.mail.inbound.imap.deleting import Deleting
from dialpost.core.mail.inbound.imap.jobs import AHEAD_BYTES, MOST_AHEAD, MOST_JOBS, PIECE_BYTES, Job, Jobs, Stand
from dialpost.core.mail.inbound.imap.listing import Listing
from dialpost.core.mail.inbound.imap.opening import Opening
from dialpost.core.mail.inbound.imap.reader import Content, ContentBegins, Response
from dialpost.core.mail.inbound.imap.settings import number_set
from dialpost.core.mail.inbound.imap.wire import Ask, Asked, Piece, Wire

HEADER_BYTES = 16_384
"""The most that is looked at of a header."""
_GONE = "the message is no longer there"
_ORIGIN = re.compile(rb"BODY\[\]<(\d{1,19})>", re.IGNORECASE)


class Collecting:
    """What is asked of an open folder, and what the answers bring."""

    def __init__(self, wire: Wire, opening: Opening) -> None:
        self._wire = wire
        self._prefix = f"{opening.uid_validity}."
        self._listing = Listing(opening.uid_validity, opening.uid_next, opening.exists)
        self._deleting = Deleting(
            wire,
            self._prefix,
            has_uidplus="UIDPLUS" in opening.capabilities,
            is_read_only=opening.is_read_only,
        )
        self._jobs = Jobs()
        self._into: Piece | None = None
        """What the content that is arriving answers."""
        self._late: bytearray | None = None
        """Content whose message is named only after it."""
        self._is_leaving = False
        self._is_listed = False
        self._list_on()

    @property
    def can_ask(self) -> bool:
        """Whether the window has room for more."""
        is_open = self._is_listed and not self._is_leaving
        has_window = self._ahead + self._jobs.left < AHEAD_BYTES and len(self._jobs) < MOST_JOBS
        return is_open and has_window and len(self._wire.asked) < MOST_AHEAD

    @property
    def may_leave(self) -> bool:
        """Whether nothing more will be asked."""
        return self._is_leaving and not self._jobs and not self._wire.waits_for(Ask.SEARCH)

    @property
    def note(self) -> str:
        """What the operator should know of a folder that was not emptied."""
        return self._deleting.note

    @property
    def _ahead(self) -> int:
        """The bytes that are asked for and not here."""
        return sum(max(0, one.due - one.came) for asked in self._wire.asked.values() for one in asked.pieces)

    # What is wanted

    def look(self, uid: str) -> None:
        """Ask for the header of a message."""
        number = self._number(uid)
        line = b"UID FETCH %d (UID BODY.PEEK[HEADER]<0.%d>)" % (number, HEADER_BYTES)
        self._wire.command(line, Asked(Ask.LOOK, (number,)))

    def fetch(self, uid: str, offset: int) -> None:
        """Ask for the content of a message."""
        number = self._number(uid)
        is_urgent = number in self._listing.urgent
        self._jobs.add(Job.of(number, self._listing.sizes[number], offset, is_urgent=is_urgent))

    def delete(self, uids: Sequence[str]) -> None:
        """Have messages removed."""
        self._deleting.delete(self._number(uid) for uid in uids)

    def leave(self) -> None:
        """Nothing more will be wanted."""
        self._is_leaving = True
        self._deleting.send()

    def _number(self, uid: str) -> int:
        """The server's number of a message; it is one of those listed."""
        return int(uid.removeprefix(self._prefix))

    def _list_on(self) -> None:
        if self._listing.is_whole:
            self._is_listed = True
            self._wire.tell(self._listing.result())
        else:
            self._wire.command(self._listing.next_slice(), Asked(Ask.LIST))

    def ask_on(self) -> None:
        """Ask for content for as long as the window has room."""
        for jobs in self._jobs.to_ask():
            if self._ahead >= AHEAD_BYTES or len(self._wire.asked) >= MOST_AHEAD:
                return
            self._ask(jobs)

    def _ask(self, jobs: list[Job]) -> None:
        most = max(job.size for job in jobs) + 1 if len(jobs) > 1 else 0
        pieces = []
        for job in sorted(jobs, key=lambda job: job.uid):  # as the server will
            at, count = job.ask(most)
            pieces.append(Piece(job.uid, at, count, due=min(count, job.size + 1)))
        uids = tuple(job.uid for job in jobs)
        line = b"UID FETCH %s (UID BODY.PEEK[]<%d.%d>)" % (number_set(uids), pieces[0].at, pieces[0].count)
        self._wire.command(line, Asked(Ask.CONTENT, uids, tuple(pieces)))

    # What comes; each returns how many of the bytes nobody asked for

    def content(self, item: ContentBegins | Content) -> int:
        """A message's content. Raises: ProtocolError if it is more than was asked for."""
        if isinstance(item, Content):
            self._bring(item.data)
            return 0
        attributes = read_attributes(item.response)
        self._into = self._late = None
        if "UID" not in attributes:
            if item.length > PIECE_BYTES:
                raise ProtocolError("the server sends more of a message than was asked for")
            self._late = bytearray()
            return 0
        self._into = self._piece_for(number_of(attributes["UID"]), item.response)
        if self._into is None:
            return item.length
        self._begin(self._into, item.length)
        return 0

    def untagged(self, response: Response, answer: Answer) -> int:
        """Any other response that answers nothing by itself."""
        if answer.word == "FETCH":
            return 0 if self._fetched(response) else len(response.head)
        if answer.word == "SEARCH" and self._wire.waits_for(Ask.SEARCH):
            self._deleting.found(answer.text)
            return 0
        if answer.word == "EXPUNGE" and self._deleting.expected:
            self._deleting.expected -= 1
            return 0
        return len(response.head)

    def answered(self, asked: Asked, answer: Answer) -> None:
        """The end of a command."""
        if asked.ask is Ask.LIST:
            self._listed(answer)
        elif asked.ask is Ask.CONTENT:
            for piece in asked.pieces:
                self._piece_answered(piece, answer, is_shared=len(asked.pieces) > 1)
        elif asked.ask is Ask.LOOK:
            if not asked.is_served:
                self._wire.tell(Failed(self._uid(asked.uids[0]), _GONE if answer.word == "OK" else str(answer)))
        else:
            self._deleting.answered(asked, answer)

    def blame(self, words: str) -> None:
        """The server gave up in the middle: tell so of the message that was next, if nothing of it has come.

        Whatever it is in this message that the server can't serve, the next session must not begin with it again.
        """
        waiting = (one for asked in self._wire.asked.values() for one in asked.pieces if not one.is_served)
        piece = next(waiting, None)
        if piece is not None and self._jobs.of(piece.uid).is_untouched:
            self._jobs.drop(piece.uid)
            self._wire.tell(Failed(self._uid(piece.uid), words))

    def _uid(self, number: int) -> str:
        return f"{self._prefix}{number}"

    def _listed(self, answer: Answer) -> None:
        if answer.word != "OK":
            self._listing.skip(ProtocolError(f"some messages were not listed: {answer}"))
        self._listing.slice_done()
        self._list_on()

    def _fetched(self, response: Response) -> bool:
        """A FETCH response that is complete; whether it was asked for."""
        try:
            attributes = read_attributes(response)
            if self._wire.waits_for(Ask.LIST):
                return self._listing.take(attributes)
        except ProtocolError as error:
            if not self._wire.waits_for(Ask.LIST):
                raise
            self._listing.skip(error)
            return True
        return self._served(response, attributes)

    def _served(self, response: Response, attributes: dict[str, Value]) -> bool:
        late, self._late = self._late, None
        name = next((name for name in attributes if name.startswith("BODY[")), "")
        if "UID" not in attributes or not name:
            return False
        uid, value = number_of(attributes["UID"]), attributes[name]
        if name.startswith("BODY[HEADER"):
            return self._looked(uid, value)
        if late is not None:
            value = bytes(late)
        if isinstance(value, bytes):
            piece = self._piece_for(uid, response)
            if piece is None:
                return False
            self._begin(piece, len(value))
            self._into = piece
            self._bring(value)
        return True

    def _looked(self, uid: int, value: Value) -> bool:
        for asked in self._wire.asked.values():
            if asked.ask is Ask.LOOK and asked.uids == (uid,) and isinstance(value, bytes):
                if not asked.is_served:
                    asked.is_served = True
                    self._wire.tell(Header(self._uid(uid), value))
                return True
        return False

    # Pieces of content

    def _piece_for(self, uid: int, response: Response) -> Piece | None:
        """The first piece asked of this message that has not come: the one that begins where the server says."""
        named = next((part for part in response.parts if isinstance(part, bytes) and _ORIGIN.search(part)), b"")
        found = _ORIGIN.search(named)
        origin = None if found is None else int(found[1])
        for asked in self._wire.asked.values():
            for piece in asked.pieces:
                if piece.uid == uid and not piece.is_served and origin in {None, piece.at}:
                    return piece
        return None

    def _begin(self, piece: Piece, length: int) -> None:
        if length > piece.count:
            raise ProtocolError("the server sends more of a message than was asked for")
        piece.is_served = True

    def _bring(self, data: bytes) -> None:
        if self._late is not None:
            self._late += data
            return
        piece = self._into
        if piece is None:
            return
        if self._jobs.of(piece.uid).takes(piece.at + piece.came, len(data)):
            self._wire.tell(ContentEvent(self._uid(piece.uid), data))
        piece.came += len(data)

    def _piece_answered(self, piece: Piece, answer: Answer, *, is_shared: bool) -> None:
        job = self._jobs.of(piece.uid)
        if piece.is_served and (answer.word == "OK" or is_shared):
            job.answered(piece.at, piece.count, piece.came)
        elif is_shared and answer.word != "OK":
            job.ask_alone()  # which of them the server means, only this can tell
        else:
            job.refused(_GONE if answer.word == "OK" else str(answer))
        if job.stand is Stand.COMING:
            return
        self._jobs.drop(job.uid)
        if job.stand is Stand.COMPLETE:
            self._wire.tell(Complete(self._uid(job.uid)))
        else:
            self._wire.tell(Failed(self._uid(job.uid), job.words or "the server hands out nothing of the message"))
