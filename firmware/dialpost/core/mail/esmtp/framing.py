"""How content goes out: ended by a dot (DATA), or counted in chunks (BDAT, RFC 3030)."""

from __future__ import annotations

from typing import Protocol

from dialpost.core.mail.content.outgoing import DotStuffing, LineEnds

BLOCK_BYTES = 16_384


class Framing(Protocol):
    """Makes wire bytes of stored content."""

    def frame(self, block: bytes, *, last: bool) -> bytes:
        """The wire form of the next piece, and of the end after the last."""


class DataFraming:
    """One stream, dots stuffed, a final dot."""

    def __init__(self) -> None:
        self._stuffing = DotStuffing()

    def frame(self, block: bytes, *, last: bool) -> bytes:
        """The wire form of the next piece."""
        wire = self._stuffing.convert(block)
        return wire + self._stuffing.finish() if last else wire


class ChunkFraming:
    """Every piece is a separate BDAT command, with the length of the bytes that follow it."""

    def __init__(self) -> None:
        self._line_ends = LineEnds()

    def frame(self, block: bytes, *, last: bool) -> bytes:
        """One BDAT command and its bytes; nothing if there is nothing to send yet."""
        wire = self._line_ends.convert(block)
        if last:
            wire += self._line_ends.finish()
        elif not wire:
            return b""
        return b"BDAT %d%s\r\n" % (len(wire), b" LAST" if last else b"") + wire
