"""Rewriting leaf parts a line at a time: encoding them, or repairing those already encoded (RFC 2045 §6).

Each encoder takes whole lines, or pieces of very long ones, and returns ASCII lines of at most 76 characters.
"""

from __future__ import annotations

import binascii
import re
from typing import Protocol

from dialpost.core.mail.content.outgoing import LineEnds

_BASE64_LINE = 57
_BASE64_CHARACTERS = 76
_QP_LINE = 75  # and the "=" of a soft line break
_HIGH = re.compile(rb"[\x80-\xff]")
_HIGH_BYTES = bytes(range(0x80, 0x100))


class Encoder(Protocol):
    """What the rewriting needs from each encoder."""

    def feed(self, piece: bytes) -> bytes:
        """One line, or a part of a very long one."""

    def finish(self, *, keep_line_end: bool) -> bytes:
        """The rest, including the end of the last line if no boundary follows to which it belongs."""


class QuotedPrintable:
    """Encodes text as quoted-printable. Line endings stay line endings."""

    def feed(self, piece: bytes) -> bytes:
        """One line, or a part of a very long one."""
        ends = piece.endswith(b"\n")
        text = binascii.b2a_qp(piece.removesuffix(b"\n"), istext=False)
        return text + (b"\n" if ends else b"=\n")

    def finish(self, *, keep_line_end: bool) -> bytes:
        """Nothing is held."""
        del keep_line_end
        return b""


class Base64:
    """Encodes anything as base64. The last line end belongs to the boundary that follows, so it is held back."""

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
        """The last line."""
        if keep_line_end:
            self._held += self._line_ends.convert(self._pending_end)
        return _base64_lines(self._held)


class RepairedQuotedPrintable:
    """Repairs quoted-printable with raw octets or long lines; its meaning stays the same."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        """One line, or a part of a very long one."""
        text = self._held + _HIGH.sub(lambda byte: b"=%02X" % byte[0][0], piece.removesuffix(b"\n"))
        out = []
        while len(text) > _QP_LINE + 1:
            cut = _QP_LINE
            if b"=" in text[cut - 2 : cut]:  # never inside of =XX
                cut = text[:cut].rindex(b"=")
            out.append(text[:cut] + b"=\n")
            text = text[cut:]
        if piece.endswith(b"\n"):
            out.append(text + b"\n")
            text = b""
        self._held = text
        return b"".join(out)

    def finish(self, *, keep_line_end: bool) -> bytes:
        """What is left of a line without an end."""
        del keep_line_end
        return self._held


class RepairedBase64:
    """Repairs base64 with other octets in it, which readers skip (RFC 2045 §6.8), or with long lines."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        """One line, or a part of a very long one. A line that is in order stays as it is."""
        text = piece.translate(None, _HIGH_BYTES)
        if not self._held and text.endswith(b"\n") and len(text) <= _BASE64_CHARACTERS + 1:
            return text
        self._held += text.translate(None, b" \t\n")
        whole = len(self._held) - len(self._held) % _BASE64_CHARACTERS
        ready, self._held = self._held[:whole], self._held[whole:]
        lines = [ready[at : at + _BASE64_CHARACTERS] + b"\n" for at in range(0, whole, _BASE64_CHARACTERS)]
        if text.endswith(b"\n") and self._held:
            lines.append(self._held + b"\n")
            self._held = b""
        return b"".join(lines)

    def finish(self, *, keep_line_end: bool) -> bytes:
        """What is left of a line without an end."""
        del keep_line_end
        return self._held


class QuestionMarks:
    """Replaces 8-bit octets in fields for programs, where they are not allowed."""

    def feed(self, piece: bytes) -> bytes:
        """One line, or a part of a very long one."""
        return _HIGH.sub(b"?", piece)

    def finish(self, *, keep_line_end: bool) -> bytes:
        """Nothing is held."""
        del keep_line_end
        return b""


def _base64_lines(data: bytes) -> bytes:
    return b"".join(
        binascii.b2a_base64(data[start : start + _BASE64_LINE]) for start in range(0, len(data), _BASE64_LINE)
    )
