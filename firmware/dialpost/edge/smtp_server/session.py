"""The dialogue: one method a command, answers in order, nothing decided that the policy should decide.

`smtp_*` take the argument as bytes, unlike aiosmtpd's, which spoil the case of ENVID and ORCPT and refuse every
parameter of RCPT. The session's task runs `_handle_client`; no other task touches the session.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from aiosmtpd.smtp import SMTP

from dialpost.core.config import SmtpConfig
from dialpost.core.envelope import Envelope
from dialpost.core.errors import StorageFullError
from dialpost.core.reply import Reply
from dialpost.core.session import IntakePolicy, Listener, Peer, Turn
from dialpost.core.smtp_commands import ChunkCommand, parse_bdat, parse_mail, parse_rcpt
from dialpost.edge.smtp_server.connection import (
    BadCommandError,
    BareLineFeedError,
    Connection,
    ConnectionEndedError,
    LineTooLongError,
    Running,
)
from dialpost.edge.smtp_server.content import TOO_LARGE, Arrival, take_chunk, take_data
from dialpost.edge.smtp_server.login import ask_login

_log = logging.getLogger("dialpost.smtp")

MAX_COMMAND_BYTES = 2048
"""RFC 5321 §4.5.3.1.4 wants 512 at least; DSN (RFC 3461 §5.4) and SMTPUTF8 add to it."""
MAX_AUTH_BYTES = 12_288  # RFC 4954 §4.3
_HANDSHAKE_S = 60.0
"""For implicit TLS: a hundred bytes a second are enough."""

OK = Reply(250, ("Ok",), "2.0.0")
SENDER_OK = Reply(250, ("Ok",), "2.1.0")
RECIPIENT_OK = Reply(250, ("Ok",), "2.1.5")
GO_ON = Reply(354, ("End data with <CR><LF>.<CR><LF>",))
UNKNOWN = Reply(500, ("Unknown command",), "5.5.2")
NOT_OFFERED = Reply(502, ("That command is not offered here",), "5.5.1")
TOO_LONG = Reply(500, ("The line is too long",), "5.5.2")
BARE_LF = Reply(500, ("Lines must end in CRLF",), "5.5.2")
HELLO_FIRST = Reply(503, ("Say EHLO first",), "5.5.1")
MAIL_FIRST = Reply(503, ("MAIL comes first",), "5.5.1")
RCPT_FIRST = Reply(503, ("RCPT comes first",), "5.5.1")
OUT_OF_ORDER = Reply(503, ("Not now: a message is under way",), "5.5.1")
NO_RECIPIENTS = Reply(554, ("No valid recipients",), "5.5.1")
CHUNKS_BROKEN = Reply(503, ("The chunk is thrown away: send RSET",), "5.5.1")
TOO_MANY_RECIPIENTS = Reply(452, ("Too many recipients: send the rest in another message",), "4.5.3")
TLS_FIRST = Reply(530, ("Must issue a STARTTLS command first",), "5.7.0")
LOGIN_FIRST = Reply(530, ("Authentication required",), "5.7.0")
NEEDS_TLS = Reply(538, ("Encryption required for a login",), "5.7.11")
LOGGED_IN = Reply(235, ("Welcome",), "2.7.0")
CARD_FULL = Reply(452, ("No room for mail at the moment: come again later",), "4.3.1")
OUR_FAULT = Reply(451, ("Something went wrong here: come again later",), "4.3.0")
TOO_MANY_ERRORS = Reply(421, ("Too many errors: closing the connection",), "4.7.0")
TOO_MANY_COMMANDS = Reply(421, ("Too many commands: closing the connection",), "4.7.0")
GOING_DOWN = Reply(421, ("The station is going down: come again later",), "4.3.2")
BYE = Reply(221, ("Bye",), "2.0.0")


@dataclass(frozen=True)
class Door:
    """What all connections through one listener have in common."""

    policy: IntakePolicy
    config: SmtpConfig
    hostname: str
    listener: Listener
    tls_context: ssl.SSLContext | None


class Session(Connection):
    """One client's dialogue."""

    def __init__(self, prototype: SMTP, running: Running, loop: asyncio.AbstractEventLoop, door: Door) -> None:
        super().__init__(prototype, running, loop)
        self.door = door
        self.peer = Peer("", door.listener)
        self._let_in = False
        self._turn: Turn | None = None
        self._said_ehlo = False
        self._mail: Envelope | None = None
        self._refused_mail = self._refused_rcpt = False
        self._arrival: Arrival | None = None
        self._chunks_broken = False
        self._errors = 0
        self._is_over = False

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
            self.door.policy.disconnected(self.address, self.door.listener)

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
        self.peer = replace(self.peer, address=self.address)
        refusal = GOING_DOWN if self.running.is_closing else self._connected()
        implicit_tls = self.door.tls_context if self.door.listener is Listener.SUBMISSIONS else None
        if refusal is not None:
            if implicit_tls is None:  # who waits for TLS would not understand
                await self.push(refusal)
            raise ConnectionEndedError
        self._turn = await self.door.policy.turn(self.address, self.door.listener)
        if self._at_end:  # it did not wait
            raise ConnectionEndedError
        if implicit_tls is not None:
            await self._secure(implicit_tls, min(_HANDSHAKE_S, self.door.config.command_timeout_s))
        await self.push(f"220 {self.door.hostname} ESMTP Dialpost")

    def _connected(self) -> Reply | None:
        refusal = self.door.policy.connected(self.address, self.door.listener)
        self._let_in = refusal is None
        return refusal

    async def _converse(self) -> None:
        config, commands = self.door.config, 0
        while not self._is_over:
            reply: Reply | None
            try:
                reply = await self._next_command()
            except LineTooLongError:
                reply = self._error(TOO_LONG)
            except BareLineFeedError:
                reply = self._error(BARE_LF)
            except BadCommandError as bad:
                reply = self._error(bad.reply)
            except (ConnectionEndedError, ConnectionError):
                raise
            except Exception as fault:
                reply = self._own_fault(fault)
            if reply is not None:
                await self.push(reply)
            commands += 1
            if self._errors >= config.max_errors or commands >= config.max_commands:
                self._farewell(TOO_MANY_ERRORS if self._errors >= config.max_errors else TOO_MANY_COMMANDS)
            elif self.running.is_closing and not self._is_over:
                self._farewell(GOING_DOWN)

    async def _next_command(self) -> Reply | None:
        line = await self.read_line(self.door.config.command_timeout_s, MAX_AUTH_BYTES)
        word, _, argument = line.partition(b" ")
        verb = word.upper()
        if len(line) > MAX_COMMAND_BYTES and verb != b"AUTH":
            raise LineTooLongError
        command = _COMMANDS.get(verb)
        if command is None:
            return self._error(UNKNOWN)
        return await command(self, argument.strip(b" \t"))

    def _own_fault(self, error: Exception) -> Reply:
        """A fault of ours is never the sender's: it is asked to come again, and told nothing of the fault."""
        self._forget_message()
        if isinstance(error, StorageFullError):
            return CARD_FULL
        _log.error("%s: a fault in the SMTP dialogue", self.address, exc_info=error)
        return OUR_FAULT

    def _error(self, reply: Reply) -> Reply:
        """A wrong command: counted, for a client that sends nothing else is shown the door."""
        self._errors += 1
        return reply

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

    # -- hello ----------------------------------------------------------------------------------------

    async def smtp_HELO(self, argument: bytes) -> Reply:
        """HELO: no extensions."""
        self._hello(argument, is_extended=False)
        return Reply(250, (self.door.hostname,))

    async def smtp_EHLO(self, argument: bytes) -> Reply:
        """EHLO: what is offered at this moment."""
        self._hello(argument, is_extended=True)
        offered = [self.door.hostname, "PIPELINING", f"SIZE {self.door.config.max_message_bytes}"]
        if self._may_starttls():
            offered.append("STARTTLS")
        if self._may_log_in():
            offered.append("AUTH PLAIN LOGIN")
        offered += ["ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING"]
        return Reply(250, tuple(offered))

    def _hello(self, argument: bytes, *, is_extended: bool) -> None:
        name = argument.decode("ascii", "replace").replace("\ufffd", "?")
        if not name or not name.isprintable():
            raise BadCommandError(501, "5.5.4", "Say your host's name")
        self._forget_message()
        self._said_ehlo = is_extended
        self.peer = replace(self.peer, helo=name[:255], protocol=self._protocol(is_utf8=False))

    def _protocol(self, *, is_utf8: bool) -> str:
        """The word for Received (RFC 3848, RFC 6531 §4.3)."""
        if not self._said_ehlo:
            return "SMTP"
        base = "UTF8SMTP" if is_utf8 else "ESMTP"
        return base + ("S" if self.peer.tls else "") + ("A" if self.peer.account is not None else "")

    def _may_starttls(self) -> bool:
        return self.door.tls_context is not None and not self.peer.tls

    def _may_log_in(self) -> bool:
        return bool(self.peer.tls) and self.peer.account is None

    # -- TLS and login --------------------------------------------------------------------------------

    async def smtp_STARTTLS(self, argument: bytes) -> Reply | None:
        """TLS from here on. Whatever was sent or agreed before is forgotten (RFC 3207 §4.2)."""
        context = self.door.tls_context
        if self.peer.tls or context is None:
            return self._error(Reply(503 if self.peer.tls else 502, ("TLS is not to be had now",), "5.5.1"))
        if argument:
            return self._error(Reply(501, ("STARTTLS takes no argument",), "5.5.4"))
        self._forget_message()
        await self.push(Reply(220, ("Ready to start TLS",), "2.0.0"))
        await self.flush()
        await self._secure(context, self.door.config.command_timeout_s)
        return None

    async def _secure(self, context: ssl.SSLContext, timeout_s: float) -> None:
        await self.start_tls(context, timeout_s)
        tls = self._writer.get_extra_info("ssl_object")
        self._said_ehlo = False
        self.peer = Peer(self.address, self.door.listener, tls=(tls.version() or "TLS") if tls else "TLS")

    async def smtp_AUTH(self, argument: bytes) -> Reply:
        """A login; only where nobody can listen."""
        if not self._said_ehlo:
            return self._error(HELLO_FIRST)
        if not self.peer.tls:
            return self._error(NEEDS_TLS)
        if self.peer.account is not None or self._mail is not None:
            return self._error(OUT_OF_ORDER)
        name, password = await ask_login(self, argument, self.door.config.command_timeout_s)
        answer = await self.door.policy.login(self.peer, name, password)
        if isinstance(answer, Reply):
            return self._error(answer)
        self.peer = replace(self.peer, account=answer)
        self.peer = replace(self.peer, protocol=self._protocol(is_utf8=False))
        return LOGGED_IN

    # -- the envelope ---------------------------------------------------------------------------------

    async def smtp_MAIL(self, argument: bytes) -> Reply:
        """A message begins."""
        refusal = self._not_yet()
        if refusal is not None:
            return self._error(refusal)
        if self._mail is not None or self._chunks_broken:
            return self._error(OUT_OF_ORDER)
        command = parse_mail(_text(argument), extended=self._said_ehlo)
        if isinstance(command, Reply):
            return self._error(command)
        self._refused_mail = True
        if command.declared_bytes > self.door.config.max_message_bytes:
            self.door.policy.refused(self.peer, "MAIL", TOO_LARGE)
            return TOO_LARGE
        self.peer = replace(self.peer, protocol=self._protocol(is_utf8=command.envelope.smtputf8))
        reply = await self.door.policy.mail_from(self.peer, command.envelope, command.declared_bytes)
        if reply is not None:
            return reply
        self._refused_mail = False
        self._mail = command.envelope
        if self._turn is not None:
            self._turn.works(command.declared_bytes, self.widen_window)
        return SENDER_OK

    def _not_yet(self) -> Reply | None:
        if not self.peer.helo:
            return HELLO_FIRST
        if self.door.listener is not Listener.MX and self.peer.account is None:
            return LOGIN_FIRST if self.peer.tls else TLS_FIRST
        return None

    async def smtp_RCPT(self, argument: bytes) -> Reply:
        """One recipient more."""
        if self._mail is None:
            return MAIL_FIRST if self._refused_mail else self._error(MAIL_FIRST)
        if self._arrival is not None:
            return self._error(OUT_OF_ORDER)
        recipient = parse_rcpt(_text(argument), extended=self._said_ehlo, smtputf8=self._mail.smtputf8)
        if isinstance(recipient, Reply):
            self._refused_rcpt = True
            return self._error(recipient)
        if len(self._mail.recipients) >= self.door.config.max_recipients:
            self._refused_rcpt = True
            return TOO_MANY_RECIPIENTS
        reply = await self.door.policy.rcpt_to(self.peer, self._mail, recipient)
        if reply is not None:
            self._refused_rcpt = True
            return reply
        self._mail = replace(self._mail, recipients=(*self._mail.recipients, recipient))
        return RECIPIENT_OK

    # -- the content ----------------------------------------------------------------------------------

    async def smtp_DATA(self, argument: bytes) -> Reply:
        """The content, dot-stuffed."""
        refusal = self._no_content_yet(argument)
        if refusal is not None:
            return refusal
        if self._arrival is not None or self._chunks_broken:
            return self._error(OUT_OF_ORDER)  # RFC 3030 §2: DATA and BDAT don't mix
        begun = await self._begin()
        if isinstance(begun, Reply):
            self._forget_message()
            return begun
        await self.push(GO_ON)
        await take_data(self, begun, self.door.config.data_timeout_s)
        return await self._commit(begun)

    async def smtp_BDAT(self, argument: bytes) -> Reply:
        """A chunk of the content, counted. What can't be used is read all the same, to stay in step."""
        chunk = parse_bdat(_text(argument))
        if isinstance(chunk, Reply):
            self._chunks_broken = self._mail is not None
            return self._error(chunk)
        pause_s = self.door.config.data_timeout_s
        try:
            arrival = await self._arrival_for(chunk)
        except Exception as fault:  # the chunk comes all the same
            arrival = self._own_fault(fault)
        if isinstance(arrival, Reply):
            await take_chunk(self, None, chunk, pause_s)
            self._break_chunks(chunk.is_last)
            return arrival
        if not arrival.fits(chunk.size):
            arrival.abort()
        await take_chunk(self, None if arrival.is_over else arrival, chunk, pause_s)
        if chunk.is_last:
            return await self._commit(arrival)
        if arrival.is_over:
            self._break_chunks(is_last=False)
            return TOO_LARGE
        return Reply(250, (f"{chunk.size} bytes taken",), "2.0.0")

    async def _arrival_for(self, chunk: ChunkCommand) -> Arrival | Reply:
        """Where the chunk goes, or why nowhere."""
        if self._chunks_broken:
            return CHUNKS_BROKEN
        refusal = self._no_content_yet(b"")
        if refusal is not None:
            return refusal
        return self._arrival or await self._begin()

    def _break_chunks(self, is_last: bool) -> None:
        """The message is lost. Chunks to come are thrown away until the last, or RSET."""
        self._forget_message()
        self._chunks_broken = not is_last

    def _no_content_yet(self, argument: bytes) -> Reply | None:
        if argument:
            return self._error(Reply(501, ("DATA takes no argument",), "5.5.4"))
        if self._mail is None:
            # A client that pipelines sends DATA before it knows that MAIL or RCPT was refused: no error of its.
            return MAIL_FIRST if self._refused_mail else self._error(MAIL_FIRST)
        if not self._mail.recipients:
            return NO_RECIPIENTS if self._refused_rcpt else self._error(RCPT_FIRST)
        return None

    async def _begin(self) -> Arrival | Reply:
        assert self._mail is not None
        sink = await self.door.policy.begin(self.peer, self._mail)
        if isinstance(sink, Reply):
            return sink
        self._arrival = Arrival(sink, self.door.config.max_message_bytes)
        return self._arrival

    async def _commit(self, arrival: Arrival) -> Reply:
        if arrival.is_over:
            self.door.policy.refused(self.peer, "content", TOO_LARGE)
        # From here on the message is no longer the session's to forget.
        self._arrival = None
        self._forget_message()
        reply = await arrival.commit(self.running.commits)
        if self._turn is not None:
            self._turn.rests()
        if reply.is_positive:
            self._errors = 0  # a long session that gets mail across is not one that only makes mistakes
        return reply

    # -- the rest -------------------------------------------------------------------------------------

    async def smtp_RSET(self, argument: bytes) -> Reply:
        """Forget the message under way."""
        if argument:
            return self._error(Reply(501, ("RSET takes no argument",), "5.5.4"))
        self._forget_message()
        return OK

    async def smtp_NOOP(self, argument: bytes) -> Reply:
        """Nothing."""
        return OK

    async def smtp_VRFY(self, argument: bytes) -> Reply:
        """Who lives here is nobody's business (RFC 5321 §7.3)."""
        return Reply(252, ("Send mail, then you will see",), "2.5.2")

    async def smtp_HELP(self, argument: bytes) -> Reply:
        """What is understood."""
        return Reply(214, ("EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY AUTH STARTTLS QUIT",), "2.0.0")

    async def smtp_QUIT(self, argument: bytes) -> Reply | None:
        """The end."""
        self._forget_message()
        self.give_up_quietly(BYE)
        return None

    async def not_offered(self, argument: bytes) -> Reply:
        """Known to SMTP, but not done here."""
        return self._error(NOT_OFFERED)


def _text(argument: bytes) -> str:
    """A command's argument as text. Raises: BadCommandError."""
    try:
        return argument.decode("utf-8")
    except UnicodeDecodeError:
        raise BadCommandError(501, "5.5.2", "The command is not UTF-8") from None


_COMMANDS: dict[bytes, Callable[[Session, bytes], Awaitable[Reply | None]]] = {
    b"HELO": Session.smtp_HELO,
    b"EHLO": Session.smtp_EHLO,
    b"STARTTLS": Session.smtp_STARTTLS,
    b"AUTH": Session.smtp_AUTH,
    b"MAIL": Session.smtp_MAIL,
    b"RCPT": Session.smtp_RCPT,
    b"DATA": Session.smtp_DATA,
    b"BDAT": Session.smtp_BDAT,
    b"RSET": Session.smtp_RSET,
    b"NOOP": Session.smtp_NOOP,
    b"VRFY": Session.smtp_VRFY,
    b"HELP": Session.smtp_HELP,
    b"QUIT": Session.smtp_QUIT,
    b"ETRN": Session.not_offered,
    b"EXPN": Session.not_offered,
    b"TURN": Session.not_offered,
    b"ATRN": Session.not_offered,
}
