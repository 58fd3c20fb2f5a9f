"""What is specific to a kind of modem: one file in board/modems/, as a value. `profile_text` parses it.

Every field is declared like those of the configuration (`core/config/setting`), so the file's checks and messages
come from here. `faults` lists contradictions.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dialpost.core.config.setting import setting

SPEEDS_BPS = (300, 1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600)
"""Speeds that serial ports offer between board and modem."""

MODE, NUMBER = "{mode}", "{number}"
"""In `ModemProfile.dial`: tone or pulse, and what is dialled."""


class FlowControl(Enum):
    """How board and modem stop each other when a buffer is full."""

    RTSCTS = "rtscts"  # hardware: what PPP wants
    XONXOFF = "xonxoff"  # by characters: PPP must then escape them (pppd's asyncmap a0000)
    NONE = "none"


class Medium(Enum):
    """What kind of line a modem has: it decides which advice fits."""

    TELEPHONE = "telephone"
    CELLULAR = "cellular"
    SATELLITE = "satellite"  # or radio: neither dial tone nor SIM


class HangUpWay(Enum):
    """How the modem is made to hang up."""

    DTR = "dtr"  # DTR goes off for dtr_pulse_ms (V.250 §6.1.2 and the &D command)
    ESCAPE = "escape"  # silence, +++, silence, ATH (the escape sequence with guard time)


class ControlLines(Enum):
    """Whether DTR and DCD are wired and reliable."""

    FIND_OUT = "find-out"  # assumed to be, if the port has them and DCD was seen to come up
    YES = "yes"
    NO = "no"


class ResultKind(Enum):
    """What a modem's final words mean (ITU-T V.250 table 1, and the words makers added)."""

    OK = "ok"
    CONNECT = "connect"
    RING = "ring"
    NO_CARRIER = "no-carrier"
    ERROR = "error"
    NO_DIALTONE = "no-dialtone"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    DELAYED = "delayed"  # the modem itself enforces a pause between attempts at a number
    BLACKLISTED = "blacklisted"  # the modem itself will not dial a number any more
    VOICE = "voice"  # a human answered, not a modem


@dataclass(frozen=True, slots=True)
class ModemProfile:
    """One file of board/modems/. `name` is the file's name without .toml, as modem.profile has it."""

    name: str = setting("hayes", "Its name in modem.profile: the file's name without .toml.")
    title: str = setting("", "The modem's name, for people.", required=True)
    source: str = setting("", "Where these facts come from.", required=True)
    note: str = setting("", "Anything else worth knowing about it.")
    speed_bps: int = setting(
        115_200, "Speed between board and modem.", unit="bits per second", minimum=300, maximum=4_000_000
    )
    flow_control: FlowControl = setting(  # noqa: RUF009
        FlowControl.RTSCTS, "How board and modem stop each other: rtscts, xonxoff or none."
    )
    has_control_lines: ControlLines = setting(  # noqa: RUF009
        ControlLines.FIND_OUT, "Whether DTR and DCD can be relied on: yes, no or find-out."
    )
    init: tuple[str, ...] = setting(
        ("AT&F", "AT&C1&D2"), "AT commands sent in turn before each call; echo and verbose results are set before."
    )
    must: tuple[str, ...] = setting(
        (),
        "Those of init without which no call can be made; where another is refused, that is noted and the call "
        "goes on.",
    )
    reset: str = setting("ATZ", "Command that brings a modem back that refuses a must; empty: none.")
    settle_s: float = setting(
        0.5,
        "Rest after opening the port, after a reset and after DTR comes back.",
        unit="seconds",
        minimum=0,
        maximum=30,
    )
    answer_s: float = setting(
        3.0, "Longest wait for the answer to a command.", unit="seconds", minimum=0.5, maximum=120
    )
    dial: str = setting(
        "ATD{mode}{number}", "The dial command; {mode} is T or P, left out where the network knows neither."
    )
    default_numbers: tuple[str, ...] = setting(
        (), "Dialled where modem.numbers is empty, like *99***1# on a cellular modem.", kind="phone-number"
    )
    connect_s: int = setting(
        120, "Longest wait for a result after dialling.", unit="seconds", minimum=5, maximum=600
    )
    blind_dial_init: str = setting("X3", "Makes it dial without waiting for the dial tone; empty: it never waits.")
    results: tuple[str, ...] = setting(
        (), 'Words of its own and what they mean, like "LINE IN USE = busy".', example='["LINE IN USE = busy"]'
    )
    hang_up: tuple[HangUpWay, ...] = setting(
        (HangUpWay.DTR, HangUpWay.ESCAPE), "Ways to hang up, tried in turn until the carrier is gone: dtr, escape."
    )
    dtr_pulse_ms: int = setting(
        1000, "How long DTR goes off to hang up.", unit="milliseconds", minimum=50, maximum=9000
    )
    dtr_off_max_s: float = setting(
        0.0,
        "DTR must not be off for longer; 0 = no matter. It is then left on between calls.",
        unit="seconds",
        minimum=0,
        maximum=3600,
    )
    guard_s: float = setting(
        1.1,
        "Silence before and after the escape sequence, if the modem does not report its register S12.",
        unit="seconds",
        minimum=0,
        maximum=10,
    )
    escape: str = setting("+++", "The escape sequence.")
    cellular: bool = setting(False, "It has a SIM: PIN, access point, registration and signal are seen to.")
    registration_s: int = setting(
        60, "Longest wait for a network (cellular, satellite).", unit="seconds", minimum=1, maximum=600
    )
    registration_query: str = setting(
        "",
        "Asks whether a network is there, like +CREG; empty: nothing is asked. Cellular modems are asked "
        "+CEREG, +CGREG and +CREG.",
    )
    line_rate_bps: int = setting(
        0,
        "The line's own rate, where CONNECT does not tell it; 0: it does, or nobody knows.",
        unit="bits per second",
        minimum=0,
        maximum=1_000_000_000,
    )
    signal_query: str = setting("", "Asks for the signal's strength, like +CSQ, or +CSQF (Iridium); empty: none.")

    @property
    def medium(self) -> Medium:
        """What kind of line it has."""
        if self.cellular:
            return Medium.CELLULAR
        return Medium.TELEPHONE if self.telephone else Medium.SATELLITE

    @property
    def telephone(self) -> bool:
        """Whether there are a dial tone, tones and pulses."""
        return MODE in self.dial

    @property
    def own_results(self) -> dict[str, ResultKind]:
        """`results`, parsed: words in capitals and what they mean. Raises: ValueError if `faults` finds one."""
        pairs = (entry.rpartition("=") for entry in self.results)
        return {words.strip().upper(): ResultKind(kind.strip()) for words, _, kind in pairs}

    def faults(self) -> list[str]:
        """Contradictions, a sentence each."""
        found = []
        for name, commands in (("init", self.init), ("reset", (self.reset,) if self.reset else ())):
            found += [
                f'{name} has "{command}", which does not begin with AT.'
                for command in commands
                if not command.upper().startswith("AT")
            ]
        found += [
            f'must has "{command}", which is not in init.' for command in self.must if command not in self.init
        ]
        if NUMBER not in self.dial or not self.dial.upper().startswith("ATD"):
            found.append(f'dial = "{self.dial}" is not allowed: it begins with ATD and has {NUMBER} in it.')
        if MODE in self.dial and f"{MODE}{NUMBER}" not in self.dial:
            found.append(f'dial = "{self.dial}" is not allowed: {MODE} stands right before {NUMBER}.')
        found += [fault for entry in self.results if (fault := _result_fault(entry))]
        if not self.hang_up:
            found.append("hang_up names no way to hang up: give dtr, escape or both.")
        if self.hang_up == (HangUpWay.DTR,) and self.has_control_lines is ControlLines.NO:
            found.append("hang_up knows dtr only, and has_control_lines says there is no DTR.")
        if self.dtr_off_max_s and self.dtr_pulse_ms / 1000 >= self.dtr_off_max_s:
            found.append("dtr_pulse_ms is not shorter than dtr_off_max_s.")
        if HangUpWay.ESCAPE in self.hang_up and len(self.escape) != 3:
            found.append(f'escape = "{self.escape}" is not allowed: it is one character three times, like +++.')
        return found


def _result_fault(entry: str) -> str:
    words, equals, kind = entry.rpartition("=")
    known = [one.value for one in ResultKind]
    if equals and words.strip() and kind.strip() in known:
        return ""
    return f'results has "{entry}", which is not like "LINE IN USE = busy"; there are: {", ".join(known)}.'
