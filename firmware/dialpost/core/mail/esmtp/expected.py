"""What a reply is expected to answer, and how long it is waited for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from dialpost.core.mail.esmtp.transaction import Transaction
from dialpost.core.mail.reply import Reply

MAX_UNANSWERED_MESSAGES = 4
MAX_UNANSWERED_BYTES = 32_768
FIRST_CHUNK_BYTES = 4096  # sent before the recipients are known to be taken
SURE_RECIPIENTS = 100  # every server takes at least this many (RFC 5321 §4.5.3.1.8)
MAX_RECIPIENTS = 1000  # in one transaction, until a server says it takes fewer


class Ask(Enum):
    """What a reply will answer."""

    RSET = auto()
    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    DOT = auto()
    NO_CONTENT = auto()  # the lone dot where no recipient was taken
    CHUNK = auto()
    LAST_CHUNK = auto()


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
GROUP_WAIT_S = 60.0
"""The limit until the host has shown that it answers commands sent together."""


@dataclass(frozen=True, slots=True)
class Expected:
    """One reply still to come. `number` is the recipient's, for RCPT.

    `asked`: where its command ends on the wire, `end`: where the content does that belongs to it. `behind`: it was
    sent while another reply was due.
    """

    ask: Ask
    transaction: Transaction
    number: int = -1
    asked: int = 0
    end: int = 0
    behind: bool = False

    def is_out_of_order(self, reply: Reply, *, answers_groups: bool) -> bool:
        """Whether the server says that a command came when it could not: so it did not see what was before it.

        `answers_groups`: it has shown that it answers commands sent together.
        """
        mail_reply = self.transaction.mail_reply
        in_place = {
            Ask.MAIL: True,
            Ask.RCPT: mail_reply is not None and mail_reply.is_positive,  # else it is refused one way or another
            Ask.DATA: bool(self.transaction.accepted),
        }
        unknown = reply.code in {500, 502} and not answers_groups  # it saw a part of a command
        return in_place.get(self.ask, False) and (reply.code == 503 or unknown)


def script(transaction: Transaction, *, with_reset: bool, with_data: bool) -> Iterator[tuple[Expected, bytes]]:
    """The commands of a transaction's envelope in their order, each with the reply it waits for."""
    if with_reset:
        yield Expected(Ask.RSET, transaction), b"RSET"
    yield Expected(Ask.MAIL, transaction), transaction.mail_line()
    for number in transaction.numbers:
        yield Expected(Ask.RCPT, transaction, number), transaction.rcpt_line(number)
    if with_data:
        yield Expected(Ask.DATA, transaction), b"DATA"


def window_is_open(unsettled: Iterable[Transaction]) -> bool:
    """Whether one message more may go out: a lost line leaves the fate of few unknown."""
    sent = [transaction for transaction in unsettled if transaction.content_whole]
    return not sent or (
        len(sent) < MAX_UNANSWERED_MESSAGES
        and sum(transaction.content_bytes for transaction in sent) < MAX_UNANSWERED_BYTES
    )
