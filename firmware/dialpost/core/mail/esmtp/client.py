"""The ESMTP client: one session from greeting to QUIT, without I/O.

The driver passes input on (`receive`, `eof`, `failed`), sends what `data_to_send` returns, and acts on the events.
It submits messages while `can_submit`, and content while `content_wanted` asks for it. Nothing here waits or knows
the time: `waiting_for` says how long the driver may wait.

Every message submitted comes back in exactly one `Finished`, whatever happens, before `Ended`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dialpost.core.errors import ProtocolError
from dialpost.core.mail.content.outgoing import ContentFacts
from dialpost.core.mail.esmtp.expected import LEAST_WAIT_S
from dialpost.core.mail.esmtp.extensions import Extensions
from dialpost.core.mail.esmtp.lessons import Lesson, without
from dialpost.core.mail.esmtp.mailing import Mailing
from dialpost.core.mail.esmtp.opening import Opening
from dialpost.core.mail.esmtp.phases import Phase, Step
from dialpost.core.mail.esmtp.replies import ReplyReader
from dialpost.core.mail.esmtp.wire import AtrnAnswered, ContentRequest, Ended, EtrnAnswered, Event, Wire
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.smtp_target import ConnectSettings, OutgoingMessage, SessionFate

BLOCK_WAIT_S = 180.0  # each block of content (RFC 5321 §4.5.3.2.5), never the whole message

_PHASE_WAIT_S = {
    Phase.GREETING: 300.0,
    Phase.EHLO: 300.0,
    Phase.HELO: 300.0,
    Phase.STARTTLS: 120.0,
    Phase.HANDSHAKE: 180.0,
    Phase.LOGIN: 180.0,  # RFC 4954 §4
}
_ETRN_WAIT_S = 300.0
_ATRN_WAIT_S = 600.0  # RFC 2645 §5.3: the server may have to collect the mail first
_ETRN_NAME = re.compile(r"[@#]?[\x21-\x7e]+\Z")


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the server's next reply will answer, and how long it may take, in s.

    `least_s`: the minimum wait if nothing else keeps a paid line up.
    """

    what: str
    limit_s: float
    least_s: float = LEAST_WAIT_S


class EsmtpClient:
    """One session with one server."""

    def __init__(
        self,
        settings: ConnectSettings,
        host: str,
        *,
        tls: bool = False,
        verified: bool = False,
        trace: Callable[[str], None] | None = None,
        nonce: str = "",
    ) -> None:
        """`tls`: the connection is inside TLS from the first byte; `verified`: with a checked certificate.

        `trace` gets each line of the dialogue, secrets masked and content left out. `nonce`: for a login that needs
        one, printable ASCII never used before.
        """
        self._settings = settings
        self._host = host
        self._wire = Wire(trace)
        self._replies = ReplyReader()
        self._opening = Opening(settings, self._wire, tls=tls, verified=verified, nonce=nonce)
        self._mailing: Mailing | None = None
        self._etrn_name: str | None = None
        self._awaits_atrn = False
        self._turned_input = bytearray()
        self.early_refused = ""
        """The name for which the server did not do ETRN before EHLO; it is asked again after EHLO."""
        self.answers = 0  # replies so far: the driver's clock for the next one starts from here

    # What the driver asks

    @property
    def phase(self) -> Phase:
        """The phase of the session."""
        return self._opening.phase

    @property
    def is_over(self) -> bool:
        """Whether the session has ended: further input means nothing."""
        return self.phase is Phase.OVER

    @property
    def extensions(self) -> Extensions:
        """The extensions that the server offers, as far as known, except those it turned out not to support."""
        return without(self._opening.extensions, self._settings.without)

    @property
    def is_early(self) -> bool:
        """Whether this session began with ETRN, before EHLO (`ConnectSettings.early_etrn`)."""
        return self._opening.is_early

    @property
    def can_submit(self) -> bool:
        """Whether one more message can be used now."""
        return self.phase is Phase.OPEN and self._mailing is not None and self._mailing.can_submit

    @property
    def is_idle(self) -> bool:
        """Whether the session is open and nothing is under way: time for `submit`, `etrn` or `quit`."""
        if self._etrn_name is not None or self._awaits_atrn:
            return False
        is_open = self.phase is Phase.OPEN and self._mailing is not None and self._mailing.is_idle
        return is_open or self.phase is Phase.EARLY

    @property
    def content_wanted(self) -> ContentRequest | None:
        """Content that may be sent now; answer with `feed` or `content_failed`."""
        return None if self._mailing is None else self._mailing.content_wanted

    @property
    def waiting_for(self) -> Waiting | None:
        """The reply that is due, if one is."""
        if self.phase in _PHASE_WAIT_S:
            return Waiting(self.phase.value, _PHASE_WAIT_S[self.phase])
        if self.phase is not Phase.OVER and self._etrn_name is not None:
            return Waiting("ETRN", _ETRN_WAIT_S)
        if self.phase is Phase.OPEN and self._awaits_atrn:
            return Waiting("ATRN", _ATRN_WAIT_S)
        if self.phase is Phase.OVER or self._mailing is None:
            return None
        limit_s = self._mailing.wait_s
        if limit_s is None:
            return None
        return Waiting(self._mailing.waiting_for, limit_s, self._mailing.least_wait_s)

    @property
    def is_held_up(self) -> bool:
        """Whether there is more to send, but only after the server has answered."""
        held_by_answer = self.waiting_for is not None and self.content_wanted is None
        return held_by_answer and self._mailing is not None and self._mailing.has_unsent

    @property
    def learnt(self) -> Lesson | None:
        """What the next session with this host should do without; messages interrupted because of it are
        `again`."""
        return None if self._mailing is None else self._mailing.learnt

    @property
    def lessons(self) -> tuple[Lesson, ...]:
        """Everything that this session showed the host doesn't support."""
        if self._mailing is None:
            return ()
        parameters = sorted(self._mailing.refused_parameters, key=lambda lesson: lesson.name)
        return (*([self._mailing.learnt] if self._mailing.learnt else []), *parameters)

    def data_to_send(self) -> bytes:
        """The bytes to send now, in order; they are returned only once."""
        return self._wire.take_output()

    # What the driver does

    def submit(self, message: OutgoingMessage, facts: ContentFacts) -> list[Event]:
        """Send a message after those before it; call only while `can_submit`."""
        assert self.can_submit and self._mailing is not None
        self._mailing.submit(message, facts)
        return self._wire.take_events()

    def feed(self, block: bytes, *, last: bool) -> None:
        """Stored content (LF line endings) for `content_wanted`; `last` if the message ends with it."""
        assert self._mailing is not None
        self._mailing.feed(block, last=last)

    def content_failed(self, why: str) -> list[Event]:
        """The rest of the wanted content can't be read. Nobody gets half a message."""
        assert self._mailing is not None
        reply = Reply(451, (why,), "4.3.0")
        if not self._mailing.content_failed(reply):
            self._lose(why, "the connection was dropped so that no partial message is delivered")
        return self._wire.take_events()

    def etrn(self, name: str) -> list[Event]:
        """Ask for the mail queued for `name`; call only while `is_idle`. One at a time: ETRN ends a group
        (RFC 2920 §3.1).
        """
        assert self.is_idle
        if _ETRN_NAME.match(name):
            self._etrn_name = name
            self._wire.send_line(f"ETRN {name}".encode())
        else:
            self._wire.tell(EtrnAnswered(name, Reply(501, ("ETRN can't ask for such a name",), "5.5.4")))
        return self._wire.take_events()

    def atrn(self, domains: Sequence[str]) -> None:
        """Ask for the mail of these domains over this connection (none: those of the login); only while `is_idle`.

        After 250 nothing more is read: `take_turned_input` and all that follows belong to a server.
        """
        assert self.is_idle
        self._awaits_atrn = True
        self._wire.send_line(f"ATRN {','.join(domains)}".rstrip().encode())

    def _has_turned(self) -> bool:
        return self.phase is Phase.TURNED

    def take_turned_input(self) -> bytes:
        """What the server sent behind its 250 to ATRN; it is returned only once."""
        data, self._turned_input = bytes(self._turned_input), bytearray()
        return data

    def quit(self) -> list[Event]:
        """End the session with QUIT; call only while `is_idle`.

        A client should wait for the answer (RFC 5321 §4.1.1.10), but it says nothing: each message has its reply,
        and the wait would be a round trip of a paid line.
        """
        assert self.is_idle
        self._wire.send_line(b"QUIT")
        self._end(SessionFate.DONE, "nothing more to send", None)
        return self._wire.take_events()

    # What the driver passes on

    def receive(self, data: bytes, *, unheard_bytes: int = 0) -> list[Event]:
        """Bytes from the server, split anywhere. Once the session is over, nothing more is read.

        `unheard_bytes`: how many of the last bytes of `data_to_send` had certainly not reached the server when it
        sent this.
        """
        self._wire.unheard_bytes = unheard_bytes
        if self._has_turned():
            self._turned_input += data
            return []
        try:
            for reply in [] if self.is_over else self._replies.receive(data):
                if self.is_over:
                    break
                if not self._may_be_answer(reply):
                    raise self._out_of_turn(reply)
                self.answers += 1
                self._wire.note_reply(reply)
                self._take(reply)
                if self._has_turned():
                    self._turned_input += self._replies.unread
                    break
            if self.phase is Phase.HANDSHAKE and self._replies.holds_input:
                raise ProtocolError("the server sent clear text after it agreed to STARTTLS")
        except ProtocolError as error:
            if not self.is_over:
                self._lose(str(error), in_step=False)
        return self._wire.take_events()

    def tls_established(self, *, verified: bool) -> None:
        """The handshake requested by `StartTls` is done."""
        self._opening.tls_established(verified=verified)

    def tls_failed(self, why: str) -> list[Event]:
        """TLS could not be set up as configured: that needs an operator; meanwhile the mail waits."""
        self._wire.drop_output()
        self._end(SessionFate.NEEDS_OPERATOR, why, Reply(451, (why,), "4.7.5"))
        return self._wire.take_events()

    def note_unheard(self, unheard_bytes: int) -> None:
        """The connection is about to end: how many of the last bytes sent the server has not received."""
        self._wire.unheard_bytes = unheard_bytes

    def eof(self) -> list[Event]:
        """The server closed the connection."""
        if self.is_idle:
            self._end(SessionFate.CLOSED, "the server closed the idle connection", None)
        elif self.phase is not Phase.OVER:
            self._lose(f"the server closed the connection before it answered ({self._what()})")
        return self._wire.take_events()

    def failed(self, why: str) -> list[Event]:
        """The connection can't be used any more (reset, no answer in time, TLS broken ...)."""
        if self.phase is not Phase.OVER:
            self._lose(why)
        return self._wire.take_events()

    def timed_out(self, why: str) -> list[Event]:
        """The reply that was due did not come in time."""
        if self._mailing is not None:
            self._mailing.timed_out()
        return self.failed(why)

    # Replies

    def _may_be_answer(self, reply: Reply) -> bool:
        """Whether the server can have received what it would be answering. It may close the session at any time
        (RFC 5321 §3.8)."""
        if reply.code == 421:
            return True
        if self._mailing is None or self._etrn_name is not None or self._awaits_atrn:
            return self._wire.heard_bytes >= self._wire.put_bytes
        return self._mailing.wait_s is None or self._mailing.is_asked(reply)

    def _out_of_turn(self, reply: Reply) -> ProtocolError:
        what = f"the server replied out of turn: {reply}"
        return ProtocolError(what) if self._mailing is None else self._mailing.out_of_step(what)

    def _take(self, reply: Reply) -> None:
        if self.phase is Phase.EARLY and reply.code != 421:
            self._take_early(reply)
        elif self._mailing is None:
            self._take_opening(reply)
        elif self._etrn_name is not None and reply.code != 421:
            name, self._etrn_name = self._etrn_name, None
            self._wire.tell(EtrnAnswered(name, reply))
        elif self._awaits_atrn and reply.code != 421:
            self._awaits_atrn = False
            self._wire.tell(AtrnAnswered(reply))
            if reply.code == 250:
                self._opening.step(Step.TURNED)
        elif self._mailing.wait_s is None:
            self._take_unasked(self._mailing, reply)
        else:
            self._take_answer(self._mailing, reply)

    def _take_opening(self, reply: Reply) -> None:
        refused = self._opening.receive(reply)
        if refused is not None:
            if reply.code != 421:
                self._wire.send_line(b"QUIT")
            self._end(refused.fate, refused.reason, refused.reply)
        elif self.phase is Phase.OPEN:
            offered = replace(
                self.extensions,
                pipelining=self.extensions.pipelining and self._settings.pipelining,
                chunking=self.extensions.chunking and self._settings.chunking,
            )
            self._mailing = Mailing(self._wire, offered, host=self._host, station=self._settings.helo)
            if self.early_refused:
                self.etrn(self.early_refused)

    def _take_early(self, reply: Reply) -> None:
        """The answer to an ETRN before EHLO (RFC 5321 §4.1.4: a server should accept such commands then)."""
        name, self._etrn_name = self._etrn_name, None
        if name is None:
            raise self._out_of_turn(reply)
        if reply.is_completion:
            self._wire.tell(EtrnAnswered(name, reply))
        else:  # whatever the reason: it may be that EHLO is missing
            self.early_refused = name
            self._opening.early_refused()

    def _take_unasked(self, mailing: Mailing, reply: Reply) -> None:
        if reply.is_positive:
            raise self._out_of_turn(reply)
        if mailing.early_answer(reply):
            reason = "the server refused a message before its end"
        else:
            reason = "the server closes the connection"
        self._close(mailing, SessionFate.CLOSED, reason, reply)

    def _take_answer(self, mailing: Mailing, reply: Reply) -> None:
        if not mailing.receive(reply):
            self._close(mailing, SessionFate.CLOSED, "the server closes the connection", reply)
            return
        stopped_by = mailing.stopped_by
        if stopped_by is not None:
            self._wire.send_line(b"QUIT")
            reason = "the server accepts no mail in a session configured like this"
            self._close(mailing, SessionFate.NEEDS_OPERATOR, reason, stopped_by)

    # Ends

    def _what(self) -> str:
        waiting = self.waiting_for
        return waiting.what if waiting else "nothing"

    def _close(self, mailing: Mailing, fate: SessionFate, reason: str, reply: Reply) -> None:
        mailing.break_off(reply, self._host, lost=False)
        self._end(fate, reason, reply)

    def _lose(self, why: str, consequence: str = "", *, in_step: bool = True) -> None:
        self._wire.drop_output()
        refused = self._opening.refused
        if refused is not None:  # the server refused, and left while another way was tried
            self._end(refused.fate, refused.reason, refused.reply)
            return
        reply = Reply(451, (f"Connection with {self._host} interrupted: {why}",), "4.4.2")
        if self._mailing is not None:
            self._mailing.break_off(reply, self._settings.helo, lost=True, in_step=in_step)
        self._end(SessionFate.LOST, f"{why}; {consequence}" if consequence else why, reply)

    def _end(self, fate: SessionFate, reason: str, reply: Reply | None) -> None:
        self._opening.step(Step.ENDED)
        self._wire.tell(Ended(fate, reason, reply))
