"""What may be sent now, and what the next reply answers.

Commands leave in the tightest groups RFC 2920 §3.1 allows: MAIL, RCPT ... DATA end a group, and the content begins
the next, with the MAIL, RCPT ... DATA of the next message after its final dot. So each message costs one wait. With
CHUNKING it costs none: BDAT needs no go-ahead, and the next message follows immediately. Then the look-ahead is
limited, so that a lost line leaves few messages whose fate is unknown, and an RSET separates the messages, so that
a failure in one does not affect the next (RFC 3030 §2).

Replies are counted: each command sent puts one `Expected` into a queue, each reply takes the first out. If a server
gets out of step, the session ends immediately; nothing is concluded from replies that may be shifted. Commands sent
together may be the reason: some hosts, and boxes on the way to them, lose what follows the first command of a group
or answer it out of order. Then `learnt` says so, and what the session left undone can be sent without groups.

Content counts as accepted only if the server can have received its last byte. With DATA the 354 proves before each
content that both sides are in step. With CHUNKING nothing does: a surplus 2yz that leaves the server after the last
byte has reached its TCP is, on the wire, the BDAT's own answer. The next answer reveals it, after the message has
counted as delivered.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from dialpost.core.errors import ProtocolError
from dialpost.core.mail.content.outgoing import ContentFacts
from dialpost.core.mail.esmtp.expected import (
    FIRST_CHUNK_BYTES,
    MAX_RECIPIENTS,
    SURE_RECIPIENTS,
    Ask,
    Expected,
    is_group,
    least_s,
    limit_s,
    script,
    window_is_open,
)
from dialpost.core.mail.esmtp.extensions import Extensions
from dialpost.core.mail.esmtp.framing import BLOCK_BYTES, ChunkFraming, DataFraming, Framing
from dialpost.core.mail.esmtp.lessons import Lesson, without
from dialpost.core.mail.esmtp.transaction import Mail, Stage, Transaction
from dialpost.core.mail.esmtp.wire import ContentRequest, Finished, Wire
from dialpost.core.mail.outcomes import Deferred
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.smtp_target import OutgoingMessage


class Mailing:
    """The mail part of one open session."""

    def __init__(self, wire: Wire, offered: Extensions, *, host: str, station: str) -> None:
        self.learnt: Lesson | None = None
        self.refused_parameters: set[Lesson] = set()
        self._wire = wire
        self._offered = offered
        self._host = host
        self._station = station
        self._waiting: deque[Transaction] = deque()
        self._current: Transaction | None = None
        self._script: deque[tuple[Expected, bytes]] = deque()  # of the current transaction, not yet sent
        self._framing: Framing = DataFraming()
        self._expected: deque[Expected] = deque()
        self._unsettled: list[Transaction] = []  # begun, with replies outstanding
        self._last_begun: Transaction | None = None
        self._needs_reset = False
        self._max_recipients = MAX_RECIPIENTS
        self._stop: Reply | None = None
        self._answers_groups = False

    # What the driver asks

    @property
    def can_submit(self) -> bool:
        """Whether one more message can be used now: one is kept ready behind the one going out."""
        return not self._waiting and self._stop is None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being sent and no reply is due."""
        return not (self._waiting or self._current or self._expected)  # anything unsettled waits for a reply

    @property
    def has_unsent(self) -> bool:
        """Whether there is more of the submitted messages to send."""
        return bool(self._waiting or self._current)

    @property
    def stopped_by(self) -> Reply | None:
        """The reply that showed that no message can get through in this session, once everything is answered."""
        return self._stop if not self._expected and self._current is None else None

    @property
    def wait_s(self) -> float | None:
        """How long the next reply may take; None if none is due."""
        return limit_s(self._expected, answers_groups=self._answers_groups)

    @property
    def least_wait_s(self) -> float:
        """How long it is waited for, at least, on a line that is paid for it alone."""
        return least_s(self._expected, answers_groups=self._answers_groups)

    def is_asked(self, reply: Reply) -> bool:
        """Whether the server can have received what it would be answering: for an acceptance all of it, for a
        refusal the command."""
        due = self._expected[0]
        return (due.end if reply.is_positive else due.asked) <= self._wire.heard_bytes

    @property
    def waiting_for(self) -> str:
        """What the next reply answers, for people."""
        return self._expected[0].ask.name.replace("_", " ") if self._expected else "nothing"

    @property
    def content_wanted(self) -> ContentRequest | None:
        """Content that may go out now."""
        current = self._current
        if current is None or current.stage is not Stage.CONTENT:
            return None
        room = BLOCK_BYTES
        if self._offered.chunking:
            if not self._offered.pipelining and self._expected:
                return None
            if not current.envelope_answered:
                room = FIRST_CHUNK_BYTES - current.content_bytes
        if room <= 0:
            return None
        return ContentRequest(current.mail.message, current, current.content_bytes, room)

    # What the driver submits

    def submit(self, message: OutgoingMessage, facts: ContentFacts) -> None:
        """Accept a message to send after the earlier ones. One that can't be sent at all is finished
        immediately."""
        mail = Mail(message, facts, self._offered, self._station)
        if mail.to_send:
            self._waiting.append(Transaction(mail, mail.to_send))
        self._finish_if_done(mail)
        self.advance()

    def feed(self, block: bytes, *, last: bool) -> None:
        """The content asked for by `content_wanted`; `last` with (or after) its end."""
        current = self._current
        assert current is not None and current.stage is Stage.CONTENT
        wire = self._framing.frame(block, last=last)
        current.content_bytes += len(block)
        begin = self._wire.put_bytes
        self._wire.send(wire)
        if isinstance(self._framing, ChunkFraming) and wire:
            asked = begin + wire.index(b"\n") + 1
            self._expect(Expected(Ask.LAST_CHUNK if last else Ask.CHUNK, current), asked)
        elif last:
            self._expect(Expected(Ask.DOT, current), 0)  # requested by DATA: it may refuse at any time
        if last:
            current.content_whole = True
            # A final dot ends a transaction whatever the answer (RFC 5321 §4.1.1.4); a refused BDAT doesn't.
            self._sent(current, needs_reset=self._offered.chunking)
        self.advance()

    def content_failed(self, reply: Reply) -> bool:
        """The content can't be read to its end. False if only ending the session keeps half a message from being
        taken for a whole one.
        """
        current = self._current
        assert current is not None and current.stage is Stage.CONTENT
        current.content_reply = reply
        if not self._offered.chunking:
            return False
        self._sent(current, needs_reset=True)
        self._settle(current)
        self.advance()
        return True

    def receive(self, reply: Reply) -> bool:
        """The next reply; whether the session continues after it.

        Raises: ProtocolError if it can't be the answer to what is due.
        """
        if not self._expected:
            raise ProtocolError(
                f"the server replied out of turn: {reply}"
            )  # pragma: no cover - the client checks first
        due = self._expected.popleft()
        transaction = due.transaction
        transaction.unanswered -= 1
        if due.ask is not Ask.RSET:
            transaction.answered = True
        self._note(due, reply)
        self._answers_groups = self._answers_groups or due.behind
        if reply.code == 421 or (due.ask is Ask.RSET and not reply.is_positive):
            return False  # some servers count RSETs, refuse the next and close
        if transaction is self._current and transaction.is_hopeless:
            self._give_up_sending(transaction)
        self._settle(transaction)
        self.advance()
        return True

    def early_answer(self, reply: Reply) -> bool:
        """A refusal while no reply was due: it came while the content was still going out, or does not belong to
        it."""
        current = self._current
        if current is None or current.stage is not Stage.CONTENT:
            return False
        current.content_reply = reply
        self._current = None
        current.stage = Stage.SENT
        self._settle(current)
        return True

    def out_of_step(self, what: str, due: Expected | None = None) -> ProtocolError:
        """An answer that can't be right (for `due`, otherwise for the next), and what it teaches."""
        if due is None and self._expected:
            due = self._expected[0]
        is_to_chunk = due is not None and due.ask in (Ask.CHUNK, Ask.LAST_CHUNK)
        if self._offered.pipelining and not is_to_chunk:
            self.learnt = Lesson.NO_PIPELINING
        elif self._offered.chunking:
            self.learnt = Lesson.NO_CHUNKING
        return ProtocolError(what)

    def timed_out(self) -> None:
        """The reply that is due did not come."""
        if is_group(self._expected):
            self.learnt = Lesson.NO_PIPELINING

    def break_off(self, reply: Reply, by: str, *, lost: bool, in_step: bool = True) -> None:
        """The session ends: every submitted message gets its outcomes now."""
        in_step = self.learnt is None and (in_step or not self._offered.pipelining)
        unheard = self._wire.unheard_bytes
        self._current = None
        self._script.clear()
        self._expected.clear()
        for transaction in [*self._unsettled, *self._waiting]:
            transaction.break_off(reply, by, self._host, lost=lost, in_step=in_step, unheard_bytes=unheard)
            self._finish_if_done(transaction.mail)
        self._unsettled.clear()
        self._waiting.clear()

    # Sending

    def advance(self) -> None:
        """Send all that may be sent now."""
        if self._current is None and not self._begin_next():
            return
        assert self._current is not None
        if self._current.stage is Stage.ENVELOPE:
            self._send_script(self._current)

    def _begin_next(self) -> bool:
        if not self._waiting or self._stop is not None or not window_is_open(self._unsettled):
            return False
        if self._expected and not self._offered.pipelining:
            return False
        if self._should_learn_first(self._waiting[0]):
            return False
        transaction = self._waiting.popleft()
        too_many = transaction.keep_first(self._max_recipients)
        if too_many:
            self._waiting.appendleft(Transaction(transaction.mail, too_many, transaction.without))
        self._current = self._last_begun = transaction
        self._unsettled.append(transaction)
        transaction.begin(self.refused_parameters)
        self._script.extend(script(transaction, with_reset=self._needs_reset, with_data=not self._offered.chunking))
        return True

    def _should_learn_first(self, transaction: Transaction) -> bool:
        """Whether to find out first how many recipients the server accepts, before sending more of them."""
        return len(transaction.numbers) > SURE_RECIPIENTS and any(
            earlier.mail is transaction.mail for earlier in self._unsettled
        )

    def _send_script(self, transaction: Transaction) -> None:
        while self._script:
            if self._expected and not self._offered.pipelining:
                return
            due, line = self._script.popleft()
            self._wire.send_line(line)
            self._expect(due)
        if not self._offered.chunking:
            transaction.stage = Stage.ASKED
        elif not self._expected or self._offered.pipelining:
            self._framing = ChunkFraming()
            transaction.stage = Stage.CONTENT

    def _expect(self, due: Expected, asked: int | None = None) -> None:
        end = self._wire.put_bytes
        asked = end if asked is None else asked
        self._expected.append(replace(due, asked=asked, end=end, behind=bool(self._expected)))
        due.transaction.unanswered += 1

    def _sent(self, transaction: Transaction, *, needs_reset: bool) -> None:
        transaction.stage = Stage.SENT
        self._current = None
        self._script.clear()
        self._needs_reset = needs_reset

    def _give_up_sending(self, transaction: Transaction) -> None:
        """The current transaction can no longer reach anybody: send no more of it."""
        if transaction.stage is Stage.ASKED:
            return  # the reply to DATA decides
        self._sent(transaction, needs_reset=True)

    # Replies

    def _note(self, due: Expected, reply: Reply) -> None:
        transaction = due.transaction
        if self._offered.pipelining and due.is_out_of_order(reply, answers_groups=self._answers_groups):
            raise self.out_of_step(f"the server answered {due.ask.name} out of order: {reply}", due)
        if due.ask is Ask.DATA:
            self._note_go_ahead(due, reply)
        elif reply.is_intermediate:
            raise self.out_of_step(f"the server sent an invalid answer to {due.ask.name}: {reply}", due)
        elif due.ask is Ask.MAIL:
            transaction.mail_reply = reply
        elif due.ask is Ask.RCPT:
            self._note_recipient(due, reply)
        elif due.ask not in (Ask.RSET, Ask.NO_CONTENT):
            self._note_content(due, transaction, reply)

    def _note_recipient(self, due: Expected, reply: Reply) -> None:
        transaction = due.transaction
        assert transaction.mail_reply is not None
        if reply.is_positive and not transaction.mail_reply.is_positive:
            raise self.out_of_step(f"the server refused the sender but took a recipient: {reply}", due)
        transaction.verdicts[due.number] = reply

    def _note_go_ahead(self, due: Expected, reply: Reply) -> None:
        transaction = due.transaction
        if reply.is_positive and not reply.is_intermediate:  # the first digit decides (RFC 5321 §4.2)
            raise self.out_of_step(f"the server sent an invalid answer to DATA: {reply}", due)
        if not reply.is_positive:
            transaction.content_reply = reply
            self._sent(transaction, needs_reset=True)
            return
        transaction.was_in_step = True  # the one 3yz came where it should: so did the replies before it
        if transaction.accepted:
            self._framing = DataFraming()
            transaction.stage = Stage.CONTENT
        else:  # RFC 2920 §3.1: it waits for content that nobody will get
            self._wire.send_line(b".")
            self._expect(Expected(Ask.NO_CONTENT, transaction), 0)
            self._sent(transaction, needs_reset=False)

    def _note_content(self, due: Expected, transaction: Transaction, reply: Reply) -> None:
        refused_before = transaction.content_reply is not None and not transaction.content_reply.is_positive
        if refused_before:
            return  # replies to the rest that was under way: 503 or the like
        if due.ask is Ask.CHUNK and reply.is_positive:
            return
        if due.ask is not Ask.DOT and reply.code in {500, 502} and transaction.accepted:
            # It offers BDAT and doesn't understand it: the bytes that follow may have been read as commands.
            self.learnt = Lesson.NO_CHUNKING
            transaction.content_whole = False  # it says that it did not accept the message
            raise ProtocolError(f"the server offers CHUNKING but refused it: {reply}")
        transaction.content_reply = reply

    def _settle(self, transaction: Transaction) -> None:
        """Conclude a transaction that has nothing more to send and no reply due."""
        if transaction.stage is not Stage.SENT or transaction.unanswered:
            return
        if transaction not in self._unsettled:
            return  # pragma: no cover - settled once; a second time must do no harm
        self._unsettled.remove(transaction)
        if transaction.accepted:
            self.refused_parameters |= transaction.without
            self._offered = without(self._offered, self.refused_parameters)
        about_session = transaction.about_the_session()
        if about_session is not None:
            self._stop = self._stop or about_session
        transaction.conclude(self._host)
        content = transaction.content_reply
        if transaction is self._last_begun and content is not None and content.is_positive:
            self._needs_reset = False
        left_over = transaction.left_over()
        if left_over:
            self._max_recipients = min(self._max_recipients, len(transaction.accepted))
            self._waiting.appendleft(Transaction(transaction.mail, left_over))
        plainer = transaction.plainer()
        if plainer is not None:
            lesson, numbers = plainer
            self._waiting.appendleft(Transaction(transaction.mail, numbers, transaction.without | {lesson}))
        self._finish_if_done(transaction.mail)

    def _finish_if_done(self, mail: Mail) -> None:
        if mail.is_finished:
            outcomes = mail.in_order()
            again = self.learnt is not None and all(
                isinstance(outcome, Deferred) and not outcome.answer_unknown for outcome in outcomes
            )
            self._wire.tell(Finished(mail.message, outcomes, again))
