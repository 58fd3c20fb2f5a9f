"""One POP3 session, without I/O (core/mail/inbound/dialogue.MailboxDialogue).

Deletions count only once the server has answered QUIT (RFC 1939 §6), so a session takes a limited number of
messages; the collector then begins another. With PIPELINING several commands are under way at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from dialpost.core.config.model import TlsMode
from dialpost.core.errors import ProtocolError
from dialpost.core.mail.esmtp.client import Waiting
from dialpost.core.mail.inbound.collected import CollectFate
from dialpost.core.mail.inbound.dialogue import (
    TLS_ADVICE,
    BoxEvent,
    BoxLogin,
    Complete,
    Content,
    Deleted,
    Ended,
    Failed,
    Header,
    StartTls,
)
from dialpost.core.mail.inbound.owner import LONGEST_HEADER
from dialpost.core.mail.inbound.pop3.answers import Items, Status, Text
from dialpost.core.mail.inbound.pop3.asked import BODY_WAIT_S, Answers, Asked
from dialpost.core.mail.inbound.pop3.listing import Listing
from dialpost.core.mail.inbound.pop3.opening import Opening, not_greeted

MOST_UNDER_WAY = 8
"""Commands sent and not answered, with PIPELINING: enough to fill the line, and little asked for in vain if the
operator stops the call."""
MOST_TAKEN = 100
MOST_TAKEN_BYTES = 4_000_000
"""Of one session. A new one takes a few round trips and a resumed TLS handshake; a cut costs no more than the
deletions of this many, because their UIDs are known."""
MOST_TAKEN_WITHOUT_UIDL = 20
MOST_TAKEN_BYTES_WITHOUT_UIDL = 500_000
_MOST_TOP_BYTES = 1_000_000
"""A header longer than this is not waited for."""
_QUIT_WAIT_S = 60.0
"""The server deletes now; a session that ends without its answer deletes again."""

_MOST_HEARD_BYTES = 80
"""Of a greeting that may be another protocol's."""

_NO_NAMES_ADVICE = (
    "The server offers neither UIDL nor TOP, so no message can be recognised: use IMAP if it has that."
)


class Pop3Dialogue:
    """One session with one mailbox."""

    can_resume = False

    def __init__(
        self,
        login: BoxLogin,
        new_nonce: Callable[[], str],
        *,
        verified: bool = False,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        """`new_nonce` makes text that was never used before; `verified` is about TLS from the first byte.

        `trace` gets each command, secrets masked.
        """
        self._trace = trace
        self._out = bytearray()
        self._events: list[BoxEvent] = []
        self._answers = Answers()
        self._listing = Listing()
        self._numbers: dict[str, list[int]] = {}
        self._todo: deque[Callable[[], None]] = deque()
        self._deleted: list[str] = []
        self._is_open = self._is_quitting = self._has_quit = self._is_shaking_hands = self.is_over = False
        self._heard = bytearray()
        self._wanted = 0  # looks and fetches without an answer; each answer is an event, so that more can be asked
        self._names = "UIDL"
        self._opening = Opening(
            login,
            tls=login.tls is TlsMode.IMPLICIT,
            verified=verified,
            new_nonce=new_nonce,
            ask=self._ask,
            on_tls=self._start_tls,
            on_end=self._end,
            on_open=self._list,
        )
        self._answers.expect(self._opening.greeting())

    # What the driver and the collector ask

    @property
    def waiting_for(self) -> Waiting | None:
        """See `MailboxDialogue`."""
        first = self._answers.first
        if self.is_over or first is None or self._is_shaking_hands:
            return None
        limit_s = BODY_WAIT_S if self._answers.is_in_body else first.limit_s
        return Waiting(first.what, limit_s, first.least_s)

    @property
    def can_ask(self) -> bool:
        """See `MailboxDialogue`."""
        return self._is_open and not self._is_quitting and self._wanted < MOST_UNDER_WAY

    @property
    def most_taken(self) -> int:
        """See `MailboxDialogue`."""
        return MOST_TAKEN if self._names == "UIDL" else MOST_TAKEN_WITHOUT_UIDL

    @property
    def most_taken_bytes(self) -> int:
        """See `MailboxDialogue`."""
        return MOST_TAKEN_BYTES if self._names == "UIDL" else MOST_TAKEN_BYTES_WITHOUT_UIDL

    def data_to_send(self) -> bytes:
        """See `MailboxDialogue`."""
        data, self._out = bytes(self._out), bytearray()
        return data

    # What the collector does

    def look(self, uid: str) -> None:
        """See `MailboxDialogue`."""
        self._wanted += 1
        self._later(partial(self._top, uid))

    def fetch(self, uid: str, offset: int = 0) -> None:
        """See `MailboxDialogue`."""
        assert offset == 0
        self._wanted += 1
        self._later(partial(self._retrieve, uid))

    def delete(self, uids: Sequence[str]) -> None:
        """See `MailboxDialogue`. Confirmed when the session ends."""
        for uid in uids:
            for number in self._numbers.get(uid, ()):
                self._later(partial(self._dele, uid, number))

    def quit(self) -> None:
        """See `MailboxDialogue`."""
        self._is_quitting = True
        self._go_on()

    # What the driver passes on

    def receive(self, data: bytes) -> list[BoxEvent]:
        """See `MailboxDialogue`."""
        if self.is_over:
            return []
        if not self._opening.is_greeted:
            self._heard += data[: _MOST_HEARD_BYTES - len(self._heard)]
        try:
            is_shaking = self._is_shaking_hands
            rest = data if is_shaking else self._answers.receive(data, self._is_to_stop)
            if self._is_shaking_hands and rest:
                raise ProtocolError("the server sent clear text after it agreed to STLS")
            self._go_on()
        except ProtocolError as error:
            self._break_off(str(error))
        return self._take_events()

    def tls_established(self, *, verified: bool) -> list[BoxEvent]:
        """See `MailboxDialogue`."""
        self._is_shaking_hands = False
        self._opening.tls_established(verified=verified)
        return self._take_events()

    def tls_failed(self, words: str) -> list[BoxEvent]:
        """See `MailboxDialogue`."""
        self._end(Ended(CollectFate.NEEDS_OPERATOR, words, TLS_ADVICE))
        return self._take_events()

    def eof(self) -> list[BoxEvent]:
        """See `MailboxDialogue`."""
        return self.failed("the server closed the connection")

    def failed(self, words: str) -> list[BoxEvent]:
        """See `MailboxDialogue`. After QUIT nothing is missing but the certainty that the server deleted."""
        first = self._answers.first
        what = f"{words} ({first.what})" if first is not None else words
        self._break_off(what)
        return self._take_events()

    # Lists

    def _list(self) -> None:
        listing = self._listing
        sizes = Items(listing.size_line, self._listed, listing.too_long)
        if not self._opening.offered.uidl:
            self._without_uidl()
        elif self._opening.offered.pipelining:
            names = Items(listing.uid_line, lambda: None, listing.too_long)
            self._ask(b"UIDL", "UIDL", Asked("UIDL", self._no_uidl, names))
            self._ask(b"LIST", "LIST", Asked("LIST", self._no_list, sizes))
        else:
            then = partial(self._ask, b"LIST", "LIST", Asked("LIST", self._no_list, sizes))
            names = Items(listing.uid_line, then, listing.too_long)
            self._ask(b"UIDL", "UIDL", Asked("UIDL", partial(self._no_uidl, then=then), names))

    def _without_uidl(self) -> None:
        self._names = "TOP"
        listing = self._listing
        sizes = Items(listing.size_line, self._listed, listing.too_long)
        self._ask(b"LIST", "LIST", Asked("LIST", self._no_list, sizes))

    def _no_uidl(self, status: Status, then: Callable[[], None] = lambda: None) -> None:
        if not status.is_ok:
            self._names = "TOP"
            then()

    def _no_list(self, status: Status) -> None:
        if not status.is_ok:
            self._end(Ended(CollectFate.NOT_NOW, status.words))

    def _listed(self) -> None:
        if self._names == "UIDL":
            self._open()
        elif not self._opening.offered.top:
            self._end(Ended(CollectFate.NEEDS_OPERATOR, "the server offers no UIDL", _NO_NAMES_ADVICE))
        else:
            for number in list(self._listing.sizes):
                self._todo.append(partial(self._name_by_top, number))
            self._todo.append(self._open)

    def _name_by_top(self, number: int) -> None:
        top = bytearray()

        def refused(status: Status) -> None:
            if not status.is_ok:
                self._listing.no_top(number, status.words)

        body = Text(partial(_keep, top), lambda: self._listing.top(number, bytes(top)), _MOST_TOP_BYTES)
        self._ask(b"TOP %d 0" % number, f"TOP {number} 0", Asked("TOP", refused, body))

    def _open(self) -> None:
        if len(self._answers) > self._answers.is_in_body:  # the last tops are still coming
            self._todo.appendleft(self._open)
            return
        self._numbers = self._listing.numbers()
        self._is_open = True
        self._events.append(self._listing.result())

    # Messages

    def _top(self, uid: str) -> None:
        number, top = self._numbers[uid][0], bytearray()
        body = Text(partial(_keep, top), lambda: self._answer(Header(uid, bytes(top))), _MOST_TOP_BYTES)
        self._ask(b"TOP %d 0" % number, f"TOP {number} 0", Asked("TOP", partial(self._refused, uid), body))

    def _retrieve(self, uid: str) -> None:
        number = self._numbers[uid][0]
        most = 2 * self._listing.sizes[number] + LONGEST_HEADER  # some servers count LF line endings
        body = Text(partial(self._content, uid), lambda: self._answer(Complete(uid)), most)
        self._ask(b"RETR %d" % number, f"RETR {number}", Asked("RETR", partial(self._refused, uid), body))

    def _content(self, uid: str, data: bytes) -> None:
        self._events.append(Content(uid, data))

    def _refused(self, uid: str, status: Status) -> None:
        if not status.is_ok:
            self._answer(Failed(uid, status.words))

    def _answer(self, event: Header | Complete | Failed) -> None:
        self._wanted -= 1
        self._events.append(event)

    def _dele(self, uid: str, number: int) -> None:
        def answered(status: Status) -> None:
            if status.is_ok:
                self._deleted.append(uid)

        self._ask(b"DELE %d" % number, f"DELE {number}", Asked("DELE", answered))

    # Inside

    def _is_to_stop(self) -> bool:
        return self.is_over or self._is_shaking_hands

    def _later(self, command: Callable[[], None]) -> None:
        self._todo.append(command)
        self._go_on()

    def _go_on(self) -> None:
        """Send what may be sent now."""
        most = MOST_UNDER_WAY if self._opening.offered.pipelining else 1
        while self._todo and len(self._answers) < most and not self.is_over:
            before = len(self._todo)
            self._todo.popleft()()
            if len(self._todo) >= before:
                return
        if self._is_quitting and self._is_open and not (self._todo or len(self._answers) or self._has_quit):
            self._has_quit = True
            self._ask(b"QUIT", "QUIT", Asked("QUIT", self._quit_answered, limit_s=_QUIT_WAIT_S))

    def _ask(self, line: bytes, shown: str, asked: Asked) -> None:
        self._out += line + b"\r\n"
        self._answers.expect(asked)
        if self._trace is not None:
            self._trace(f"> {shown}")

    def _start_tls(self) -> None:
        self._is_shaking_hands = True
        self._events.append(StartTls())

    def _quit_answered(self, status: Status) -> None:
        if status.is_ok and self._deleted:
            self._events.append(Deleted(tuple(dict.fromkeys(self._deleted))))
        self._end(Ended(CollectFate.DONE, "" if status.is_ok else status.words))

    def _break_off(self, words: str) -> None:
        if self._opening.is_greeted:
            self._end(Ended(CollectFate.DONE if self._has_quit else CollectFate.CUT, words))
        else:
            self._end(not_greeted(words, bytes(self._heard)))

    def _end(self, ended: Ended) -> None:
        if not self.is_over:
            self.is_over = True
            self._events.append(ended)

    def _take_events(self) -> list[BoxEvent]:
        events, self._events = self._events, []
        return events


def _keep(top: bytearray, data: bytes) -> None:
    """The beginning of a header; the rest is not needed."""
    top += data[: LONGEST_HEADER - len(top)]
