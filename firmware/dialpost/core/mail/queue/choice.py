"""Which of the waiting and held mail an operator's command is about, when it names no single message."""

from __future__ import annotations

from dataclasses import dataclass

from dialpost.core.address import normalise_domain, parse_mailbox
from dialpost.core.errors import AddressError
from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.queue.records import RecipientState


@dataclass(frozen=True, slots=True)
class Choice:
    """Recipients in one of `states` that match every filter given.

    `sender` and `recipient` are as `address_filter` returns them. `received_before_s` is Unix seconds. A message of
    `larger_than` bytes is not larger. `up_to` is the newest message to look at.
    """

    states: frozenset[RecipientState]
    sender: str | None = None
    recipient: str | None = None
    received_before_s: int | None = None
    larger_than: int | None = None
    up_to: QueueId | None = None


@dataclass(frozen=True, slots=True)
class Slice:
    """Some of the recipients that a choice matches, by their keys in the store, ascending.

    They belong to this many messages, `last` the newest; `held_by_station` are those that the station itself held.
    """

    keys: tuple[int, ...]
    messages: int
    last: QueueId
    held_by_station: frozenset[QueueId] = frozenset()


def address_filter(text: str) -> str:
    """A filter as the queue's addresses are stored (domains as A-labels): `name@domain`, `@domain` for everybody in
    a domain, "" for the null sender `<>` (RFC 5321 §4.5.5).

    Raises: AddressError.
    """
    wanted = text.strip()
    if wanted.startswith("<") and wanted.endswith(">"):
        wanted = wanted[1:-1]
        if not wanted:
            return ""
    if "@" not in wanted or wanted == "@":
        raise AddressError(text, "a filter is name@domain, @domain, or <> for notices of a station")
    if wanted.startswith("@"):
        return f"@{normalise_domain(wanted[1:])}"
    return str(parse_mailbox(wanted))
