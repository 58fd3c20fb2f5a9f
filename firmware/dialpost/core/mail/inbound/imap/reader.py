"""Reads an IMAP server's responses from a stream of bytes, however it is split (RFC 9051 §4.3, §9).

A response is a line, with literals in it: {n} and, against the grammar, {n+} and ~{n} (RFC 7888, RFC 3516). The
content of a message is handed on as it arrives and never held; everything else is held and bounded, so a literal
of 4 GB or a line without end is refused as soon as it begins to be one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dialpost.core.errors import ProtocolError

MAX_RESPONSE_BYTES = 65_536
"""The text and the small literals of one response."""
MAX_LITERALS = 64
"""In one response."""

_LITERAL = re.compile(rb"~?\{(\d{1,20})\+?\}\r?\n\Z")
_CONTENT = re.compile(rb"\bBODY\[\](?:<\d{1,20}>)? +\Z", re.IGNORECASE)
_FETCH = re.compile(rb"\* +\d{1,10} +FETCH +\(", re.IGNORECASE)
_STATUS = re.compile(rb"[^ ]+ +(?:OK|NO|BAD|BYE|PREAUTH)\b|\+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Literal:
    """Bytes that were counted, in the middle of a response."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Streamed:
    """Where the content of a message stood in a response: it was handed on before."""

    length: int


Part = bytes | Literal | Streamed


@dataclass(frozen=True, slots=True)
class Response:
    """One whole response; its last part has no line ending."""

    parts: tuple[Part, ...]

    @property
    def head(self) -> bytes:
        """Its text up to the first literal."""
        first = self.parts[0]
        assert isinstance(first, bytes)
        return first


@dataclass(frozen=True, slots=True)
class ContentBegins:
    """A message's content follows, `length` bytes of it; `response` is the part of the response before it."""

    response: Response
    length: int


@dataclass(frozen=True, slots=True)
class Content:
    """Some of the bytes that were announced."""

    data: bytes


Item = Response | ContentBegins | Content


class ResponseReader:
    """Collects bytes, and returns what they complete, in order."""

    def __init__(self) -> None:
        self._input = bytearray()
        self._line = bytearray()
        self._parts: list[Part] = []
        self._held_bytes = 0
        self._literal: bytearray | None = None
        self._literal_left = 0
        self._streamed_left = 0
        self._is_broken = False

    @property
    def holds_input(self) -> bool:
        """Whether a response is incomplete, or more input is waiting to be read."""
        return bool(self._input or self._line or self._parts)

    def receive(self, data: bytes) -> Iterator[Item]:
        """Take bytes; the items they complete, one by one.

        Raises: ProtocolError if it can't be IMAP, or holds too much; everything after that is meaningless.
        """
        if self._is_broken:
            return
        self._input += data
        try:
            while self._input:
                item = self._take()
                if item is not None:
                    yield item
        except ProtocolError:
            self._is_broken = True
            self._input, self._line, self._parts, self._literal = bytearray(), bytearray(), [], None
            raise

    def take_unread(self) -> bytes:
        """The input after the last item returned: from there on the stream has another form (compressed)."""
        unread, self._input = bytes(self._input), bytearray()
        return unread

    def _take(self) -> Item | None:
        """Read on: up to the end of a line or of a literal, or to the end of the input."""
        if self._streamed_left:
            data = self._cut(self._streamed_left)
            self._streamed_left -= len(data)
            return Content(data)
        if self._literal is not None:
            data = self._cut(self._literal_left)
            self._literal += data
            self._literal_left -= len(data)
            self._close_literal()
            return None
        end = self._input.find(b"\n")
        piece = self._cut(len(self._input) if end < 0 else end + 1)
        self._line += piece
        self._hold(len(piece))
        return None if end < 0 else self._end_line()

    def _cut(self, length: int) -> bytes:
        data = bytes(self._input[:length])
        del self._input[:length]
        return data

    def _hold(self, length: int) -> None:
        self._held_bytes += length
        if self._held_bytes > MAX_RESPONSE_BYTES:
            raise ProtocolError("the server sends a response without end")

    def _end_line(self) -> Item | None:
        line, self._line = bytes(self._line), bytearray()
        if not self._parts and _STATUS.match(line):
            return self._end_response(line)  # its words are for people: braces at the end mean nothing
        found = _LITERAL.search(line)
        if found is None:
            return self._end_response(line)
        return self._begin_literal(line[: found.start()], int(found[1]))

    def _end_response(self, line: bytes) -> Response:
        response = Response((*self._parts, line.rstrip(b"\r\n")))
        self._parts, self._held_bytes = [], 0
        return response

    def _begin_literal(self, text: bytes, length: int) -> ContentBegins | None:
        self._parts.append(text)
        if len(self._parts) > 2 * MAX_LITERALS:
            raise ProtocolError("the server sends a response without end")
        first = self._parts[0]
        assert isinstance(first, bytes)
        if _CONTENT.search(text) and _FETCH.match(first):
            before = Response(tuple(self._parts))
            self._parts.append(Streamed(length))
            self._streamed_left = length
            return ContentBegins(before, length)
        if length > MAX_RESPONSE_BYTES:
            raise ProtocolError(f"the server announces {length} bytes where a few belong")
        self._hold(length)
        self._literal, self._literal_left = bytearray(), length
        self._close_literal()
        return None

    def _close_literal(self) -> None:
        if self._literal is not None and not self._literal_left:
            self._parts.append(Literal(bytes(self._literal)))
            self._literal = None
