"""The simulated provider as a client on a connection whose roles ATRN has turned round (RFC 2645 §5.3).

Like the provider's server it shares nothing with the station's own code. MAIL, RCPT and the content of one message
leave as one group where the station offers PIPELINING and CHUNKING; else it waits for each reply.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True, eq=False)
class Held:
    """A message waiting at the provider. `content` has CRLF line endings."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    tries: int = 0


class Deliverer(Protocol):
    """The provider's queue for one turned connection."""

    def next_held(self) -> Held | None:
        """The next message to deliver, None if no more waits."""

    def delivered(self, message: Held, reply: int) -> None:
        """The station's final answer: 250, or a refusal."""

    def left(self, message: Held | None) -> None:
        """The connection is over; this message has no answer."""


class TurnedClient:
    """Delivers what waits, then says QUIT."""

    def __init__(self, transport: asyncio.Transport, hostname: str, queue: Deliverer) -> None:
        self._transport, self._hostname, self._queue = transport, hostname, queue
        self._buffer = bytearray()
        self._lines: list[bytes] = []
        self._offers: set[str] = set()
        self._message: Held | None = None
        self._due: deque[Callable[[int], None]] = deque([self._greeted])
        self._is_over = False

    def data_received(self, data: bytes) -> None:
        """Replies, split anywhere."""
        self._buffer += data
        while not self._is_over and (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[: end + 1])
            del self._buffer[: end + 1]
            self._lines.append(line)
            if line[3:4] != b"-" and line[:3].isdigit() and self._due:
                self._due.popleft()(int(line[:3]))
                self._lines.clear()

    def connection_lost(self) -> None:
        """The line, or the station, is gone."""
        if not self._is_over:
            self._is_over = True
            self._queue.left(self._message)

    def _say(self, *lines: str) -> None:
        self._transport.write("".join(line + "\r\n" for line in lines).encode())

    def _greeted(self, code: int) -> None:
        self._due.append(self._hello)
        self._say(f"EHLO {self._hostname}")

    def _hello(self, code: int) -> None:
        self._offers = {
            line[4:].split()[0].decode("ascii", "replace").upper() for line in self._lines if line[4:].split()
        }
        self._next()

    def _next(self) -> None:
        self._message = self._queue.next_held()
        if self._message is None:
            self._due.append(self._farewell)
            self._say("QUIT")
            return
        message = self._message
        envelope = [f"MAIL FROM:<{message.sender}> BODY=8BITMIME"]
        envelope += [f"RCPT TO:<{recipient}>" for recipient in message.recipients]
        if {"PIPELINING", "CHUNKING"} <= self._offers:
            self._due += [lambda code: None] * len(envelope) + [self._answered]
            group = "".join(line + "\r\n" for line in (*envelope, f"BDAT {len(message.content)} LAST"))
            self._transport.write(group.encode() + message.content)
        else:
            self._step(deque([*envelope, "DATA"]))

    def _step(self, left: deque[str]) -> None:
        self._say(left.popleft())
        self._due.append((lambda code: self._step(left)) if left else self._content)

    def _content(self, code: int) -> None:
        assert self._message is not None
        self._due.append(self._answered)
        stuffed = b"\r\n".join(
            b"." + line if line[:1] == b"." else line for line in self._message.content.split(b"\r\n")
        )
        self._transport.write((stuffed if code == 354 else b"") + b".\r\n")

    def _answered(self, code: int) -> None:
        message, self._message = self._message, None
        assert message is not None
        self._queue.delivered(message, code)
        self._next()

    def _farewell(self, code: int) -> None:
        self._is_over = True
        self._queue.left(None)
        self._transport.close()
