"""A simulated provider's mailbox, and a POP3 server for it without I/O: bytes in, bytes out.

It keeps to RFC 1939, or breaks it in one of the ways seen in the wild (`Manners`), so that a test can show what the
station does then. Deletions count once QUIT is answered.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

TIMESTAMP = "<1896.697170952@pop.provider.example>"
_CHALLENGE = b"<12.34@pop.provider.example>"


@dataclass(slots=True)
class Box:
    """The messages by UID, in their order, with CRLF line endings; and a count of what was done with them."""

    messages: dict[str, bytes] = field(default_factory=dict)
    retrieved: list[str] = field(default_factory=list)
    _next: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def add(self, content: bytes, uid: str = "") -> str:
        """File a message; its UID."""
        uid = uid or f"u{next(self._next):07d}"
        self.messages[uid] = content
        return uid


@dataclass(frozen=True, slots=True)
class Manners:
    """What the server offers, and how it deviates."""

    user: str = "clinic"
    password: str = "secret"
    capa: tuple[str, ...] = ("USER", "UIDL", "TOP", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE")
    has_capa: bool = True
    has_uidl: bool = True
    has_stls: bool = False
    greeting: bytes = b"+OK POP3 ready " + TIMESTAMP.encode()
    item: Callable[[str, bytes], bytes] = lambda command, line: line
    """Changes a line of the answer to LIST or UIDL."""
    refuses: tuple[str, ...] = ()
    """UIDs that can't be retrieved."""
    has_dot: bool = True
    stuffs: bool = True
    login_answer: bytes = b""
    """Instead of the truth."""


class Pop3Server:
    """One session."""

    def __init__(self, box: Box, manners: Manners | None = None) -> None:
        self.manners = manners or Manners()
        self.is_over = False
        self.wants_tls = False
        self._box = box
        self._uids = list(box.messages)
        self._deleted: set[str] = set()
        self._input = bytearray()
        self._user = ""
        self._is_in = False
        self._challenged = ""

    def greeting(self) -> bytes:
        """The first line."""
        return self.manners.greeting + b"\r\n"

    def tls_established(self) -> None:
        """The handshake after STLS is done: everything from before is forgotten (RFC 2595 §4)."""
        self.wants_tls = False
        self._input.clear()

    def receive(self, data: bytes) -> bytes:
        """The answers to what is complete."""
        self._input += data
        out = b""
        while not (self.is_over or self.wants_tls) and (end := self._input.find(b"\n")) >= 0:
            line = bytes(self._input[:end]).rstrip(b"\r")
            del self._input[: end + 1]
            out += self._respond(line)
        return out

    def _respond(self, line: bytes) -> bytes:
        if self._challenged:
            return self._challenge_answered(line)
        word, _, rest = line.decode("utf-8", "replace").partition(" ")
        command = word.upper()
        if command == "QUIT":
            return self._quit()
        before = {
            "CAPA": self._capa,
            "STLS": self._stls,
            "USER": self._name,
            "PASS": self._pass,
            "APOP": self._apop,
            "AUTH": self._auth,
        }
        after = {
            "STAT": self._stat,
            "LIST": self._list,
            "UIDL": self._uidl,
            "RETR": self._retr,
            "TOP": self._top,
            "DELE": self._dele,
            "NOOP": lambda _: b"+OK\r\n",
        }
        handler = before.get(command) or (after.get(command) if self._is_in else None)
        return handler(rest) if handler is not None else b"-ERR unknown command\r\n"

    # before the login

    def _capa(self, _: str) -> bytes:
        if not self.manners.has_capa:
            return b"-ERR unknown command\r\n"
        stls = ("STLS",) if self.manners.has_stls else ()
        return _lines(b"+OK", [name.encode() for name in (*self.manners.capa, *stls)])

    def _stls(self, _: str) -> bytes:
        self.wants_tls = self.manners.has_stls
        return b"+OK begin TLS\r\n" if self.wants_tls else b"-ERR no TLS here\r\n"

    def _name(self, name: str) -> bytes:
        self._user = name
        return b"+OK\r\n"

    def _pass(self, password: str) -> bytes:
        return self._enter((self._user, password) == (self.manners.user, self.manners.password))

    def _apop(self, rest: str) -> bytes:
        digest = hashlib.md5((TIMESTAMP + self.manners.password).encode(), usedforsecurity=False).hexdigest()
        return self._enter(rest == f"{self.manners.user} {digest}")

    def _auth(self, rest: str) -> bytes:
        mechanism, _, initial = rest.partition(" ")
        if mechanism == "PLAIN" and initial:
            given = base64.b64decode(initial).decode().split("\0")
            return self._enter(given[1:] == [self.manners.user, self.manners.password])
        if mechanism == "CRAM-MD5":
            self._challenged = mechanism
            return b"+ " + base64.b64encode(_CHALLENGE) + b"\r\n"
        return b"-ERR unknown mechanism\r\n"

    def _challenge_answered(self, line: bytes) -> bytes:
        self._challenged = ""
        digest = hmac.new(self.manners.password.encode(), _CHALLENGE, "md5").hexdigest()
        return self._enter(base64.b64decode(line) == f"{self.manners.user} {digest}".encode())

    def _enter(self, is_right: bool) -> bytes:
        if self.manners.login_answer:
            return self.manners.login_answer + b"\r\n"
        self._is_in = is_right
        return b"+OK welcome\r\n" if is_right else b"-ERR [AUTH] wrong user or password\r\n"

    # after it

    def _stat(self, _: str) -> bytes:
        sizes = [len(self._box.messages[uid]) for uid in self._uids]
        return b"+OK %d %d\r\n" % (len(sizes), sum(sizes))

    def _list(self, _: str) -> bytes:
        sizes = (b"%d %d" % (n, len(self._box.messages[uid])) for n, uid in enumerate(self._uids, 1))
        return _lines(b"+OK", [self.manners.item("LIST", line) for line in sizes])

    def _uidl(self, _: str) -> bytes:
        if not self.manners.has_uidl:
            return b"-ERR no UIDL\r\n"
        uids = (b"%d %s" % (n, uid.encode()) for n, uid in enumerate(self._uids, 1))
        return _lines(b"+OK", [self.manners.item("UIDL", line) for line in uids])

    def _retr(self, rest: str) -> bytes:
        uid = self._uid(rest)
        if uid is None or uid in self.manners.refuses:
            return b"-ERR no such message\r\n"
        self._box.retrieved.append(uid)
        return b"+OK\r\n" + self._stuffed(self._box.messages[uid])

    def _top(self, rest: str) -> bytes:
        uid = self._uid(rest.partition(" ")[0])
        if uid is None or uid in self.manners.refuses:
            return b"-ERR no such message\r\n"
        return b"+OK\r\n" + self._stuffed(self._box.messages[uid].partition(b"\r\n\r\n")[0] + b"\r\n\r\n")

    def _dele(self, rest: str) -> bytes:
        uid = self._uid(rest)
        if uid is None:
            return b"-ERR no such message\r\n"
        self._deleted.add(uid)
        return b"+OK\r\n"

    def _quit(self) -> bytes:
        self.is_over = True
        if self._is_in:
            for uid in self._deleted:
                self._box.messages.pop(uid, None)
        return b"+OK bye\r\n"

    def _uid(self, text: str) -> str | None:
        number = int(text) if text.isascii() and text.isdigit() else 0
        return self._uids[number - 1] if 0 < number <= len(self._uids) else None

    def _stuffed(self, content: bytes) -> bytes:
        if not content.endswith(b"\r\n"):
            content += b"\r\n"
        if self.manners.stuffs:
            content = content.replace(b"\r\n.", b"\r\n..")
            content = b"." + content if content.startswith(b".") else content
        return content + (b".\r\n" if self.manners.has_dot else b"")


def _lines(first: bytes, lines: list[bytes]) -> bytes:
    return b"\r\n".join((first, *lines, b".", b""))
