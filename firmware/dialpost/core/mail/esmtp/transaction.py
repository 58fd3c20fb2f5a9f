"""One message at one server: what each reply means for each recipient.

A `Mail` is a message with the outcomes found so far; a `Transaction` is one MAIL ... end of content for some of its
recipients. More than one is needed if the server limits the recipients of one transaction (RFC 5321 §4.5.3.1.10).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import Enum

from dialpost.core.mail.content.outgoing import ContentFacts
from dialpost.core.mail.envelope import Recipient
from dialpost.core.mail.esmtp.commands import mail_line, rcpt_line, wire_address
from dialpost.core.mail.esmtp.extensions import Extensions
from dialpost.core.mail.esmtp.lessons import PARAMETERS, Lesson, may_mean_parameters, without
from dialpost.core.mail.outcomes import Deferred, Delivered, Outcome, Refused
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.smtp_target import OutgoingMessage

ABOUT_THE_SESSION = frozenset({530, 534, 535, 538})  # RFC 4954 §6: log in first, differently, under TLS
NOT_ABOUT_THE_MAIL = frozenset({502, 503})
"""Not implemented, bad sequence of commands: no host says that about an address or a message (RFC 5321 §4.2.2)."""
_TOO_MANY = frozenset({452, 552})  # RFC 5321 §4.5.3.1.10
_SAYS_TOO_MANY = frozenset({None, "4.5.3", "5.5.3"})


class Mail:
    """A message on its way, and what is known about each recipient."""

    def __init__(self, message: OutgoingMessage, facts: ContentFacts, offered: Extensions, station: str) -> None:
        self.message = message
        self.facts = facts
        self.outcomes: dict[int, Outcome] = {}
        self._offered = offered
        self._station = station
        envelope = message.envelope
        header_needs_utf8 = envelope.smtputf8 and facts.eight_bit_header
        self._utf8 = offered.smtputf8 and (
            (envelope.smtputf8 and facts.eight_bit)
            or not envelope.sender.isascii()
            or not all(recipient.address.isascii() for recipient in envelope.recipients)
        )
        self._addresses: dict[int, str] = {}
        self._sender = wire_address(envelope.sender, utf8=self._utf8)
        refusal = self._refusal_of_all(header_needs_utf8)
        for number, recipient in enumerate(envelope.recipients):
            address = refusal or self._wire_recipient(recipient)
            if isinstance(address, Reply):
                self.outcomes[number] = Refused(address, station)
            else:
                self._addresses[number] = address

    def _refusal_of_all(self, header_needs_utf8: bool) -> Reply | None:
        if isinstance(self._sender, Reply):
            return self._sender
        if header_needs_utf8 and not self._utf8:
            text = "The next mail host can't take a message with such a header (no SMTPUTF8)"
            return Reply(550, (text,), "5.6.9")  # RFC 6531 §4.3, RFC 3463 registry
        limit = self._offered.size_limit
        if limit and self.facts.wire_size > limit:  # RFC 1870 §6.1: don't even try
            text = f"The message has {self.facts.wire_size} bytes; the next mail host takes at most {limit}"
            return Reply(552, (text,), "5.3.4")
        return None

    def _wire_recipient(self, recipient: Recipient) -> str | Reply:
        if not recipient.address:
            return Reply(553, ("There is no recipient address",), "5.1.3")
        return wire_address(recipient.address, utf8=self._utf8)

    @property
    def to_send(self) -> tuple[int, ...]:
        """The numbers of the recipients without an outcome."""
        return tuple(number for number in self._addresses if number not in self.outcomes)

    @property
    def is_finished(self) -> bool:
        """Whether every recipient has its outcome."""
        return len(self.outcomes) == len(self.message.envelope.recipients)

    def in_order(self) -> tuple[Outcome, ...]:
        """The outcomes in the order of the envelope."""
        return tuple(self.outcomes[number] for number in range(len(self.message.envelope.recipients)))

    def passes_dsn(self, left_out: frozenset[Lesson]) -> bool:
        """Whether the server takes over what NOTIFY requested (RFC 3461 §5.2.2)."""
        return without(self._offered, left_out).dsn

    def to_leave_out(self, number: int | None, left_out: frozenset[Lesson]) -> Lesson | None:
        """What else MAIL (None), or the RCPT of a recipient, can do without; None = nothing."""
        line = self.line(number, left_out)
        return next((one for one in PARAMETERS if self.line(number, left_out | {one}) != line), None)

    def line(self, number: int | None, left_out: frozenset[Lesson]) -> bytes:
        """The MAIL command (None), or the RCPT command of a recipient."""
        usable = without(self._offered, left_out)
        if number is not None:
            recipient = self.message.envelope.recipients[number]
            return rcpt_line(recipient, self._addresses[number], usable, utf8=self._utf8)
        assert isinstance(self._sender, str)
        return mail_line(
            self.message.envelope,
            self._sender,
            usable,
            size=self.facts.wire_size,
            eight_bit=self.facts.eight_bit,
            utf8=self._utf8,
        )


class Stage(Enum):
    """How much of a transaction has been sent."""

    WAITING = "not begun"
    ENVELOPE = "RSET, MAIL and RCPT going out"
    ASKED = "DATA sent"
    CONTENT = "content going out"
    SENT = "nothing more to send"


class Transaction:
    """The recipients tried together, and the replies to them."""

    def __init__(self, mail: Mail, numbers: Sequence[int], without: frozenset[Lesson] = frozenset()) -> None:
        self.mail = mail
        self.numbers = tuple(numbers)
        self.without = without
        """Parameters that it leaves out. Separate for each transaction: others of the same message may be under way
        with them."""
        self.stage = Stage.WAITING
        self.unanswered = 0  # commands sent whose reply is still to come
        self.content_bytes = 0  # stored bytes handed over
        self.content_whole = False  # the end of the content went out
        self.answered = False  # the server has said anything about it
        self.was_in_step = False  # its replies so far certainly belong to what they seem to answer
        self.mail_reply: Reply | None = None
        self.content_reply: Reply | None = None  # to DATA, a chunk or the final dot
        self.verdicts: dict[int, Reply] = {}

    def begin(self, refused_parameters: Collection[Lesson]) -> None:
        """From now on its commands are fixed; they leave out what the server has refused so far."""
        self.stage = Stage.ENVELOPE
        self.without |= frozenset(refused_parameters)

    def mail_line(self) -> bytes:
        """The MAIL command."""
        return self.mail.line(None, self.without)

    def rcpt_line(self, number: int) -> bytes:
        """The RCPT command of one recipient."""
        return self.mail.line(number, self.without)

    def keep_first(self, count: int) -> tuple[int, ...]:
        """Limit it to `count` recipients; returns the others."""
        rest = self.numbers[count:]
        self.numbers = self.numbers[:count]
        return rest

    @property
    def accepted(self) -> list[int]:
        """The recipients that the server accepted."""
        return [number for number, reply in self.verdicts.items() if reply.is_positive]

    @property
    def envelope_answered(self) -> bool:
        """Whether MAIL and every RCPT has its reply."""
        return self.mail_reply is not None and len(self.verdicts) == len(self.numbers)

    @property
    def is_hopeless(self) -> bool:
        """Whether no recipient can be reached any more, so that sending content would be pointless."""
        if self.mail_reply is not None and not self.mail_reply.is_positive:
            return True
        if self.content_reply is not None and not self.content_reply.is_positive:
            return True
        return self.envelope_answered and not self.accepted

    def about_the_session(self) -> Reply | None:
        """A reply that says the session, not the message, is at fault (log in first ...)."""
        replies = (self.mail_reply, self.content_reply, *self.verdicts.values())
        if self.mail_reply is not None and self.mail_reply.code in NOT_ABOUT_THE_MAIL:
            return self.mail_reply  # such as "503 AUTH first"
        return next((reply for reply in replies if reply and reply.code in ABOUT_THE_SESSION), None)

    def left_over(self) -> tuple[int, ...]:
        """Recipients refused only because they were too many for one transaction, if the others got through."""
        if self.content_reply is None or not self.content_reply.is_positive or not self.accepted:
            return ()
        return tuple(number for number in self.numbers if _too_many(self.verdicts.get(number)))

    def plainer(self) -> tuple[Lesson, tuple[int, ...]] | None:
        """Recipients that may have been refused only because of a parameter, and which one to leave out next."""
        if self.mail_reply is not None and not self.mail_reply.is_positive:
            may_mean = may_mean_parameters(self.mail_reply)
            lesson = self.mail.to_leave_out(None, self.without) if may_mean else None
            return None if lesson is None else (lesson, self.numbers)
        refused = [number for number, reply in self.verdicts.items() if may_mean_parameters(reply)]
        found = [(number, self.mail.to_leave_out(number, self.without)) for number in refused]
        numbers = tuple(number for number, lesson in found if lesson is not None)
        return (Lesson.NO_DSN, numbers) if numbers else None  # RCPT has no other parameters

    def conclude(self, host: str) -> None:
        """Turn the replies into outcomes; recipients to be retried in this session get none yet."""
        _, plainer = self.plainer() or (None, ())
        again = {*self.left_over(), *plainer}
        dsn = self.mail.passes_dsn(self.without)
        for number in self.numbers:
            if number not in again:
                reply = self._reply_for(number)
                assert reply is not None
                self.mail.outcomes[number] = _outcome(reply, host, dsn=dsn, at_rcpt=self._ended_at_rcpt(number))

    def break_off(
        self, reply: Reply, by: str, host: str, *, lost: bool, in_step: bool, unheard_bytes: int = 0
    ) -> None:
        """The session ends before all replies are in: recipients without one are deferred with `reply`.

        `lost`: the session ended without a reply, so content sent in full may have been accepted (RFC 1047).
        `in_step`: the replies so far can be trusted to belong to what they seem to answer.
        """
        _, plainer = self.plainer() or (None, ())
        for number in self.numbers:
            is_sure = (in_step or self.was_in_step) and number not in plainer
            own = self._refusal_for(number) if is_sure else None
            if own is not None:
                self.mail.outcomes[number] = _outcome(own, host, dsn=False, at_rcpt=self._ended_at_rcpt(number))
            else:
                self.mail.outcomes[number] = Deferred(
                    reply,
                    by,
                    answer_unknown=lost and self.content_whole,
                    counts_as_attempt=self.answered or (lost and self.content_bytes > 0),
                    carried_bytes=max(0, self.content_bytes - unheard_bytes) if lost else 0,
                )

    def _ended_at_rcpt(self, number: int) -> bool:
        mail_taken = self.mail_reply is not None and self.mail_reply.is_positive
        verdict = self.verdicts.get(number)
        return mail_taken and verdict is not None and not verdict.is_positive

    def _refusal_for(self, number: int) -> Reply | None:
        for reply in (self.mail_reply, self.verdicts.get(number), self.content_reply):
            if reply is not None and not reply.is_positive:
                return reply
        return None

    def _reply_for(self, number: int) -> Reply | None:
        return self._refusal_for(number) or self.content_reply


def _too_many(reply: Reply | None) -> bool:
    return reply is not None and reply.code in _TOO_MANY and reply.enhanced in _SAYS_TOO_MANY


def _outcome(reply: Reply, host: str, *, dsn: bool, at_rcpt: bool) -> Outcome:
    if reply.is_positive:
        return Delivered(reply, host, dsn_passed_on=dsn)
    # RFC 5321 §4.5.3.1.10: 552 to RCPT means too many, try again, unless it says otherwise itself.
    about_others = reply.code in ABOUT_THE_SESSION | NOT_ABOUT_THE_MAIL
    temporary = reply.is_transient or about_others or (at_rcpt and _too_many(reply))
    return Deferred(reply, host) if temporary else Refused(reply, host)
