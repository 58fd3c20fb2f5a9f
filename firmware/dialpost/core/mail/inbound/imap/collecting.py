"""An open folder: list it, look at headers, fetch content, delete (RFC 9051 §6.4)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dialpost.core.errors import ProtocolError
from dialpost.core.mail.inbound.dialogue import Complete, Failed, Header
from dialpost.core.mail.inbound.dialogue import Content as ContentEvent
from dialpost.core.mail.inbound.imap.answers import Answer, Value, number_of, read_attributes
from dialpost.core.mail.inbound.imap.deleting import Deleting
from dialpost.core.mail.inbound.imap.jobs import AHEAD_BYTES, MOST_AHEAD, PIECE_BYTES, Jobs, Stand
from dialpost.core.mail.inbound.imap.listing import Listing
from dialpost.core.mail.inbound.imap.opening import Opening
from dialpost.core.mail.inbound.imap.reader import Content, ContentBegins, Response
from dialpost.core.mail.inbound.imap.wire import Ask, Asked, Wire

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
        self._into: Asked | None = None
        """What the content that is arriving answers."""
        self._late: bytearray | None = None
        """Content whose message is named only after it."""
        self._is_leaving = False
        self._is_listed = False
        self._list_on()

    @property
    def can_ask(self) -> bool:
        """Whether the window has room for more."""
        return self._is_listed and not self._is_leaving and self._has_room and not self._jobs.is_waiting

    @property
    def may_leave(self) -> bool:
        """Whether nothing more will be asked."""
        return self._is_leaving and not self._jobs and not self._wire.waits_for(Ask.SEARCH)

    @property
    def note(self) -> str:
        """What the operator should know of a folder that was not emptied."""
        return self._deleting.note

    @property
    def _has_room(self) -> bool:
        ahead = sum(asked.count - asked.came for asked in self._wire.asked.values())
        return ahead < AHEAD_BYTES and len(self._wire.asked) < MOST_AHEAD

    # What is wanted

    def look(self, uid: str) -> None:
        """Ask for the header of a message."""
        number = self._number(uid)
        line = b"UID FETCH %d (UID BODY.PEEK[HEADER]<0.%d>)" % (number, HEADER_BYTES)
        self._wire.command(line, Asked(Ask.LOOK, (number,)))

    def fetch(self, uid: str, offset: int) -> None:
        """Ask for the content of a message."""
        number = self._number(uid)
        self._jobs.add(number, self._listing.sizes[number], offset)
        self._ask_on()

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

    def _ask_on(self) -> None:
        """Ask for pieces for as long as the window has room."""
        for job in self._jobs.to_ask():
            if not self._has_room:
                return
            at, count = job.ask()
            line = b"UID FETCH %d (UID BODY.PEEK[]<%d.%d>)" % (job.uid, at, count)
            self._wire.command(line, Asked(Ask.CONTENT, (job.uid,), at, count))

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
            self._piece_answered(asked, answer)
        elif asked.ask is Ask.LOOK:
            if not asked.is_served:
                self._wire.tell(Failed(self._uid(asked), _GONE if answer.word == "OK" else str(answer)))
        else:
            self._deleting.answered(asked, answer)
        self._ask_on()

    def _uid(self, asked: Asked) -> str:
        return f"{self._prefix}{asked.uids[0]}"

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
            asked = self._piece_for(uid, response)
            if asked is None:
                return False
            self._begin(asked, len(value))
            self._into = asked
            self._bring(value)
        return True

    def _looked(self, uid: int, value: Value) -> bool:
        for asked in self._wire.asked.values():
            if asked.ask is Ask.LOOK and asked.uids == (uid,) and isinstance(value, bytes):
                if not asked.is_served:
                    asked.is_served = True
                    self._wire.tell(Header(self._uid(asked), value))
                return True
        return False

    # Pieces of content

    def _piece_for(self, uid: int, response: Response) -> Asked | None:
        """The first piece asked of this message that has not come: the one that begins where the server says."""
        named = next((part for part in response.parts if isinstance(part, bytes) and _ORIGIN.search(part)), b"")
        found = _ORIGIN.search(named)
        origin = None if found is None else int(found[1])
        for asked in self._wire.asked.values():
            is_due = asked.ask is Ask.CONTENT and asked.uids == (uid,) and not asked.is_served
            if is_due and origin in {None, asked.at}:
                return asked
        return None

    def _begin(self, asked: Asked, length: int) -> None:
        if length > asked.count:
            raise ProtocolError("the server sends more of a message than was asked for")
        asked.is_served = True

    def _bring(self, data: bytes) -> None:
        if self._late is not None:
            self._late += data
            return
        asked = self._into
        if asked is None:
            return
        if self._jobs.of(asked.uids[0]).takes(asked.at + asked.came, len(data)):
            self._wire.tell(ContentEvent(self._uid(asked), data))
        asked.came += len(data)

    def _piece_answered(self, asked: Asked, answer: Answer) -> None:
        job = self._jobs.of(asked.uids[0])
        if answer.word != "OK":
            job.refused(str(answer))
        elif not asked.is_served:
            job.refused(_GONE)
        else:
            job.answered(asked.at, asked.count, asked.came)
        if job.stand is Stand.COMING:
            return
        self._jobs.drop(job.uid)
        if job.stand is Stand.COMPLETE:
            self._wire.tell(Complete(self._uid(asked)))
        else:
            self._wire.tell(Failed(self._uid(asked), job.words or "the server hands out nothing of the message"))
