"""From the greeting to a session in which mail may be sent: EHLO, STARTTLS, AUTH.

A failure here concerns the session, never a message: it never makes mail bounce. Nothing that the configuration
wants protected is sent in clear text.
"""

from __future__ import annotations

from dataclasses import dataclass

from dialpost.core.config.model import AuthMechanism, TlsMode
from dialpost.core.errors import ProtocolError
from dialpost.core.mail.esmtp.extensions import Extensions, read_extensions
from dialpost.core.mail.esmtp.login import CLEAR_WORDS, Login, mechanisms_to_try
from dialpost.core.mail.esmtp.phases import Phase, Step, after
from dialpost.core.mail.esmtp.wire import Ready, StartTls, Wire
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.smtp_target import ConnectSettings, SessionFate, Trust

_TLS_CAN_WAIT = frozenset({TlsMode.NONE, TlsMode.OPPORTUNISTIC})
_MECHANISM_REFUSED = frozenset({504, 534})  # RFC 4954 §6: not known, or too weak for this user


@dataclass(frozen=True, slots=True)
class SessionRefused:
    """The session ends before any mail: how, why, and in whose words."""

    fate: SessionFate
    reason: str
    reply: Reply


class Opening:
    """Holds the phase of the session and does its first part."""

    def __init__(self, settings: ConnectSettings, wire: Wire, *, tls: bool, verified: bool, nonce: str) -> None:
        self.phase = Phase.GREETING
        self.extensions = Extensions()
        self.is_early = False  # ETRN came before EHLO
        self.refused: SessionRefused | None = None  # the refusal after which another mechanism is being tried
        self._settings = settings
        self._wire = wire
        self._tls = tls
        self._verified = verified
        self._nonce = nonce
        self._login: Login | None = None
        self._mechanisms: list[AuthMechanism] = []
        self._is_cancelled = False

    def step(self, step: Step) -> None:
        """The one place where the phase changes."""
        self.phase = after(self.phase, step)

    def receive(self, reply: Reply) -> SessionRefused | None:
        """A reply before the session is open; returns what ends the session, if it does. Raises: ProtocolError."""
        if reply.code == 421:
            return self.refused or SessionRefused(SessionFate.NOT_SERVED, "the server closes the connection", reply)
        if self.phase is Phase.GREETING:
            return self._greeting(reply)
        if self.phase in (Phase.EHLO, Phase.HELO):
            return self._hello(reply)
        if self.phase is Phase.STARTTLS:
            return self._starttls(reply)
        if self.phase is Phase.LOGIN:
            return self._auth(reply)
        raise ProtocolError(f"the server replied out of turn: {reply}")  # pragma: no cover - the client looks first

    def tls_established(self, *, verified: bool) -> None:
        """The handshake is done: everything learnt before it is discarded (RFC 3207 §4.2)."""
        self._tls, self._verified = True, verified
        self.extensions = Extensions()
        self.step(Step.TLS_UP)
        self._wire.send_line(f"EHLO {self._settings.helo}".encode())

    def _greeting(self, reply: Reply) -> SessionRefused | None:
        if not reply.is_completion:
            return SessionRefused(SessionFate.NOT_SERVED, "the server is not accepting mail from us now", reply)
        settings = self._settings
        if settings.early_etrn and settings.tls in _TLS_CAN_WAIT and not settings.user:
            self.is_early = True
            self.step(Step.GREETED_EARLY)
        else:
            self._say_hello(Step.GREETED)
        return None

    def early_refused(self) -> None:
        """The server did not do ETRN before EHLO: begin as usual."""
        self._say_hello(Step.HELLO_WANTED)

    def _say_hello(self, step: Step) -> None:
        self.step(step)
        self._wire.send_line(f"EHLO {self._settings.helo}".encode())

    def _hello(self, reply: Reply) -> SessionRefused | None:
        if self.phase is Phase.EHLO and reply.is_permanent:
            # RFC 5321 §3.2, §4.1.4: whatever the reason for refusing EHLO, HELO is worth a try.
            self.refused = SessionRefused(SessionFate.NOT_SERVED, "the server refused our greeting", reply)
            self.step(Step.EHLO_UNKNOWN)
            self._wire.send_line(f"HELO {self._settings.helo}".encode())
            return None
        if not reply.is_positive:
            return SessionRefused(SessionFate.NOT_SERVED, "the server refused our greeting", reply)
        if not reply.is_completion:
            raise ProtocolError(f"the server sent an invalid answer to {self.phase.name}: {reply}")
        self.refused = None
        if self.phase is Phase.EHLO:
            self.extensions = read_extensions(reply)
        return self._protect()

    def _protect(self) -> SessionRefused | None:
        if self._tls or self._settings.tls is TlsMode.NONE:
            return self._authenticate()
        if self.extensions.starttls:
            self.step(Step.TLS_WANTED)
            self._wire.send_line(b"STARTTLS")
            return None
        if self._settings.tls is TlsMode.OPPORTUNISTIC:
            return self._authenticate()
        return _needs_operator(
            "the server does not offer STARTTLS, but the configuration requires a protected connection", "4.7.10"
        )

    def _starttls(self, reply: Reply) -> SessionRefused | None:
        if reply.is_completion:
            self.step(Step.TLS_AGREED)
            self._wire.tell(StartTls())
            return None
        if reply.is_positive:
            raise ProtocolError(f"the server sent an invalid answer to STARTTLS: {reply}")
        if self._settings.tls is TlsMode.OPPORTUNISTIC:
            return self._authenticate()
        fate = SessionFate.NOT_SERVED if reply.is_transient else SessionFate.NEEDS_OPERATOR
        return SessionRefused(fate, "the server refused STARTTLS", reply)

    def _authenticate(self) -> SessionRefused | None:
        if not self._settings.user:
            self._open()
            return None
        offered = self.extensions.auth
        self._mechanisms = list(
            mechanisms_to_try(
                self._settings.auth,
                offered,
                tls=self._tls,
                verified=self._verified,
                clear_password=self._may_be_clear,
            )
        )
        if not self._mechanisms:
            return _needs_operator(self._why_no_login(), "4.7.4")
        self.step(Step.LOGIN_WANTED)
        self._try_next_mechanism()
        return None

    @property
    def _may_be_clear(self) -> bool:
        """Whether anybody on the way may read a password: only if the configuration says so explicitly.

        With opportunistic TLS, naming a login mechanism does not say so: an attacker on the way can strip STARTTLS
        from the dialogue (RFC 7435 §1). On a trusted line nothing does: a tapped password outlives the call.
        """
        if self._settings.trust is Trust.IN_USE:
            return False
        is_named = self._settings.tls is TlsMode.NONE and self._settings.auth is not AuthMechanism.AUTO
        return is_named or self._settings.clear_password

    def _why_no_login(self) -> str:
        offered = ", ".join(sorted(self.extensions.auth))
        if self._settings.trust is Trust.IN_USE:
            ways = f"the server offers: {offered}" if offered else "the server offers no login without TLS"
            return (
                "ppp.trusted_line is true: there is no TLS on the line, and a password goes as a digest only, but "
                f"{ways}. Set ppp.trusted_line to false, or tls to starttls for this host alone"
            )
        if not offered:
            return "a login is configured, but the server offers none (AUTH)"
        if not self._tls and self.extensions.auth & CLEAR_WORDS and not self._may_be_clear:
            return (
                f"the connection is not protected, and the password is never sent in clear. The server offers: "
                f"{offered}. Set tls to starttls or implicit if it does TLS; if everybody on the way may read "
                "the password, set clear_password to true"
            )
        if self._settings.auth is not AuthMechanism.AUTO:
            return f"the server does not offer the configured way to log in; it offers: {offered}"
        return f"the server offers no way to log in that is known here; it offers: {offered}"

    def _try_next_mechanism(self) -> None:
        self._is_cancelled = False
        self._login = Login(self._mechanisms.pop(0), self._settings.user, self._settings.password, self._nonce)
        self._wire.send_line(self._login.begin(), shown=f"AUTH {self._login.word} ...")

    def _auth(self, reply: Reply) -> SessionRefused | None:
        assert self._login is not None
        if reply.is_completion:
            if self._is_cancelled:
                raise ProtocolError(f"the server accepted a login that was cancelled: {reply}")
            if not self._login.is_proved:
                raise ProtocolError("the server does not prove that it knows the password")
            self._open()
            return None
        if reply.is_intermediate:
            self.step(Step.LOGIN_GOES_ON)
            self._respond(reply)
            return None
        if reply.is_transient:
            return SessionRefused(SessionFate.NOT_SERVED, "the server can't check the login now", reply)
        return self._mechanism_refused(reply)

    def _respond(self, challenge: Reply) -> None:
        assert self._login is not None
        try:
            line = self._login.respond(challenge.text)
        except ProtocolError:
            if self._is_cancelled or not self._mechanisms:
                raise
            self._is_cancelled, line = True, b"*"  # RFC 4954 §4: the server answers 501
        self._wire.send_line(line, shown="..." if line != b"*" else "*")

    def _mechanism_refused(self, reply: Reply) -> SessionRefused | None:
        """Try the next mechanism; after a refused name or password, only one more: hosts count wrong passwords."""
        by = "" if self._settings.trust is not Trust.IN_USE else " as a digest, the only way with ppp.trusted_line"
        refused = SessionRefused(SessionFate.LOGIN_REFUSED, f"the server refused the login{by}", reply)
        tells_of_the_way = reply.code in _MECHANISM_REFUSED or self._is_cancelled
        if not self._mechanisms or (self.refused is not None and not tells_of_the_way):
            return self.refused or refused
        if not tells_of_the_way:
            self.refused = refused
        self.step(Step.LOGIN_GOES_ON)
        self._try_next_mechanism()
        return None

    def _open(self) -> None:
        self._login = self.refused = None
        self.step(Step.OPENED)
        self._wire.tell(Ready(self.extensions))


def _needs_operator(why: str, enhanced: str) -> SessionRefused:
    return SessionRefused(SessionFate.NEEDS_OPERATOR, why, Reply(451, (why,), enhanced))
