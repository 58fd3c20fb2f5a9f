"""A simulated modem as its computer sees it: the DCE side of ITU-T V.250, without I/O.

`receive` takes what the computer sent and returns events; `data_to_send` is what the computer reads. The owner of
the line (sim/telephone) acts on the events and reports back: `connected`, `failed`, `ring`, `carrier_lost`. `tick`
is called with the time (seconds, monotonic) for the guard time of the escape sequence.

It knows what chat scripts, pppd, minicom and Dialpost use: E V Q X Z I H A O D T P, &-commands, S-registers, A/,
+++ with guard time, online command mode, +G.. identities, and a SIM's +CPIN, +CREG, +CSQ, +CGDCONT, Iridium's +CSQF
and +CBST. A command it does not know is an ERROR, as on a real one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

IDENTITY = ("Dialpost", "Simulated Modem V.90", "1.0")
_NUMERIC = {
    "OK": 0,
    "CONNECT": 1,
    "RING": 2,
    "NO CARRIER": 3,
    "ERROR": 4,
    "NO DIALTONE": 6,
    "BUSY": 7,
    "NO ANSWER": 8,
    "DELAYED": 24,
    "BLACKLISTED": 32,
}
_LONGEST_LINE = 255
_REGISTERS = {0: 0, 1: 0, 2: 43, 3: 13, 4: 10, 5: 8, 6: 2, 7: 50, 8: 2, 9: 6, 10: 14, 11: 95, 12: 50}
_DIAL = re.compile(r"[TPtp]?([0-9A-Da-d*#,wW@!+ ().\-TPtp]*)(;?)")
_GUARD_UNIT_S = 0.02


class Mode(Enum):
    """What the modem does with bytes from its computer."""

    COMMAND = auto()
    DIALLING = auto()  # waits for the line; any byte ends it (V.250 §5.6.1)
    DATA = auto()
    ONLINE_COMMAND = auto()  # a call is up, commands are accepted


@dataclass(frozen=True, slots=True)
class Dial:
    """Call this number: digits and letters only, without modifiers."""

    number: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer the ringing call."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call, or the attempt."""


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes for the line."""

    content: bytes


Event = Dial | Answer | HangUp | Data


class SimulatedModem:
    """One modem, of every kind at once. `stored`: E0, Q1 and V0 in its stored settings; `refuses`: beginnings of
    command lines (after AT) that it refuses. `sim_pin` makes its SIM ask for that PIN (three attempts); without
    `has_sim` it is a telephone modem only.
    """

    def __init__(
        self, *, sim_pin: str | None = None, has_sim: bool = True, stored: str = "", refuses: tuple[str, ...] = ()
    ) -> None:
        self._has_sim, self._stored = has_sim, stored.upper()
        self._refuses = tuple(command.upper() for command in refuses)
        self._tells_causes = False
        self.mode = Mode.COMMAND
        self.sim_pin, self.pin_tries, self.pin_given = sim_pin, 3, not sim_pin
        self._recall()
        self._out = bytearray()
        self._line = bytearray()
        self._last_line = "AT"
        self._pluses = 0
        self._last_data_s = -1e9
        self._events: list[Event] = []

    def _reset(self) -> None:
        self._echo, self._verbose, self._quiet = True, True, False
        self._level = 4
        self._registers = dict(_REGISTERS)

    def _recall(self) -> None:
        """As after power-on, or ATZ."""
        self._reset()
        self._echo, self._quiet = "E0" not in self._stored, "Q1" in self._stored
        self._verbose = "V0" not in self._stored

    # -- the computer's side --------------------------------------------------------------------------

    def receive(self, data: bytes, now_s: float) -> list[Event]:
        """What the computer sent."""
        for index in range(len(data)):
            byte = data[index : index + 1]
            if self.mode is Mode.DATA:
                rest = data[index:]
                self._online_data(rest, now_s)
                break
            if self.mode is Mode.DIALLING:
                self.mode = Mode.COMMAND
                self._events.append(HangUp())
                self._result("NO CARRIER")
            else:
                self._command_byte(byte)
        found, self._events = self._events, []
        return found

    def tick(self, now_s: float) -> None:
        """Time passes: silence after +++ makes it an escape."""
        if self.mode is Mode.DATA and self._pluses == 3 and now_s - self._last_data_s >= self._guard_s:
            self._pluses = 0
            self.mode = Mode.ONLINE_COMMAND
            self._result("OK")

    @property
    def wakes_at_s(self) -> float | None:
        """When `tick` has something to do; None: never."""
        return self._last_data_s + self._guard_s if self.mode is Mode.DATA and self._pluses == 3 else None

    def data_to_send(self) -> bytes:
        """Output for the computer; returned once."""
        found = bytes(self._out)
        self._out.clear()
        return found

    # -- the line's side ------------------------------------------------------------------------------

    def connected(self, rate_bps: int) -> None:
        """The carrier is up."""
        if self.mode in {Mode.DIALLING, Mode.COMMAND}:
            self._result("CONNECT" if self._level == 0 else f"CONNECT {rate_bps}")
            self.mode = Mode.DATA
            self._pluses = 0

    def failed(self, result: str) -> None:
        """The call failed: "BUSY", "NO ANSWER" ..."""
        if self.mode is Mode.DIALLING:
            self.mode = Mode.COMMAND
            self._result(result)

    def silent(self) -> None:
        """The call failed, and the modem says nothing about it."""

    def ring(self) -> None:
        """Somebody calls. Answers automatically if S0 says so."""
        if self.mode is Mode.COMMAND:
            self._result("RING")

    @property
    def answers_by_itself(self) -> bool:
        """Whether S0 is set."""
        return self._registers[0] > 0

    def carrier_lost(self) -> None:
        """The other end hung up, or the line was cut."""
        if self.mode in {Mode.DATA, Mode.ONLINE_COMMAND, Mode.DIALLING}:
            self.mode = Mode.COMMAND
            self._line.clear()
            self._result("NO CARRIER")

    def from_line(self, data: bytes) -> None:
        """What the other end sent."""
        if self.mode is Mode.DATA:
            self._out += data

    # -- inside ---------------------------------------------------------------------------------------

    @property
    def _guard_s(self) -> float:
        return self._registers[12] * _GUARD_UNIT_S

    def _online_data(self, data: bytes, now_s: float) -> None:
        """The escape is three S2 characters after silence, with nothing after them; they are sent on
        nevertheless."""
        sign = self._registers[2]
        quiet_before = now_s - self._last_data_s >= self._guard_s or 0 < self._pluses < 3
        if len(data) <= 3 and quiet_before and sign < 128 and data == bytes([sign]) * len(data):
            self._pluses = self._pluses + len(data) if self._pluses + len(data) <= 3 else 0
        else:
            self._pluses = 0
        self._last_data_s = now_s
        self._events.append(Data(data))

    def _command_byte(self, byte: bytes) -> None:
        if self._echo:
            self._out += byte
        if byte[0] == self._registers[5] and self._line:
            del self._line[-1]
        elif byte[0] == self._registers[3]:
            self._command_line()
        elif byte == b"/" and self._line.upper() == b"A":
            self._line.clear()
            self._obey(self._last_line)
        elif byte[0] >= 32 and len(self._line) < _LONGEST_LINE:
            self._line += byte

    def _command_line(self) -> None:
        text = bytes(self._line).decode("ascii", "replace")
        self._line.clear()
        start = text.upper().rfind("AT")
        if start < 0:
            return  # ignored: V.250 §5.2.1
        self._last_line = text[start:]
        self._obey(self._last_line)

    def _obey(self, line: str) -> None:
        rest: str | None = line[2:].strip()
        if rest and self._refuses and rest.upper().startswith(self._refuses):
            self._error()
            return
        while rest:
            rest = self._obey_one(rest)
        if rest is not None:
            self._result("OK")

    def _obey_one(self, text: str) -> str | None:
        """What is left of the line; None if the line has been answered."""
        letter = text[0].upper()
        if letter == "D":
            return self._dial(text[1:])
        if letter == "+":
            command, _, rest = text.partition(";")
            known = self._extended(command.upper(), command)
            return None if known is None else rest.strip() if known else self._refused()
        if letter == "S" and (found := re.match(r"[Ss](\d{1,3})(?:=(\d{0,3})|(\?))", text)):
            return self._register(found, text[found.end() :])
        basic = re.match(r"([A-Za-z]|[&\\%*][A-Za-z])(\d*)", text)
        if basic is None:
            return self._refused()
        known = self._basic(basic[1].upper(), int(basic[2] or 0))
        if known is None:
            return None
        return text[basic.end() :].strip() if known else self._refused()

    def _basic(self, name: str, value: int) -> bool | None:
        """Whether the command is known; None if it has been answered."""
        if name in "AO":
            return self._answer() if name == "A" else self._back_online()
        if name == "H" and value in {0, 1}:
            if value == 0 and self.mode is Mode.ONLINE_COMMAND:
                self.mode = Mode.COMMAND
            if value == 0:
                self._events.append(HangUp())
            return True
        settings: dict[str, Callable[[], None]] = {
            "E": lambda: setattr(self, "_echo", value == 1),
            "V": lambda: setattr(self, "_verbose", value == 1),
            "Q": lambda: setattr(self, "_quiet", value == 1),
            "X": lambda: setattr(self, "_level", value),
            "Z": self._recall,
            "&F": self._reset,
            "I": lambda: self._say(IDENTITY[1] if value else "56000"),
        }
        if name in settings:
            settings[name]()
            return True
        return name[0] in "&\\%" or name in {"L", "M", "N", "T", "P", "B", "C", "F", "W", "Y"}

    def _answer(self) -> bool | None:
        self._events.append(Answer())
        return None

    def _back_online(self) -> bool | None:
        if self.mode is not Mode.ONLINE_COMMAND:
            return False
        self.mode = Mode.DATA
        self._result("CONNECT")
        return None

    def _register(self, found: re.Match[str], rest: str) -> str | None:
        number = int(found[1])
        if found[3]:
            self._say(f"{self._registers.get(number, 0):03d}")
        elif int(found[2] or 0) > 255:
            return self._refused()
        else:
            self._registers[number] = int(found[2] or 0)
        return rest.strip()

    def _extended(self, command: str, as_written: str) -> bool | None:
        """Whether it is known; None if it has been answered."""
        answers = {
            "+GMI": IDENTITY[0],
            "+CGMI": IDENTITY[0],
            "+GMM": IDENTITY[1],
            "+CGMM": IDENTITY[1],
            "+GMR": IDENTITY[2],
            "+CGMR": IDENTITY[2],
            "+FCLASS?": "0",
            "+FCLASS=?": "0",
            "+CSQ": "+CSQ: 20,99",
            "+CSQF": "+CSQF:5",
            "+GCAP": "+GCAP: +MS,+ES,+DS",
            "+CREG?": "+CREG: 0,1" if self.pin_given else "+CREG: 0,0",
            "+CGREG?": "+CGREG: 0,1" if self.pin_given else "+CGREG: 0,0",
            "+CEREG?": "+CEREG: 0,1" if self.pin_given else "+CEREG: 0,0",
        }
        if command in answers:
            self._say(answers[command])
            return True
        if command.startswith("+CPIN") and not self._has_sim:
            return False
        if command == "+CPIN?":
            waits = "READY" if self.pin_given else "SIM PIN" if self.pin_tries else "SIM PUK"
            self._say(f"+CPIN: {waits}")
            return True
        if command == "+CPINR":
            self._say(f"+CPINR: SIM PIN,{self.pin_tries},3")
            return True
        if command.startswith("+CMEE="):
            self._tells_causes = command != "+CMEE=0"
            return True
        if command.startswith("+CPIN="):
            return self._pin(as_written[6:].strip('"'))
        return bool(re.match(r"\+(FCLASS=0|CGDCONT=|CBST=|MS=|DS=|ES=|MR=|ER=|DR=|IFC=|IPR=|ICF=|CFUN=1)", command))

    def _pin(self, pin: str) -> bool | None:
        if self.pin_given or not self.pin_tries:
            return False
        self.pin_given = pin == self.sim_pin
        self.pin_tries = 3 if self.pin_given else self.pin_tries - 1
        if not self.pin_given and self._tells_causes:
            self._result(f"+CME ERROR: {16 if self.pin_tries else 12}")
            return None
        return self.pin_given

    def _dial(self, text: str) -> str | None:
        found = _DIAL.match(text)
        if found is None or self.mode is not Mode.COMMAND or not self.pin_given:
            self._error()
            return None
        self.mode = Mode.DIALLING
        self._events.append(Dial(re.sub(r"[^0-9A-D*#+]", "", found[1].upper())))
        return None

    def _refused(self) -> str | None:
        self._error()
        return None

    def _error(self) -> None:
        self._result("ERROR")

    def _say(self, text: str) -> None:
        self._out += f"\r\n{text}\r\n".encode() if self._verbose else f"{text}\r\n".encode()

    def _result(self, words: str) -> None:
        if self._level < 2 and words == "NO DIALTONE":
            words = "NO CARRIER"
        if self._level in {0, 1, 2} and words == "BUSY":
            words = "NO CARRIER"
        if self._quiet:
            return
        if self._verbose or words.startswith("+"):
            self._out += f"\r\n{words}\r\n".encode()
        else:
            self._out += f"{_NUMERIC[' '.join(w for w in words.split() if not w.isdigit())]}\r".encode()
