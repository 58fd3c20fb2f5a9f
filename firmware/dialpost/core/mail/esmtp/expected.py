"""What a reply is expected to answer, and how long to wait for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from math import inf

from dialpost.core.mail.esmtp.transaction import Transaction
from dialpost.core.mail.reply import Reply

MAX_UNANSWERED_MESSAGES = 8
"""Small ones must cover a round trip behind full buffers: 1 s at 33.6 kbit/s is seven of 600 bytes."""
MAX_UNANSWERED_BYTES = 32_768
FIRST_CHUNK_BYTES = 4096  # sent before the recipients are known to be accepted
SURE_RECIPIENTS = 100  # every server accepts at least this many (RFC 5321 §4.5.3.1.8)
MAX_RECIPIENTS = 1000  # in one transaction, until a server says that it accepts fewer


class Ask(Enum):
    """What a reply will answer."""

    RSET = auto()
    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    DOT = auto()
    NO_CONTENT = auto()  # the lone dot if no recipient was accepted
    CHUNK = auto()
    LAST_CHUNK = auto()


FINAL = frozenset({Ask.DOT, Ask.LAST_CHUNK})
"""The reply that accepts responsibility for a message, or refuses it."""

WAIT_S = {
    Ask.RSET: 300.0,
    Ask.MAIL: 300.0,
    Ask.RCPT: 300.0,
    Ask.DATA: 120.0,
    Ask.DOT: 600.0,
    Ask.NO_CONTENT: 600.0,
    Ask.CHUNK: 300.0,
    Ask.LAST_CHUNK: 600.0,
}
"""How long to wait for each reply (RFC 5321 §4.5.3.2), in s; each counts from the reply before it."""
LEAST_WAIT_S = 30.0
"""The least time a host gets to answer if nothing else keeps a paid line up."""
LEAST_FINAL_WAIT_S = 180.0
"""The same once a message was sent in full: hosts scan for viruses then, and without the reply it is sent twice."""
GROUP_WAIT_S = 60.0
"""The limit until the host has shown that it answers commands sent together."""


@dataclass(frozen=True, slots=True)
class Expected:
    """One reply still to come. `number` is the recipient's, for RCPT.

    `asked`: where its command ends on the wire, `end`: where its content ends. `behind`: it was sent while another
    reply was due.
    """

    ask: Ask
    transaction: Transaction
    number: int = -1
    asked: int = 0
    end: int = 0
    behind: bool = False

    def is_out_of_order(self, reply: Reply, *, answers_groups: bool) -> bool:
        """Whether the server says that a command came out of sequence, so that it did not see what came before it.

        `answers_groups`: it has shown that it answers commands sent together.
        """
        unknown = reply.code in {500, 502} and not answers_groups  # it saw part of a command
        if reply.code != 503 and not unknown:
            return False  # nearly always: decided before the server looks at the transaction
        mail_reply = self.transaction.mail_reply
        in_place = {
            Ask.MAIL: True,
            Ask.RCPT: mail_reply is not None and mail_reply.is_positive,  # otherwise it gets some refusal
            Ask.DATA: bool(self.transaction.accepted),
        }
        return in_place.get(self.ask, False)


def limit_s(due: Sequence[Expected], *, answers_groups: bool) -> float | None:
    """How long the next reply of `due` may take; None if none is due."""
    if not due:
        return None
    return min(WAIT_S[due[0].ask], GROUP_WAIT_S if is_group(due) and not answers_groups else inf)


def least_s(due: Sequence[Expected], *, answers_groups: bool) -> float:
    """The least time to wait for it on a line that is paid for this alone.

    Whether a host answers groups must be found out, or it never gets mail. Longer if a whole message is on its way,
    even behind other commands, because it would be sent twice.
    """
    if is_group(due) and not answers_groups:
        return GROUP_WAIT_S
    return LEAST_FINAL_WAIT_S if any(one.ask in FINAL for one in due) else LEAST_WAIT_S


def is_group(due: Sequence[Expected]) -> bool:
    """Whether the next reply is one of several to commands sent together."""
    return bool(due) and (len(due) > 1 or due[0].behind)


def script(transaction: Transaction, *, with_reset: bool, with_data: bool) -> Iterator[tuple[Expected, bytes]]:
    """The commands of a transaction's envelope in order, each with the reply it waits for."""
    if with_reset:
        yield Expected(Ask.RSET, transaction), b"RSET"
    yield Expected(Ask.MAIL, transaction), transaction.mail_line()
    for number in transaction.numbers:
        yield Expected(Ask.RCPT, transaction, number), transaction.rcpt_line(number)
    if with_data:
        yield Expected(Ask.DATA, transaction), b"DATA"


def window_is_open(unsettled: Iterable[Transaction]) -> bool:
    """Whether one more message may go out: if the line is lost, the fate of only a few may be unknown.

    The largest doesn't count: its own fate is unknown whatever follows, and a wait for its reply leaves the line
    idle.
    """
    sent = sorted(transaction.content_bytes for transaction in unsettled if transaction.content_whole)
    return len(sent) < MAX_UNANSWERED_MESSAGES and sum(sent[:-1]) < MAX_UNANSWERED_BYTES
