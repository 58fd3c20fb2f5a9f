"""The queue's methods: what waits, retry, hold, release, delete, and tracing a message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from dialpost.core.config.setting import Setting
from dialpost.core.control.declared import Method

MOST_LISTED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One recipient of a message."""

    number: Annotated[int, "Its place among the message's recipients."]
    address: Annotated[str, "Where its copy goes."]
    state: Annotated[str, "`waiting`, `held`, `delivered`, `relayed`, `bounced` or `deleted`."]
    words: Annotated[str, "Where its copy is, for people."]
    is_local: Annotated[bool, "Whether it has its mailbox here."]
    attempts: Annotated[int, "How often delivery was tried."]
    next_try_s: Annotated[int, "When it is retried, in Unix seconds; 0: at the next opportunity."]
    answer_unknown: Annotated[bool, "Whether it was sent and the other host's answer never came."]
    held_because: Annotated[str, "What a message held for its size waits for; empty otherwise."] = ""
    original_address: Annotated[str, "What the sender wrote; empty where that is `address`."] = ""
    name: Annotated[str, "Both addresses, for people."] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message in the queue or the history."""

    queue_id: Annotated[str, "Its ID at this station."]
    sender: Annotated[str, "Its envelope sender; empty for notices of a station."]
    subject: Annotated[str, "Its subject."]
    size: Annotated[int, "In bytes."]
    received_s: Annotated[int, "When it was accepted, in Unix seconds."]
    priority: Annotated[str, "`urgent`, `normal` or `bulk`."]
    origin: Annotated[str, "How it came in."]
    message_id: Annotated[str, "Its Message-ID."]
    summary: Annotated[str, "How it came in, for people."]
    recipients: Annotated[tuple[Recipient, ...], "All of them; of `queue.list` those not finished."]
    sentences: Annotated[tuple[str, ...], "The whole story, a sentence each."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command did."""

    count: Annotated[int, "How many recipients it touched."]
    words: Annotated[str, "The same for people."]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListParams:
    """Of `queue.list`."""

    address: Annotated[str | None, Setting("Only messages from or to this address.")] = None
    held_only: Annotated[bool, Setting("Only messages that are held.")] = False
    limit: Annotated[int, Setting("At most this many messages.", minimum=1, maximum=MOST_LISTED)] = 100
    offset: Annotated[int, Setting("Leave out this many first.", minimum=0, maximum=1_000_000_000)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowParams:
    """Of `queue.show`."""

    queue_id: Annotated[str, Setting("The message's ID.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryParams:
    """Of `queue.retry`."""

    queue_id: Annotated[str | None, Setting("The message's ID; without it everything that waits.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveParams:
    """Of `queue.hold`, `queue.release` and `queue.delete`."""

    queue_id: Annotated[str, Setting("The message's ID.")]
    address: Annotated[str | None, Setting("Only this recipient.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceParams:
    """Of `trace`."""

    text: Annotated[str, Setting("A queue ID, an address (sender or recipient) or a Message-ID.")]
    limit: Annotated[int, Setting("At most this many messages.", minimum=1, maximum=MOST_LISTED)] = 20


LIST = Method("queue.list", "What waits or is held, oldest first.", ListParams, tuple[Message, ...])
SHOW = Method("queue.show", "Everything known of one message.", ShowParams, Message)
RETRY = Method("queue.retry", "Try at the next opportunity, whatever wait was set.", RetryParams, Done)
HOLD = Method("queue.hold", "Keep a message back until it is released.", MoveParams, Done)
RELEASE = Method("queue.release", "Let a held message go on.", MoveParams, Done)
DELETE = Method("queue.delete", "Delete a message; the sender is not notified.", MoveParams, Done)
TRACE = Method("trace", "What became of messages, newest first.", TraceParams, tuple[Message, ...])

METHODS = (LIST, SHOW, RETRY, HOLD, RELEASE, DELETE, TRACE)
