"""One connection below the commands: lines and pieces in, replies gathered out, deadlines, the end.

aiosmtpd makes the session's task with the connection and ends it with it; what passes over the wire is ours:

- Input goes into one buffer, whatever a packet holds, and is taken from it line by line or, within a message, in
  large pieces. Reading stops while the buffer is full, so a fast sender costs no memory.
- Replies are gathered and written when the input is used up: one write for all commands of a packet (RFC 2920).
- One timer per connection checks a deadline that every wait sets again. It is off while the station itself works.
- End of input is not a reason to stop: commands that came before it are carried out, as a half-closed client
  expects.
- The sending side is closed first, and the rest of the input is still read: with unread input the kernel would
  reset the connection, and the client would lose the last reply.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from aiosmtpd.smtp import SMTP

from dialpost.core.mail.reply import Reply
from dialpost.core.mail.session import Listener, Peer
from dialpost.edge.ground.tcp import send_at_once
from dialpost.edge.ground.transports import abort
from dialpost.edge.mail.smtp_server.interface import came_in_on
from dialpost.edge.mail.smtp_server.lines import (
    BareLineFeedError,
    ConnectionEndedError,
    LineTooLongError,
    peer_address,
    wire_reply,
)
from dialpost.edge.mail.smtp_server.memory import release
from dialpost.edge.mail.smtp_server.promises import Promises, all_acknowledged, is_reset
from dialpost.edge.mail.smtp_server.unsearched import NO_HANDLER, Unsearched

_log = logging.getLogger("dialpost.smtp")

INPUT_BYTES = 262_144
_OUTPUT_BYTES = 32_768
_CLOSE_S = 5.0
"""The longest wait for a client to close its side after the last reply."""
_TURN_S = 0.001
"""The time, plus one command, for which a client's input is processed before the others have their turn."""
_FIRST_LOOK_S = 0.01
"""The first pause before TCP is asked whether the client has the replies; it doubles each time."""


@dataclass
class Running:
    """The state shared by all connections of one server: the set of them, and commits that outlive theirs."""

    connections: set[Connection] = field(default_factory=set)
    commits: set[asyncio.Task[Reply]] = field(default_factory=set)
    is_closing: bool = False


class Connection(Unsearched, SMTP):
    """The wire of one client. The commands are `session`'s own, so no hook of a handler is ever called."""

    def __init__(self, hostname: str, timeout_s: float, running: Running, loop: asyncio.AbstractEventLoop) -> None:
        # Without a name aiosmtpd would ask DNS for one, blocking.
        super().__init__(NO_HANDLER, hostname=hostname, timeout=timeout_s, loop=loop)
        self.running = running
        self.address = self.interface = ""
        self.peer = Peer("", Listener.MX)
        self._turn_ends_s = 0.0
        self._input = bytearray()
        self._output = bytearray()
        self._waiter: asyncio.Future[None] | None = None
        self._is_pausing = self._is_paused = self._at_end = False
        self._talks_ahead = False
        """Whether the client pipelines (RFC 2920): then its commands prove nothing about the replies before."""
        self._deadline_s: float | None = None
        self._last_wait: asyncio.TimerHandle | None = None
        self._tcp_wait: asyncio.TimerHandle | None = None
        self._is_lost = self._is_cut = False
        self.is_shaking_hands = self.awaits_turn = False
        self.promises = Promises()

    # -- the connection's life ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self.address = peer_address(transport.get_extra_info("peername"))
        sock = transport.get_extra_info("socket")
        send_at_once(sock)
        self.interface = came_in_on(sock)
        self.running.connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone. A running commit continues by itself."""
        self._is_lost = True
        self.running.connections.discard(self)
        self._look(ended_by_client=self._ended_by_client(error))
        self.promises.left()
        for wait in (self._last_wait, self._tcp_wait):
            if wait is not None:
                wait.cancel()
        release(self, error)
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """Data came; the session's task takes it."""
        self._look(spoke=not self._talks_ahead)
        if self._last_wait is not None:
            return
        self._input += data
        if len(self._input) >= INPUT_BYTES and not self._is_paused:
            self._is_paused = True
            self._wire.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """The client sends no more: its commands are still carried out, and it may read the replies."""
        if self._last_wait is not None:  # it has read every reply and closes its side now
            self._look(ended_by_client=not self._is_cut)
            return False
        self._at_end = True
        self._look()
        self.promises.closed_its_side()
        self._wake()
        return not self._is_secure

    def _look(self, *, spoke: bool = False, ended_by_client: bool = False) -> None:
        """Check whether the client's TCP has the replies it was sent; `spoke`: data just came from it.

        A client that resets the connection after a reply may have read the reply just before; TCP does not show it.
        A client that had already closed its side can't have.
        """
        if not self.promises.are_open or self._output:
            return
        if all_acknowledged(self._writer.transport) or (ended_by_client and not self._at_end):
            self.promises.acknowledged(spoke=spoke)

    def _ended_by_client(self, error: Exception | None) -> bool:
        """Whether the client ended the connection, not the station or the line.

        TLS ends with a close_notify from both sides (no error), or with the client's end of input in its place
        (`SSLError`). By then asyncio no longer has a socket that could be queried.
        """
        if self._is_cut:
            return False
        is_farewell = error is None and self._is_secure
        return is_farewell or isinstance(error, (ConnectionError, ssl.SSLError))

    def _abort(self) -> None:
        """End it at once: nobody knows which of the last replies the client has."""
        self._is_cut = True
        if not self._is_lost:
            abort(self._wire)

    def _close_when_heard(self, pause_s: float = _FIRST_LOOK_S) -> None:
        """Close once the replies have reached a client that closed its side and only reads, or that is gone."""
        wire = self._wire
        if wire.is_closing():
            return
        if all_acknowledged(wire) or is_reset(wire):
            wire.close()
        else:
            self._tcp_wait = self.loop.call_later(pause_s, self._close_when_heard, 2 * pause_s)

    @property
    def has_input(self) -> bool:
        """Whether there is unprocessed input."""
        return bool(self._input)

    @property
    def is_at_end(self) -> bool:
        """Whether the client has closed its side."""
        return self._at_end

    @property
    def _wire(self) -> asyncio.Transport:
        """The transport, for both directions."""
        return cast(asyncio.Transport, self._writer.transport)

    @property
    def _is_secure(self) -> bool:
        """Whether this is TLS, which has no half-closed connections."""
        return not self._wire.can_write_eof()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # -- input ----------------------------------------------------------------------------------------

    async def read_line(self, timeout_s: float, limit: int) -> bytes:
        """The next line without its CRLF. The whole line has to arrive within the time.

        Raises: LineTooLongError, BareLineFeedError; ConnectionEndedError.
        """
        if self._output and b"\n" in self._input:  # a command came before the last reply was written
            self._talks_ahead = True
        await self._let_others_in()
        searched = 0
        is_too_long = False
        while (end := self._input.find(b"\n", searched)) < 0:
            if len(self._input) > limit:
                is_too_long = True
                del self._input[:-1]  # keep the last byte, which may be the CR of the line's end
            searched = len(self._input)
            if self._deadline_s is None:
                self._set_deadline(timeout_s)
            await self._more_input()
        self._deadline_s = None
        line = bytes(self._input[: end + 1])
        del self._input[: end + 1]
        if is_too_long or len(line) > limit + 2:
            raise LineTooLongError
        if not line.endswith(b"\r\n"):
            raise BareLineFeedError(line[:-1])
        return line[:-2]

    async def read_piece(self, timeout_s: float, most: int = INPUT_BYTES) -> bytes:
        """The next bytes, at least one; the time-out is for the first. Raises: ConnectionEndedError."""
        await self._let_others_in()
        if not self._input:
            self._set_deadline(timeout_s)
            while not self._input:
                await self._more_input()
            self._deadline_s = None
        piece = bytes(self._input[:most])
        del self._input[:most]
        return piece

    def unread(self, data: bytes) -> None:
        """Put back input that belongs to the next command."""
        self._input[:0] = data

    def forget_input(self) -> None:
        """Discard unprocessed input."""
        self._input.clear()

    async def _let_others_in(self) -> None:
        """Process one client's pipelined input for a moment at a time: in between, everything else in the station
        has its turn.
        """
        now_s = self.loop.time()
        if now_s > self._turn_ends_s:
            if self._turn_ends_s:
                await asyncio.sleep(0)
            self._turn_ends_s = self.loop.time() + _TURN_S

    async def pause(self, seconds: float) -> None:
        """Let the client wait, after it got the earlier replies."""
        await self.flush()
        self._is_pausing = True
        try:
            await asyncio.sleep(seconds)
        finally:
            self._is_pausing = False

    async def _more_input(self) -> None:
        await self.flush()
        if self._at_end:
            raise ConnectionEndedError
        if self._is_paused:
            self._is_paused = False
            self._wire.resume_reading()
        self._waiter = self.loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
            self._turn_ends_s = 0.0

    # -- output ---------------------------------------------------------------------------------------

    async def push(self, status: str | bytes | Reply) -> None:
        """Queue a reply; it is written together with others before the next wait."""
        if isinstance(status, Reply):
            self._output += wire_reply(status)
        else:
            self._output += (status.encode() if isinstance(status, str) else status) + b"\r\n"
        if len(self._output) >= _OUTPUT_BYTES:
            self._set_deadline(self._timeout_duration)
            await self.flush()
            self._deadline_s = None

    async def flush(self) -> None:
        """Write the queued replies; waits if the client does not read."""
        if self._output:
            self._writer.write(bytes(self._output))
            self._output.clear()
            transport = self._writer.transport
            if transport.get_write_buffer_size():
                await self._writer.drain()

    def close(self, *, lingers: bool = True) -> None:
        """Write the queued replies and end the connection, at the latest after some seconds."""
        if self._last_wait is not None or self._is_lost:
            return
        wire = self._wire
        if self._output and not wire.is_closing():
            wire.write(bytes(self._output))
        self._output.clear()
        self._input.clear()
        self._deadline_s = None
        if self._at_end and lingers and self.promises.are_open:
            self._close_when_heard()
        elif wire.is_closing():  # closing twice would leave Python 3.11's TLS transport without a way to abort it
            pass
        elif self._at_end or not lingers or not wire.can_write_eof():
            wire.close()
        else:  # the client closes once it has read the last reply; its input until then is discarded
            if self._is_paused:
                wire.resume_reading()
            try:
                wire.write_eof()
            except OSError:  # it is gone already
                self._look(ended_by_client=True)
                self._abort()
        self._last_wait = self.loop.call_later(_CLOSE_S, self._abort)

    def say_at_once(self, reply: Reply) -> None:
        """Add a reply to the next write."""
        self._output += wire_reply(reply)

    async def start_tls(self, context: ssl.SSLContext, timeout_s: float) -> None:
        """Switch the connection to TLS; input in clear after the command is discarded (RFC 3207 §6).

        Raises: ConnectionEndedError if the handshake fails.
        """
        self._wire.pause_reading()
        self.forget_input()
        self._deadline_s = None
        self.is_shaking_hands = True
        try:
            await self._writer.start_tls(context, ssl_handshake_timeout=timeout_s)
        except (OSError, ssl.SSLError) as error:
            _log.info("%s: TLS handshake failed: %s", self.address, error)
            raise ConnectionEndedError from error
        finally:
            self.is_shaking_hands = False
        self.transport = self._writer.transport
        self._is_paused = False

    @property
    def is_waiting(self) -> bool:
        """Whether it is the client's turn. Otherwise a reply of ours is being prepared."""
        return self._waiter is not None or self._is_pausing

    async def ended(self) -> None:
        """Wait until the session is over, however it ends."""
        if self._handler_coroutine is not None:
            await asyncio.wait([self._handler_coroutine])

    def cut(self, keep: Callable[[socket.socket], None] = lambda sock: None) -> None:
        """End the connection at once. `keep` may duplicate its socket first."""
        self._look()
        keep(self._wire.get_extra_info("socket"))
        if self.is_shaking_hands and self._handler_coroutine is not None:
            self._handler_coroutine.cancel()  # asyncio would take an abort for the end of the handshake
        else:
            self._abort()

    def give_up(self, reply: Reply, *, lingers: bool = True) -> None:
        """End the connection with a reply that says why (RFC 5321 §3.8)."""
        self._look()
        self._output += wire_reply(reply)
        self.close(lingers=lingers)
        if self._handler_coroutine is not None:
            self._handler_coroutine.cancel()

    # -- deadlines ------------------------------------------------------------------------------------

    def _reset_timeout(self, duration: float | None = None) -> None:
        """Called by aiosmtpd once, at the start."""
        self._set_deadline(duration or self._timeout_duration)

    def _set_deadline(self, timeout_s: float) -> None:
        now_s = self.loop.time()
        self._deadline_s = now_s + timeout_s
        handle = self._timeout_handle
        if handle is None or handle.cancelled() or handle.when() > self._deadline_s:
            if handle is not None:
                handle.cancel()
            self._timeout_handle = self.loop.call_at(self._deadline_s, self._timeout_cb)

    def _timeout_cb(self) -> None:
        """The timer fired; the deadline may have moved since it was set."""
        self._timeout_handle = None
        deadline_s = self._deadline_s
        if deadline_s is None or deadline_s > self.loop.time() + 0.001:
            when_s = self.loop.time() + self._timeout_duration if deadline_s is None else deadline_s
            self._timeout_handle = self.loop.call_at(when_s, self._timeout_cb)
        else:
            _log.debug("%s: nothing came in time", self.address)
            self._timeout_handle = self.loop.call_later(_CLOSE_S, self._abort)
            self.give_up(Reply(421, ("Timeout: closing the connection",), "4.4.2"))
