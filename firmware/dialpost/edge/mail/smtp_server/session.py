"""The commands, one method each: replies in order, and every decision left to the policy.

None of aiosmtpd's own `smtp_*` is used: they spoil the case of ENVID, refuse every parameter of RCPT and hold the
message in memory. Ours take the argument as bytes and return the reply. Which comes when is `dialogue`'s.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from dialpost.core.mail.reply import Reply
from dialpost.core.mail.session import Listener
from dialpost.core.mail.smtp_commands import (
    ChunkCommand,
    parse_bdat,
    parse_mail,
    parse_rcpt,
)
from dialpost.edge.mail.smtp_server.content import TOO_LARGE, Arrival, take_chunk, take_data
from dialpost.edge.mail.smtp_server.dialogue import Dialogue
from dialpost.edge.mail.smtp_server.interface import LineWire
from dialpost.edge.mail.smtp_server.lines import (
    BadCommandError,
)
from dialpost.edge.mail.smtp_server.login import ask_login
from dialpost.edge.mail.smtp_server.replies import (
    BYE,
    CHUNKS_BROKEN,
    GO_ON,
    HELLO_FIRST,
    LOGGED_IN,
    LOGIN_FIRST,
    MAIL_FIRST,
    NEEDS_TLS,
    NO_RECIPIENTS,
    NOT_OFFERED,
    OK,
    OUT_OF_ORDER,
    RCPT_FIRST,
    RECIPIENT_OK,
    SENDER_OK,
    TLS_FIRST,
    TOO_MANY_RECIPIENTS,
    VRFY_WHOM,
)


class Session(Dialogue):
    """One client's session."""

    def command(self, verb: bytes) -> Callable[[bytes], Awaitable[Reply | None]] | None:
        """See `Dialogue.command`."""
        found = _COMMANDS.get(verb)
        return None if found is None else partial(found, self)

    # -- hello ----------------------------------------------------------------------------------------

    async def smtp_HELO(self, argument: bytes) -> Reply:
        """HELO: no extensions."""
        self._hello(argument, is_extended=False)
        return Reply(250, (self.door.hostname,))

    async def smtp_EHLO(self, argument: bytes) -> Reply:
        """EHLO: the extensions offered at this moment."""
        self._hello(argument, is_extended=True)
        offered = [self.door.hostname, "PIPELINING", f"SIZE {self.door.config.max_message_bytes}"]
        if self._may_starttls():
            self._has_offered_tls = True
            offered.append("STARTTLS")
        if self._may_log_in():
            offered.append("AUTH PLAIN LOGIN")
        offered += ["ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING"]
        return Reply(250, tuple(offered))

    def _hello(self, argument: bytes, *, is_extended: bool) -> None:
        name = argument.decode("ascii", "replace").replace("\ufffd", "?")
        if not name or not name.isprintable():
            raise BadCommandError(501, "5.5.4", "Give your host name")
        self._forget_message()
        self._said_ehlo = is_extended
        self.peer = replace(self.peer, helo=name[:255], protocol=self._protocol(is_utf8=False))

    def _protocol(self, *, is_utf8: bool) -> str:
        """The `with` keyword for Received (RFC 3848, RFC 6531 §4.3)."""
        if not self._said_ehlo:
            return "SMTP"
        base = "UTF8SMTP" if is_utf8 else "ESMTP"
        return base + ("S" if self.peer.tls else "") + ("A" if self.peer.account is not None else "")

    def _may_starttls(self) -> bool:
        """What was offered once stays offered: the line may become a trusted one between EHLO and STARTTLS."""
        if self.door.tls_context is None or self.peer.tls:
            return False
        return self._has_offered_tls or self._offers_tls()

    def _may_log_in(self) -> bool:
        is_user = self.door.listener is not Listener.PROVIDER
        return is_user and bool(self.peer.tls) and self.peer.account is None

    # -- TLS and login --------------------------------------------------------------------------------

    async def smtp_STARTTLS(self, argument: bytes) -> Reply | None:
        """TLS from here on. Everything sent or agreed before is discarded (RFC 3207 §4.2)."""
        context = self.door.tls_context
        if context is None or not self._may_starttls():
            return self._error(
                Reply(503 if self.peer.tls else 502, ("TLS is not available at the moment",), "5.5.1")
            )
        if argument:
            return self._error(Reply(501, ("STARTTLS takes no argument",), "5.5.4"))
        self._forget_message()
        await self.push(Reply(220, ("Ready to start TLS",), "2.0.0"))
        await self.flush()
        await self._secure(context, self.door.config.command_timeout_s)
        return None

    async def smtp_AUTH(self, argument: bytes) -> Reply:
        """A login; only under TLS."""
        if not self._said_ehlo:
            return self._error(HELLO_FIRST)
        if self.door.listener is Listener.PROVIDER:
            return self._error(NOT_OFFERED)
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
        """Begin a message."""
        refusal = self._not_yet()
        if refusal is not None:
            return self._error(refusal)
        if self._mail is not None or self._chunks_broken:
            return self._error(OUT_OF_ORDER)
        command = parse_mail(_text(argument), extended=self._said_ehlo, home=self.door.policy.home(self.peer))
        if isinstance(command, Reply):
            return await self._malformed(command)
        await self._take_turn()
        self._refused_mail = True
        if command.declared_bytes > self.door.config.max_message_bytes:
            self.door.policy.refused(self.peer, "MAIL", TOO_LARGE)
            return TOO_LARGE
        if (protocol := self._protocol(is_utf8=command.envelope.smtputf8)) != self.peer.protocol:
            self.peer = replace(self.peer, protocol=protocol)
        reply = await self.door.policy.mail_from(self.peer, command.envelope, command.declared_bytes)
        if reply is not None:
            return await self._refusal(reply)
        self._refused_mail = False
        self._mail = command.envelope
        if self._turn is not None:
            wire = LineWire(self._wire.get_extra_info("socket"))
            self._turn.works(command.declared_bytes, wire)
        return SENDER_OK

    def _not_yet(self) -> Reply | None:
        if not self.peer.helo:
            return HELLO_FIRST
        if self.door.listener in {Listener.SUBMISSION, Listener.SUBMISSIONS} and self.peer.account is None:
            return LOGIN_FIRST if self.peer.tls else TLS_FIRST
        return None

    async def smtp_RCPT(self, argument: bytes) -> Reply:
        """Add a recipient."""
        if self._mail is None:
            return MAIL_FIRST if self._refused_mail else self._error(MAIL_FIRST)
        if self._arrival is not None:
            return self._error(OUT_OF_ORDER)
        recipient = parse_rcpt(
            _text(argument),
            extended=self._said_ehlo,
            smtputf8=self._mail.smtputf8,
            home=self.door.policy.home(self.peer),
        )
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
        """Take the content, dot-stuffed."""
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
        if waits and self.promises.are_open:  # it has read 354, and so every reply before it
            self.promises.acknowledged(spoke=True)
        return await self._commit(begun)

    async def smtp_BDAT(self, argument: bytes) -> Reply:
        """Take a counted chunk of the content. A useless one is read nevertheless, to stay in step."""
        chunk = parse_bdat(_text(argument))
        if isinstance(chunk, Reply):
            self._chunks_broken = self._mail is not None
            return self._error(chunk)
        pause_s = self.door.config.data_timeout_s
        try:
            arrival = await self._arrival_for(chunk)
        except Exception as fault:  # the client sends the chunk nevertheless
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
        return Reply(250, (f"{chunk.size} bytes received",), "2.0.0")

    async def _arrival_for(self, chunk: ChunkCommand) -> Arrival | Reply:
        """The message that the chunk belongs to, or the reply that refuses it."""
        if self._chunks_broken:
            return CHUNKS_BROKEN
        refusal = self._no_content_yet(b"")
        if refusal is not None:
            return refusal
        return self._arrival or await self._begin()

    def _break_chunks(self, is_last: bool) -> None:
        """The message is lost. Discard further chunks until the last one, or RSET."""
        self._forget_message()
        self._chunks_broken = not is_last

    def _no_content_yet(self, argument: bytes) -> Reply | None:
        if argument:
            return self._error(Reply(501, ("DATA takes no argument",), "5.5.4"))
        if self._mail is None:
            # A client that pipelines sends DATA before it knows that MAIL or RCPT was refused: not an error.
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
        # From here on the session can no longer discard the message.
        self._arrival = None
        self._forget_message()
        self.promises.begin(arrival.sink, is_left=self.is_at_end)
        reply = await arrival.commit(self.running.commits)
        self.promises.end(is_given=reply.is_positive)
        if self._turn is not None:
            self._turn.rests()
        if reply.is_positive:
            self._manners.message_taken()
            self.messages += 1
            self._moves_on()
        return reply

    # -- the rest -------------------------------------------------------------------------------------

    async def smtp_RSET(self, argument: bytes) -> Reply:
        """Discard the current message."""
        if argument:
            return self._error(Reply(501, ("RSET takes no argument",), "5.5.4"))
        self._forget_message()
        return OK

    async def smtp_NOOP(self, argument: bytes) -> Reply:
        """Do nothing."""
        return OK

    async def smtp_VRFY(self, argument: bytes) -> Reply:
        """Never reveals who has a mailbox here (RFC 5321 §7.3), but requires an argument (§4.1.1.6)."""
        if not argument:
            return self._error(VRFY_WHOM)
        return Reply(252, ("Cannot verify; send mail to find out",), "2.5.2")

    async def smtp_HELP(self, argument: bytes) -> Reply:
        """List the commands."""
        return Reply(214, ("EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY AUTH STARTTLS QUIT",), "2.0.0")

    async def smtp_QUIT(self, argument: bytes) -> Reply | None:
        """End the session."""
        self._forget_message()
        self.is_whole = True
        self.give_up_quietly(BYE)
        return None

    async def not_offered(self, argument: bytes) -> Reply:
        """A command that SMTP has, but not this server."""
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
