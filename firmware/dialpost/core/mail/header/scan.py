"""The facts in the header of an incoming message (RFC 5322 §2.2, §3.6).

Reads the stored form (LF line endings) a line at a time: a header may have any length, and a field not yet seen
never counts as missing. Keeps only what some decision needs: the hops for the loop check, the fields missing on
submission, the priority on the line, and the two fields by which people recognise a message. No input makes it
fail.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from dialpost.core.mail.authors import Named, addresses_in
from dialpost.core.mail.header.words import readable
from dialpost.core.mail.queue.records import Priority

MAX_SUBJECT = 100
MAX_MESSAGE_ID = 250
_MAX_VALUE_BYTES = 4096
_MAX_DELIVERED_TO = 1000
_MAX_AUTHORS = 10
"""Fields of one kind that are examined; beyond that, the last replaces the previous one."""
_BODY_LOOK_BYTES = 4096

FIELD = re.compile(rb"([!-9;-~\x80-\xff]+)[ \t]*:")
"""The beginning of a field. Spaces before the colon are obsolete, not wrong (RFC 5322 §4.5)."""
_CHARSET = re.compile(
    rb"""charset\*?[ \t\n]*=[ \t\n]*"?(?:[!-&(-~]*'[^']*')?([A-Za-z0-9_.:+-]{1,60})""", re.IGNORECASE
)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")  # a terminal would act on some of them
_PRIORITY_FIELDS = {b"priority", b"importance", b"x-priority", b"precedence"}
_WHO = (b"from", b"sender", b"resent-from", b"resent-sender")
_KEPT = frozenset({b"from", b"date", b"message-id", b"subject", b"content-type"} | _PRIORITY_FIELDS)


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """The facts in a header. `own_received` counts the Received fields that this host wrote itself.

    `message_id` may be "" though `has_message_id`: the field can be empty.
    """

    received: int = 0
    own_received: int = 0
    delivered_to: tuple[str, ...] = ()
    named: Named = field(default_factory=Named)
    has_from: bool = False
    has_date: bool = False
    has_message_id: bool = False
    message_id: str = ""
    subject: str = ""
    priority: Priority = Priority.NORMAL


class HeaderScan:
    """Reads a header's lines in order, then a little of the body to find the name of its character set."""

    def __init__(self, hostname: str) -> None:
        self._by_us = b"by " + hostname.lower().encode() + b" "
        self._name = b""
        self._value = b""
        self._named: dict[bytes, bytes] = {}
        self._received = self._own_received = 0
        self._delivered_to: list[str] = []
        self._who: dict[bytes, list[bytes]] = {name: [] for name in _WHO}
        self._body = b""
        self._facts: HeaderFacts | None = None

    def line(self, line: bytes) -> None:
        """A field's first line, or a fold of it; anything else is ignored."""
        self._facts = None
        if line[:1] in {b" ", b"\t"}:
            if len(self._value) < _MAX_VALUE_BYTES:
                self._value += line[:_MAX_VALUE_BYTES]
            return
        self._close_field()
        field = FIELD.match(line)
        self._name = field[1].lower() if field else b""
        self._value = line[field.end() :][:_MAX_VALUE_BYTES] if field else b""

    def body(self, text: bytes) -> None:
        """The body's beginning."""
        missing = _BODY_LOOK_BYTES - len(self._body)
        if missing > 0:
            self._body += text[:missing]
            if not self._named.get(b"subject", b"").isascii():  # only such text is read by the body's character set
                self._facts = None

    def facts(self) -> HeaderFacts:
        """The facts in the lines so far. Called several times, computed once."""
        if self._facts is None:
            self._facts = self._read()
        return self._facts

    def _read(self) -> HeaderFacts:
        self._close_field()
        named = self._named
        return HeaderFacts(
            received=self._received,
            own_received=self._own_received,
            delivered_to=tuple(self._delivered_to),
            named=Named(*(addresses_in(self._who[name], _MAX_VALUE_BYTES) for name in _WHO)),
            has_from=b"from" in named,
            has_date=b"date" in named,
            has_message_id=b"message-id" in named,
            message_id=_text(named.get(b"message-id", b""))[:MAX_MESSAGE_ID],
            subject=readable(named.get(b"subject", b""), self._charset())[:MAX_SUBJECT],
            priority=_priority(named),
        )

    def _close_field(self) -> None:
        name, value, self._name, self._value = self._name, self._value, b"", b""
        if name == b"received":
            self._received += 1
            self._own_received += self._by_us in b" ".join(value.lower().split()) + b" "
        elif name == b"delivered-to":
            if len(self._delivered_to) < _MAX_DELIVERED_TO:
                self._delivered_to.append(_text(value).strip("<> ").lower()[:MAX_MESSAGE_ID])
        elif name in _WHO:  # some mail programs show the last one of several
            self._who[name] = [*self._who[name][:_MAX_AUTHORS], value]
        if name in _KEPT:
            self._named.setdefault(name, value)

    def _charset(self) -> str:
        """The character set that the header names for the body, or the first part that names one."""
        found = _CHARSET.search(self._named.get(b"content-type", b"")) or _CHARSET.search(self._body)
        return found[1].decode("ascii") if found else ""


def fields_of(block: bytes) -> list[tuple[bytes, bytes]]:
    """The fields of the header at the start of `block`: name in lower case, value with its folds."""
    fields: list[tuple[bytes, bytes]] = []
    for line in block.split(b"\n"):
        if not line:
            break
        field = FIELD.match(line)
        if line[:1] in {b" ", b"\t"} and fields:
            name, value = fields[-1]
            fields[-1] = (name, value + line)
        elif field:
            fields.append((field[1].lower(), line[field.end() :]))
    return fields


def _text(value: bytes) -> str:
    return _CONTROL.sub(" ", value.decode("utf-8", "replace")).strip()


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
