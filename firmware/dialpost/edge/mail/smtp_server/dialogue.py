"""The dialogue with one client: greeting, the loop over its commands, its faults and ours, the farewell.

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
from dialpost.core.mail.reply import CARD_FULL, OUR_FAULT, Reply
from dialpost.core.mail.session import IntakePolicy, Listener, Peer, Turn
from dialpost.core.mail.smtp_commands import (
    speaks_something_else,
)
from dialpost.edge.mail.smtp_server.connection import Connection, Running
from dialpost.edge.mail.smtp_server.content import Arrival
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
"""RFC 5321 §4.5.3.1.4 wants 512 at least; DSN (RFC 3461 §5.4) and SMTPUTF8 add to it."""
MAX_AUTH_BYTES = 12_288  # RFC 4954 §4.3
_MOST_WAITS = 6
"""How many times the wait for one command a client may stay without getting anywhere."""
_HANDSHAKE_S = 60.0
"""For implicit TLS: a hundred bytes a second are enough."""


@dataclass(frozen=True)
class Door:
    """What all connections through one listener have in common."""

    policy: IntakePolicy
    config: SmtpConfig
    hostname: str
    listener: Listener
    tls_context: ssl.SSLContext | None


class Dialogue(Connection):
    """One client's dialogue. What each command does is `session`'s."""

    def __init__(self, door: Door, running: Running, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(door.hostname, door.config.command_timeout_s, running, loop)
        self.door = door
        self.peer = Peer("", door.listener)
        self._let_in = False
        self._turn: Turn | None = None
        self._said_ehlo = False
        self._mail: Envelope | None = None
        self._refused_mail = self._refused_rcpt = False
        self._arrival: Arrival | None = None
        self._chunks_broken = False
        self._manners = Manners(door.config)
        self._is_over = False
        self.progress_s = loop.time()

    @property
    def is_idle(self) -> bool:
        """Whether it waits with no message under way."""
        return self.is_shaking_hands or (self.is_waiting and self._mail is None)

    def give_way(self, reply: Reply) -> None:
        """End it in favour of another, saying why."""
        if self.is_shaking_hands:
            self.cut()
        else:
            self.give_up(reply, lingers=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        super().connection_made(transport)
        self.peer = replace(self.peer, address=self.address, interface=self.interface)

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone: what was not whole is forgotten."""
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
            was_let_in = self._let_in  # the others must not pile up
            self._end()
            self.close(lingers=was_let_in)

    async def _greet(self) -> None:
        refusal = GOING_DOWN if self.running.is_closing else self._connected()
        implicit_tls = self.door.tls_context if self.door.listener is Listener.SUBMISSIONS else None
        if refusal is not None:
            if implicit_tls is None:  # who waits for TLS would not understand
                await self.push(refusal)
            raise ConnectionEndedError
        self._turn = await self.door.policy.turn(self.peer)
        if self._at_end:  # it did not wait
            raise ConnectionEndedError
        if implicit_tls is not None:
            await self._secure(implicit_tls, min(_HANDSHAKE_S, self.door.config.command_timeout_s))
        await self.push(f"220 {self.door.hostname} ESMTP Dialpost")

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
        """What carries the command out, None where there is no such command in SMTP."""
        raise NotImplementedError

    def _is_no_smtp(self, line: bytes) -> bool:
        """Another protocol's text, which would carry SMTP commands behind it (a web page can post to any port).

        Nobody's mail program begins with a command that SMTP does not have.
        """
        return speaks_something_else(line) or (self._manners.is_first and self.command(_split(line)[0]) is None)

    def _patience_s(self) -> float:
        """How long to wait for the next command. One that only says NOOP gets nowhere, and has to go in the end."""
        timeout_s = self.door.config.command_timeout_s
        left_s = self.progress_s + timeout_s * _MOST_WAITS - self.loop.time()
        return min(timeout_s, max(0.0, left_s))

    def _moves_on(self) -> None:
        """The client got somewhere."""
        self.progress_s = self.loop.time()

    def _own_fault(self, error: Exception) -> Reply:
        """A fault of ours is never the sender's: the reply asks for a retry, and says nothing of the fault."""
        self._forget_message()
        if isinstance(error, StorageFullError):
            return CARD_FULL
        _log.error("%s: a fault in the SMTP dialogue", self.address, exc_info=error)
        return OUR_FAULT

    def _error(self, reply: Reply) -> Reply:
        """A wrong command: counted, for a client that sends nothing else is shown the door."""
        self._manners.error()
        return reply

    async def _refusal(self, reply: Reply) -> Reply:
        """The policy's no: who collects many waits longer for each, and is shown the door in the end."""
        pause_s = self.door.policy.pause_after_refusal(self.peer)
        if pause_s is not None:
            self._manners.refusal()
        if pause_s:
            await self.pause(pause_s)
        return reply

    async def _malformed(self, reply: Reply) -> Reply:
        """Mail for a list in which some addresses can't exist is no dialogue of wrong commands."""
        is_of_the_address = (reply.enhanced or "").startswith(("5.1.", "5.6."))
        return await self._refusal(reply) if is_of_the_address else self._error(reply)

    def _farewell(self, reply: Reply) -> None:
        self.door.policy.refused(self.peer, "session", reply)
        self.give_up_quietly(reply)

    def give_up_quietly(self, reply: Reply) -> None:
        """Say why, and leave the loop."""
        self._is_over = True
        self.say_at_once(reply)

    def _forget_message(self) -> None:
        arrival, self._arrival = self._arrival, None
        self._mail = None
        self._refused_mail = self._refused_rcpt = self._chunks_broken = False
        if arrival is not None:
            arrival.abort()

    async def _secure(self, context: ssl.SSLContext, timeout_s: float) -> None:
        await self.start_tls(context, timeout_s)
        tls = self._writer.get_extra_info("ssl_object")
        self._said_ehlo = False
        version = (tls.version() or "TLS") if tls else "TLS"
        self.peer = Peer(self.address, self.door.listener, tls=version, interface=self.interface)
        self._moves_on()


def _split(line: bytes) -> tuple[bytes, bytes]:
    """The verb and its argument. A tab between them harms nobody, and other servers take it."""
    found = _VERB.match(line)
    return (found[0].upper(), line[found.end() :].strip(b" \t")) if found else (b"", line)
