"""The dialogue: one method a command, answers in order, nothing decided that the policy should decide.

`smtp_*` take the argument as bytes, unlike aiosmtpd's, which spoil the case of ENVID and ORCPT and refuse every
parameter of RCPT. The session's task runs `_handle_client`; no other task touches the session.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from aiosmtpd.smtp import SMTP

from dialpost.core.config.model import SmtpConfig
from dialpost.core.errors import StorageFullError
from dialpost.core.mail.envelope import Envelope
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.session import IntakePolicy, Listener, Peer, Turn
from dialpost.core.mail.smtp_commands import (
    ChunkCommand,
    parse_bdat,
    parse_mail,
    parse_rcpt,
    speaks_something_else,
)
from dialpost.edge.mail.smtp_server.connection import (
    BadCommandError,
    BareLineFeedError,
    Connection,
    ConnectionEndedError,
    LineTooLongError,
    Running,
)
from dialpost.edge.mail.smtp_server.content import TOO_LARGE, Arrival, take_chunk, take_data
from dialpost.edge.mail.smtp_server.login import ask_login
from dialpost.edge.mail.smtp_server.manners import Manners
from dialpost.edge.mail.smtp_server.replies import (
    BARE_LF,
    BYE,
    CARD_FULL,
    CHUNKS_BROKEN,
    GO_ON,
    GOING_DOWN,
    HELLO_FIRST,
    LOGGED_IN,
    LOGIN_FIRST,
    MAIL_FIRST,
    NEEDS_TLS,
    NO_RECIPIENTS,
    NO_SMTP,
    NOT_OFFERED,
    OK,
    OUR_FAULT,
    OUT_OF_ORDER,
    RCPT_FIRST,
    RECIPIENT_OK,
    SENDER_OK,
    TLS_FIRST,
    TOO_LONG,
    TOO_MANY_RECIPIENTS,
    UNKNOWN,
    VRFY_WHOM,
)

_log = logging.getLogger("dialpost.smtp")
_VERB = re.compile(rb"[^ \t]+")

MAX_COMMAND_BYTES = 2048
"""RFC 5321 §4.5.3.1.4 wants 512 at least; DSN (RFC 3461 §5.4) and SMTPUTF8 add to it."""
MAX_AUTH_BYTES = 12_288  # RFC 4954 §4.3
_MOST_WAITS = 6
"""How many times the wait for one command a client may go on without getting anywhere."""
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
        command = _COMMANDS.get(verb)
        if command is None:
            return self._error(UNKNOWN)
        self._manners.verb(verb)
        return await command(self, argument)

    def _is_no_smtp(self, line: bytes) -> bool:
        """Another protocol's text, which would carry SMTP commands behind it (a web page can post to any port).

        Nobody's mail program begins with a command that SMTP does not have.
        """
        return speaks_something_else(line) or (self._manners.is_first and _split(line)[0] not in _COMMANDS)

    def _patience_s(self) -> float:
        """How long to wait for the next command. One that only says NOOP gets nowhere, and has to go in the end."""
        timeout_s = self.door.config.command_timeout_s
        left_s = self.progress_s + timeout_s * _MOST_WAITS - self.loop.time()
        return min(timeout_s, max(0.0, left_s))

    def _moves_on(self) -> None:
        """The client got somewhere."""
        self.progress_s = self.loop.time()

    def _own_fault(self, error: Exception) -> Reply:
        """A fault of ours is never the sender's: it is asked to come again, and told nothing of the fault."""
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
        version = (tls.version() or "TLS") if tls else "TLS"
        self.peer = Peer(self.address, self.door.listener, tls=version, interface=self.interface)
        self._moves_on()

    async def smtp_AUTH(self, argument: bytes) -> Reply:
        """A login; only where nobody can listen."""
        if not self._said_ehlo:
            return self._error(HELLO_FIRST)
        if not self.peer.tls:
            return self._error(NEEDS_TLS)
        if self.peer.account is not None or self._mail is not None:
            return self._error(OUT_OF_ORDER)
        login = await ask_login(self, argument, self.door.config.command_timeout_s)
        answer = await self.door.policy.login(self.peer, login.name, login.password, login.acts_as)
        if isinstance(answer, Reply):
            return self._error(answer)
        self.peer = replace(self.peer, account=answer)
        self.peer = replace(self.peer, protocol=self._protocol(is_utf8=False))
        self._moves_on()
        return LOGGED_IN

    # -- the envelope ---------------------------------------------------------------------------------

    async def smtp_MAIL(self, argument: bytes) -> Reply:
        """A message begins."""
        refusal = self._not_yet()
        if refusal is not None:
            return self._error(refusal)
        if self._mail is not None or self._chunks_broken:
            return self._error(OUT_OF_ORDER)
        command = parse_mail(_text(argument), extended=self._said_ehlo, home=self.door.policy.home(self.peer))
        if isinstance(command, Reply):
            return await self._malformed(command)
        self._refused_mail = True
        if command.declared_bytes > self.door.config.max_message_bytes:
            self.door.policy.refused(self.peer, "MAIL", TOO_LARGE)
            return TOO_LARGE
        self.peer = replace(self.peer, protocol=self._protocol(is_utf8=command.envelope.smtputf8))
        reply = await self.door.policy.mail_from(self.peer, command.envelope, command.declared_bytes)
        if reply is not None:
            return await self._refusal(reply)
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
        recipient = parse_rcpt(
            _text(argument), extended=self._said_ehlo, smtputf8=self._mail.smtputf8,
            home=self.door.policy.home(self.peer),
        )  # fmt: skip
        if isinstance(recipient, Reply):
            self._refused_rcpt = True
            return await self._malformed(recipient)
        if len(self._mail.recipients) >= self.door.config.max_recipients:
            self._refused_rcpt = True
            return TOO_MANY_RECIPIENTS
        reply = await self.door.policy.rcpt_to(self.peer, self._mail, recipient)
        if reply is not None:
            self._refused_rcpt = True
            return await self._refusal(reply)
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
        waits = not self.has_input
        await take_data(self, begun, self.door.config.data_timeout_s)
        if waits and self.promises.are_open:  # it read 354, and what was said before
            self.promises.acknowledged(spoke=True)
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
        self._moves_on()
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
        self.promises.begin(arrival.sink, is_left=self.is_at_end)
        reply = await arrival.commit(self.running.commits)
        self.promises.end(is_given=reply.is_positive)
        if self._turn is not None:
            self._turn.rests()
        if reply.is_positive:
            self._manners.message_taken()
            self._moves_on()
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
        """Who lives here is nobody's business (RFC 5321 §7.3); but whom it is about must be said (§4.1.1.6)."""
        if not argument:
            return self._error(VRFY_WHOM)
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


def _split(line: bytes) -> tuple[bytes, bytes]:
    """The verb and its argument. A tab between them harms nobody, and other servers take it."""
    found = _VERB.match(line)
    return (found[0].upper(), line[found.end() :].strip(b" \t")) if found else (b"", line)


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
