"""The simulated panel in a terminal: lights, the button on keys, what is going on. Plain ANSI; 80 x 24 is enough.

The panel is the station's own down to gpiozero's devices, which are on mock pins (`edge/panel/gpio/simulated`):
each light shows its pin's level, and a key presses the button for some time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import sys
import termios
import tty
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path

from dialpost.core.errors import DialpostError
from dialpost.core.mail.session import Listener
from dialpost.core.panel.lights import SIGNALS, Led, light
from dialpost.edge.panel.gpio.simulated import SimulatedLines
from dialpost.sim.letters import DOMAIN, WORLD, make_letters
from dialpost.sim.world import ACCOUNTS, USERS_ADDRESS, WORLD_ADDRESSES, World, WorldSettings

FRAME_S = 0.08
_CLEAR, _HOME, _ERASE_LINE, _ERASE_BELOW = "\x1b[2J", "\x1b[H", "\x1b[K", "\x1b[J"
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_BOLD, _DIM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"
_COLOURS = {Led.LINE: "\x1b[32m", Led.FAULT: "\x1b[31m", Led.MAIL: "\x1b[33m", Led.POWER: "\x1b[32m"}
_KEYS = (
    "Enter, space: press the button   h: hold it 3 s   r: hold it 10 s   b: down, up",
    "s: anna sends a message   a: a message for anna reaches the provider   q: quit",
)
_HOLDS_S = {"\r": 0.15, "\n": 0.15, " ": 0.15, "h": 3.3, "r": 10.5}
"""How long a key holds the button."""
_SILENT = {"works", "waiting", "arrived", "online"}
"""Signals that the other lines show better."""
_TOLD_BY_THE_CALL = ("call:", "etrn:")
"""Lines of the mail log that repeat the call's own messages."""


async def show(settings: WorldSettings, folder: Path, console_bps: int) -> int:
    """Run the world and its panel until `q`; the exit status."""
    lines = SimulatedLines()
    world = World(settings, folder, lines)
    print("Starting the station ...", flush=True)
    try:
        await world.start()
        world.open_console(console_bps)
        world.hold(make_letters("in", 3, 0, sender=WORLD_ADDRESSES[0], recipients=(f"anna@{DOMAIN}",)))
        await PanelView(world, lines).run()
    finally:
        await world.stop()
    return 0


class PanelView:
    """Draws the world and passes keys on."""

    def __init__(self, world: World, lines: SimulatedLines) -> None:
        self._world, self._lines = world, lines
        self._log: deque[str] = deque(maxlen=200)
        self._quit = asyncio.Event()
        self._made = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._shown = ""

    async def run(self) -> None:
        """Run until the key `q`; the terminal is restored on return, whatever happens."""
        world = self._world
        station, unsubscribe = world.station, world.station.calls.subscribe(self._note)
        with self._mail_log(), _raw_terminal(self._key):
            while not self._quit.is_set():
                if world.station is not station:  # a commit at the console has replaced it
                    unsubscribe()
                    station, unsubscribe = world.station, world.station.calls.subscribe(self._note)
                    self._note("the station has a new configuration")
                self._draw()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._quit.wait(), FRAME_S)
        unsubscribe()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- what happens ---------------------------------------------------------------------------------

    def _note(self, words: str) -> None:
        self._log.append(f"{self._world.seconds():6.1f}  {words}")

    @contextlib.contextmanager
    def _mail_log(self) -> Iterator[None]:
        """Show the station's mail log, and the panel's, in the view."""
        handler = _Lines(self._note)
        loggers = [logging.getLogger(name) for name in ("dialpost.mail", "dialpost.panel")]
        before = [(logger, logger.level, logger.propagate) for logger in loggers]
        for logger in loggers:
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)
            logger.propagate = False
        try:
            yield
        finally:
            for logger, level, spreads in before:
                logger.removeHandler(handler)
                logger.setLevel(level)
                logger.propagate = spreads

    def _key(self, key: str) -> None:
        if key in _HOLDS_S:
            self._lines.hold(_HOLDS_S[key])
        elif key == "b":
            if self._lines.held_s is None:
                self._lines.hold(None)
            else:
                self._lines.let_go()
        elif key == "a":
            self._made += 1
            self._world.hold(
                make_letters("in", 1, self._made, sender=f"cleo@{WORLD}", recipients=(f"anna@{DOMAIN}",))
            )
            self._note("a message for anna reached the provider")
        elif key == "s":
            self._made += 1
            self._later(self._send(self._made))
        elif key in {"q", "\x04"}:
            self._quit.set()

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, number: int) -> None:
        letters = make_letters("out", 1, number, sender=f"anna@{DOMAIN}", recipients=WORLD_ADDRESSES[:1])
        try:
            await self._world.hand_in(letters)
        except DialpostError as error:
            self._note(str(error))

    # -- what is drawn --------------------------------------------------------------------------------

    def _draw(self) -> None:
        columns, rows = shutil.get_terminal_size((80, 24))
        lines = self._frame(columns)
        room = max(0, rows - len(lines) - 1)
        lines += list(self._log)[-room:] if room else []
        drawn = "".join(_cut(line, columns) + _ERASE_LINE + "\n" for line in lines[: rows - 1])
        frame = _HOME + drawn + _ERASE_BELOW
        if frame != self._shown:
            self._shown = frame
            sys.stdout.write(frame)
            sys.stdout.flush()

    def _frame(self, columns: int) -> list[str]:
        world = self._world
        submission = world.port(Listener.SUBMISSION)
        return [
            f"{_BOLD}Dialpost{_PLAIN}: a real station for {DOMAIN}; line and provider are simulated",
            "-" * columns,
            "  " + "     ".join(self._light(led) for led in Led) + f"     [ button: {self._button_words()} ]",
            f"  {self._line_words()}",
            f"  {self._waiting_words()}",
            *[f"  panel: {words}" for words in self._signal_words()],
            "-" * columns,
            *[f"{_DIM}{keys}{_PLAIN}" for keys in _KEYS],
            f"Send with any mail program: server {USERS_ADDRESS}, port {submission} (STARTTLS),",
            f"  user {ACCOUNTS[0]}, password {world.passwords[ACCOUNTS[0]]}; or with swaks:",
            f"  swaks -s {USERS_ADDRESS}:{submission} -tls -au {ACCOUNTS[0]} -ap {world.passwords[ACCOUNTS[0]]}",
            f"        -f anna@{DOMAIN} -t {WORLD_ADDRESSES[0]}",
            *self._console_words(),
            f"Status: .venv/bin/dialpost --config {world.config_path} status",
            "-" * columns,
        ]

    def _console_words(self) -> list[str]:
        seat = self._world.console
        if seat is None:
            return []
        link, rate_bps = seat.link, seat.rate_bps
        return [f"Console: screen {link} {rate_bps}  or  minicom -D {link}"]

    def _light(self, led: Led) -> str:
        return f"{_COLOURS[led]}{'●' if self._lines.lit(led) else '○'}{_PLAIN} {led.value}"

    def _button_words(self) -> str:
        held_s = self._lines.held_s
        return "Enter" if held_s is None else f"held {held_s:.0f} s"

    def _line_words(self) -> str:
        calls = self._world.station.calls
        current = calls.status()["current"]
        words = f"line: {calls.state_words}"
        if isinstance(current, dict):
            words += (
                f", {current['online_s']:.0f} s; {current['bytes_up']} bytes up, {current['bytes_down']} down;"
                f" {current['received']} received"
            )
        return words

    def _waiting_words(self) -> str:
        mail = len(self._world.mailbox("anna"))
        waiting = self._world.station.panel.state.waiting
        return (
            f"waiting: {waiting} for the world, {self._world.provider.waiting} at the provider; anna's mailbox: "
            f"{mail}; sent: {len(self._world.provider.ledger.received)}"
        )

    def _signal_words(self) -> list[str]:
        """The most urgent signal, unless another line shows it."""
        name = light(tuple(Led), self._world.station.panel.state).signal
        return [signal.words for signal in SIGNALS if signal.name == name and name not in _SILENT]


class _Lines(logging.Handler):
    """Passes on each record's text."""

    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._note = note

    def emit(self, record: logging.LogRecord) -> None:
        words = record.getMessage()
        if not words.startswith(_TOLD_BY_THE_CALL):
            self._note(words)


def _cut(line: str, columns: int) -> str:
    """The line cut to the width; escape sequences take no room and are kept whole."""
    out, width, index = [], 0, 0
    while index < len(line):
        if line[index] == "\x1b":
            end = line.index("m", index) + 1
            out.append(line[index:end])
            index = end
            continue
        if width < columns:
            out.append(line[index])
            width += 1
        index += 1
    return "".join(out)


@contextlib.contextmanager
def _raw_terminal(key: Callable[[str], None]) -> Iterator[None]:
    """Keys one by one without echo, the alternate screen; restored at the end."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    loop = asyncio.get_running_loop()

    def read() -> None:
        pressed = os.read(descriptor, 32).decode(errors="ignore")
        if not pressed:
            key("q")
        elif not pressed.startswith("\x1b"):  # arrows and the like are not our keys
            for one in pressed:
                key(one)

    tty.setcbreak(descriptor)
    sys.stdout.write(_ENTER + _CLEAR)
    loop.add_reader(descriptor, read)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()
