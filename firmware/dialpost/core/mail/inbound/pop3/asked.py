"""What was asked and is not answered yet, in order: the place where input finds its meaning."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from dialpost.core.errors import ProtocolError
from dialpost.core.mail.esmtp.expected import LEAST_WAIT_S
from dialpost.core.mail.inbound.pop3.answers import MAX_STATUS_BYTES, Body, Status, read_status

ANSWER_WAIT_S = 300.0
"""For a status line. RFC 1939 sets no limit for clients; SMTP's is this (RFC 5321 §4.5.3.2)."""
BODY_WAIT_S = 180.0
"""For each piece of a list or a message, never for the whole."""


@dataclass(slots=True)
class Asked:
    """One command. `answered` gets its status line; `body`, if there is one, takes what follows a +OK."""

    what: str
    answered: Callable[[Status], None]
    body: Body | None = None
    limit_s: float = ANSWER_WAIT_S
    least_s: float = LEAST_WAIT_S


class Answers:
    """Cuts the input into answers. Bounded, whatever comes."""

    def __init__(self) -> None:
        self._asked: deque[Asked] = deque()
        self._line = bytearray()
        self._body: Body | None = None

    def __len__(self) -> int:
        return len(self._asked)

    @property
    def first(self) -> Asked | None:
        """What the next input answers."""
        return self._asked[0] if self._asked else None

    @property
    def is_in_body(self) -> bool:
        """Whether a list or a message is coming in."""
        return self._body is not None

    def expect(self, asked: Asked) -> None:
        """A command was sent."""
        self._asked.append(asked)

    def receive(self, data: bytes, is_over: Callable[[], bool]) -> bytes:
        """Take input until it is used up, or a handler has ended this (`is_over`); returns the rest of it.

        Raises: ProtocolError.
        """
        rest: bytes | None = data
        while rest and not is_over():
            rest = self._take_body(rest) if self._body is not None else self._take_line(rest)
        return rest or b""

    def _take_body(self, data: bytes) -> bytes | None:
        assert self._body is not None
        rest = self._body.feed(data)
        if rest is not None:
            self._body = None
            self._asked.popleft()
        return rest

    def _take_line(self, data: bytes) -> bytes:
        end = data.find(b"\n") + 1
        self._line += data[: end or len(data)]
        if len(self._line) > MAX_STATUS_BYTES:
            raise ProtocolError("the server sends a line without end")
        if not end:
            return b""
        line, self._line = bytes(self._line), bytearray()
        self._answer(read_status(line))
        return data[end:]

    def _answer(self, status: Status) -> None:
        if not self._asked:
            raise ProtocolError(f"the server says unasked: {status.words}")
        asked = self._asked[0]
        if status.is_ok and asked.body is not None:
            self._body = asked.body
        else:
            self._asked.popleft()
        asked.answered(status)
