"""One connection below the commands: lines and pieces in, replies gathered out, deadlines, the end.

aiosmtpd makes the session's task with the connection and ends it with it; what passes over the wire is ours:

- Input is kept in one buffer, whatever a packet holds, and taken from it line by line or, within a message, in
  large pieces. Reading stops while the buffer is full, so a fast sender costs no memory.
- Replies are gathered and written when the input is used up: one write for all commands of a packet (RFC 2920).
- One timer per connection checks a deadline that every wait sets again. It is off while the station itself works.
- End of input is no reason to stop: what came before it is carried out, as a half-closed client expects.
- The end is said before it comes: with input left unread, the kernel would reset the connection and the last reply
  be lost to the client.
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
from dialpost.edge.ground.transports import abort
from dialpost.edge.mail.smtp_server.interface import came_in_on, widen_window
from dialpost.edge.mail.smtp_server.lines import (
    BareLineFeedError,
    ConnectionEndedError,
    LineTooLongError,
    peer_address,
    wire_reply,
)
from dialpost.edge.mail.smtp_server.promises import Promises, all_acknowledged, is_reset

_log = logging.getLogger("dialpost.smtp")

INPUT_BYTES = 262_144
_OUTPUT_BYTES = 32_768
_CLOSE_S = 5.0
_TURN_S = 0.001
"""How long, plus one command, a client's input is worked on before the others have their turn."""
_FIRST_LOOK_S = 0.01


@dataclass
class Running:
    """What all connections of one server share: themselves, and commits that outlive their connection."""

    connections: set[Connection] = field(default_factory=set)
    commits: set[asyncio.Task[Reply]] = field(default_factory=set)
    is_closing: bool = False


class Connection(SMTP):
    """The wire of one client. It has no handler: the commands are `session`'s own, so no hook is ever called."""

    def __init__(self, hostname: str, timeout_s: float, running: Running, loop: asyncio.AbstractEventLoop) -> None:
        # Without a name aiosmtpd would ask DNS for one, blocking.
        super().__init__(None, hostname=hostname, timeout=timeout_s, loop=loop)
        self.running = running
        self.address = self.interface = ""
        self.peer = Peer("", Listener.MX)
        self._turn_ends_s = 0.0
        self._input = bytearray()
        self._output = bytearray()
        self._waiter: asyncio.Future[None] | None = None
        self._is_pausing = self._is_paused = self._at_end = False
        self._talks_ahead = False
        """Whether the client talks before it sees the replies (RFC 2920): then these tell nothing of those."""
        self._deadline_s: float | None = None
        self._last_wait: asyncio.TimerHandle | None = None
        self._tcp_wait: asyncio.TimerHandle | None = None
        self._is_lost = self._is_cut = False
        self.is_shaking_hands = False
        self.promises = Promises()

    # -- the connection's life ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self.address = peer_address(transport.get_extra_info("peername"))
        self.interface = came_in_on(transport.get_extra_info("socket"))
        self.running.connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone. A commit under way goes on by itself."""
        self._is_lost = True
        self.running.connections.discard(self)
        self._look(ended_by_client=self._ended_by_client(error))
        self.promises.left()
        for wait in (self._last_wait, self._tcp_wait):
            if wait is not None:
                wait.cancel()
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """Something came; the session's task takes it."""
        self._look(spoke=not self._talks_ahead)
        if self._last_wait is not None:
            return
        self._input += data
        if len(self._input) >= INPUT_BYTES and not self._is_paused:
            self._is_paused = True
            self._wire.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """The client sends no more: what it sent is still carried out, and it may hear the answers."""
        if self._last_wait is not None:  # it has every reply, and ends it now
            self._look(ended_by_client=not self._is_cut)
            return False
        self._at_end = True
        self._look()
        self.promises.closed_its_side()
        self._wake()
        return not self._is_secure

    def _look(self, *, spoke: bool = False, ended_by_client: bool = False) -> None:
        """See whether the client's TCP has the answers it was given; `spoke`: something just came from it.

        Who ends the connection with a reset after it was answered may have read the answer a moment ago; TCP does
        not tell. Who closed its side before can't have.
        """
        if not self.promises.are_open or self._output:
            return
        if all_acknowledged(self._writer.transport) or (ended_by_client and not self._at_end):
            self.promises.acknowledged(spoke=spoke)

    def _ended_by_client(self, error: Exception | None) -> bool:
        """Whether the client let go of the connection, not the station or the line.

        TLS ends with a farewell of both sides (no error), or with the client's end of input in its place
        (`SSLError`). By then asyncio has no socket any more that could be asked.
        """
        if self._is_cut:
            return False
        is_farewell = error is None and self._is_secure
        return is_farewell or isinstance(error, (ConnectionError, ssl.SSLError))

    def _abort(self) -> None:
        """End it at once: what the client has of the last answers nobody knows."""
        self._is_cut = True
        if not self._is_lost:
            abort(self._wire)

    def _close_when_heard(self, pause_s: float = _FIRST_LOOK_S) -> None:
        """Close once the answers reached a client that closed its side and only listens, or that is gone."""
        wire = self._wire
        if wire.is_closing():
            return
        if all_acknowledged(wire) or is_reset(wire):
            wire.close()
        else:
            self._tcp_wait = self.loop.call_later(pause_s, self._close_when_heard, 2 * pause_s)

    def widen_window(self, segments: int) -> None:
        """Let the client have this many segments under way to us (a slow line's windows begin with one)."""
        widen_window(self._wire.get_extra_info("socket"), segments)

    @property
    def has_input(self) -> bool:
        """Whether something came that was not looked at yet."""
        return bool(self._input)

    @property
    def is_at_end(self) -> bool:
        """Whether the client has closed its side."""
        return self._at_end

    @property
    def _wire(self) -> asyncio.Transport:
        """The transport, which both reads and writes."""
        return cast(asyncio.Transport, self._writer.transport)

    @property
    def _is_secure(self) -> bool:
        """Whether this is TLS, which knows no half-closed connection."""
        return not self._wire.can_write_eof()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # -- input ----------------------------------------------------------------------------------------

    async def read_line(self, timeout_s: float, limit: int) -> bytes:
        """The next line without its CRLF. The whole line has to come within the time.

        Raises: LineTooLongError, BareLineFeedError; ConnectionEndedError.
        """
        if self._output and b"\n" in self._input:  # the last reply was not written yet
            self._talks_ahead = True
        await self._let_others_in()
        searched = 0
        is_too_long = False
        while (end := self._input.find(b"\n", searched)) < 0:
            if len(self._input) > limit:
                is_too_long = True
                del self._input[:-1]  # a CR may be the last
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
        """The next bytes, at least one. The time is for these, not for more. Raises: ConnectionEndedError."""
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
        """Put back what belongs to the next command."""
        self._input[:0] = data

    def forget_input(self) -> None:
        """Throw away what came and was not looked at."""
        self._input.clear()

    async def _let_others_in(self) -> None:
        """What one client has sent ahead is worked on for a moment at a time: between two such moments everything
        else that the station does has its turn.
        """
        now_s = self.loop.time()
        if now_s > self._turn_ends_s:
            if self._turn_ends_s:
                await asyncio.sleep(0)
            self._turn_ends_s = self.loop.time() + _TURN_S

    async def pause(self, seconds: float) -> None:
        """Let the client wait; it hears first what was said before."""
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
        """Say something; it goes out with what else is said before the next wait."""
        if isinstance(status, Reply):
            self._output += wire_reply(status)
        else:
            self._output += (status.encode() if isinstance(status, str) else status) + b"\r\n"
        if len(self._output) >= _OUTPUT_BYTES:
            self._set_deadline(self._timeout_duration)
            await self.flush()
            self._deadline_s = None

    async def flush(self) -> None:
        """Write what was said; waits where the client does not read."""
        if self._output:
            self._writer.write(bytes(self._output))
            self._output.clear()
            transport = self._writer.transport
            if transport.get_write_buffer_size():
                await self._writer.drain()

    def close(self, *, lingers: bool = True) -> None:
        """Write what was said and end the connection, at the latest in some seconds."""
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
        elif wire.is_closing():  # to close it twice leaves Python 3.11's TLS without what could abort it
            pass
        elif self._at_end or not lingers or not wire.can_write_eof():
            wire.close()
        else:  # the client ends it once it has read the last reply; what it sends until then is thrown away
            if self._is_paused:
                wire.resume_reading()
            try:
                wire.write_eof()
            except OSError:  # it is gone already
                self._look(ended_by_client=True)
                self._abort()
        self._last_wait = self.loop.call_later(_CLOSE_S, self._abort)

    def say_at_once(self, reply: Reply) -> None:
        """Put a reply with what goes out next."""
        self._output += wire_reply(reply)

    async def start_tls(self, context: ssl.SSLContext, timeout_s: float) -> None:
        """Turn the connection to TLS; what came in plain text after the command is forgotten (RFC 3207 §6).

        Raises: ConnectionEndedError where the handshake fails.
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
        """Whether the next move is the client's. Else an answer of ours is on its way."""
        return self._waiter is not None or self._is_pausing

    async def ended(self) -> None:
        """Wait until the session is over, however it ends."""
        if self._handler_coroutine is not None:
            await asyncio.wait([self._handler_coroutine])

    def cut(self, keep: Callable[[socket.socket], None] = lambda sock: None) -> None:
        """End the connection at once. `keep` may duplicate its socket before."""
        self._look()
        keep(self._wire.get_extra_info("socket"))
        if self.is_shaking_hands and self._handler_coroutine is not None:
            self._handler_coroutine.cancel()  # asyncio takes an abort for the end of the handshake
        else:
            self._abort()

    def give_up(self, reply: Reply, *, lingers: bool = True) -> None:
        """Tell the client why the station ends this connection, and end it (RFC 5321 §3.8)."""
        self._look()
        self._output += wire_reply(reply)
        self.close(lingers=lingers)
        if self._handler_coroutine is not None:
            self._handler_coroutine.cancel()

    # -- deadlines ------------------------------------------------------------------------------------

    def _reset_timeout(self, duration: float | None = None) -> None:
        """For aiosmtpd, which calls it once at the start."""
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
        """The timer fired: the deadline may have moved on since it was set."""
        self._timeout_handle = None
        deadline_s = self._deadline_s
        if deadline_s is None or deadline_s > self.loop.time() + 0.001:
            when_s = self.loop.time() + self._timeout_duration if deadline_s is None else deadline_s
            self._timeout_handle = self.loop.call_at(when_s, self._timeout_cb)
        else:
            _log.debug("%s: nothing came in time", self.address)
            self._timeout_handle = self.loop.call_later(_CLOSE_S, self._abort)
            self.give_up(Reply(421, ("Timeout: closing the connection",), "4.4.2"))
