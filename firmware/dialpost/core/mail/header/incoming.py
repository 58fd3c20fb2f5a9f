"""The header of an incoming message: read, and repaired so that every reader sees it end in the same place.

Works on the stored form (LF line endings), split anywhere, holding back a few lines at most. It repairs, like
Postfix (its cleanup(8) and smtpd(8)):

- a `From ` or `>From ` line of an mbox file, at the start or in the middle, becomes an X-Mailbox-Line field;
- if a line that is not a field follows the header without an empty line, one is inserted before it; also at the
  end.

For our own users also (core/mail/authors): a From, Sender or Reply-To with a bare name or an unquoted @.

If more well-known fields follow such a line, nobody can tell whether it is a damaged field or the body: then
nothing is changed, and fields on both sides count as seen. A header may have any length.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import Enum, auto

from dialpost.core.mail.authors import repaired
from dialpost.core.mail.header.scan import FIELD, HeaderFacts, HeaderScan

MAX_LINE_BYTES = 65_536
"""Only this much of a longer line is examined."""
MAX_HELD_BYTES = 65_536
"""How far to search for the end of the header after a line that is not a field."""

_AUTHOR_FIELDS = frozenset({b"from", b"sender", b"reply-to"})
_MBOX = re.compile(rb">*From ")
_DATED_WITHIN_BYTES = 200
_DATED = re.compile(rb">*From .*\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b.*\d\d:\d\d")
_WELL_KNOWN = frozenset(
    b"return-path received date from sender reply-to to cc bcc message-id in-reply-to references subject "
    b"mime-version content-type content-transfer-encoding content-disposition delivered-to dkim-signature".split()
)


class _Line(Enum):
    EMPTY = auto()
    FIELD = auto()
    FOLD = auto()
    MBOX = auto()
    TEXT = auto()


class HeaderPass:
    """Takes a message and returns it with its header repaired; `added` makes the fields to add at its end.

    `domains` complete the bare names of our own users; without any, such fields are left unchanged.
    """

    def __init__(self, hostname: str, added: Callable[[HeaderFacts], bytes], domains: Sequence[str] = ()) -> None:
        self._domains = domains
        self._author_line = b""
        self._scan = HeaderScan(hostname)
        self._added = added
        self._rest = bytearray()
        self._looked_at = 0
        self._is_inside_line = False
        self._has_field = False
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._is_over = False

    @property
    def is_over(self) -> bool:
        """Whether the end of the header has been reached."""
        return self._is_over

    def facts(self) -> HeaderFacts:
        """The facts read so far; complete once the header is over."""
        return self._scan.facts()

    def feed(self, data: bytes) -> bytes:
        """The next piece; returns what is certain now."""
        if self._is_over:
            self._scan.body(data)
            return data
        self._rest += data
        out = []
        while not self.is_over and (piece := self._next_piece()):
            out.append(self._piece(piece))
        if self.is_over:
            rest, self._rest = bytes(self._rest), bytearray()
            self._scan.body(rest)
            out.append(rest)
        return b"".join(out)

    def finish(self) -> bytes:
        """The message is complete: returns what was held back, and an empty line if there was none."""
        if self._is_over:
            return b""
        out = b""
        if self._rest:
            rest, self._rest = bytes(self._rest), bytearray()
            out = self._piece(rest if rest.endswith(b"\n") else rest + b"\n")
        elif self._is_inside_line:
            out = self._piece(b"\n")
        if not self._are_mailbox_lines(_Line.EMPTY):
            return out + self._text_begins(b"")
        return out + (b"" if self._is_over else self._piece(b"\n"))

    def _next_piece(self) -> bytes:
        """The next line, a part of a very long one, or b"" if more input is needed."""
        end = self._rest.find(b"\n", self._looked_at, MAX_LINE_BYTES)
        if end < 0 and len(self._rest) < MAX_LINE_BYTES:
            self._looked_at = len(self._rest)
            return b""
        size = MAX_LINE_BYTES if end < 0 else end + 1
        piece = bytes(self._rest[:size])
        del self._rest[:size]
        self._looked_at = 0
        return piece

    def _piece(self, piece: bytes) -> bytes:
        """An author field that could be repaired waits for the next line, which may be a fold of it."""
        line, self._author_line = self._author_line, b""
        if not line:
            return self._next(piece)
        if piece[:1] not in {b" ", b"\t"}:
            line = self._repaired(line)
        self._scan.line(line)
        return line + self._next(piece)

    def _repaired(self, line: bytes) -> bytes:
        name, colon, value = line.partition(b":")
        if not self._domains or name.rstrip().lower() not in _AUTHOR_FIELDS:
            return line
        return name + colon + repaired(value, self._domains)

    def _next(self, piece: bytes) -> bytes:
        was_inside, self._is_inside_line = self._is_inside_line, not piece.endswith(b"\n")
        if was_inside:
            return self._hold(piece) if self._held else piece
        kind = self._kind(piece)
        if self._held and self._are_mailbox_lines(kind):
            if kind is _Line.MBOX:
                return self._hold(piece)
            return self._mailbox_lines() + self._read(piece, kind)
        if not self._held:
            return self._read(piece, kind)
        if not self._has_field:
            return self._text_begins(piece)
        if kind is _Line.EMPTY:
            return self._held_end(piece)
        return self._hold(piece)

    def _kind(self, piece: bytes) -> _Line:
        if piece == b"\n":
            return _Line.EMPTY
        if piece[:1] in {b" ", b"\t"}:
            return _Line.FOLD if self._has_field else _Line.TEXT
        if FIELD.match(piece):
            return _Line.FIELD
        return _Line.MBOX if _MBOX.match(piece) else _Line.TEXT

    def _read(self, piece: bytes, kind: _Line) -> bytes:
        if kind is _Line.EMPTY:
            return self._end() + piece
        if kind is _Line.TEXT and not self._has_field:  # there is no header
            return self._text_begins(piece)
        if kind in (_Line.MBOX, _Line.TEXT):
            return self._hold(piece)
        self._has_field = True
        if kind is _Line.FIELD and self._repaired(piece) != piece:
            self._author_line = piece
            return b""
        self._scan.line(piece)
        return piece

    def _hold(self, piece: bytes) -> bytes:
        self._held.append(piece)
        self._held_bytes += len(piece)
        return self._held_end(b"") if self._held_bytes > MAX_HELD_BYTES else b""

    def _are_mailbox_lines(self, next_kind: _Line) -> bool:
        """Whether the held lines came from an mbox file: a header continues after them, or they have such a line's
        date."""
        if not all(_MBOX.match(line) for line in self._held):
            return False
        if next_kind is _Line.EMPTY:
            return all(_DATED.match(line[:_DATED_WITHIN_BYTES]) for line in self._held)
        return next_kind in (_Line.FIELD, _Line.MBOX)

    def _mailbox_lines(self) -> bytes:
        lines, self._held, self._held_bytes = self._held, [], 0
        return b"".join(b"X-Mailbox-Line: " + line for line in lines)

    def _held_end(self, empty_line: bytes) -> bytes:
        """An empty line (or too much text) after a line that is not a field: body, or damaged header?"""
        is_spoilt_header = False
        for line in self._held:
            field = FIELD.match(line)
            is_spoilt_header = is_spoilt_header or bool(field and field[1].lower() in _WELL_KNOWN)
        if not is_spoilt_header:
            return self._text_begins(empty_line)
        for line in self._held:
            self._scan.line(line)
        held, self._held = b"".join(self._held), []
        return self._end() + held + empty_line

    def _text_begins(self, line: bytes) -> bytes:
        """The held lines are the beginning of the body, and so is this one."""
        text, self._held = b"".join(self._held) + line, []
        end = self._end()
        self._scan.body(text)
        return end + b"\n" + text

    def _end(self) -> bytes:
        self._is_over = True
        return self._added(self._scan.facts())
