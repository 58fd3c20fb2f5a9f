"""8-bit content made 7-bit for a next hop without 8BITMIME (RFC 6152 §3), or the reason why it can't be.

Leaf parts with 8-bit text become quoted-printable or base64, whichever is shorter; the labels of the
parts around them and header fields with raw 8-bit text follow. What must not be changed is not: the
inside of a signed part, partial messages, parts that are encoded but hold 8-bit bytes all the same.

Content goes through twice, in blocks of any size: first `plan` finds out what each leaf holds, then
`Downgrade` rewrites. Memory is bounded by the header of one part, never by the message. Content is as
stored: LF line ends.
"""

from __future__ import annotations

import binascii
import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from dialpost.core.content_out import LineEnds
from dialpost.core.errors import DialpostError
from dialpost.core.header_encoding import ascii_field

MAX_HEADER_BYTES = 1_048_576
MAX_DEPTH = 50
_LONG_LINE_BYTES = 65_536
_BASE64_LINE = 57
_HIGH = bytes(range(0x80, 0x100))

_FIELD = re.compile(rb"[^\n]*\n(?:[ \t][^\n]*\n)*")
_BOUNDARY = re.compile(rb';[ \t\n]*boundary[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^;\s"]+))', re.IGNORECASE)
_CHARSET = re.compile(rb';[ \t\n]*charset\*?[ \t]*=[ \t]*"?([^;\s"]+)', re.IGNORECASE)
_OPAQUE_MULTIPARTS = frozenset((b"multipart/signed", b"multipart/encrypted"))  # RFC 1847 §2.1


class CannotDowngradeError(DialpostError):
    """The content can't be made 7-bit without harm; the text says why."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """What one leaf part holds."""

    size: int = 0
    eight_bit_bytes: int = 0
    is_utf8: bool = True


class _Mode(Enum):
    HEADER = auto()
    LEAF = auto()
    BETWEEN = auto()  # preamble and epilogue of a multipart: for nobody's eyes


class _Walker:
    """Takes a message apart. Subclasses say what to do with headers, leaves and the rest."""

    def __init__(self) -> None:
        self._mode = _Mode.HEADER
        self._header = bytearray()
        self._boundaries: list[tuple[bytes, bytes]] = []  # (boundary, default type of its parts)
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
        return out + self._end_of_leaf(keep_line_end=not self._boundaries)

    def _piece(self, piece: bytes) -> bytes:
        starts_line, self._at_line_start = self._at_line_start, piece.endswith(b"\n")
        if starts_line and piece.startswith(b"--") and self._boundaries:
            met = self._boundary_met(piece)
            if met is not None:
                return met
        if self._mode is _Mode.LEAF:
            return self._leaf(piece)
        if self._mode is _Mode.BETWEEN:
            return re.sub(rb"[\x80-\xff]", b"?", piece)
        if piece == b"\n":
            return self._end_of_header() + b"\n"
        self._header += piece
        if len(self._header) > MAX_HEADER_BYTES:
            raise CannotDowngradeError("a header is too long")
        return b""

    def _boundary_met(self, line: bytes) -> bytes | None:
        text = line.rstrip()
        for depth in range(len(self._boundaries) - 1, -1, -1):
            boundary, default_type = self._boundaries[depth]
            if text not in (b"--" + boundary, b"--" + boundary + b"--"):
                continue
            out = self._end_of_header() if self._mode is _Mode.HEADER else b""
            out += self._end_of_leaf(keep_line_end=False)
            closes = text.endswith(b"--") and text != b"--" + boundary
            del self._boundaries[depth if closes else depth + 1 :]
            self._mode = _Mode.BETWEEN if closes else _Mode.HEADER
            self._default_type = default_type
            return out + line
        return None

    def _end_of_header(self) -> bytes:
        raw, self._header = bytes(self._header), bytearray()
        fields = _FIELD.findall(raw if raw.endswith(b"\n") or not raw else raw + b"\n")
        part = _Part(fields, self._default_type)
        begins_message, self._begins_message = self._begins_message, False
        if part.type.startswith(b"multipart/") and part.type not in _OPAQUE_MULTIPARTS and part.is_identity:
            if not part.boundary:
                raise CannotDowngradeError("a multipart has no boundary")
            if len(self._boundaries) >= MAX_DEPTH:
                raise CannotDowngradeError("parts are nested too deeply")
            default = b"message/rfc822" if part.type == b"multipart/digest" else b"text/plain"
            self._boundaries.append((part.boundary, default))
            self._mode = _Mode.BETWEEN
            return self._composite(part)
        if part.type in (b"message/rfc822", b"message/global") and part.is_identity:
            self._mode, self._default_type, self._begins_message = _Mode.HEADER, b"text/plain", True
            return self._composite(part)
        self._mode = _Mode.LEAF
        return self._begin_leaf(part, begins_message=begins_message)

    def _composite(self, part: _Part) -> bytes:
        raise NotImplementedError

    def _begin_leaf(self, part: _Part, *, begins_message: bool) -> bytes:
        raise NotImplementedError

    def _leaf(self, piece: bytes) -> bytes:
        raise NotImplementedError

    def _end_of_leaf(self, *, keep_line_end: bool) -> bytes:
        raise NotImplementedError


class _Part:
    """The header of one part, understood as far as needed."""

    def __init__(self, fields: list[bytes], default_type: bytes) -> None:
        self.fields = fields
        content_type = self.value(b"content-type")
        self.content_type = content_type
        kind = content_type.partition(b";")[0].strip().lower() if content_type else default_type
        self.type = kind if b"/" in kind else b"text/plain"
        self.encoding = (self.value(b"content-transfer-encoding").lower().split() or [b"7bit"])[0]
        boundary = _BOUNDARY.search(content_type)
        quoted = re.sub(rb"\\(.)", rb"\1", boundary[1]) if boundary and boundary[1] else b""
        self.boundary = quoted or (boundary[2] if boundary and boundary[2] else b"")

    def value(self, name: bytes) -> bytes:
        """The first field of that name, unfolded; b"" where there is none."""
        for field in self.fields:
            key, colon, value = field.partition(b":")
            if colon and key.strip().lower() == name:
                return value.replace(b"\n", b"")
        return b""

    @property
    def is_identity(self) -> bool:
        """Whether the content stands as it is."""
        return self.encoding in (b"7bit", b"8bit", b"binary")

    @property
    def may_be_encoded(self) -> bool:
        """Whether a content-transfer-encoding may be put on it (RFC 2046 §5.2, RFC 1847 §2.1)."""
        return self.is_identity and not self.type.startswith((b"multipart/", b"message/"))


class _Planner(_Walker):
    """The first time through."""

    def __init__(self) -> None:
        super().__init__()
        self.leaves: list[Leaf] = []
        self._part: _Part | None = None
        self._forget()

    def _forget(self) -> None:
        self._size = self._eight_bit = 0
        self._utf8 = True
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def _composite(self, part: _Part) -> bytes:
        _ascii_header(part.fields)
        return b""

    def _begin_leaf(self, part: _Part, *, begins_message: bool) -> bytes:
        del begins_message
        _ascii_header(part.fields)
        self._part = part
        self._forget()
        return b""

    def _leaf(self, piece: bytes) -> bytes:
        self._size += len(piece)
        if not piece.isascii():
            assert self._part is not None
            if not self._part.may_be_encoded:
                raise CannotDowngradeError(_why_untouchable(self._part))
            self._eight_bit += len(piece) - len(piece.translate(None, _HIGH))
            self._check_utf8(piece)
        return b""

    def _check_utf8(self, piece: bytes, *, final: bool = False) -> None:
        try:
            self._decoder.decode(piece, final)
        except UnicodeDecodeError:
            self._utf8 = False
            self._decoder.reset()

    def _end_of_leaf(self, *, keep_line_end: bool) -> bytes:
        del keep_line_end
        if self._part is not None:
            self._check_utf8(b"", final=True)
            self.leaves.append(Leaf(self._size, self._eight_bit, self._utf8))
            self._part = None
        return b""


def plan(blocks: Iterable[bytes]) -> tuple[Leaf, ...]:
    """Go through the content once. Raises: CannotDowngradeError."""
    planner = _Planner()
    for block in blocks:
        planner.feed(block)
    planner.finish()
    return tuple(planner.leaves)


class Downgrade(_Walker):
    """The second time through, with the plan of the first: gives the 7-bit content."""

    def __init__(self, leaves: tuple[Leaf, ...]) -> None:
        super().__init__()
        self._leaves: Iterator[Leaf] = iter(leaves)
        self._encoder: _QuotedPrintable | _Base64 | None = None

    def _composite(self, part: _Part) -> bytes:
        fields = part.fields
        if part.encoding in (b"8bit", b"binary"):
            fields = [*_without(fields, b"content-transfer-encoding"), b"Content-Transfer-Encoding: 7bit\n"]
        return b"".join(_ascii_header(fields))

    def _begin_leaf(self, part: _Part, *, begins_message: bool) -> bytes:
        leaf = next(self._leaves)
        if not leaf.eight_bit_bytes:
            self._encoder = None
            return self._composite(part)
        is_text = part.type.startswith(b"text/")
        as_base64 = not is_text or leaf.eight_bit_bytes * 6 > leaf.size
        self._encoder = _Base64() if as_base64 else _QuotedPrintable()
        fields = _without(part.fields, b"content-transfer-encoding")
        if is_text and not _CHARSET.search(part.content_type):
            fields = _without(fields, b"content-type")
            kind = part.content_type.strip() or b"text/plain"
            charset = b"utf-8" if leaf.is_utf8 else b"unknown-8bit"  # RFC 1428 §3
            fields.append(b"Content-Type: " + kind.rstrip(b"; ") + b"; charset=" + charset + b"\n")
        if begins_message and not part.value(b"mime-version"):
            fields.append(b"MIME-Version: 1.0\n")
        word = b"base64" if as_base64 else b"quoted-printable"
        fields.append(b"Content-Transfer-Encoding: " + word + b"\n")
        return b"".join(_ascii_header(fields))

    def _leaf(self, piece: bytes) -> bytes:
        return piece if self._encoder is None else self._encoder.feed(piece)

    def _end_of_leaf(self, *, keep_line_end: bool) -> bytes:
        encoder, self._encoder = self._encoder, None
        return b"" if encoder is None else encoder.finish(keep_line_end=keep_line_end)


class _QuotedPrintable:
    """RFC 2045 §6.7. A line end stays one; lines are kept under 76 characters."""

    def feed(self, piece: bytes) -> bytes:
        """One line, or a part of a very long one."""
        ends = piece.endswith(b"\n")
        text = binascii.b2a_qp(piece.removesuffix(b"\n"), istext=False)
        return text + (b"\n" if ends else b"=\n")

    def finish(self, *, keep_line_end: bool) -> bytes:
        """Nothing is held."""
        del keep_line_end
        return b""


class _Base64:
    """RFC 2045 §6.8. The last line end belongs to the boundary that follows, so it is held back."""

    def __init__(self) -> None:
        self._line_ends = LineEnds()
        self._held = b""
        self._pending_end = b""

    def feed(self, piece: bytes) -> bytes:
        """Text in canonical form (CRLF), encoded in whole lines."""
        text = self._pending_end + piece
        self._pending_end = b"\n" if text.endswith(b"\n") else b""
        self._held += self._line_ends.convert(text.removesuffix(b"\n"))
        whole = len(self._held) - len(self._held) % _BASE64_LINE
        ready, self._held = self._held[:whole], self._held[whole:]
        return _base64_lines(ready)

    def finish(self, *, keep_line_end: bool) -> bytes:
        """The last line; the end of the text's last line too, where no boundary follows."""
        if keep_line_end:
            self._held += self._line_ends.convert(self._pending_end)
        return _base64_lines(self._held)


def _base64_lines(data: bytes) -> bytes:
    return b"".join(
        binascii.b2a_base64(data[start : start + _BASE64_LINE]) for start in range(0, len(data), _BASE64_LINE)
    )


def _ascii_header(fields: list[bytes]) -> list[bytes]:
    done = [ascii_field(field) for field in fields]
    for field, encoded in zip(fields, done, strict=True):
        if encoded is None:
            name = field.partition(b":")[0][:40].decode("ascii", "replace")
            raise CannotDowngradeError(f"the header field {name} has text that can't be written in ASCII")
    return [field for field in done if field is not None]


def _without(fields: list[bytes], name: bytes) -> list[bytes]:
    return [field for field in fields if field.partition(b":")[0].strip().lower() != name]


def _why_untouchable(part: _Part) -> str:
    kind = part.type.decode("ascii", "replace")
    if part.type in _OPAQUE_MULTIPARTS:
        return f"it has a part ({kind}) that must not be changed"
    if not part.is_identity:
        encoding = part.encoding.decode("ascii", "replace")
        return f"a part ({kind}) is marked as {encoding} but is not"
    return f"a part ({kind}) must not be encoded"
