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

    number: Annotated[int, "Its position among the message's recipients."]
    address: Annotated[str, "The address its copy goes to."]
    state: Annotated[str, "`waiting`, `held`, `delivered`, `relayed`, `bounced` or `deleted`."]
    words: Annotated[str, "Where its copy is, in words."]
    is_local: Annotated[bool, "Whether its mailbox is on this station."]
    attempts: Annotated[int, "Number of delivery attempts."]
    next_try_s: Annotated[int, "Time of the next attempt, in Unix seconds; 0: the next opportunity."]
    answer_unknown: Annotated[bool, "Whether it was sent but never acknowledged."]
    held_because: Annotated[str, "Why the message is held for its size; empty otherwise."] = ""
    original_address: Annotated[str, "The address as the sender wrote it; empty if it is `address`."] = ""
    name: Annotated[str, "Both addresses, in words."] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message in the queue or the history."""

    queue_id: Annotated[str, "Its ID at this station."]
    sender: Annotated[str, "Its envelope sender; empty for notices of a station."]
    subject: Annotated[str, "Its subject."]
    size: Annotated[int, "Its size."]
    received_s: Annotated[int, "Time of acceptance, in Unix seconds."]
    priority: Annotated[str, "`urgent`, `normal` or `bulk`."]
    origin: Annotated[str, "How it came in."]
    message_id: Annotated[str, "Its Message-ID."]
    summary: Annotated[str, "How it came in, in words."]
    recipients: Annotated[tuple[Recipient, ...], "All recipients; in `queue.list` only the unfinished ones."]
    sentences: Annotated[tuple[str, ...], "The message's history, a sentence each."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command did."""

    count: Annotated[int, "Number of recipients affected."]
    words: Annotated[str, "The result, in words."]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListParams:
    """Of `queue.list`."""

    address: Annotated[str | None, Setting("Only messages from or to this address.")] = None
    held_only: Annotated[bool, Setting("Only messages that are held.")] = False
    limit: Annotated[int, Setting("At most this many messages.", minimum=1, maximum=MOST_LISTED)] = 100
    offset: Annotated[int, Setting("Skip this many first.", minimum=0, maximum=1_000_000_000)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowParams:
    """Of `queue.show`."""

    queue_id: Annotated[str, Setting("The message's ID.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryParams:
    """Of `queue.retry`."""

    queue_id: Annotated[str | None, Setting("The message's ID; by default all waiting messages.")] = None


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


LIST = Method("queue.list", "List waiting and held messages, oldest first.", ListParams, tuple[Message, ...])
SHOW = Method("queue.show", "Show everything known about one message.", ShowParams, Message)
RETRY = Method("queue.retry", "Retry at the next opportunity.", RetryParams, Done)
HOLD = Method("queue.hold", "Hold a message until it is released.", MoveParams, Done)
RELEASE = Method("queue.release", "Release a held message.", MoveParams, Done)
DELETE = Method("queue.delete", "Delete a message; the sender is not notified.", MoveParams, Done)
TRACE = Method("trace", "Show where messages are, newest first.", TraceParams, tuple[Message, ...])

METHODS = (LIST, SHOW, RETRY, HOLD, RELEASE, DELETE, TRACE)
