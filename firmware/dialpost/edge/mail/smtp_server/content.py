"""Receiving a message: DATA and BDAT, in large pieces, never whole in memory (RFC 5321 §4.1.1.4, RFC 3030).

Content that can't be kept (too large, a chunk out of place) is read to its end and discarded, so that the dialogue
stays in step. Once the content is complete its commit runs as its own task: neither the end of the connection
nor a cancellation of the session stops it halfway.
"""

from __future__ import annotations

import asyncio

from dialpost.core.mail.content.incoming import DotDecoder
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.session import MessageSink
from dialpost.core.mail.smtp_commands import ChunkCommand
from dialpost.edge.mail.smtp_server.connection import Connection

TOO_LARGE = Reply(552, ("The message is larger than this station accepts",), "5.3.4")
_SLOWEST_BYTES_PER_S = 10
"""The slowest average rate; a client below it only occupies the connection (slowloris)."""
_PIECE_BYTES = 65_536


class Arrival:
    """One incoming message: a sink, and how much it may take."""

    def __init__(self, sink: MessageSink, max_bytes: int) -> None:
        self.sink = sink
        self._room = max_bytes
        self._is_over = False

    @property
    def is_over(self) -> bool:
        """Whether it is too large: further content is discarded."""
        return self._is_over

    def write(self, data: bytes) -> None:
        """The next piece."""
        self._room -= len(data)
        if self._room < 0 and not self._is_over:
            self.abort()
        if not self._is_over:
            self.sink.write(data)

    def fits(self, more_bytes: int) -> bool:
        """Whether it has room for this many more bytes."""
        return not self._is_over and more_bytes <= self._room

    def abort(self) -> None:
        """Keep nothing of it."""
        if not self._is_over:
            self._is_over = True
            self.sink.abort()

    async def commit(self, commits: set[asyncio.Task[Reply]]) -> Reply:
        """The content is complete: commit it; returns the reply. The caller may be cancelled, the commit not."""
        if self._is_over:
            return TOO_LARGE
        task = asyncio.get_running_loop().create_task(self.sink.finish())
        commits.add(task)
        task.add_done_callback(commits.discard)
        return await asyncio.shield(task)


class Patience:
    """The wait for the next piece: enough for a slow line, not enough for a slowloris."""

    def __init__(self, connection: Connection, pause_s: float) -> None:
        self._loop = connection.loop
        self._pause_s = pause_s
        self._end_s = self._loop.time() + 2 * pause_s

    def next_s(self) -> float:
        """The seconds to wait from now."""
        return min(self._pause_s, max(0.0, self._end_s - self._loop.time()))

    def got(self, count: int) -> None:
        """This many bytes came."""
        self._end_s += count / _SLOWEST_BYTES_PER_S


async def take_data(connection: Connection, arrival: Arrival, pause_s: float) -> None:
    """Take everything up to the final dot. Raises: ConnectionEndedError."""
    dots, patience = DotDecoder(), Patience(connection, pause_s)
    rest: bytes | None = None
    while rest is None:
        piece = await connection.read_piece(patience.next_s(), _PIECE_BYTES)
        patience.got(len(piece))
        content, rest = dots.feed(piece)
        if content:
            arrival.write(content)
    if rest:
        connection.unread(rest)


async def take_chunk(connection: Connection, arrival: Arrival | None, chunk: ChunkCommand, pause_s: float) -> None:
    """Take the bytes of one BDAT; without an `arrival` they are discarded. Raises: ConnectionEndedError."""
    left, patience = chunk.size, Patience(connection, pause_s)
    while left:
        piece = await connection.read_piece(patience.next_s(), min(left, _PIECE_BYTES))
        patience.got(len(piece))
        left -= len(piece)
        if arrival is not None:
            arrival.write(piece)
