"""Outgoing content: CRLF line endings, and the doubled dots of DATA (RFC 5321 §4.5.2).

Content is stored with LF line endings and no CR. A CR that is there nevertheless never reaches the wire alone: CRLF
counts as a line ending, and a bare CR becomes a space, so no message can smuggle an end of DATA to a server that
accepts more than CRLF.CRLF. Every class accepts any split of its input.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_LINE_OCTETS = 998
"""The longest line that every server must accept, without its CRLF (RFC 5321 §4.5.3.1.6)."""
_LONG_LINE = re.compile(rb"\n[^\n]{999}")


@dataclass(frozen=True, slots=True)
class ContentFacts:
    """The facts about content that are needed before it is offered to a server.

    `size` is the stored length in bytes of the outgoing part (LF line endings); `wire_size` that with CRLF.
    `has_long_line`: a line is longer than servers must accept.
    """

    size: int
    wire_size: int
    eight_bit: bool
    eight_bit_header: bool
    has_long_line: bool


class Survey:
    """Finds the `ContentFacts` of content fed to it."""

    def __init__(self) -> None:
        self._size = 0
        self._lines = 0
        self._last = b"\n"
        self._eight_bit = False
        self._eight_bit_header = False
        self._in_header = True
        self._line_octets = 0
        self._has_long_line = False

    def feed(self, block: bytes) -> None:
        """Take the next piece of stored content."""
        if not block:
            return
        if not self._has_long_line:
            self._look_at_lines(block)
        if self._in_header:
            self._look_at_header(block)
        self._eight_bit = self._eight_bit or not block.isascii()
        self._size += len(block)
        self._lines += block.count(b"\n")
        self._last = block[-1:]

    def _look_at_header(self, block: bytes) -> None:
        if self._last == b"\n" and block.startswith(b"\n"):
            self._in_header = False
            return
        header, blank_line, _ = block.partition(b"\n\n")
        self._in_header = not blank_line
        self._eight_bit_header = self._eight_bit_header or not header.isascii()

    def _look_at_lines(self, block: bytes) -> None:
        first = block.find(b"\n")
        if first < 0:
            self._line_octets += len(block)
        else:
            octets = self._line_octets + first
            self._line_octets = len(block) - block.rfind(b"\n") - 1
            self._has_long_line = octets > MAX_LINE_OCTETS or bool(_LONG_LINE.search(block, first))
        self._has_long_line = self._has_long_line or self._line_octets > MAX_LINE_OCTETS

    def facts(self) -> ContentFacts:
        """The facts, once everything was fed in. A last line without an ending gets one on the wire."""
        missing_end = 2 if self._last != b"\n" else 0
        wire_size = self._size + self._lines + missing_end
        return ContentFacts(self._size, wire_size, self._eight_bit, self._eight_bit_header, self._has_long_line)


class LineFold:
    """Breaks lines that are too long, like Postfix (smtp_line_length_limit): before a space if there is one.

    In a header that is a fold (RFC 5322 §2.2.3), which a signature of relaxed form survives. Elsewhere a space is
    inserted at the start of the new line.
    """

    def __init__(self) -> None:
        self._held = b""

    def feed(self, block: bytes) -> bytes:
        """The next piece of stored content."""
        *lines, rest = (self._held + block).split(b"\n")
        out = [self._folded(line) + b"\n" for line in lines]
        if len(rest) > MAX_LINE_OCTETS:
            folded, _, rest = self._folded(rest).rpartition(b"\n")
            out.append(folded + b"\n")
        self._held = rest
        return b"".join(out)

    def finish(self) -> bytes:
        """The last line, if it has no ending."""
        held, self._held = self._held, b""
        return self._folded(held)

    def _folded(self, line: bytes) -> bytes:
        done = []
        while len(line) > MAX_LINE_OCTETS:
            cut = max(line[:MAX_LINE_OCTETS].rfind(blank) for blank in (b" ", b"\t"))
            if line[: max(cut, 0)].strip():
                done.append(line[:cut])
                line = line[cut:]
                continue
            cut = MAX_LINE_OCTETS
            while cut > MAX_LINE_OCTETS - 3 and line[cut] & 0xC0 == 0x80:  # not inside a UTF-8 character
                cut -= 1
            done.append(line[:cut])
            line = b" " + line[cut:]
        return b"\n".join([*done, line])


class LineEnds:
    """LF to CRLF."""

    def __init__(self) -> None:
        self._held_cr = False
        self._at_line_start = True

    def convert(self, block: bytes) -> bytes:
        """The wire form of the next piece."""
        if self._held_cr:
            block = b"\r" + block
        if b"\r" in block:
            self._held_cr = block.endswith(b"\r")
            block = block.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b" ")
        if block:
            self._at_line_start = block.endswith(b"\n")
        return block.replace(b"\n", b"\r\n")

    def finish(self) -> bytes:
        """What is missing to end the last line."""
        held = b" " if self._held_cr else b""
        return held + (b"" if self._at_line_start and not held else b"\r\n")


class DotStuffing:
    """Turns LF content into what goes between DATA and the final dot, that dot included."""

    def __init__(self) -> None:
        self._line_ends = LineEnds()
        self._at_line_start = True

    def convert(self, block: bytes) -> bytes:
        """The wire form of the next piece: CRLF, a dot at the start of a line doubled."""
        return self._stuff(self._line_ends.convert(block))

    def finish(self) -> bytes:
        """The end of the last line, if it is missing, and the final dot."""
        return self._stuff(self._line_ends.finish()) + b".\r\n"

    def _stuff(self, wire: bytes) -> bytes:
        if not wire:
            return wire
        stuffed = wire.replace(b"\n.", b"\n..")
        if self._at_line_start and wire.startswith(b"."):
            stuffed = b"." + stuffed
        self._at_line_start = wire.endswith(b"\n")
        return stuffed
