"""From the greeting to an open folder: STARTTLS, login, SELECT and COMPRESS (RFC 9051 §6, RFC 4978).

SELECT and COMPRESS go out together: a round trip costs more than what compression would save of SELECT's answer.
Nothing that the configuration wants protected is sent in clear text.
"""

from __future__ import annotations

from collections.abc import Callable

from dialpost.core.config.model import TlsMode
from dialpost.core.errors import ProtocolError
from dialpost.core.mail.inbound.collected import CollectFate
from dialpost.core.mail.inbound.dialogue import Ended, StartTls
from dialpost.core.mail.inbound.imap.answers import Answer, read_capabilities
from dialpost.core.mail.inbound.imap.login import Login, LoginWay, ways_to_log_in
from dialpost.core.mail.inbound.imap.phases import Phase, Step, after
from dialpost.core.mail.inbound.imap.settings import ImapSettings, folder_name
from dialpost.core.mail.inbound.imap.wire import Ask, Asked, Wire

_NOT_NOW_CODES = frozenset({"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG"})  # RFC 5530 §3


class Opening:
    """Holds the phase of the session and does its first part."""

    def __init__(self, settings: ImapSettings, wire: Wire, *, tls: bool, verified: bool) -> None:
        self.phase = Phase.GREETING
        self.capabilities: frozenset[str] = frozenset()
        self.uid_validity = 0
        self.uid_next = 0
        """0: the server does not say."""
        self.exists = 0
        self.is_read_only = False
        self._settings = settings
        self._wire = wire
        self._tls = tls
        self._verified = verified
        self._login: Login | None = None
        self._ways: list[LoginWay] = []
        self._answer_of_tagged: dict[Ask, Callable[[Answer], Ended | None]] = {
            Ask.CAPABILITY: self._told_capabilities,
            Ask.STARTTLS: self._told_starttls,
            Ask.LOGIN: self._told_login,
            Ask.SELECT: self._told_select,
            Ask.COMPRESS: lambda _: None,
        }

    def step(self, step: Step) -> None:
        """The one place where the phase changes."""
        self.phase = after(self.phase, step)

    def untagged(self, answer: Answer) -> Ended | None:
        """An answer with no tag of ours; returns what ends the session, if it does."""
        if answer.word == "BYE":
            return Ended(CollectFate.NOT_NOW, str(answer))
        if answer.tag == "*" and self.phase is not Phase.HANDSHAKE:
            self._note(answer)
        if self.phase is Phase.GREETING:
            return self._greeting(answer)
        if answer.tag == "+":
            return self._challenge(answer)
        return None

    def tagged(self, asked: Asked, answer: Answer) -> Ended | None:
        """The end of a command; returns what ends the session, if it does. Raises: ProtocolError."""
        capabilities = read_capabilities(answer)
        if capabilities is not None:
            self.capabilities = capabilities
        return self._answer_of_tagged[asked.ask](answer)

    def tls_established(self, *, verified: bool) -> None:
        """The handshake is done: everything learnt before it is discarded (RFC 9051 §6.2.1)."""
        self._tls, self._verified = True, verified
        self.capabilities = frozenset()
        self.step(Step.TLS_UP)
        self._wire.command(b"CAPABILITY", Asked(Ask.CAPABILITY))

    def _note(self, answer: Answer) -> None:
        self.capabilities = read_capabilities(answer) or self.capabilities
        if answer.word == "EXISTS":
            self.exists = answer.number
        elif answer.code in {"UIDVALIDITY", "UIDNEXT"} and answer.code_value.isdecimal():
            if answer.code == "UIDNEXT":
                self.uid_next = int(answer.code_value[:10])
            else:
                self.uid_validity = int(answer.code_value[:10])

    def _greeting(self, answer: Answer) -> Ended | None:
        if answer.word not in {"OK", "PREAUTH"} or answer.tag != "*":
            return Ended(
                CollectFate.NEEDS_OPERATOR,
                f"the server's greeting is not IMAP: {answer.tag} {answer}",
                "Check the mailbox's host and port.",
            )
        if answer.word == "PREAUTH":
            if not self._tls and self._settings.tls not in {TlsMode.NONE, TlsMode.OPPORTUNISTIC}:
                return _needs_operator("the server lets us in without TLS, which the configuration requires")
            return self._enter()
        if not self.capabilities:
            self.step(Step.GREETED)
            self._wire.command(b"CAPABILITY", Asked(Ask.CAPABILITY))
            return None
        return self._protect()

    def _told_capabilities(self, answer: Answer) -> Ended | None:
        if answer.word != "OK":
            return Ended(CollectFate.NOT_NOW, str(answer))
        if self.phase is Phase.ASKING:
            return self._protect()
        self._compress()
        return None

    def _protect(self) -> Ended | None:
        if self._tls or self._settings.tls is TlsMode.NONE:
            return self._authenticate()
        if "STARTTLS" in self.capabilities:
            self.step(Step.TLS_WANTED)
            self._wire.command(b"STARTTLS", Asked(Ask.STARTTLS))
            return None
        if self._settings.tls is TlsMode.OPPORTUNISTIC:
            return self._authenticate()
        return _needs_operator("the server does not offer STARTTLS, but the configuration requires TLS")

    def _told_starttls(self, answer: Answer) -> Ended | None:
        if answer.word == "OK":
            self.step(Step.TLS_AGREED)
            self._wire.tell(StartTls())
            return None
        if self._settings.tls is TlsMode.OPPORTUNISTIC:
            return self._authenticate()
        return Ended(CollectFate.NEEDS_OPERATOR, str(answer), "The server refused STARTTLS.")

    def _authenticate(self) -> Ended | None:
        self._ways = list(ways_to_log_in(self._settings, self.capabilities, tls=self._tls, verified=self._verified))
        if not self._ways:
            return _needs_operator(self._why_no_login())
        self.step(Step.LOGIN_WANTED)
        self._try_next_way()
        return None

    def _why_no_login(self) -> str:
        offered = ", ".join(sorted(name.removeprefix("AUTH=") for name in self.capabilities if "AUTH=" in name))
        if self._settings.token and not (self._tls and self._verified):
            return "a bearer token is sent only inside TLS with a verified certificate"
        if not self._tls and not self._settings.clear_password:
            return "the connection is not protected, and the password is never sent in clear"
        return f"the server offers no way to log in that can be used here; it offers: {offered or 'none'}"

    def _try_next_way(self) -> None:
        self._login = Login(self._ways.pop(0), self._settings)
        line = self._login.begin(initial="SASL-IR" in self.capabilities)
        self._wire.command(line, Asked(Ask.LOGIN), shown=f"{self._login.way.value} ...")

    def _challenge(self, answer: Answer) -> Ended | None:
        if self.phase is not Phase.LOGIN or self._login is None:
            raise ProtocolError(f"the server asks for more, but nothing was begun: {answer.text}")
        self._wire.line(self._login.respond(answer.text), shown="(response)")
        return None

    def _told_login(self, answer: Answer) -> Ended | None:
        assert self._login is not None
        if answer.word == "OK":
            if not self._login.is_trusted:
                raise ProtocolError("the server does not prove that it knows the password")
            return self._enter(is_told=read_capabilities(answer) is not None)
        if answer.word == "BAD" and self._ways:
            self._try_next_way()  # it offers what it does not do
            return None
        if answer.code in _NOT_NOW_CODES or "temporar" in answer.text.lower():
            return Ended(CollectFate.NOT_NOW, str(answer))
        words = " ".join(filter(None, (str(answer), self._login.refusal)))
        return Ended(CollectFate.LOGIN_REFUSED, words, "Check the mailbox's user and password.")

    def _enter(self, *, is_told: bool = True) -> Ended | None:
        """`is_told`: the capabilities known are those after the login; they may differ."""
        self.step(Step.LOGGED_IN)
        if not is_told:
            self._wire.command(b"CAPABILITY", Asked(Ask.CAPABILITY))
        self._wire.command(b"SELECT " + folder_name(self._settings.folder), Asked(Ask.SELECT))
        if is_told:
            self._compress()
        return None

    def _compress(self) -> None:
        if self._settings.compress and "COMPRESS=DEFLATE" in self.capabilities:
            self._wire.command(b"COMPRESS DEFLATE", Asked(Ask.COMPRESS))

    def _told_select(self, answer: Answer) -> Ended | None:
        if answer.word != "OK":
            if answer.code in _NOT_NOW_CODES:
                return Ended(CollectFate.NOT_NOW, str(answer))
            return Ended(CollectFate.NEEDS_OPERATOR, str(answer), "Check the name of the mailbox's folder.")
        if not self.uid_validity:
            raise ProtocolError("the server gives the folder no UIDVALIDITY")
        self.is_read_only = answer.code == "READ-ONLY"
        return None


def _needs_operator(words: str) -> Ended:
    return Ended(CollectFate.NEEDS_OPERATOR, words)
