"""What the header of an incoming message tells this host (RFC 5322 §2.2, §3.6).

Reads the stored form (LF line ends). Only what decides something is kept: hops for the loop check, what
is missing on submission, the priority on the line, and the two fields people know a message by.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dialpost.core.queue_records import Priority

MAX_HEADER_BYTES = 65_536
"""So much of a message is searched for the end of its header; a longer header is read that far."""

MAX_SUBJECT = 100
MAX_MESSAGE_ID = 250
_MAX_ENCODED = 2000

_FIELD = re.compile(rb"([!-9;-~]{1,100})[ \t]*:")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")  # a terminal would obey some of them


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """`end` is the header's length without the empty line; `is_separated`: an empty line follows there.

    `own_received` counts the Received fields this host wrote itself.
    """

    end: int
    is_separated: bool
    received: int = 0
    own_received: int = 0
    delivered_to: tuple[str, ...] = ()
    has_from: bool = False
    has_date: bool = False
    message_id: str = ""
    subject: str = ""
    priority: Priority = Priority.NORMAL


def header_is_whole(block: bytes | bytearray) -> bool:
    """Whether the empty line after the header is in `block` (or it is too long to wait for it)."""
    return len(block) >= MAX_HEADER_BYTES or block.startswith(b"\n") or b"\n\n" in block


def scan_header(block: bytes, hostname: str) -> HeaderFacts:
    """Read the header at the start of `block`; `hostname` is this host's own name in Received fields."""
    fields, end = _split_fields(block)
    named: dict[bytes, bytes] = {}
    received = own_received = 0
    delivered_to = []
    by_us = b"by " + hostname.lower().encode() + b" "
    for name, value in fields:
        if name == b"received":
            received += 1
            own_received += by_us in b" ".join(value.lower().split()) + b" "
        elif name == b"delivered-to":
            delivered_to.append(_text(value).strip("<> ").lower())
        else:
            named.setdefault(name, value)
    return HeaderFacts(
        end=end,
        is_separated=block[end : end + 1] == b"\n",
        received=received,
        own_received=own_received,
        delivered_to=tuple(delivered_to),
        has_from=b"from" in named,
        has_date=b"date" in named,
        message_id=_text(named.get(b"message-id", b""))[:MAX_MESSAGE_ID],
        subject=_decoded(_text(named.get(b"subject", b"")))[:MAX_SUBJECT],
        priority=_priority(named),
    )


def fields_of(block: bytes) -> list[tuple[bytes, bytes]]:
    """The fields of the header at the start of `block`: name in lower case, value with its folds."""
    return _split_fields(block)[0]


def _split_fields(block: bytes) -> tuple[list[tuple[bytes, bytes]], int]:
    """The fields (name in lower case, value with its folds) and the offset of the first line that is none."""
    fields: list[tuple[bytes, bytes]] = []
    end = 0
    while end < len(block):
        line_end = block.find(b"\n", end)
        next_line = len(block) if line_end < 0 else line_end + 1
        line = block[end : next_line - (line_end >= 0)]
        if line[:1] in {b" ", b"\t"} and fields:
            name, value = fields[-1]
            fields[-1] = (name, value + line)
        else:
            match = _FIELD.match(line)
            if not match:
                break
            fields.append((match.group(1).lower(), line[match.end() :]))
        end = next_line
    return fields, end


def _text(value: bytes) -> str:
    return _CONTROL.sub(" ", value.decode("utf-8", "replace")).strip()


def _decoded(subject: str) -> str:
    """The subject with its encoded words read (RFC 2047); as it is where they can't be."""
    if "=?" not in subject:
        return subject
    subject = subject[:_MAX_ENCODED]
    from email.errors import HeaderParseError
    from email.header import decode_header, make_header

    try:
        return _CONTROL.sub(" ", str(make_header(decode_header(subject))))
    except (HeaderParseError, LookupError, ValueError):
        return subject


def _priority(fields: dict[bytes, bytes]) -> Priority:
    """RFC 2156 §5.3.6 Priority and Importance, X-Priority as mail programs write it, Precedence."""
    words = {name: value.strip().lower() for name, value in fields.items() if name in _PRIORITY_FIELDS}
    if (
        words.get(b"priority") == b"urgent"
        or words.get(b"importance") == b"high"
        or words.get(b"x-priority", b"")[:1] in {b"1", b"2"}
    ):
        return Priority.URGENT
    if (
        words.get(b"priority") == b"non-urgent"
        or words.get(b"importance") == b"low"
        or words.get(b"x-priority", b"")[:1] in {b"4", b"5"}
        or words.get(b"precedence") in {b"bulk", b"list", b"junk"}
    ):
        return Priority.BULK
    return Priority.NORMAL


_PRIORITY_FIELDS = {b"priority", b"importance", b"x-priority", b"precedence"}
