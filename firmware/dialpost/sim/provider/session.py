"""One connection of the simulated provider's SMTP server: small, strict, and independent code.

It shares nothing with the station's own server, so that a mistake there is not hidden by the same mistake
here. Input is handled as it arrives; the replies to one packet leave as one (RFC 2920 §3.2).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from dialpost.edge.ground.transports import abort
from dialpost.sim.provider.turned import Deliverer, TurnedClient

MAX_LINE = 64_000
_PATH = re.compile(r"^(?:FROM|TO):\s*<([^>]*)>\s*(.*)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Received:
    """One message as received: content with CRLF line endings, dots unstuffed."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes


class Policy(Protocol):
    """What the provider decides for its server."""

    hostname: str
    keywords: tuple[str, ...]

    def etrn(self, name: str) -> str:
        """The reply to ETRN, code and text."""

    def take(self, message: Received) -> str:
        """The reply to a whole message."""

    def password_of(self, user: str) -> str | None:
        """Who may log in."""

    def atrn(self, domains: str, user: str) -> str:
        """The reply to ATRN of this user ("" = not logged in), code and text."""

    def deliverer(self) -> Deliverer:
        """The queue for the connection that a 250 to ATRN has turned round."""


class ProviderSession(asyncio.Protocol):
    """Speaks the server's side of ESMTP with the station."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._replies: list[str] = []
        self._reset()
        self._wants: Callable[[], bool] = self._line
        self._user = ""
        self._challenge = b""
        self._turned: TurnedClient | None = None

    def _reset(self) -> None:
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._chunks = bytearray()
        self._chunk_left = 0
        self._chunk_is_last = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._say(f"220 {self._policy.hostname} ESMTP, the simulated provider")
        self._flush()

    def abort(self) -> None:
        """The provider's machine is gone."""
        if self._transport is not None:
            abort(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._turned is not None:
            self._turned.connection_lost()

    def data_received(self, data: bytes) -> None:
        if self._turned is not None:
            self._turned.data_received(data)
            return
        self._buffer += data
        while self._wants():
            pass
        self._flush()

    def _say(self, reply: str) -> None:
        self._replies.append(reply)

    def _flush(self) -> None:
        if self._replies and self._transport is not None:
            self._transport.write("".join(reply + "\r\n" for reply in self._replies).encode())
            self._replies.clear()

    # -- what is wanted next: each takes one piece off the buffer and returns whether there was one ------

    def _line(self) -> bool:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if len(self._buffer) > MAX_LINE:
                self._buffer.clear()
                self._say("500 5.5.6 Line too long")
            return False
        text = self._buffer[:end].decode("utf-8", "surrogateescape")
        del self._buffer[: end + 2]
        verb, _, rest = text.partition(" ")
        command = getattr(self, f"_do_{verb.lower()}", None) if verb.isalpha() else None
        if command is None:
            self._say("500 5.5.1 No such command")
        else:
            command(rest.strip())
        return self._transport is not None and not self._transport.is_closing()

    def _data(self) -> bool:
        if self._buffer.startswith(b".\r\n"):
            end, content = 3, b""
        else:
            end = self._buffer.find(b"\r\n.\r\n")
            if end < 0:
                return False
            content = bytes(self._buffer[: end + 2])
            end += 5
        del self._buffer[:end]
        if content.startswith(b".."):
            content = content[1:]
        self._wants = self._line
        self._take(content.replace(b"\r\n..", b"\r\n."))
        return True

    def _chunk(self) -> bool:
        piece = self._buffer[: self._chunk_left]
        del self._buffer[: self._chunk_left]
        self._chunks += piece
        self._chunk_left -= len(piece)
        if self._chunk_left:
            return False
        self._wants = self._line
        if self._chunk_is_last:
            self._take(bytes(self._chunks))
        else:
            self._say("250 2.0.0 Go on")
        return True

    def _take(self, content: bytes) -> None:
        self._say(self._policy.take(Received(self._sender or "", tuple(self._recipients), content)))
        self._reset()

    # -- commands -------------------------------------------------------------------------------------

    def _do_ehlo(self, rest: str) -> None:
        self._reset()
        lines = [f"{self._policy.hostname} greets {rest}", *self._policy.keywords]
        for number, line in enumerate(lines, start=1):
            self._say(f"250{' ' if number == len(lines) else '-'}{line}")

    def _do_helo(self, rest: str) -> None:
        self._reset()
        self._say(f"250 {self._policy.hostname}")

    def _do_mail(self, rest: str) -> None:
        path = _PATH.match(rest)
        if path is None:
            self._say("501 5.5.4 MAIL FROM:<address>")
        elif self._sender is not None:
            self._say("503 5.5.1 One at a time")
        else:
            self._sender = path.group(1)
            self._say("250 2.1.0 Ok")

    def _do_rcpt(self, rest: str) -> None:
        path = _PATH.match(rest)
        if path is None or not path.group(1):
            self._say("501 5.5.4 RCPT TO:<address>")
        elif self._sender is None:
            self._say("503 5.5.1 MAIL first")
        else:
            self._recipients.append(path.group(1))
            self._say("250 2.1.5 Ok")

    def _do_data(self, rest: str) -> None:
        if not self._recipients:
            self._say("503 5.5.1 RCPT first")
            return
        self._wants = self._data
        self._say("354 Go ahead")

    def _do_bdat(self, rest: str) -> None:
        words = rest.upper().split()
        if "CHUNKING" not in self._policy.keywords or not words or not words[0].isdigit():
            self._say("501 5.5.4 BDAT size [LAST]")
            return
        if not self._recipients:
            self._say("503 5.5.1 RCPT first")
            return
        self._chunk_left, self._chunk_is_last = int(words[0]), words[1:] == ["LAST"]
        self._wants = self._chunk

    def _do_etrn(self, rest: str) -> None:
        self._say("503 5.5.1 Not in a transaction" if self._sender is not None else self._policy.etrn(rest))

    def _do_auth(self, rest: str) -> None:
        way, _, first = rest.partition(" ")
        if way.upper() == "CRAM-MD5":
            self._challenge = f"<{secrets.token_hex(8)}@{self._policy.hostname}>".encode()
            self._wants = self._digest
            self._say(f"334 {base64.b64encode(self._challenge).decode()}")
        elif way.upper() == "PLAIN" and first:
            _, user, password = (_decoded(first) + "\0\0").split("\0")[:3]
            self._logged_in(user, is_right=self._policy.password_of(user) == password)
        else:
            self._say("504 5.5.4 CRAM-MD5, or PLAIN with its response")

    def _digest(self) -> bool:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return False
        user, _, digest = _decoded(self._buffer[:end].decode("ascii", "replace")).rpartition(" ")
        del self._buffer[: end + 2]
        self._wants = self._line
        password = self._policy.password_of(user)
        wanted = "" if password is None else hmac.new(password.encode(), self._challenge, "md5").hexdigest()
        self._logged_in(user, is_right=bool(wanted) and digest == wanted)
        return True

    def _logged_in(self, user: str, *, is_right: bool) -> None:
        self._user = user if is_right else ""
        self._say("235 2.7.0 Welcome" if is_right else "535 5.7.8 Wrong user or password")

    def _do_atrn(self, rest: str) -> None:
        reply = (
            "503 5.5.1 Not in a transaction" if self._sender is not None else self._policy.atrn(rest, self._user)
        )
        self._say(reply)
        if reply.startswith("250 ") and self._transport is not None:
            self._flush()
            self._turned = TurnedClient(self._transport, self._policy.hostname, self._policy.deliverer())
            self._turned.data_received(bytes(self._buffer))
            self._buffer.clear()

    def _do_rset(self, rest: str) -> None:
        self._reset()
        self._say("250 2.0.0 Ok")

    def _do_noop(self, rest: str) -> None:
        self._say("250 2.0.0 Ok")

    def _do_vrfy(self, rest: str) -> None:
        self._say("252 2.5.0 Send it and see")

    def _do_quit(self, rest: str) -> None:
        self._say("221 2.0.0 Bye")
        self._flush()
        if self._transport is not None:
            self._transport.close()


def _decoded(text: str) -> str:
    """From base64; "" if it is none."""
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""
