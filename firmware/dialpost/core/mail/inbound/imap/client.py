"""The IMAP dialogue with one mailbox, from the greeting to LOGOUT (RFC 9051), as the collector drives it.

See `core/mail/inbound/dialogue` for the shape. A UID is `UIDVALIDITY.UID`, so that it changes where the server
numbers its messages a second time (RFC 9051 §2.3.1.1). The pieces of one message come in order; where the server's
idea of a size was wrong, those of another may come between them.

BINARY (RFC 3516) is not used: decoded on the server, a message is not the one that its sender signed, and DEFLATE
takes back what base64 adds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dialpost.core.errors import ProtocolError
from dialpost.core.mail.esmtp.client import Waiting
from dialpost.core.mail.inbound.collected import CollectFate
from dialpost.core.mail.inbound.dialogue import TLS_ADVICE, BoxEvent, Ended
from dialpost.core.mail.inbound.imap.answers import Answer, read_answer
from dialpost.core.mail.inbound.imap.collecting import Collecting
from dialpost.core.mail.inbound.imap.deflate import Inflater
from dialpost.core.mail.inbound.imap.opening import Opening
from dialpost.core.mail.inbound.imap.phases import Phase, Step
from dialpost.core.mail.inbound.imap.reader import Content, ContentBegins, Item, ResponseReader
from dialpost.core.mail.inbound.imap.settings import ImapSettings
from dialpost.core.mail.inbound.imap.wire import Ask, Asked, Wire

MOST_UNASKED_BYTES = 262_144
"""What a server may tell by itself in a session; more would keep a paid line busy."""
ANSWER_WAIT_S = 300.0
LEAST_WAIT_S = 60.0
"""The least time a server gets if nothing else keeps a paid line up: some take their time to open a folder."""


class ImapDialogue:
    """One session with one mailbox."""

    can_resume = True
    most_taken: int | None = None
    most_taken_bytes: int | None = None

    def __init__(
        self,
        settings: ImapSettings,
        *,
        tls: bool = False,
        verified: bool = False,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        """`tls`: the connection is inside TLS from the first byte; `verified`: with a checked certificate."""
        self._wire = Wire(trace)
        self._reader = ResponseReader()
        self._inflater: Inflater | None = None
        self._opening = Opening(settings, self._wire, tls=tls, verified=verified)
        self._collecting: Collecting | None = None
        self._unasked_bytes = 0

    # What the driver and the collector ask

    @property
    def phase(self) -> Phase:
        """The phase of the session."""
        return self._opening.phase

    @property
    def is_over(self) -> bool:
        """Whether `Ended` was reported: further input means nothing."""
        return self.phase is Phase.OVER

    @property
    def is_compressed(self) -> bool:
        """Whether both directions are compressed."""
        return self._inflater is not None

    @property
    def waiting_for(self) -> Waiting | None:
        """The answer that is due and how long it may take; None if the server waits for us."""
        if self.phase in {Phase.OVER, Phase.HANDSHAKE}:
            return None
        due = next(iter(self._wire.asked.values()), None)
        if due is None and self.phase is Phase.OPEN:
            return None
        return Waiting("our connection" if due is None else due.ask.value, ANSWER_WAIT_S, LEAST_WAIT_S)

    @property
    def can_ask(self) -> bool:
        """Whether one more `look`, `fetch` or `delete` may be given now; False before `Listed`."""
        return self.phase is Phase.OPEN and self._collecting is not None and self._collecting.can_ask

    def data_to_send(self) -> bytes:
        """The bytes to send now; returned only once."""
        if self.phase is Phase.OPEN:
            self._open().ask_on()
        return self._wire.take_output()

    # What the collector wants

    def look(self, uid: str) -> None:
        """Ask for the header; answered by `Header` or `Failed`."""
        self._open().look(uid)

    def fetch(self, uid: str, offset: int = 0) -> None:
        """Ask for the content from this byte on; answered by `Content`s and `Complete`, or `Failed`."""
        self._open().fetch(uid, offset)

    def delete(self, uids: Sequence[str]) -> None:
        """Have these deleted; answered by `Deleted`, unless the server can't."""
        self._open().delete(uids)

    def quit(self) -> None:
        """End the session once everything asked for is answered."""
        self._open().leave()
        self._leave()

    def _open(self) -> Collecting:
        assert self._collecting is not None, "nothing may be asked before `Listed`"
        return self._collecting

    # What the driver passes on

    def receive(self, data: bytes) -> list[BoxEvent]:
        """Bytes from the server, split anywhere. Never raises; once the session is over, nothing more is read."""
        try:
            if not self.is_over:
                self._read(data)
        except ProtocolError as error:
            self._end(Ended(CollectFate.CUT, str(error)))
        return self._wire.take_events()

    def eof(self) -> list[BoxEvent]:
        """The server closed the connection."""
        words = "the server closed the connection"
        self._blame(words)
        return self.failed(words)

    def failed(self, words: str) -> list[BoxEvent]:
        """The connection can't be used any more (reset, no answer in time)."""
        self._end(Ended(CollectFate.CUT, words))
        return self._wire.take_events()

    def tls_established(self, *, verified: bool) -> list[BoxEvent]:
        """The handshake requested by `StartTls` is done. `verified`: the certificate proves who the host is."""
        if self.phase is Phase.HANDSHAKE:
            self._opening.tls_established(verified=verified)
        return self._wire.take_events()

    def tls_failed(self, words: str) -> list[BoxEvent]:
        """TLS could not be set up as configured."""
        self._end(Ended(CollectFate.NEEDS_OPERATOR, words, TLS_ADVICE))
        return self._wire.take_events()

    # Inside

    def _read(self, data: bytes) -> None:
        for piece in (data,) if self._inflater is None else self._inflater.receive(data):
            for item in self._reader.receive(piece):
                self._take(item)
                if self.is_over:
                    return

    def _take(self, item: Item) -> None:
        if isinstance(item, ContentBegins | Content):
            if self._collecting is None:
                raise ProtocolError("the server sends a message that was not asked for")
            self._count(self._collecting.content(item))
            return
        answer = read_answer(item)
        self._wire.note(answer)
        if answer.tag not in {"*", "+"} and self.phase is not Phase.GREETING:
            self._answered(self._wire.answered(answer), answer)
        elif self._collecting is None:
            self._count(len(item.head))
            self._end(self._opening.untagged(answer))
        elif answer.tag == "+":
            raise ProtocolError("the server asks for more, but nothing was begun")
        elif answer.word == "BYE":
            self._blame(str(answer))
            self._end(self._done if self._is_all_answered else Ended(CollectFate.CUT, str(answer)))
        else:
            self._count(self._collecting.untagged(item, answer))

    def _count(self, unasked_bytes: int) -> None:
        self._unasked_bytes += unasked_bytes
        if self._unasked_bytes > MOST_UNASKED_BYTES:
            raise ProtocolError("the server keeps sending what nobody asked for")

    def _answered(self, asked: Asked, answer: Answer) -> None:
        if self._collecting is not None:
            self._collecting.answered(asked, answer)
            self._leave()
            if self._is_all_answered:
                self._end(self._done)
            return
        self._end(self._opening.tagged(asked, answer))
        unread = b""
        if asked.ask is Ask.COMPRESS and answer.word == "OK":
            self._wire.compress()
            self._inflater = Inflater()
            unread = self._reader.take_unread()
        elif self.phase is Phase.HANDSHAKE and self._reader.holds_input:
            # Somebody on the way may have put it in before TLS began: RFC 9051 §11.1.
            raise ProtocolError("the server sent something after STARTTLS that is not TLS")
        if self.phase is Phase.ENTERING and not self._wire.asked:
            self._opening.step(Step.OPENED)
            self._collecting = Collecting(self._wire, self._opening)
        if unread:
            self._read(unread)

    def _blame(self, words: str) -> None:
        """The server itself ends the session: perhaps because of the message it was about to send."""
        if self._collecting is not None and not self.is_over:
            self._collecting.blame(words)

    def _leave(self) -> None:
        """Log out behind the last command: the server closes once it has answered that."""
        if self.phase is Phase.OPEN and self._open().may_leave:
            self._opening.step(Step.LEAVING)
            self._wire.command(b"LOGOUT", Asked(Ask.LOGOUT))

    @property
    def _is_all_answered(self) -> bool:
        """Whether only the farewell is missing: nobody waits for that after another answer."""
        return self.phase is Phase.LOGOUT and all(asked.ask is Ask.LOGOUT for asked in self._wire.asked.values())

    @property
    def _done(self) -> Ended:
        return Ended(CollectFate.DONE, advice=self._open().note)

    def _end(self, ended: Ended | None) -> None:
        if ended is None or self.is_over:
            return
        self._opening.step(Step.ENDED)
        self._wire.drop_output()
        self._wire.tell(ended)
