"""A daemon in its own thread, and consoles to it: scripted in this process, or the real program."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pexpect
from pexpect import fdpexpect

from dialpost.cli.console.session import EditingSession
from dialpost.cli.console.shell import Shell
from dialpost.cli.console.terminal import ConsoleTerminal
from dialpost.core.errors import TerminalGoneError
from dialpost.daemon import Daemon
from dialpost.sim.console_seat import ConsoleSeat
from loop_thread import HANGS_S, LoopThread
from quick_start import QuickSpawn

CONFIG = """\
[station]
hostname = "mail.clinic.example"
domains = ["clinic.example"]
data_dir = "{folder}/data"
run_dir = "{folder}/run"

[smtp]
listen = ["127.0.0.1:0"]
submission_listen = ["127.0.0.1:0"]
submissions_listen = ["127.0.0.1:0"]
disk_reserve_bytes = 0

[outbound]
smarthost = "smtp.provider.example"
"""
PROMPT = r"dialpost\*?> \Z"
SEARCHED = 4000
"""Octets: the last ones, in which pexpect looks for what is expected; otherwise it looks through all that was said
so far for each octet that comes. It reads up to 2000 at once, and must look through all of those.
"""


class LiveDaemon:
    """The real daemon, its loop in a thread. `config` None: there is no configuration file."""

    def __init__(self, folder: Path, config: str | None = CONFIG) -> None:
        self.folder, self.config_path = folder, folder / "dialpost.toml"
        self.socket = folder / "run" / "control.sock"
        if config is not None:
            self.config_path.write_text(config.replace("{folder}", str(folder)), encoding="utf-8")
        self._loop: LoopThread | None = LoopThread()
        try:
            self._loop.run(self._start())
        except BaseException:
            self._loop.stop()
            raise

    async def _start(self) -> None:
        self.daemon = Daemon(self.config_path)
        await self.daemon.start()

    def ask(self, function: Callable[[], object]) -> object:
        """Run a function in the daemon's loop."""

        async def run() -> object:
            return function()

        assert self._loop is not None
        return self._loop.run(run())

    def leap(self, seconds: float) -> None:
        """Let all timers run that are due within these seconds."""
        assert self._loop is not None
        self._loop.leap(seconds)

    def until(self, happened: Callable[[], object]) -> None:
        """Wait until this holds in the daemon's loop; nobody tells when."""
        give_up_s = time.monotonic() + HANGS_S
        while not self.ask(happened):
            assert time.monotonic() < give_up_s
            time.sleep(0.01)

    def stop(self) -> None:
        """End it."""
        if self._loop is not None:
            loop, self._loop = self._loop, None
            try:
                loop.run(self.daemon.stop())
            finally:
                loop.stop()


@contextlib.contextmanager
def live_daemon(folder: Path, config: str | None = CONFIG) -> Iterator[LiveDaemon]:
    """One that ends with the block."""
    made = LiveDaemon(folder, config)
    try:
        yield made
    finally:
        made.stop()


class ScriptedTty:
    """A tty of which everything typed is known beforehand; then the operator is gone."""

    def __init__(self, typed: str | bytes = b"", *, columns: int = 300, lines: int = 10_000) -> None:
        self._typed = [typed.encode() if isinstance(typed, str) else typed]
        self._size = columns, lines
        self.output = b""

    def read(self, timeout_s: float) -> bytes:
        if timeout_s == 0:
            return b""
        if not self._typed:
            raise TerminalGoneError("The terminal is gone.")
        return self._typed.pop()

    def write(self, data: bytes, timeout_s: float) -> None:
        self.output += data

    def is_busy(self) -> bool:
        return False

    def size(self) -> tuple[int, int]:
        return self._size

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        yield

    @contextlib.contextmanager
    def lent(self) -> Iterator[int]:
        yield -1

    @property
    def text(self) -> str:
        """What was sent, without the sequences that move the cursor."""
        return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", self.output.decode()).replace("\r\n", "\n")


def make_shell(config_path: Path, tty: ScriptedTty, *, who: str = "a test") -> tuple[Shell, EditingSession]:
    """A shell at this tty."""
    args = argparse.Namespace(config=config_path, tty=None)
    terminal = ConsoleTerminal(tty, dumb=False, utf8=False, idle_s=0.0)
    session = EditingSession(config_path.parent / "run" / "control.sock", who)
    return Shell(terminal, session, args, who), session


def typed(config_path: Path, *lines: str, lines_shown: int = 10_000, columns: int = 300) -> str:
    """What the console says when these lines are typed; the session ends with them, however."""
    tty = ScriptedTty("".join(f"{line}\r" for line in lines), columns=columns, lines=lines_shown)
    shell, session = make_shell(config_path, tty)
    with contextlib.suppress(TerminalGoneError):
        shell.run()
    session.close()
    return tty.text


class Seat:
    """The real program at its own pseudo-terminal, as over ssh."""

    def __init__(
        self, config_path: Path, *, term: str = "vt100", program: Sequence[str] = ("-m", "dialpost")
    ) -> None:
        environment = {"PATH": os.environ["PATH"], "TERM": term, "USER": "tester", "TZ": "UTC"}
        spawn = QuickSpawn if program[0] == "-m" else pexpect.spawn
        self.child = spawn(
            sys.executable,
            [*program, "--config", str(config_path), "console"],
            timeout=HANGS_S,
            searchwindowsize=SEARCHED,
            env=environment,
            dimensions=(24, 80),
            echo=False,
        )
        self.child.delaybeforesend = None

    def until(self, pattern: str) -> str:
        """Read on until this comes; what came before it."""
        self.child.expect(pattern)
        return str(self.child.before.decode(errors="replace"))

    def type(self, text: str | bytes) -> None:
        """Press keys."""
        self.child.send(text)

    def command(self, line: str, until: str = PROMPT) -> str:
        """Type a line and read up to the next prompt."""
        self.type(line + "\r")
        self.until(re.escape(line[-20:]))
        return self.until(until)

    def kill(self) -> None:
        """The process is gone at once."""
        self.child.kill(9)
        self.child.close()

    def close(self) -> None:
        """Hang up."""
        self.child.close(force=True)


class SerialSeat:
    """The real program at a simulated serial line, its loop in a thread; an operator's program may come and go."""

    def __init__(self, config_path: Path, rate_bps: int = 9600) -> None:
        self.seat = ConsoleSeat(config_path, config_path.with_name("console"), rate_bps, {"TZ": "UTC"})
        self._loop = LoopThread()
        self._loop.run(self._start())
        self._child: fdpexpect.fdspawn | None = None
        self._typists: list[threading.Thread] = []

    async def _start(self) -> None:
        self.seat.start()

    def sit_down(self) -> None:
        """Open the port, as a terminal program does."""
        descriptor = os.open(self.seat.link, os.O_RDWR | os.O_NOCTTY)
        self._child = fdpexpect.fdspawn(descriptor, timeout=HANGS_S, searchwindowsize=SEARCHED)

    def kill(self) -> None:
        """The console's process is gone at once; the next comes as on the board."""
        wanted = self.seat.cable.station_path.encode()
        for each in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if wanted in each.read_bytes().split(b"\0"):
                    os.kill(int(each.parent.name), 9)
                    return
        raise AssertionError("there is no console at the line")

    def get_up(self) -> None:
        """Close it."""
        assert self._child is not None
        self._child.close()
        self._child = None

    def type(self, text: str | bytes) -> None:
        """Press keys, or paste."""
        data = text.encode() if isinstance(text, str) else text
        assert self._child is not None
        for typist in self._typists:
            typist.join(HANGS_S)
        typist = threading.Thread(target=_write_all, args=(self._child.child_fd, data), daemon=True)
        self._typists = [typist]  # a terminal program reads while it writes, and waits where the port is full
        typist.start()

    def until(self, pattern: str) -> str:
        """Read on until this comes; what came before it."""
        assert self._child is not None
        self._child.expect(pattern)
        return str(self._child.before.decode(errors="replace"))

    def command(self, line: str, until: str = PROMPT) -> str:
        """Type a line and read up to the next prompt."""
        self.type(line + "\r")
        self.until(re.escape(line[-20:]))
        return self.until(until)

    def close(self) -> None:
        """Take it all away."""
        if self._child is not None:
            self.get_up()
        self._loop.run(self.seat.stop())
        self._loop.stop()


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data[:512]) :]
