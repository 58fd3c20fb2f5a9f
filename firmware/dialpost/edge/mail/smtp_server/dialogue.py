"""The dialogue with one client: greeting, command loop, its errors and ours, the end.

The session's task runs `_handle_client`; no other task touches the session.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from dialpost.core.config.model import SmtpConfig
from dialpost.core.errors import StorageFullError
from dialpost.core.mail.envelope import Envelope
from dialpost.core.mail.esmtp.tls_cost import TlsCost
from dialpost.core.mail.reply import CARD_FULL, OUR_FAULT, Reply
from dialpost.core.mail.session import IntakePolicy, Listener, Peer, Turn
from dialpost.core.mail.smtp_commands import (
    speaks_something_else,
)
from dialpost.edge.mail.smtp_server.connection import Connection, Running
from dialpost.edge.mail.smtp_server.content import Arrival
from dialpost.edge.mail.smtp_server.interface import carried_bytes
from dialpost.edge.mail.smtp_server.lines import (
    BadCommandError,
    BareLineFeedError,
    ConnectionEndedError,
    LineTooLongError,
)
from dialpost.edge.mail.smtp_server.manners import Manners
from dialpost.edge.mail.smtp_server.replies import BARE_LF, GOING_DOWN, NO_SMTP, TOO_LONG, UNKNOWN

_log = logging.getLogger("dialpost.smtp")
_VERB = re.compile(rb"[^ \t]+")

MAX_COMMAND_BYTES = 2048
"""RFC 5321 §4.5.3.1.4 requires at least 512; DSN (RFC 3461 §5.4) and SMTPUTF8 add to it."""
MAX_AUTH_BYTES = 12_288  # RFC 4954 §4.3
_MOST_WAITS = 6
"""The time a client may stay without any progress, in command time-outs."""
_HANDSHAKE_S = 60.0
"""For implicit TLS: enough at a hundred bytes per second."""


@dataclass(frozen=True)
class Door:
    """What all connections of one listener share."""

    policy: IntakePolicy
    config: SmtpConfig
    hostname: str
    listener: Listener
    tls_context: ssl.SSLContext | None


class Dialogue(Connection):
    """One client's dialogue. The commands themselves are in `session`."""

    def __init__(self, door: Door, running: Running, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(door.hostname, door.config.command_timeout_s, running, loop)
        self.door = door
        self.peer = Peer("", door.listener)
        self._let_in = False
        self._turn: Turn | None = None
        self._said_ehlo = self._has_offered_tls = False
        self._mail: Envelope | None = None
        self._refused_mail = self._refused_rcpt = False
        self._arrival: Arrival | None = None
        self._chunks_broken = False
        self._manners = Manners(door.config)
        self._is_over = False
        self.messages = 0
        self.is_whole = False
        """Whether the client ended it with QUIT."""
        self.progress_s = loop.time()

    @property
    def is_idle(self) -> bool:
        """Whether it waits with no message in progress."""
        return self.is_shaking_hands or (self.is_waiting and self._mail is None)

    def give_way(self, reply: Reply) -> None:
        """End it in favour of another, with a reply that says why."""
        if self.is_shaking_hands:
            self.cut()
        else:
            self.give_up(reply, lingers=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        super().connection_made(transport)
        self.peer = replace(self.peer, address=self.address, interface=self.interface)

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone: discard the incomplete message."""
        super().connection_lost(error)
        self._end()

    def _end(self) -> None:
        self._forget_message()
        if self._turn is not None:
            self._turn.done()
            self._turn = None
        if self._let_in:
            self._let_in = False
            self.door.policy.disconnected(self)

    # -- the loop -------------------------------------------------------------------------------------

    async def _handle_client(self) -> None:
        try:
            await self._greet()
            await self._converse()
        except (ConnectionEndedError, ConnectionError):
            pass
        finally:
            was_let_in = self._let_in  # connections that were refused must not linger and pile up
            self._end()
            self.close(lingers=was_let_in)

    async def _greet(self) -> None:
        refusal = GOING_DOWN if self.running.is_closing else self._connected()
        implicit_tls = self.door.tls_context if self.door.listener is Listener.SUBMISSIONS else None
        if refusal is not None:
            if implicit_tls is None:  # a client that expects TLS would not understand a reply in clear
                await self.push(refusal)
            raise ConnectionEndedError
        if implicit_tls is None and self._offers_tls():  # a handshake takes as much of the line as a small message
            await self._take_turn()
        if implicit_tls is not None:
            await self._secure(implicit_tls, min(_HANDSHAKE_S, self.door.config.command_timeout_s))
        await self.push(f"220 {self.door.hostname} ESMTP Dialpost")

    def _offers_tls(self) -> bool:
        return self.door.tls_context is not None and self.door.policy.offers_tls(self.peer)

    async def _take_turn(self) -> None:
        """Wait for this connection's turn, unless it has it already. Raises: ConnectionEndedError."""
        if self._turn is None:
            self.awaits_turn = True
            try:
                self._turn = await self.door.policy.turn(self.peer)
            finally:
                self.awaits_turn = False
            if self._at_end and not self.has_input:  # it left while it waited
                raise ConnectionEndedError

    def _connected(self) -> Reply | None:
        refusal = self.door.policy.connected(self)
        self._let_in = refusal is None
        return refusal

    async def _converse(self) -> None:
        while not self._is_over:
            reply: Reply | None
            try:
                reply = await self._next_command()
            except LineTooLongError:
                reply = NO_SMTP if self._manners.is_first else self._error(TOO_LONG)
            except BareLineFeedError as bare:
                reply = NO_SMTP if self._is_no_smtp(bare.line) else self._error(BARE_LF)
            except BadCommandError as bad:
                reply = self._error(bad.reply)
            except (ConnectionEndedError, ConnectionError):
                raise
            except Exception as fault:
                reply = self._own_fault(fault)
            if reply is NO_SMTP:
                self._farewell(reply)
                return
            if reply is not None:
                await self.push(reply)
            self._manners.command()
            farewell = self._manners.farewell() or (GOING_DOWN if self.running.is_closing else None)
            if farewell is not None and not self._is_over:
                self._farewell(farewell)

    async def _next_command(self) -> Reply | None:
        line = await self.read_line(self._patience_s(), MAX_AUTH_BYTES)
        if self._is_no_smtp(line):
            return NO_SMTP
        verb, argument = _split(line)
        if len(line) > MAX_COMMAND_BYTES and verb != b"AUTH":
            raise LineTooLongError
        command = self.command(verb)
        if command is None:
            return self._error(UNKNOWN)
        self._manners.verb(verb)
        return await command(argument)

    def command(self, verb: bytes) -> Callable[[bytes], Awaitable[Reply | None]] | None:
        """The handler of the command; None if SMTP has no such command."""
        raise NotImplementedError

    def _is_no_smtp(self, line: bytes) -> bool:
        """Whether it is another protocol's text, which may have SMTP commands behind it (a web page can post to any
        port). No mail program begins with a command that SMTP does not have.
        """
        return speaks_something_else(line) or (self._manners.is_first and self.command(_split(line)[0]) is None)

    def _patience_s(self) -> float:
        """The wait for the next command. A client that only sends NOOP makes no progress and must go one day."""
        timeout_s = self.door.config.command_timeout_s
        left_s = self.progress_s + timeout_s * _MOST_WAITS - self.loop.time()
        return min(timeout_s, max(0.0, left_s))

    def _moves_on(self) -> None:
        """The client has made progress."""
        self.progress_s = self.loop.time()

    def _own_fault(self, error: Exception) -> Reply:
        """A fault of ours is never the sender's: the reply asks for a retry and does not describe the fault."""
        self._forget_message()
        if isinstance(error, StorageFullError):
            return CARD_FULL
        _log.error("%s: a fault in the SMTP dialogue", self.address, exc_info=error)
        return OUR_FAULT

    def _error(self, reply: Reply) -> Reply:
        """A wrong command: counted, because a client that sends nothing else is disconnected."""
        self._manners.error()
        return reply

    async def _refusal(self, reply: Reply) -> Reply:
        """A refusal by the policy: a client that collects many waits longer each time, and is then disconnected."""
        pause_s = self.door.policy.pause_after_refusal(self.peer)
        if pause_s is not None:
            self._manners.refusal()
        if pause_s:
            await self.pause(pause_s)
        return reply

    async def _malformed(self, reply: Reply) -> Reply:
        """Malformed addresses count as refused, not as wrong commands: a mailing list may contain some."""
        is_of_the_address = (reply.enhanced or "").startswith(("5.1.", "5.6."))
        return await self._refusal(reply) if is_of_the_address else self._error(reply)

    def _farewell(self, reply: Reply) -> None:
        self.door.policy.refused(self.peer, "session", reply)
        self.give_up_quietly(reply)

    def give_up_quietly(self, reply: Reply) -> None:
        """Reply with the reason, and leave the loop."""
        self._is_over = True
        self.say_at_once(reply)

    def _forget_message(self) -> None:
        arrival, self._arrival = self._arrival, None
        self._mail = None
        self._refused_mail = self._refused_rcpt = self._chunks_broken = False
        if arrival is not None:
            arrival.abort()

    async def _secure(self, context: ssl.SSLContext, timeout_s: float) -> None:
        sock = self._wire.get_extra_info("socket")
        before = carried_bytes(sock)
        await self.start_tls(context, timeout_s)
        tls = self._writer.get_extra_info("ssl_object")
        resumed = tls is not None and bool(tls.session_reused)
        carried = max(0, carried_bytes(sock) - before)  # a client that is gone already leaves no counts
        self.door.policy.shook_hands(self.peer, TlsCost(1, int(resumed), carried))
        self._said_ehlo = False
        version = (tls.version() or "TLS") if tls else "TLS"
        self.peer = Peer(self.address, self.door.listener, tls=version, interface=self.interface)
        self._moves_on()


def _split(line: bytes) -> tuple[bytes, bytes]:
    """The verb and its argument. A tab between them is harmless, and other servers accept it."""
    found = _VERB.match(line)
    return (found[0].upper(), line[found.end() :].strip(b" \t")) if found else (b"", line)
