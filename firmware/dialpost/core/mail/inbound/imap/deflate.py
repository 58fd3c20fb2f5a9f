"""COMPRESS=DEFLATE: both directions as raw deflate streams, inside TLS (RFC 4978, RFC 1951)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from dialpost.core.errors import ProtocolError

PIECE_BYTES = 16_384
"""The most that is held decompressed: a kilobyte may stand for a megabyte, and the reader decides when to stop."""


class Inflater:
    """What the server sends."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)

    def receive(self, data: bytes) -> Iterator[bytes]:
        """The bytes in it, piece by piece. Raises: ProtocolError."""
        while data:
            try:
                piece = self._stream.decompress(data, PIECE_BYTES)
            except zlib.error as error:
                raise ProtocolError(f"the server's compression is broken ({error})") from None
            data = self._stream.unconsumed_tail
            if piece:
                yield piece
            if self._stream.eof:
                raise ProtocolError("the server ended its compression")


class Deflater:
    """What the station sends: each piece is readable as soon as it arrives."""

    def __init__(self) -> None:
        self._stream = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)

    def pack(self, data: bytes) -> bytes:
        """The compressed form."""
        return self._stream.compress(data) + self._stream.flush(zlib.Z_SYNC_FLUSH)
