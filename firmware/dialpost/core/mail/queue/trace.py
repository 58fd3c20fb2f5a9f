"""Where is my message? Its record in plain sentences.

Times are local time (or `tz`); a time from an unset clock is not shown as if it were true.
"""

from __future__ import annotations

from datetime import datetime, tzinfo

from dialpost.core.amounts import size_words
from dialpost.core.mail.envelope import Notify
from dialpost.core.mail.queue.cuts import cause_of_hold
from dialpost.core.mail.queue.records import (
    BY_STATION,
    EARLIEST_TRUE_TIME_S,
    MessageRecord,
    Origin,
    Priority,
    RecipientRecord,
    RecipientState,
)
from dialpost.core.printable import one_line

_UNSET_CLOCK = "at an unknown time (the clock was not set)"


def trace(message: MessageRecord, *, waits_for: str = "the next call", tz: tzinfo | None = None) -> list[str]:
    """The whole story: how the message came in, then a sentence for each recipient.

    `waits_for` is what sends mail to the world here: "the next call", or "the line" if nothing dials.
    """
    fates = [
        f"{recipient_name(recipient)}: {fate(message, recipient, waits_for=waits_for, tz=tz)}"
        for recipient in message.recipients
    ]
    return [arrival(message, tz), *fates]


def arrival(message: MessageRecord, tz: tzinfo | None = None) -> str:
    """How it came in, in one sentence."""
    subject = f' "{one_line(message.subject)}"' if message.subject else ""
    urgency = "" if message.priority is Priority.NORMAL else f", {message.priority.name.lower()}"
    return (
        f"{message.queue_id}{subject} from {sender_name(message.sender)}{urgency}, "
        f"{size_words(message.size)}: accepted {when(message.received_s, tz)} {_source(message)}."
    )


def fate(
    message: MessageRecord,
    recipient: RecipientRecord,
    *,
    waits_for: str = "the next call",
    size_hold: str = "held because it is big",
    notice: MessageRecord | None = None,
    tz: tzinfo | None = None,
) -> str:
    """Where one recipient's copy is. `size_hold` says what a message held for its size is waiting for.

    `notice` is the one that reported a bounce, if the queue still knows it.
    """
    match recipient.state:
        case RecipientState.WAITING if recipient.local_account is not None:
            return _waiting_here(recipient, tz)
        case RecipientState.WAITING:
            return f"Waiting for {waits_for}{_tries(recipient, tz)}.{_doubt(recipient)}"
        case RecipientState.HELD if recipient.is_held_for_size:
            return f"{size_hold[:1].upper()}{size_hold[1:]}"
        case RecipientState.HELD if recipient.last_by == BY_STATION:
            return f"Held by the station: {one_line(recipient.last_reply)}"
        case RecipientState.HELD:
            return f"Held by the operator until it is released{_tries(recipient, tz)}.{_doubt(recipient)}"
        case RecipientState.DELIVERED:
            return f"Delivered into the mailbox of {recipient.local_account} {when(recipient.last_try_s, tz)}."
        case RecipientState.RELAYED:
            return (
                f"Handed over to {one_line(recipient.last_by)} {when(recipient.last_try_s, tz)}; it answered: "
                f"{one_line(recipient.last_reply)}"
            )
        case RecipientState.BOUNCED:
            told = _told(message, recipient, notice, waits_for, tz)
            return f"Given up {when(recipient.last_try_s, tz)}: {_answer(recipient)}. {told}"
        case RecipientState.DELETED:
            return f"Deleted by the operator{_tries(recipient, tz)}.{_doubt(recipient)}"


def when(unix_s: int, tz: tzinfo | None = None) -> str:
    """A moment: "on 2025-11-24 07:12"."""
    if unix_s < EARLIEST_TRUE_TIME_S:
        return _UNSET_CLOCK
    try:
        return f"on {datetime.fromtimestamp(unix_s, tz):%Y-%m-%d %H:%M}"
    except (OverflowError, ValueError, OSError):  # a number damaged by the card
        return _UNSET_CLOCK


def sender_name(sender: str) -> str:
    """The sender; the null sender in words."""
    return one_line(sender) or "a mail system (no sender: a notice)"


def recipient_name(recipient: RecipientRecord) -> str:
    """The address, with the one the sender wrote if there is an alias between them."""
    written = recipient.original_address
    if not recipient.address:
        return "(unreadable)"
    if written is None or written == recipient.address:
        return one_line(recipient.address)
    return f"{one_line(recipient.address)} (for {one_line(written)})"


def _waiting_here(recipient: RecipientRecord, tz: tzinfo | None) -> str:
    if not recipient.attempts:
        return f"On its way into the mailbox of {recipient.local_account}."
    retry = f"; next try {when(recipient.next_try_s, tz)}" if recipient.next_try_s else ""
    return (
        f"The mailbox of {recipient.local_account} could not take it ({_times(recipient.attempts)}; "
        f"{_answer(recipient)}){retry}."
    )


def _tries(recipient: RecipientRecord, tz: tzinfo | None) -> str:
    """What was tried so far, in brackets; nothing before the first try."""
    if not recipient.last_reply:
        return ""
    tries = f"{_times(recipient.attempts)} so far; " if recipient.attempts else ""
    return (
        f" ({tries}last answer {when(recipient.last_try_s, tz)} from {_by(recipient)}: "
        f"{one_line(cause_of_hold(recipient.last_reply))})"
    )


def _times(attempts: int) -> str:
    return "1 try" if attempts == 1 else f"{attempts} tries"


def _by(recipient: RecipientRecord) -> str:
    return "the station" if recipient.last_by in ("", BY_STATION) else one_line(recipient.last_by)


def _answer(recipient: RecipientRecord) -> str:
    return f"{_by(recipient)} answered: {one_line(cause_of_hold(recipient.last_reply))}"


def _doubt(recipient: RecipientRecord) -> str:
    """RFC 1047: what nobody can know."""
    if not recipient.answer_unknown:
        return ""
    return " It was sent in full, but no answer came back: the receiver may already have it."


def _told(
    message: MessageRecord,
    recipient: RecipientRecord,
    notice: MessageRecord | None,
    waits_for: str,
    tz: tzinfo | None,
) -> str:
    """Whether a bounce was due, and what happened to it: only one that was delivered has informed anybody."""
    if not message.sender:
        return "Nobody got a notice: the message was itself one."
    if recipient.notify is not None and Notify.FAILURE not in recipient.notify:
        return "The sender had asked for no notice."
    if notice is None or not notice.recipients:
        return "A notice to the sender was queued."
    return _notice_fate(message, notice, waits_for, tz)


def _notice_fate(message: MessageRecord, notice: MessageRecord, waits_for: str, tz: tzinfo | None) -> str:
    reader = notice.recipients[0]
    to_sender = message.sender.lower() in (reader.address.lower(), (reader.original_address or "").lower())
    who = "sender" if to_sender else "postmaster"
    states = {one.state: one for one in reversed(notice.recipients)}
    for state in (RecipientState.RELAYED, RecipientState.DELIVERED):
        if state in states:
            return f"The {who} was notified {when(states[state].last_try_s, tz)}."
    the_notice = f"The notice to the {who} ({notice.queue_id})"
    waiting = states.get(RecipientState.WAITING)
    if waiting is not None:
        return f"{the_notice} {'is on its way' if waiting.local_account else f'waits for {waits_for}'}."
    if RecipientState.HELD in states:
        return f"{the_notice} is held."
    if RecipientState.BOUNCED in states:
        return f"{the_notice} could not be delivered either."
    return f"{the_notice} was deleted by the operator."


def _source(message: MessageRecord) -> str:
    by = f" ({one_line(message.peer)})" if message.peer else ""
    match message.origin:
        case Origin.SUBMITTED:
            return f"from {one_line(message.account or 'a user')}'s mail program{by}"
        case Origin.LAN:
            return f"from the local network{by}"
        case Origin.OUTSIDE:
            return f"from outside{by}"
        case Origin.STATION:
            return "from the station itself"
