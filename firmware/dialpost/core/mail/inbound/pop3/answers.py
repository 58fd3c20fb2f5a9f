"""The server's side of POP3, from a stream of bytes: status lines, and what follows some of them (RFC 1939 §3).

Bounded: a server that never ends a line is recognised; a line of a list that is too long is that line's fault only.
Nothing that a server writes is shown unescaped.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from dialpost.core.errors import ProtocolError
from dialpost.core.mail.content.incoming import DotDecoder
from dialpost.core.mail.inbound.dialogue import MOST_MESSAGES
from dialpost.core.printable import one_line

MAX_STATUS_BYTES = 4096
"""RFC 2449 §4 says 512; servers put more in."""
MAX_ITEM_BYTES = 1024
"""Of one line in a list."""
MOST_ITEMS = 2 * MOST_MESSAGES
"""Lines of one list that are read."""

_CODE = re.compile(r"\[([A-Z][A-Z0-9/-]{0,40})\]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Status:
    """A status line. `code` is the extended response code in upper case (RFC 2449 §8), "" for none.

    `words` is the whole line, fit to be shown.
    """

    is_ok: bool
    is_challenge: bool
    text: str
    code: str
    words: str


def read_status(line: bytes) -> Status:
    """Raises: ProtocolError if it is none."""
    raw = line.rstrip(b"\r\n").decode("utf-8", "replace")
    first, _, text = raw.partition(" ")
    if first.upper() not in {"+OK", "-ERR", "+"}:
        raise ProtocolError(f"the server's answer is not POP3: {one_line(raw, 80)!r}")
    found = _CODE.match(text)
    code = found[1].upper() if found else ""
    return Status(first.upper() == "+OK", first == "+", text, code, one_line(raw))


class Body(Protocol):
    """What follows a status line, up to a line with only a dot."""

    def feed(self, data: bytes) -> bytes | None:
        """The next piece; returns the input behind the end, None before it. Raises: ProtocolError."""


class Items:
    """A list: `on_item` gets each line, `on_fault` is called for one that is too long."""

    def __init__(
        self,
        on_item: Callable[[bytes], None],
        on_end: Callable[[], None],
        on_fault: Callable[[], None],
        most_items: int = MOST_ITEMS,
    ) -> None:
        self._on_item, self._on_end, self._on_fault = on_item, on_end, on_fault
        self._left = most_items
        self._line = bytearray()
        self._is_too_long = False

    def feed(self, data: bytes) -> bytes | None:
        """See `Body`."""
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._add(data[start:end])
            start = end + 1
            line, self._line = bytes(self._line.rstrip(b"\r")), bytearray()
            too_long, self._is_too_long = self._is_too_long, False
            self._left -= 1
            if self._left < 0:
                raise ProtocolError("the server sends a list without end")
            if too_long:
                self._on_fault()
            elif line == b".":
                self._on_end()
                return data[start:]
            else:
                self._on_item(line)
        self._add(data[start:])
        return None

    def _add(self, part: bytes) -> None:
        room = MAX_ITEM_BYTES - len(self._line)
        self._line += part[:room]
        self._is_too_long = self._is_too_long or len(part) > room


class Text:
    """A message or the top of one: `on_data` gets its content, without the stuffed dots.

    At most `most_bytes`; a server that sends more than it can have is not listened to for ever.
    """

    def __init__(self, on_data: Callable[[bytes], None], on_end: Callable[[], None], most_bytes: int) -> None:
        self._on_data, self._on_end, self._room = on_data, on_end, most_bytes
        self._dots = DotDecoder()

    def feed(self, data: bytes) -> bytes | None:
        """See `Body`."""
        content, rest = self._dots.feed(data)
        self._room -= len(content)
        if self._room < 0:
            raise ProtocolError("the server sends far more than the size it gave")
        if content:
            self._on_data(content)
        if rest is not None:
            self._on_end()
        return rest
