"""What the folder holds: its messages with size and urgency, a slice of them at a time (RFC 9051 §6.4.5).

A folder of usual size is one round trip. A slice has a bounded number of messages, whatever the folder holds, so
that what an endless answer may cost is bounded, too.
"""

from __future__ import annotations

from dialpost.core.errors import ProtocolError
from dialpost.core.mail.header.scan import HeaderScan
from dialpost.core.mail.inbound.dialogue import MOST_MESSAGES, BoxMessage, Listed
from dialpost.core.mail.inbound.imap.answers import Value, number_of
from dialpost.core.mail.queue.records import Priority

SLICE_MESSAGES = 500
MOST_SKIPPED = 100
LAST_UID = 4_294_967_295
_PRIORITY = b"PRIORITY IMPORTANCE X-PRIORITY PRECEDENCE"


class Listing:
    """Asks for one slice after the other, and collects what they bring."""

    def __init__(self, uid_validity: int, uid_next: int, exists: int) -> None:
        self._prefix = f"{uid_validity}."
        self._is_small = exists <= SLICE_MESSAGES
        self._last = uid_next - 1 if uid_next else LAST_UID
        self._first = 1
        self._width = SLICE_MESSAGES
        self._slice_end = 0
        self._in_slice = 0
        self._seen = 0
        self._exists = exists
        self.sizes: dict[int, int] = {}
        self.urgent: set[int] = set()
        self._messages: dict[int, BoxMessage] = {}
        self._skipped: list[str] = []

    @property
    def is_whole(self) -> bool:
        """Whether there is nothing more to list."""
        return (
            not self._exists
            or self._first > self._last
            or self._seen >= self._exists
            or len(self._messages) >= MOST_MESSAGES
        )

    def next_slice(self) -> bytes:
        """The command for the next slice. Call only while not `is_whole`."""
        whole = self._is_small or self._first + self._width > self._last
        self._slice_end = self._last if whole else self._first + self._width - 1
        self._in_slice = 0
        end = b"*" if self._slice_end == LAST_UID else b"%d" % self._slice_end
        fields = b"UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS (" + _PRIORITY + b")]"
        return b"UID FETCH %d:%s (%s)" % (self._first, end, fields)

    def take(self, attributes: dict[str, Value]) -> bool:
        """One message; whether it was asked for. Raises: ProtocolError if it can't be read."""
        if "RFC822.SIZE" not in attributes or "UID" not in attributes:
            return False
        uid = number_of(attributes["UID"])
        if not self._first <= uid <= self._slice_end or uid in self._messages or self._is_too_many():
            return False
        self._in_slice += 1
        size = number_of(attributes["RFC822.SIZE"])
        if len(self._messages) < MOST_MESSAGES:
            is_urgent = _is_urgent(attributes)
            self.sizes[uid] = size
            self.urgent.update([uid] if is_urgent else [])
            self._messages[uid] = BoxMessage(f"{self._prefix}{uid}", size, is_urgent)
        return True

    def skip(self, why: ProtocolError) -> None:
        """One message that was listed in no usable form. Raises: ProtocolError if too many are."""
        if self._is_too_many() or len(self._skipped) >= MOST_SKIPPED:
            raise why
        self._in_slice += 1
        self._skipped.append(str(why))

    def slice_done(self) -> None:
        """The server has answered for the slice."""
        self._seen += self._in_slice
        self._first = self._slice_end + 1
        if self._in_slice > SLICE_MESSAGES:
            self._width = max(1, self._width // 2)
        elif self._in_slice < SLICE_MESSAGES // 4:
            self._width *= 4  # many of the numbers are not in use

    def _is_too_many(self) -> bool:
        """Whether the server has listed what it had, and some that came meanwhile, and goes on."""
        return self._seen + self._in_slice > self._exists + SLICE_MESSAGES

    def result(self) -> Listed:
        """All that was listed, oldest first."""
        is_whole = len(self._messages) < MOST_MESSAGES and not self._skipped
        listed = Listed(
            tuple(self._messages[uid] for uid in sorted(self._messages)), tuple(self._skipped), is_whole
        )
        self._messages = {}
        return listed


def _is_urgent(attributes: dict[str, Value]) -> bool:
    header = next((value for name, value in attributes.items() if name.startswith("BODY[HEADER")), None)
    if not isinstance(header, bytes) or not header.strip():
        return False
    scan = HeaderScan("")
    for line in header.replace(b"\r\n", b"\n").split(b"\n"):
        scan.line(line)
    return scan.facts().priority is Priority.URGENT
