"""From the greeting to a session in which mail may be sent: EHLO, STARTTLS, AUTH.

What fails here is about the session, never about a message: no mail is ever refused for it. Nothing
is sent in clear that the configuration wants protected.
"""

from __future__ import annotations

from dataclasses import dataclass

from dialpost.core.config import AuthMechanism, TlsMode
from dialpost.core.errors import ProtocolError
from dialpost.core.esmtp.extensions import Extensions, read_extensions
from dialpost.core.esmtp.login import Login, mechanisms_to_try
from dialpost.core.esmtp.phases import Phase, Step, after
from dialpost.core.esmtp.wire import Ready, StartTls, Wire
from dialpost.core.reply import Reply
from dialpost.core.smtp_target import ConnectSettings, SessionFate

_EHLO_UNKNOWN = frozenset({500, 501, 502, 503, 504})
_MECHANISM_REFUSED = frozenset({504, 534})  # RFC 4954 §6: not known, or too weak for this user


@dataclass(frozen=True, slots=True)
class SessionRefused:
    """The session ends before any mail: how, why, and in whose words."""

    fate: SessionFate
    reason: str
    reply: Reply


class Opening:
    """Holds the phase of the session and does its first part."""

    def __init__(self, settings: ConnectSettings, wire: Wire, *, tls: bool, verified: bool) -> None:
        self.phase = Phase.GREETING
        self.extensions = Extensions()
        self._settings = settings
        self._wire = wire
        self._tls = tls
        self._verified = verified
        self._login: Login | None = None
        self._mechanisms: list[AuthMechanism] = []

    def step(self, step: Step) -> None:
        """The one place where the phase changes."""
        self.phase = after(self.phase, step)

    def receive(self, reply: Reply) -> SessionRefused | None:
        """A reply before the session is open; what ends it, if that is so. Raises: ProtocolError."""
        if reply.code == 421:
            return SessionRefused(SessionFate.NOT_SERVED, "the server closes the connection", reply)
        if self.phase is Phase.GREETING:
            return self._greeting(reply)
        if self.phase in (Phase.EHLO, Phase.HELO):
            return self._hello(reply)
        if self.phase is Phase.STARTTLS:
            return self._starttls(reply)
        if self.phase is Phase.LOGIN:
            return self._auth(reply)
        raise ProtocolError(f"the server spoke out of turn: {reply}")

    def tls_established(self, *, verified: bool) -> None:
        """The handshake is done: all that was learnt before it is forgotten (RFC 3207 §4.2)."""
        self._tls, self._verified = True, verified
        self.extensions = Extensions()
        self.step(Step.TLS_UP)
        self._wire.send_line(f"EHLO {self._settings.helo}".encode())

    def _greeting(self, reply: Reply) -> SessionRefused | None:
        if reply.code != 220:
            return SessionRefused(SessionFate.NOT_SERVED, "the server takes no mail from us now", reply)
        self.step(Step.GREETED)
        self._wire.send_line(f"EHLO {self._settings.helo}".encode())
        return None

    def _hello(self, reply: Reply) -> SessionRefused | None:
        if self.phase is Phase.EHLO and reply.code in _EHLO_UNKNOWN:
            self.step(Step.EHLO_UNKNOWN)  # RFC 5321 §3.2
            self._wire.send_line(f"HELO {self._settings.helo}".encode())
            return None
        if not reply.is_positive:
            return SessionRefused(SessionFate.NOT_SERVED, "the server refused our greeting", reply)
        if reply.code != 250:
            raise ProtocolError(f"the server's answer to EHLO is none: {reply}")
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
        return _needs_person(
            "the server offers no STARTTLS, and the configuration wants a protected connection", "4.7.10"
        )

    def _starttls(self, reply: Reply) -> SessionRefused | None:
        if reply.code == 220:
            self.step(Step.TLS_AGREED)
            self._wire.tell(StartTls())
            return None
        if reply.is_positive:
            raise ProtocolError(f"the server's answer to STARTTLS is none: {reply}")
        if self._settings.tls is TlsMode.OPPORTUNISTIC:
            return self._authenticate()
        fate = SessionFate.NOT_SERVED if reply.is_transient else SessionFate.NEEDS_PERSON
        return SessionRefused(fate, "the server refused STARTTLS", reply)

    def _authenticate(self) -> SessionRefused | None:
        if not self._settings.user:
            self._open()
            return None
        offered = self.extensions.auth
        self._mechanisms = list(
            mechanisms_to_try(self._settings.auth, offered, tls=self._tls, verified=self._verified)
        )
        if not self._mechanisms:
            return _needs_person(self._why_no_login(), "4.7.4")
        self.step(Step.LOGIN_WANTED)
        self._try_next_mechanism()
        return None

    def _why_no_login(self) -> str:
        offered = ", ".join(sorted(self.extensions.auth))
        if not offered:
            return "a login is configured, but the server offers none (AUTH)"
        if self._settings.auth is not AuthMechanism.AUTO:
            return f"the server does not offer the configured way to log in; it offers: {offered}"
        if not self._tls:
            return (
                f"the server offers only ways to log in ({offered}) that would send the password in clear "
                "over this unprotected connection"
            )
        return f"the server offers no way to log in that is known here; it offers: {offered}"

    def _try_next_mechanism(self) -> None:
        self._login = Login(self._mechanisms.pop(0), self._settings.user, self._settings.password)
        self._wire.send_line(self._login.begin(), shown=f"AUTH {self._login.word} ...")

    def _auth(self, reply: Reply) -> SessionRefused | None:
        assert self._login is not None
        if reply.code == 235:
            self._open()
            return None
        if reply.code == 334:
            self.step(Step.LOGIN_GOES_ON)
            self._wire.send_line(self._login.respond(reply.text), shown="...")
            return None
        if reply.is_positive:
            raise ProtocolError(f"the server's answer to AUTH is none: {reply}")
        if reply.code in _MECHANISM_REFUSED and self._mechanisms:
            self.step(Step.LOGIN_GOES_ON)
            self._try_next_mechanism()
            return None
        if reply.is_transient:
            return SessionRefused(SessionFate.NOT_SERVED, "the server can't check the login now", reply)
        return SessionRefused(SessionFate.NEEDS_PERSON, "the server refused the login", reply)

    def _open(self) -> None:
        self._login = None
        self.step(Step.OPENED)
        self._wire.tell(Ready(self.extensions))


def _needs_person(why: str, enhanced: str) -> SessionRefused:
    return SessionRefused(SessionFate.NEEDS_PERSON, why, Reply(451, (why,), enhanced))
