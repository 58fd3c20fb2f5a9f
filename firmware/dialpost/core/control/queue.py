"""The queue's methods: what waits; retry, hold, release, delete, one message or many; tracing a message."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated

from dialpost.core.config.setting import Setting
from dialpost.core.control.declared import Method

MOST_LISTED = 10_000
MOST_AT_ONCE = 1_000
"""Messages that one `queue.change` looks at: a face asks again for the rest, so that no request is long."""


class Action(Enum):
    """What can be done to many messages."""

    RETRY = "retry"
    HOLD = "hold"
    RELEASE = "release"
    DELETE = "delete"


class Standing(Enum):
    """The states of unfinished mail."""

    WAITING = "waiting"
    HELD = "held"


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
class Match:
    """What a command for many messages is about."""

    messages: Annotated[int, "Number of messages that match."]
    recipients: Annotated[int, "Number of their recipients that match."]
    bytes: Annotated[int, "Their size."]
    newest: Annotated[str, "The newest of them: `up_to` for `queue.change`; empty if none matches."]
    examples: Annotated[tuple[Message, ...], "The oldest ten."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What one request did to many messages."""

    messages: Annotated[int, "Number of messages affected."]
    recipients: Annotated[int, "Number of recipients affected."]
    damaged: Annotated[int, "Number of messages not released, because their content is missing or damaged."]
    next: Annotated[str, "More may follow: `after` for the next request; empty if this was the last."]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListParams:
    """Of `queue.list`."""

    address: Annotated[str | None, Setting("Only messages from or to this address.")] = None
    held_only: Annotated[bool, Setting("Only messages that are held.")] = False
    limit: Annotated[int, Setting("At most this many messages.", minimum=1, maximum=MOST_LISTED)] = 100
    offset: Annotated[int, Setting("Skip this many first.", minimum=0, maximum=1_000_000_000)] = 0
    after: Annotated[str | None, Setting("Only messages after this one.")] = None


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
class MatchParams:
    """Of `queue.match`. A message must pass every filter given; `sender` and `recipient` take an address, `@domain`
    or `<>`."""

    action: Annotated[Action, Setting("What is to be done. Decides which states are looked at.")]
    every: Annotated[bool, Setting("All messages. Without it, at least one filter is needed.")] = False
    sender: Annotated[str | None, Setting("Only from this sender.")] = None
    recipient: Annotated[str | None, Setting("Only this recipient.")] = None
    older_than_s: Annotated[
        int | None, Setting("Only accepted longer ago than this.", unit="s", minimum=0, maximum=1_000_000_000)
    ] = None
    larger_than: Annotated[
        int | None, Setting("Only larger messages.", unit="bytes", minimum=0, maximum=1_000_000_000_000)
    ] = None
    state: Annotated[Standing | None, Setting("Only recipients in this state.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeParams(MatchParams):
    """Of `queue.change`."""

    up_to: Annotated[str | None, Setting("No newer message than this one: `newest` of `queue.match`.")] = None
    after: Annotated[str | None, Setting("Only messages after this one: `next` of the request before.")] = None


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
MATCH = Method("queue.match", "Count the messages that `queue.change` would affect.", MatchParams, Match)
CHANGE = Method(
    "queue.change",
    f"Retry, hold, release or delete the messages that match, the oldest {MOST_AT_ONCE:,} of them.",
    ChangeParams,
    Changed,
)
TRACE = Method("trace", "Show where messages are, newest first.", TraceParams, tuple[Message, ...])

METHODS = (LIST, SHOW, RETRY, HOLD, RELEASE, DELETE, MATCH, CHANGE, TRACE)
