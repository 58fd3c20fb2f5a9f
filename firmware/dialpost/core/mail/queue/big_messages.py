"""Big messages: which are held back from an expensive line, until when, and the notes people get about it.

A message to the world that is larger on the line than `budget.big_message_bytes` waits for one of
`budget.big_windows` or for the operator to release it. Mail for local mailboxes is not affected. Without a trusted
clock no window is open, because the time of day is unknown. Pure; `flow/mail/queue/big_messages` watches the clock.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta, tzinfo

from dialpost.core.amounts import size_words
from dialpost.core.config.line import BudgetConfig
from dialpost.core.day_hours import is_within
from dialpost.core.mail.header.encoding import text_field
from dialpost.core.mail.header.scan import fields_of
from dialpost.core.mail.queue.records import MessageRecord, Origin, RecipientRecord, RecipientState, SizeHold

MOST_TOLD = 20
"""A message with more recipients in the world than this looks like a list's: nobody gets a note beforehand."""
_WIDTH = 72


def holds_any(config: BudgetConfig) -> bool:
    """Whether messages are ever held for their size."""
    return config.big_message_bytes > 0


def is_open(config: BudgetConfig, moment: datetime | None) -> bool:
    """Whether big messages may go at this local time (None: unknown)."""
    if not holds_any(config):
        return True
    if moment is None:
        return False
    return is_within(config.big_windows, f"{moment:%H:%M}")


def until_change_s(config: BudgetConfig, now_s: float, zone: tzinfo) -> float | None:
    """Seconds until a window next opens or closes (from Unix seconds); None if there is no window."""
    today = datetime.fromtimestamp(now_s, zone).date()
    texts = {text for span in config.big_windows for text in span.split("-")}
    moments = [
        datetime.combine(today + timedelta(days=day), time.fromisoformat(text), zone).timestamp()
        for day in (0, 1)
        for text in texts
    ]
    return min((moment - now_s for moment in moments if moment > now_s), default=None)


def as_held(message: MessageRecord, config: BudgetConfig, moment: datetime | None) -> MessageRecord:
    """A message that has just arrived, its recipients in the world held if it is too big for this time of day."""
    if is_open(config, moment) or message.wire_size <= config.big_message_bytes:
        return message
    return replace(message, recipients=tuple(_held(one) for one in message.recipients))


def _held(one: RecipientRecord) -> RecipientRecord:
    if one.local_account is not None or one.state is not RecipientState.WAITING:
        return one
    return replace(one, state=RecipientState.HELD, size_hold=SizeHold.HELD)


# -- words


def when_words(config: BudgetConfig) -> str:
    """When big messages go: "between 22:00 and 06:00", "" if no time is set."""
    spans = [span.partition("-") for span in config.big_windows]
    return " or ".join(f"between {start} and {end}" for start, _, end in spans)


def held_words(config: BudgetConfig, queue_id: str) -> str:
    """Why it waits and what to do, for `dialpost queue`."""
    if not holds_any(config):
        return "held for its size until the station restarts (budget.big_message_bytes is 0 now)"
    when = when_words(config)
    goes = f"goes {when}, or release it" if when else "release it"
    return (
        f"held: larger than {size_words(config.big_message_bytes)}; {goes} with `dialpost queue release {queue_id}`"
    )


def sender_words(config: BudgetConfig, message: MessageRecord) -> str:
    """The same for the sender, in sentences."""
    when = when_words(config)
    goes = f"It goes {when}, the station's time." if when else "It goes when the operator releases it."
    sooner = "If it is needed sooner, ask" if when else "Ask"
    return (
        f"It is big ({size_words(message.wire_size)}), and the line is expensive: messages over "
        f"{size_words(config.big_message_bytes)} are held back. {goes} {sooner} the operator of the station to "
        f"release it: dialpost queue release {message.queue_id}."
    )


# -- who gets a note


_LIST_FIELDS = frozenset({b"list-id", b"list-unsubscribe", b"list-post"})


def may_tell(message: MessageRecord, header: bytes) -> bool:
    """Whether sender and recipients may get a note that it waits: only if a user of the station wrote it, not a
    machine.

    Never about a message without a sender, from outside, from a list, or from an automatic responder (RFC 3834 §2).
    """
    if not message.sender or message.origin not in {Origin.SUBMITTED, Origin.LAN}:
        return False
    fields = {name: value.strip().lower() for name, value in fields_of(header)}
    if _LIST_FIELDS & fields.keys() or fields.get(b"precedence") in {b"bulk", b"list", b"junk"}:
        return False
    return fields.get(b"auto-submitted", b"no").partition(b";")[0].strip() == b"no"


@dataclass(frozen=True, slots=True)
class NoteFrame:
    """What the note to the recipients needs from outside: this host's name, an RFC 5322 date, unique letters."""

    hostname: str
    date: str
    unique: str


def recipients_note(
    message: MessageRecord, recipients: Sequence[RecipientRecord], config: BudgetConfig, frame: NoteFrame
) -> bytes:
    """A few lines to those who will get it, with LF line endings. They learn nothing about each other."""
    to = f"<{recipients[0].address}>" if len(recipients) == 1 else "undisclosed-recipients:;"
    subject = f"A big message from {message.sender} will come later"
    when = when_words(config)
    goes = (
        f"It is sent {when}, the time of that place." if when else "It is sent when the operator there releases it."
    )
    text = [
        *textwrap.wrap(
            f"A message for you waits at the mail station {frame.hostname}: it is big and the line is slow.",
            _WIDTH,
        ),
        "",
        f"    From:    {message.sender}",
        *([f"    Subject: {message.subject}"] if message.subject else []),
        f"    Size:    {size_words(message.wire_size)}",
        "",
        *textwrap.wrap(f"{goes} You need not do anything. If you need it sooner, ask the sender.", _WIDTH),
        "",
    ]
    body = "\n".join(text)
    head = [
        f"From: Mail station <postmaster@{frame.hostname}>",
        f"To: {to}",
        *([f"Reply-To: <{message.sender}>"] if message.sender.isascii() else []),  # the note may go to any host
        text_field("Subject", subject),
        f"Date: {frame.date}",
        f"Message-ID: <{frame.unique}@{frame.hostname}>",
        "Auto-Submitted: auto-generated",  # RFC 3834 §5
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Transfer-Encoding: {'7bit' if body.isascii() else '8bit'}",
    ]
    return ("\n".join(head) + "\n\n" + body).encode("utf-8", "replace")
