"""From the greeting to the login: CAPA, STLS, then one way to log in (RFC 1939 §4, RFC 2449, RFC 2595 §4).

Nothing that the configuration wants protected is sent in clear text. What the server offered before STLS is asked
for again after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dialpost.core.config.model import TlsMode
from dialpost.core.mail.inbound.collected import CollectFate
from dialpost.core.mail.inbound.dialogue import BoxLogin, Ended
from dialpost.core.mail.inbound.pop3.answers import Items, Status
from dialpost.core.mail.inbound.pop3.asked import Asked
from dialpost.core.mail.inbound.pop3.login import Login, timestamp_in, way_for

MOST_CAPABILITIES = 100

_FATES = {
    "AUTH": CollectFate.LOGIN_REFUSED,  # RFC 3206 §4
    "IN-USE": CollectFate.NOT_NOW,  # RFC 2449 §8.1.2: another session has the box
    "LOGIN-DELAY": CollectFate.NOT_NOW,
    "SYS/TEMP": CollectFate.NOT_NOW,
    "SYS/PERM": CollectFate.NEEDS_OPERATOR,
}
_LOGIN_ADVICE = (
    "The server refused the login: correct user and password of this mailbox with `dialpost config set`, or use "
    "`dialpost call now` to try again."
)
_IN_USE_ADVICE = (
    "Another program has the mailbox open. It must not fetch mail from it, too: make the station the only one that "
    "collects it."
)
_WRONG_SERVER = {
    b"220": "This is a mail server (SMTP), not a mailbox: set host and port of the mailbox (mostly 995 or 110).",
    b"* ": 'This is an IMAP server: set kind = "imap", or port to 995 (or 110).',
    b"": "Check host and port of this mailbox: POP3 has mostly port 995 with TLS, 110 without.",
}
_SILENT_ADVICE = (
    "Check host, port and tls of this mailbox: a server with TLS from the first byte (port 995) says nothing to a "
    'client without it (tls = "implicit").'
)


@dataclass(frozen=True, slots=True)
class Offered:
    """What CAPA says. `has_capa` is False for a server without it."""

    has_capa: bool = False
    stls: bool = False
    pipelining: bool = False
    uidl: bool = True
    top: bool = True
    ways: frozenset[str] = frozenset()


def read_offer(lines: list[bytes]) -> Offered:
    """The answer to CAPA."""
    words = [line.decode("ascii", "replace").upper().split() for line in lines if line.strip()]
    names = {each[0] for each in words}
    sasl = {name for each in words if each[0] == "SASL" for name in each[1:]}
    user = {"USER"} & names
    return Offered(
        True, "STLS" in names, "PIPELINING" in names, "UIDL" in names, "TOP" in names, frozenset(sasl | user)
    )


def not_greeted(words: str, heard: bytes) -> Ended:
    """There was no greeting of a POP3 server, but perhaps something else."""
    if not heard:
        return Ended(CollectFate.UNREACHABLE, words, _SILENT_ADVICE)
    advice = next(advice for start, advice in _WRONG_SERVER.items() if heard.startswith(start))
    return Ended(CollectFate.NEEDS_OPERATOR, words, advice)


class Opening:
    """The first part of a session. `ask` sends a command; `on_tls`, `on_end` and `on_open` say what is next."""

    def __init__(
        self,
        login: BoxLogin,
        *,
        tls: bool,
        verified: bool,
        new_nonce: Callable[[], str],
        ask: Callable[[bytes, str, Asked], None],
        on_tls: Callable[[], None],
        on_end: Callable[[Ended], None],
        on_open: Callable[[], None],
    ) -> None:
        self.offered = Offered()
        self.is_greeted = False
        self._login, self._new_nonce, self._tls, self._verified = login, new_nonce, tls, verified
        self._ask, self._on_tls, self._on_end, self._on_open = ask, on_tls, on_end, on_open
        self._timestamp = ""
        self._capabilities: list[bytes] = []
        self._attempt: Login | None = None

    def greeting(self) -> Asked:
        """What the first line is the answer to."""
        return Asked("the greeting", self._greeted)

    def tls_established(self, *, verified: bool) -> None:
        """The handshake is done."""
        self._tls, self._verified = True, verified
        self._ask_capa()

    def _greeted(self, status: Status) -> None:
        self.is_greeted = True
        if not status.is_ok:
            self._end(status, CollectFate.NOT_NOW)
            return
        self._timestamp = timestamp_in(status.text)
        self._ask_capa()

    def _ask_capa(self) -> None:
        self._capabilities = []
        body = Items(self._capabilities.append, self._told, lambda: None, MOST_CAPABILITIES)
        self._ask(b"CAPA", "CAPA", Asked("CAPA", self._no_capa, body))

    def _no_capa(self, status: Status) -> None:
        if not status.is_ok:
            self.offered = Offered()
            self._after_capa()

    def _told(self) -> None:
        self.offered = read_offer(self._capabilities)
        self._after_capa()

    def _after_capa(self) -> None:
        wants = self._login.tls not in {TlsMode.NONE, TlsMode.IMPLICIT} and not self._tls
        may_lack = self._login.tls is TlsMode.OPPORTUNISTIC
        # A server without CAPA may have STLS nevertheless (RFC 2595 is older than some).
        if wants and (self.offered.stls or not (self.offered.has_capa or may_lack)):
            self._ask(b"STLS", "STLS", Asked("STLS", self._may_start_tls))
        elif wants and not may_lack:
            self._no_tls("the server does not offer STLS")
        else:
            self._log_in()

    def _may_start_tls(self, status: Status) -> None:
        if status.is_ok:
            self._on_tls()
        elif self._login.tls is TlsMode.OPPORTUNISTIC:
            self._log_in()
        else:
            self._no_tls(status.words)

    def _no_tls(self, words: str) -> None:
        advice = 'Ask the provider for its port with TLS (mostly 995) and set port and tls = "implicit".'
        self._on_end(Ended(CollectFate.NEEDS_OPERATOR, words, advice))

    def _log_in(self) -> None:
        way = way_for(
            self._login,
            self.offered.ways,
            self._timestamp,
            tls=self._tls,
            verified=self._verified,
            has_capa=self.offered.has_capa,
        )
        if way is None:
            offered = ", ".join(sorted(self.offered.ways)) or "nothing"
            words = f"the server offers no way to log in that is allowed here (it offers {offered})"
            self._on_end(Ended(CollectFate.NEEDS_OPERATOR, words, "Set tls for this mailbox, or ask the provider."))
            return
        self._attempt = Login(way, self._login, self._timestamp, self._new_nonce)
        lines = self._attempt.begin()
        if self.offered.pipelining:  # USER and PASS in one packet
            for line, shown in lines[:-1]:
                self._ask(line, shown, Asked("the login", self._name_answer))
            self._ask(*lines[-1], Asked("the login", self._login_answer))
        else:
            self._send_next(lines)

    def _send_next(self, lines: list[tuple[bytes, str]]) -> None:
        (line, shown), *more = lines

        def answered(status: Status) -> None:
            if more and status.is_ok:
                self._send_next(more)
            else:
                self._login_answer(status)

        self._ask(line, shown, Asked("the login", answered))

    def _name_answer(self, status: Status) -> None:
        if not status.is_ok:
            self._end(status, CollectFate.LOGIN_REFUSED)

    def _login_answer(self, status: Status) -> None:
        assert self._attempt is not None
        if status.is_challenge:
            self._ask(self._attempt.respond(status.text), "...", Asked("the login", self._login_answer))
        elif not status.is_ok:
            self._end(status, CollectFate.LOGIN_REFUSED)
        else:
            self._attempt.check()
            self._on_open()

    def _end(self, status: Status, otherwise: CollectFate) -> None:
        fate = _FATES.get(status.code, otherwise)
        advice = _LOGIN_ADVICE if fate is CollectFate.LOGIN_REFUSED else ""
        self._on_end(Ended(fate, status.words, _IN_USE_ADVICE if status.code == "IN-USE" else advice))
