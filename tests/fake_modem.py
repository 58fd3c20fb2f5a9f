"""A modem with bad habits, as a port in virtual time: answers late, twice, mixed up or not at all, and chatter.

It knows for certain what the driver can only guess: whether it is on line (`is_on_line`), how often it was dialled
without having been hung up before (`dialled_on_line`), which PINs it judged (`judged`).
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto


class Line(Enum):
    """What the modem does."""

    ON_HOOK = auto()
    DIALLING = auto()
    ON_LINE = auto()  # bytes go to the other side
    ESCAPED = auto()  # on line, and takes commands


@dataclass(frozen=True)
class Habit:
    """What is done with one answer: after how many seconds, how often, or never."""

    late_s: float = 0.01
    copies: int = 1
    gap_s: float = 0.0  # between the copies


PROPER = Habit()


@dataclass
class FakeModem:
    """`habits` are used up one an answer, then each is as `usual`. `answers`: own ones, by the command's start."""

    habits: Iterable[Habit] = ()
    usual: Habit = PROPER
    answers: dict[str, object] = field(default_factory=dict)
    chatter: Callable[[], list[tuple[float, bytes]]] = list
    dial_s: float = 20.0
    dialled: str = "CONNECT 33600"
    with_dial: str = ""  # a word of something else, said when dialling begins
    has_lines: bool = False  # DTR and DCD
    dcd_is_stuck: bool = False
    obeys_dtr: bool = True
    obeys_escape: bool = True
    obeys_hang_up: bool = True
    echo: bool = True
    quiet: bool = False
    s12: int = 50  # the guard time in fiftieths of a second
    tells_s12: bool = True
    takes_s12: bool = True
    one_at_a_time: bool = False  # takes the next command only after its answer
    pin: str = ""
    tries: int = 3
    tells_tries: bool = False
    device: str = "/dev/fake"

    def __post_init__(self) -> None:
        self.line = Line.ON_HOOK
        self.commands: list[str] = []
        self.sent_on_line: list[bytes] = []
        self.on_hook_at_s: float | None = None
        self.dials = self.dialled_on_line = 0
        self.judged: list[str] = []
        self.is_open = not self.pin
        self.results_of_dials: list[str] = []
        self._habits = deque(self.habits)
        self._buffer, self._typed = bytearray(), b""
        self._ready: asyncio.Event | None = None
        self._busy_until_s = 0.0
        self._call: asyncio.TimerHandle | None = None
        self._pluses = b""
        self._has_chattered = False
        self._last_s = -10.0

    # -- what only the test knows

    @property
    def is_on_line(self) -> bool:
        return self.line in {Line.ON_LINE, Line.ESCAPED}

    @property
    def costs(self) -> bool:
        """On line, or about to be."""
        return self.line is not Line.ON_HOOK

    # -- the port

    async def read(self, most: int) -> bytes:
        while not self._buffer:
            self._ready = asyncio.Event()
            await self._ready.wait()
        data = bytes(self._buffer[:most])
        del self._buffer[:most]
        return data

    async def write(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        if not self._has_chattered:
            self._has_chattered = True
            for after_s, noise in self.chatter():
                loop.call_later(after_s, self.push, noise)
        if self.line is Line.DIALLING:
            self._hang_up("NO CARRIER")
            return  # any byte ends dialling, and is lost (V.250 §5.6.1)
        if self.line is Line.ON_LINE:
            guard_s = self.s12 / 50
            was_quiet = loop.time() - self._last_s >= guard_s
            self._last_s = loop.time()
            self.sent_on_line.append(data)
            if data == b"+++" and was_quiet and self.obeys_escape:
                loop.call_later(guard_s, self._escaped, self._last_s)
            return
        self._typed += data
        while b"\r" in self._typed:
            line, _, self._typed = self._typed.partition(b"\r")
            found = re.search(rb"AT", line, re.IGNORECASE)
            if self.echo:
                self.push(line + b"\r")
            if found:
                self._obey(line[found.start() :].decode("ascii", "replace"))

    def set_speed(self, speed_bps: int) -> None:
        self._buffer.clear()

    def set_dtr(self, on: bool) -> bool:
        if self.has_lines and self.obeys_dtr and not on and self.costs:
            self._hang_up("NO CARRIER" if self.line is Line.ON_LINE else "")
        return self.has_lines

    def carrier(self) -> bool | None:
        return (self.is_on_line or self.dcd_is_stuck) if self.has_lines else None

    def fileno(self) -> int:
        return -1

    def close(self, *, keep_dtr: bool) -> None:
        self._buffer.clear()
        if not keep_dtr:
            self.set_dtr(False)

    def drop(self, words: str = "NO CARRIER") -> None:
        """The other side hangs up."""
        self._hang_up(words)

    def push(self, data: bytes) -> None:
        """Bytes for the computer."""
        self._buffer += data
        if self._ready is not None:
            self._ready.set()

    # -- inside

    def _escaped(self, since_s: float) -> None:
        if self.line is Line.ON_LINE and self._last_s == since_s:
            self.line = Line.ESCAPED
            self._answer("OK")

    def _hang_up(self, words: str) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if self.costs:
            self.on_hook_at_s = asyncio.get_running_loop().time()
        self.line = Line.ON_HOOK
        self._typed = b""
        if words:
            self._answer(words)

    def _obey(self, command: str) -> None:
        self.commands.append(command)
        text = command.upper()
        if "Q0" in text:
            self.quiet = False
        if "E0" in text:
            self.echo = False
        own = [self.answers[start] for start in self.answers if text.startswith(start)]
        if own:
            first = own[0]
            said = (
                first()
                if callable(first)
                else first.pop(0)
                if isinstance(first, list) and len(first) > 1
                else first
            )
            said = said[0] if isinstance(said, list) else said
            if said is not None:
                self._answer(str(said))
        elif text == "ATS12?":
            self._answer(f"{self.s12:03d}\nOK" if self.tells_s12 else "ERROR")
        elif found := re.fullmatch(r"ATS12=(\d+)", text):
            if self.takes_s12:
                self.s12 = int(found[1])
            self._answer("OK" if self.takes_s12 else "ERROR")
        elif re.match(r"ATDT?", text):
            self._dial()
        elif text in {"ATH", "ATH0"}:
            if self.obeys_hang_up:
                self._hang_up("")
            self._answer("OK")
        elif text == "AT+CPINR":
            self._answer(f"+CPINR: SIM PIN,{self.tries},3\nOK" if self.tells_tries else "ERROR")
        elif re.match(r"AT\+CPIN[?=]", text):
            self._answer(self._sim(command))
        elif re.match(r"AT[\^#+](CPIN|SPIC|QPINC|PCT|CPINC|UPINCNT|ZPINPUK)", text):
            self._answer("ERROR")
        elif found := re.match(r"AT(\+C\w*REG)\?", text):
            self._answer(f"{found[1]}: 0,1\nOK")
        elif text == "AT+CSQ":
            self._answer("+CSQ: 20,99\nOK")
        else:
            self._answer("OK")

    def _dial(self) -> None:
        self.dials += 1
        if self.line is Line.ESCAPED:
            self.dialled_on_line += 1
            self._answer("ERROR")
            return
        self.line = Line.DIALLING
        if self.with_dial:
            self._answer(self.with_dial)
        self._call = asyncio.get_running_loop().call_later(self.dial_s, self._dialled)

    def _dialled(self) -> None:
        self._call = None
        self.results_of_dials.append(self.dialled)
        is_up = self.dialled.startswith("CONNECT")
        self.line = Line.ON_LINE if is_up else Line.ON_HOOK
        if is_up:
            self._last_s = asyncio.get_running_loop().time()
            self.push(f"\r\n{self.dialled}\r\n".encode())
        else:
            self._answer(self.dialled)

    def _sim(self, command: str) -> str:
        if command == "AT+CPIN?":
            return "+CPIN: " + ("READY" if self.is_open else "SIM PIN" if self.tries else "SIM PUK") + "\nOK"
        pin = command.partition("=")[2].strip('"')
        self.judged.append(pin)
        if pin == self.pin:
            self.is_open, self.tries = True, 3
            return "OK"
        self.tries -= 1
        return "+CME ERROR: 16" if self.tries else "+CME ERROR: 12"

    def _answer(self, text: str) -> None:
        if self.quiet:
            return
        habit = self._habits.popleft() if self._habits else self.usual
        loop = asyncio.get_running_loop()
        start_s = max(loop.time(), self._busy_until_s) if self.one_at_a_time else loop.time()
        self._busy_until_s = start_s + habit.late_s
        data = "".join(f"\r\n{line}\r\n" for line in text.split("\n")).encode()
        for copy in range(habit.copies):
            loop.call_at(start_s + habit.late_s + copy * habit.gap_s, self.push, data)
