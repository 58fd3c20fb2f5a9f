"""A model of an SMTP server without I/O: strict about the client, and as unfriendly as a test wants.

Feed it what the client sends; it gives the replies. It keeps what was delivered, and every breach of the
protocol by the client (`violations`), the grouping rules of RFC 2920 §3.1 included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

ALL = ("PIPELINING", "SIZE 50000000", "8BITMIME", "SMTPUTF8", "DSN", "CHUNKING")
WITHOUT_CHUNKING = ALL[:-1]
Answers = Callable[[str, str, int], str | None]
"""(verb, its argument, how many commands of that verb came before) -> a reply, or None for the usual."""


@dataclass
class Taken:
    """One message the server took responsibility for."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes


@dataclass
class ModelServer:
    """`offers` are the lines of the answer to EHLO; `answers` may answer otherwise than usual."""

    offers: tuple[str, ...] = ALL
    answers: Answers = lambda verb, argument, before: None
    delivered: list[Taken] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    closed: bool = False
    _buffer: bytes = b""
    _sender: str | None = None
    _recipients: list[str] = field(default_factory=list)
    _content: bytes = b""
    _mode: str = "command"
    _chunk_left: int = 0
    _chunk_last: bool = False
    _chunk_failed: bool = False
    _seen: dict[str, int] = field(default_factory=dict)

    def greet(self) -> bytes:
        return self._say("", "", "220 model ESMTP")

    def receive(self, data: bytes) -> bytes:
        self._buffer += data
        replies = b""
        while not self.closed:
            if self._mode == "data":
                step = self._data()
            elif self._mode == "chunk":
                step = self._chunk()
            else:
                step = self._command()
            if step is None:
                break
            replies += step
        return replies

    def _say(self, verb: str, argument: str, usual: str) -> bytes:
        count = self._seen.get(verb, 0)
        self._seen[verb] = count + 1
        reply = self.answers(verb, argument, count) or usual
        if reply.startswith("421") or verb == "QUIT":
            self.closed = True
        return reply.encode() + b"\r\n"

    def _command(self) -> bytes | None:
        line, end, rest = self._buffer.partition(b"\r\n")
        if not end:
            return None
        self._buffer = rest
        text = line.decode()
        self.commands.append(text)
        verb, _, argument = text.partition(" ")
        verb = verb.upper()
        if (
            rest
            and verb != "BDAT"
            and (verb in {"EHLO", "HELO", "DATA", "QUIT", "ETRN", "AUTH", "STARTTLS"} or not self._pipelines())
        ):
            self.violations.append(f"{rest[:20]!r} in one group behind {text!r}")
        if not line.isascii() and "SMTPUTF8" not in self.offers:
            self.violations.append(f"{text!r} is not ASCII")
        method = getattr(self, f"_on_{verb.lower()}", None)
        if method is None:
            self.violations.append(f"unknown command {text!r}")
            return self._say(verb, argument, "500 unknown")
        reply: bytes = method(argument)
        return reply

    def _pipelines(self) -> bool:
        return "PIPELINING" in self.offers

    def _on_ehlo(self, argument: str) -> bytes:
        lines = ["model", *self.offers]
        text = "\r\n".join(
            f"250{' ' if number == len(lines) - 1 else '-'}{line}" for number, line in enumerate(lines)
        )
        return self._say("EHLO", argument, text)

    def _on_helo(self, argument: str) -> bytes:
        return self._say("HELO", argument, "250 model")

    def _on_rset(self, argument: str) -> bytes:
        self._forget()
        return self._say("RSET", argument, "250 2.0.0 Ok")

    def _on_quit(self, argument: str) -> bytes:
        return self._say("QUIT", argument, "221 2.0.0 Bye")

    def _on_etrn(self, argument: str) -> bytes:
        return self._say("ETRN", argument, "250 2.0.0 Queuing started")

    def _on_mail(self, argument: str) -> bytes:
        if self._sender is not None:
            self.violations.append("nested MAIL")
            return b"503 5.5.1 nested MAIL\r\n"
        reply = self._say("MAIL", argument, "250 2.1.0 Ok")
        if reply.startswith(b"2"):
            self._sender = argument.partition("<")[2].partition(">")[0]
        return reply

    def _on_rcpt(self, argument: str) -> bytes:
        if self._sender is None:
            return b"503 5.5.1 need MAIL\r\n"
        reply = self._say("RCPT", argument, "250 2.1.5 Ok")
        if reply.startswith(b"2"):
            self._recipients.append(argument.partition("<")[2].partition(">")[0])
        return reply

    def _on_data(self, argument: str) -> bytes:
        if self._content:
            self.violations.append("DATA after BDAT")
        usual = "354 go on" if self._recipients else "554 5.5.1 no valid recipients"
        reply = self._say("DATA", argument, usual)
        if reply.startswith(b"354"):
            self._mode = "data"
        return reply

    def _on_bdat(self, argument: str) -> bytes:
        size, _, last = argument.partition(" ")
        self._mode, self._chunk_left, self._chunk_last = "chunk", int(size), last.upper() == "LAST"
        return b""

    def _data(self) -> bytes | None:
        if self._buffer.startswith(b".\r\n"):
            content, rest = b"", self._buffer[3:]
        else:
            content, end, rest = self._buffer.partition(b"\r\n.\r\n")
            if not end:
                return None
            content += b"\r\n"
        self._buffer = rest
        if b"\n" in content.replace(b"\r\n", b"") or b"\r" in content.replace(b"\r\n", b""):
            self.violations.append("bare CR or LF in content")
        unstuffed = content.replace(b"\r\n.", b"\r\n")
        self._content = unstuffed.removeprefix(b".") if content.startswith(b".") else unstuffed
        self._mode = "command"
        return self._end_of_content("DOT", "")

    def _chunk(self) -> bytes | None:
        if len(self._buffer) < self._chunk_left:
            return None
        self._content += self._buffer[: self._chunk_left]
        self._buffer = self._buffer[self._chunk_left :]
        self._mode = "command"
        argument = f"{self._chunk_left}{' LAST' if self._chunk_last else ''}"
        if not self._recipients or self._chunk_failed:
            self._chunk_failed = True
            return b"503 5.5.1 no valid recipients, or failed before\r\n"
        if self._chunk_last:
            return self._end_of_content("LAST", argument)
        reply = self._say("BDAT", argument, "250 2.0.0 Ok")
        self._chunk_failed = not reply.startswith(b"2")
        return reply

    def _end_of_content(self, verb: str, argument: str) -> bytes:
        reply = self._say(verb, argument, "250 2.0.0 Taken")
        if reply.startswith(b"2"):
            if self._recipients:
                self.delivered.append(Taken(self._sender or "", tuple(self._recipients), self._content))
            self._forget()
        elif verb == "LAST":
            self._chunk_failed = True  # the state is indeterminate until RSET (RFC 3030 §2)
        else:
            self._forget()
        return reply

    def _forget(self) -> None:
        self._sender, self._recipients, self._content = None, [], b""
        self._chunk_failed = False
