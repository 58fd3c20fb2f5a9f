"""What goes out: tagged commands, compressed once that is agreed; and what each answer will answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from dialpost.core.errors import ProtocolError
from dialpost.core.mail.inbound.dialogue import BoxEvent
from dialpost.core.mail.inbound.imap.answers import Answer
from dialpost.core.mail.inbound.imap.deflate import Deflater


class Ask(Enum):
    """What a tagged answer will answer."""

    CAPABILITY = "CAPABILITY"
    STARTTLS = "STARTTLS"
    LOGIN = "the login"
    COMPRESS = "COMPRESS"
    SELECT = "SELECT"
    LIST = "the list of messages"
    LOOK = "a header"
    CONTENT = "a message"
    STORE = "STORE"
    SEARCH = "SEARCH"
    EXPUNGE = "EXPUNGE"
    LOGOUT = "LOGOUT"


@dataclass(slots=True)
class Piece:
    """A part of a message's content: at most `count` bytes from `at` on. `due`: what is expected of it."""

    uid: int
    at: int
    count: int
    due: int
    came: int = 0
    is_served: bool = False


@dataclass(slots=True)
class Asked:
    """One command that is not answered yet. `uids`: the messages it is about; `pieces`: the content it asks for."""

    ask: Ask
    uids: tuple[int, ...] = ()
    pieces: tuple[Piece, ...] = ()
    is_served: bool = False


class Wire:
    """Bytes out, events out, and the commands that wait for an answer."""

    def __init__(self, trace: Callable[[str], None] | None = None) -> None:
        """`trace` is called with each line of the dialogue, secrets masked, content left out."""
        self._trace = trace
        self._out = bytearray()
        self._events: list[BoxEvent] = []
        self._deflater: Deflater | None = None
        self._tags = 0
        self.asked: dict[str, Asked] = {}
        """By tag, in the order in which they were sent."""

    def command(self, line: bytes, asked: Asked, *, shown: str | None = None) -> None:
        """Queue one command; `shown` replaces it in the trace."""
        self._tags += 1
        tag = f"a{self._tags}"
        self.asked[tag] = asked
        self.line(tag.encode() + b" " + line, shown=None if shown is None else f"{tag} {shown}")

    def line(self, line: bytes, *, shown: str | None = None) -> None:
        """Queue one line that has no tag of its own."""
        self._out += line + b"\r\n"
        if self._trace is not None:
            self._trace("> " + (line.decode("utf-8", "replace") if shown is None else shown))

    def answered(self, answer: Answer) -> Asked:
        """The command that a tagged answer ends. Raises: ProtocolError if there is none."""
        asked = self.asked.pop(answer.tag, None)
        if asked is None or answer.word not in {"OK", "NO", "BAD"}:
            raise ProtocolError(f"the server answered what was not asked ({answer.tag} {answer})")
        return asked

    def waits_for(self, ask: Ask) -> bool:
        """Whether such a command is not answered yet."""
        return any(asked.ask is ask for asked in self.asked.values())

    def note(self, answer: Answer) -> None:
        """An answer arrived: only for the trace."""
        if self._trace is not None:
            self._trace(f"< {answer.tag} {answer}")

    def compress(self) -> None:
        """What is queued from now on goes out compressed (RFC 4978 §3)."""
        assert not self._out, "it would be compressed, too"
        self._deflater = Deflater()

    def tell(self, event: BoxEvent) -> None:
        """Queue an event behind those not yet taken."""
        self._events.append(event)

    def take_output(self) -> bytes:
        """The bytes to send now; the caller owns them from here on."""
        data, self._out = bytes(self._out), bytearray()
        return self._deflater.pack(data) if self._deflater is not None and data else data

    def drop_output(self) -> None:
        """Discard what was not taken: the connection is gone, or out of step."""
        self._out.clear()

    def take_events(self) -> list[BoxEvent]:
        """The events since the last call, in order."""
        events, self._events = self._events, []
        return events
