"""A model of an IMAP server without I/O: strict about the client, and as unfriendly as a test wants.

Feed it what the client sends; it gives the answers, compressed once that was agreed. It keeps the folder between
sessions (`Box`), counts the bytes of both directions, and notes every breach of the protocol by the client.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

ALL = ("IMAP4rev1", "SASL-IR", "AUTH=PLAIN", "UIDPLUS", "COMPRESS=DEFLATE", "LITERAL+")
Answers = Callable[[str], bytes | None]
"""(a command without its tag) -> what is sent instead of the usual answer; %t stands for its tag."""


@dataclass
class Stored:
    """One message in the folder. `size`: what the server says its size is, if it is not the true one."""

    uid: int
    content: bytes
    is_deleted: bool = False
    size: int | None = None


@dataclass
class Box:
    """A folder, as it is between sessions."""

    messages: list[Stored] = field(default_factory=list)
    uid_validity: int = 7
    uid_next: int = 1
    expunged: list[int] = field(default_factory=list)
    keeps_deleted: bool = False
    """Says that messages are gone and has them all the same."""

    def add(self, content: bytes, *, size: int | None = None) -> int:
        self.messages.append(Stored(self.uid_next, content, size=size))
        self.uid_next += 1
        return self.uid_next - 1

    @property
    def uids(self) -> list[int]:
        return [message.uid for message in self.messages]


@dataclass
class ModelImap:
    """One session. `answers` may answer otherwise than usual."""

    box: Box
    offers: tuple[str, ...] = ALL
    answers: Answers = lambda command: None
    user: str = "anna"
    password: str = "geheim"
    hello: bytes = b"* OK [CAPABILITY %c] model\r\n"
    uid_is_last: bool = False
    closed: bool = False
    is_tls_wanted: bool = False
    commands: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    bytes_out: int = 0
    _buffer: bytes = b""
    _challenged: str = ""
    _is_in: bool = False
    _is_selected: bool = False
    _inflate: zlib._Decompress | None = None
    _deflate: zlib._Compress | None = None

    def greeting(self) -> bytes:
        return self._out(self.hello.replace(b"%c", " ".join(self.offers).encode()))

    def receive(self, data: bytes) -> bytes:
        self._buffer += data if self._inflate is None else self._inflate.decompress(data)
        said = b""
        while not self.closed and not self.is_tls_wanted and b"\r\n" in self._buffer:
            line, _, self._buffer = self._buffer.partition(b"\r\n")
            answer = self._line(line.decode())
            said += self._out(answer)
            if answer.endswith(b"OK compressed\r\n"):
                if self._buffer:
                    self.violations.append("input behind COMPRESS")
                self._inflate, self._deflate = zlib.decompressobj(-15), zlib.compressobj(6, zlib.DEFLATED, -15)
        return said

    def _out(self, answer: bytes) -> bytes:
        if self._deflate is not None and answer:
            answer = self._deflate.compress(answer) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        self.bytes_out += len(answer)
        return answer

    def _line(self, line: str) -> bytes:
        if self._challenged:
            tag, self._challenged = self._challenged, ""
            return self._plain(tag, line)
        tag, _, command = line.partition(" ")
        self.commands.append(command)
        instead = self.answers(command)
        if instead is not None:
            return instead.replace(b"%t", tag.encode())
        verb, _, argument = command.partition(" ")
        if verb == "UID":
            verb, _, argument = argument.partition(" ")
            verb = f"UID {verb}"
        needs = "selected" if verb in {"UID FETCH", "UID STORE", "UID EXPUNGE", "EXPUNGE", "UID SEARCH"} else ""
        if (needs and not self._is_selected) or (verb == "SELECT" and not self._is_in):
            self.violations.append(f"{command} too early")
            return f"{tag} BAD not now\r\n".encode()
        serve: dict[str, Callable[[str, str], bytes]] = {
            "CAPABILITY": self._capability,
            "STARTTLS": self._starttls,
            "AUTHENTICATE": self._authenticate,
            "LOGIN": self._login,
            "SELECT": self._select,
            "COMPRESS": lambda tag, _: f"{tag} OK compressed\r\n".encode(),
            "UID FETCH": self._fetch,
            "UID STORE": self._store,
            "UID EXPUNGE": self._uid_expunge,
            "UID SEARCH": self._search,
            "EXPUNGE": lambda tag, _: self._expunge(tag, {m.uid for m in self.box.messages}),
            "LOGOUT": self._logout,
        }
        if verb not in serve:
            self.violations.append(command)
            return f"{tag} BAD what\r\n".encode()
        return serve[verb](tag, argument)

    def _capability(self, tag: str, _: str) -> bytes:
        return f"* CAPABILITY {' '.join(self.offers)}\r\n{tag} OK done\r\n".encode()

    def _starttls(self, tag: str, _: str) -> bytes:
        self.is_tls_wanted = True
        self.offers = tuple(offer for offer in self.offers if offer != "STARTTLS")
        return f"{tag} OK begin\r\n".encode()

    def _authenticate(self, tag: str, argument: str) -> bytes:
        if argument == "PLAIN":
            self._challenged = tag
            return b"+ \r\n"
        return self._plain(tag, argument.removeprefix("PLAIN "))

    def _plain(self, tag: str, response: str) -> bytes:
        is_right = base64.b64decode(response) == f"\0{self.user}\0{self.password}".encode()
        return self._logged_in(tag, is_right=is_right)

    def _login(self, tag: str, argument: str) -> bytes:
        return self._logged_in(tag, is_right=argument == f'"{self.user}" "{self.password}"')

    def _logged_in(self, tag: str, *, is_right: bool) -> bytes:
        if not is_right:
            return f"{tag} NO [AUTHENTICATIONFAILED] Invalid credentials\r\n".encode()
        self._is_in = True
        return f"{tag} OK [CAPABILITY {' '.join(self.offers)}] in\r\n".encode()

    def _select(self, tag: str, _: str) -> bytes:
        self._is_selected = True
        box = self.box
        return (
            "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n"
            f"* {len(box.messages)} EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY {box.uid_validity}] UIDs valid\r\n"
            f"* OK [UIDNEXT {box.uid_next}] next\r\n{tag} OK [READ-WRITE] selected\r\n"
        ).encode()

    def _fetch(self, tag: str, argument: str) -> bytes:
        numbers, _, items = argument.partition(" ")
        wanted = self._set(numbers)
        said = b"".join(
            self._one(number, message, items)
            for number, message in enumerate(self.box.messages, 1)
            if message.uid in wanted
        )
        return said + f"{tag} OK Fetch completed.\r\n".encode()

    def _one(self, number: int, message: Stored, items: str) -> bytes:
        uid = b"UID %d" % message.uid
        size = len(message.content) if message.size is None else message.size
        header = message.content.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        if "RFC822.SIZE" in items:
            fields = re.findall(rb"(?im)^(?:priority|importance|x-priority|precedence):.*\r\n", header)
            literal = b"".join(fields) + b"\r\n"
            named = b"BODY[HEADER.FIELDS (PRIORITY IMPORTANCE X-PRIORITY PRECEDENCE)]"
            listed = b"%s RFC822.SIZE %d %s {%d}\r\n%s" % (uid, size, named, len(literal), literal)
            return b"* %d FETCH (%s)\r\n" % (number, listed)
        found = re.search(r"BODY\.PEEK\[(HEADER)?\]<(\d+)\.(\d+)>", items)
        assert found is not None, items
        at, count = int(found[2]), int(found[3])
        data = (header if found[1] else message.content)[at : at + count]
        body = b"BODY[%s]<%d> {%d}\r\n%s" % ((found[1] or "").encode(), at, len(data), data)
        inside = body + b" " + uid if self.uid_is_last else uid + b" " + body
        return b"* %d FETCH (%s)\r\n" % (number, inside)

    def _set(self, numbers: str) -> set[int]:
        found: set[int] = set()
        last = max(self.box.uids, default=0)
        for part in numbers.split(","):
            first, _, end = part.partition(":")
            stop = last if end == "*" else int(end or first)
            found.update(uid for uid in self.box.uids if int(first) <= uid <= stop)
        return found

    def _store(self, tag: str, argument: str) -> bytes:
        numbers, _, change = argument.partition(" ")
        if change != "+FLAGS.SILENT (\\Deleted)":
            self.violations.append(change)
        wanted = self._set(numbers)
        for message in self.box.messages:
            message.is_deleted = message.is_deleted or message.uid in wanted
        return f"{tag} OK stored\r\n".encode()

    def _uid_expunge(self, tag: str, argument: str) -> bytes:
        if "UIDPLUS" not in self.offers:
            self.violations.append("UID EXPUNGE")
        return self._expunge(tag, self._set(argument))

    def _expunge(self, tag: str, wanted: set[int]) -> bytes:
        said = b""
        for number in range(len(self.box.messages), 0, -1):
            message = self.box.messages[number - 1]
            if message.is_deleted and message.uid in wanted:
                self.box.expunged.append(message.uid)
                if not self.box.keeps_deleted:
                    del self.box.messages[number - 1]
                said += b"* %d EXPUNGE\r\n" % number
        return said + f"{tag} OK expunged\r\n".encode()

    def _search(self, tag: str, argument: str) -> bytes:
        if argument != "DELETED":
            self.violations.append(argument)
        found = " ".join(str(message.uid) for message in self.box.messages if message.is_deleted)
        return f"* SEARCH {found}".rstrip().encode() + f"\r\n{tag} OK searched\r\n".encode()

    def _logout(self, tag: str, _: str) -> bytes:
        self.closed = True
        return f"* BYE bye\r\n{tag} OK logged out\r\n".encode()
