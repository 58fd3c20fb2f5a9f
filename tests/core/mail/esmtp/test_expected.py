"""How long each reply is waited for."""

from __future__ import annotations

from dialpost.core.mail.esmtp.expected import WAIT_S, Ask, Expected, is_group
from dialpost.core.mail.esmtp.extensions import Extensions
from dialpost.core.mail.esmtp.transaction import Mail, Transaction
from esmtp_talk import BODY, facts_of, make_message


def test_each_reply_gets_the_time_that_rfc_5321_asks_for() -> None:
    """§4.5.3.2.2 MAIL, .3 RCPT, .4 DATA, .6 the final dot; RSET and a chunk (RFC 3030) are no part of that list."""
    minutes = {ask: seconds / 60 for ask, seconds in WAIT_S.items()}
    assert minutes == {
        Ask.RSET: 5,
        Ask.MAIL: 5,
        Ask.RCPT: 5,
        Ask.DATA: 2,
        Ask.DOT: 10,
        Ask.NO_CONTENT: 10,
        Ask.CHUNK: 5,
        Ask.LAST_CHUNK: 10,
    }


def test_two_replies_that_are_due_are_a_group() -> None:
    transaction = Transaction(Mail(make_message(1), facts_of(BODY), Extensions(), "station.example"), [0])
    first, behind = Expected(Ask.MAIL, transaction), Expected(Ask.RCPT, transaction, 0, behind=True)
    assert [is_group(due) for due in ((), (first,), (behind,), (first, behind))] == [False, False, True, True]
