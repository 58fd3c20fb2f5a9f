"""The outcome of one attempt for one recipient: expected outcomes are values, not exceptions.

`core/mail/esmtp/transaction` decides which.
"""

from __future__ import annotations

from dataclasses import dataclass

from dialpost.core.mail.reply import Reply


@dataclass(frozen=True, slots=True)
class Delivered:
    """The next hop (or the mailbox) has taken responsibility. `reply` is its answer to the content.

    `dsn_passed_on`: the next hop offers DSN and so took over what NOTIFY requested (RFC 3461 §5.2.2); if it is
    False and SUCCESS was requested, it is up to us to send a "relayed" notice.
    """

    reply: Reply
    by: str
    dsn_passed_on: bool = False


@dataclass(frozen=True, slots=True)
class Deferred:
    """Try again later. `answer_unknown`: the content was sent in full but no answer was seen (RFC 1047).

    `counts_as_attempt` is False if the next hop was never reached because the line was down or DNS did not answer:
    that uses up none of the attempts. `content_lost`: the body is missing or damaged on the card. Retrying does not
    help; an operator is needed. `carried_bytes`: how much content had gone across when the connection broke
    before the answer.
    """

    reply: Reply
    by: str
    answer_unknown: bool = False
    counts_as_attempt: bool = True
    content_lost: bool = False
    carried_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """Never try again: a bounce is due. `reply` is the refusing server's, or ours (5yz)."""

    reply: Reply
    by: str


Outcome = Delivered | Deferred | Refused
"""`by` is the host that answered ("mail.provider.example"), or this station's host name."""
