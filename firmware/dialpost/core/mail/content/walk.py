"""Splits a stored message into headers, leaf parts and the text between them, in blocks of any size (RFC 2046).

Memory is bounded by the header of one part. Foreign structure is read as mail programs read it: a multipart counts
as one whatever encoding its label names (RFC 2045 §6.4 allows none), and as text if it has no boundary.
"""

from __future__ import annotations

import re
from enum import Enum, auto

from dialpost.core.errors import DialpostError

MAX_HEADER_BYTES = 1_048_576
MAX_DEPTH = 50
_LONG_LINE_BYTES = 65_536

_FIELD = re.compile(rb"[^\n]*\n(?:[ \t][^\n]*\n)*")
_BOUNDARY = re.compile(  # in pieces, too (RFC 2231 §3)
    rb';[ \t\n]*boundary(\*[0-9]+)?[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^;\s"]+))', re.IGNORECASE
)
_CHARSET = re.compile(rb';[ \t\n]*charset\*?[ \t]*=[ \t]*"?([^;\s"]+)', re.IGNORECASE)
_WORD = re.compile(rb'[\s"]*([^\s"();]*)')
_OPAQUE = (b"multipart/signed", b"multipart/encrypted", b"message/partial", b"message/external-body")
_REPORTS = (b"message/delivery-status", b"message/disposition-notification", b"message/feedback-report")


class CannotDowngradeError(DialpostError):
    """The content can't be converted for the next host without harm; the text says why."""


class Part:
    """The header of one part, parsed as far as needed."""

    def __init__(self, fields: list[bytes], default_type: bytes) -> None:
        self.fields = fields
        self.content_type = self.value(b"content-type")
        kind = self.content_type.partition(b";")[0].strip().lower() if self.content_type else default_type
        self.type = kind if b"/" in kind else b"text/plain"
        word = _WORD.match(self.value(b"content-transfer-encoding"))
        self.encoding = (word[1].lower() if word else b"") or b"7bit"
        found = _BOUNDARY.findall(self.content_type)
        whole = [quoted or plain for number, quoted, plain in found if not number][:1]
        pieces = whole or [quoted or plain for number, quoted, plain in found if number]
        self.boundary = re.sub(rb"\\(.)", rb"\1", b"".join(pieces)).rstrip()
        self.is_too_deep = False
        self.is_never_divided = False

    def value(self, name: bytes) -> bytes:
        """The first field of that name, unfolded; b"" if there is none."""
        for field in self.fields:
            key, colon, value = field.partition(b":")
            if colon and key.strip().lower() == name:
                return value.replace(b"\n", b"")
        return b""

    def without(self, *names: bytes) -> list[bytes]:
        """The fields of other names."""
        return [field for field in self.fields if field.partition(b":")[0].strip().lower() not in names]

    @property
    def charset(self) -> bytes:
        """The character set that the header names, b"" for none."""
        found = _CHARSET.search(self.content_type)
        return found[1] if found else b""

    @property
    def is_encoded(self) -> bool:
        """Whether the content is an encoding of other content. An unknown label (`8bits`, `plain`) means
        nothing."""
        return self.encoding in (b"base64", b"quoted-printable")

    @property
    def is_multipart(self) -> bool:
        """Whether it has parts that may be examined: the inside of a signed one may not (RFC 1847 §2.1)."""
        return self._is_open_multipart and bool(self.boundary) and not self.is_never_divided

    @property
    def is_message(self) -> bool:
        """Whether it is a message with its own header."""
        return self.type in (b"message/rfc822", b"message/global") and not self.is_encoded

    @property
    def is_opaque(self) -> bool:
        """Whether nothing in it may be changed, and no encoding applied to it (RFC 2046 §5.2, RFC 1847 §2.1)."""
        return self.is_too_deep or self.type in _OPAQUE

    @property
    def is_report(self) -> bool:
        """Whether it consists of fields for a program (RFC 3464 §2.1), to which no encoding may be applied."""
        return self.type in _REPORTS

    @property
    def is_broken_multipart(self) -> bool:
        """Whether it claims to be a multipart but has no boundary, or never uses it: readers show it as text."""
        return self._is_open_multipart and not self.is_too_deep and not self.is_multipart

    @property
    def _is_open_multipart(self) -> bool:
        return self.type.startswith(b"multipart/") and self.type not in _OPAQUE


class _Mode(Enum):
    HEADER = auto()
    LEAF = auto()
    BETWEEN = auto()  # preamble and epilogue of a multipart, which nobody sees


class Walker:
    """Subclasses decide what to do with headers, leaves and the rest.

    Multiparts are numbered in order; for those in `never_divided` an earlier walk found no boundary. `undivided`
    are those for which this walk has found none so far.
    """

    def __init__(self, never_divided: frozenset[int] = frozenset()) -> None:
        self.undivided: set[int] = set()
        self._never_divided = never_divided
        self._multiparts = 0
        self._mode = _Mode.HEADER
        self._header = bytearray()
        self._boundaries: list[tuple[bytes, bytes, int]] = []  # (boundary, default type of its parts, number)
        self._default_type = b"text/plain"
        self._line = b""
        self._at_line_start = True
        self._begins_message = True

    def feed(self, block: bytes) -> bytes:
        """Take the next piece; the rewritten bytes that are ready."""
        *lines, rest = (self._line + block).split(b"\n")
        out = [self._piece(line + b"\n") for line in lines]
        if len(rest) > _LONG_LINE_BYTES and self._mode is not _Mode.HEADER:
            out.append(self._piece(rest))
            rest = b""
        elif len(rest) > MAX_HEADER_BYTES:
            raise CannotDowngradeError("a header is too long")
        self._line = rest
        return b"".join(out)

    def finish(self) -> bytes:
        """The rest."""
        out = self._piece(self._line) if self._line else b""
        if self._mode is _Mode.HEADER:
            out += self._end_of_header()
        return out + self.end_of_leaf(keep_line_end=not self._boundaries)

    def composite(self, part: Part) -> bytes:
        """The header of a part that has parts, or that is a message."""
        raise NotImplementedError

    def begin_leaf(self, part: Part, *, begins_message: bool) -> bytes:
        """The header of any other part."""
        raise NotImplementedError

    def leaf(self, piece: bytes) -> bytes:
        """A line of a leaf, or a piece of a very long one."""
        raise NotImplementedError

    def between(self, piece: bytes) -> bytes:
        """A line of a preamble or epilogue, or a piece of a very long one."""
        raise NotImplementedError

    def end_of_leaf(self, *, keep_line_end: bool) -> bytes:
        """A leaf may be over; its last line ending belongs to the boundary that follows, if one does."""
        raise NotImplementedError

    def _piece(self, piece: bytes) -> bytes:
        starts_line, self._at_line_start = self._at_line_start, piece.endswith(b"\n")
        if starts_line and piece.startswith(b"--") and self._boundaries:
            met = self._boundary_met(piece)
            if met is not None:
                return met
        if self._mode is _Mode.LEAF:
            return self.leaf(piece)
        if self._mode is _Mode.BETWEEN:
            return self.between(piece)
        if piece == b"\n":
            return self._end_of_header() + b"\n"
        self._header += piece
        if len(self._header) > MAX_HEADER_BYTES:
            raise CannotDowngradeError("a header is too long")
        return b""

    def _boundary_met(self, line: bytes) -> bytes | None:
        text = line.rstrip()
        for depth in range(len(self._boundaries) - 1, -1, -1):
            boundary, default_type, number = self._boundaries[depth]
            delimiter, closing = b"--" + boundary, b"--" + boundary + b"--"
            if text not in (delimiter, closing):
                continue
            self.undivided.discard(number)
            out = self._end_of_header() if self._mode is _Mode.HEADER else b""
            out += self.end_of_leaf(keep_line_end=False)
            closes = text == closing
            del self._boundaries[depth if closes else depth + 1 :]
            self._mode = _Mode.BETWEEN if closes else _Mode.HEADER
            self._default_type = default_type
            return out + line
        return None

    def _end_of_header(self) -> bytes:
        raw, self._header = bytes(self._header), bytearray()
        fields = _FIELD.findall(raw if raw.endswith(b"\n") or not raw else raw + b"\n")
        part = Part(fields, self._default_type)
        begins_message, self._begins_message = self._begins_message, False
        if part.is_multipart:
            self._multiparts += 1
            part.is_never_divided = self._multiparts in self._never_divided
        part.is_too_deep = part.is_multipart and len(self._boundaries) >= MAX_DEPTH
        if part.is_multipart and not part.is_too_deep:
            default = b"message/rfc822" if part.type == b"multipart/digest" else b"text/plain"
            self._boundaries.append((part.boundary, default, self._multiparts))
            self.undivided.add(self._multiparts)
            self._mode = _Mode.BETWEEN
            return self.composite(part)
        if part.is_message:
            self._mode, self._default_type, self._begins_message = _Mode.HEADER, b"text/plain", True
            return self.composite(part)
        self._mode = _Mode.LEAF
        return self.begin_leaf(part, begins_message=begins_message)
