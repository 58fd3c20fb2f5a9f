"""An operator before the simulated first start: one terminal where it runs, one with a program on its console."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pexpect

from quick_start import QuickSpawn

ROOT = Path(__file__).parents[1]
SAME_LENGTH = "/home/you/office"
"""The folder in the README. A terminal's rows break where the path's length has them break."""
LOUDEST_S = 120


def folder() -> Path:
    """A new one whose path is as long as the README's."""
    made = Path(tempfile.mkdtemp(prefix="/tmp/dps"))
    assert len(str(made)) == len(SAME_LENGTH)
    return made


class FirstStartRig:
    """`with FirstStartRig() as rig`: the simulation runs, `rig.console` is at its serial line."""

    def __init__(self, *options: str, bps: int = 57_600) -> None:
        self.folder, self._options, self._bps = folder(), options, bps

    def __enter__(self) -> FirstStartRig:
        self.start_first()
        self.console = self.attach()
        return self

    def start_first(self) -> None:
        """The first terminal; in a folder that is no longer empty the station continues where it was."""
        self.first = QuickSpawn(
            sys.executable,
            [
                "-m",
                "dialpost",
                "simulate",
                "--first-start",
                "--dir",
                str(self.folder),
                "--any-ports",
                "--console-bps",
                str(self._bps),
                *self._options,
            ],
            encoding="utf-8",
            timeout=LOUDEST_S,
            echo=False,
            dimensions=(50, 200),
            cwd=ROOT,
        )
        self.first.expect_exact("Ctrl-C here ends the simulation.")
        self.instructions = self.first.before + self.first.after

    def __exit__(self, *_: object) -> None:
        self.console.close(force=True)
        self.end_first()
        shutil.rmtree(self.folder, ignore_errors=True)

    def end_first(self) -> None:
        """Ctrl-C."""
        if self.first.isalive():
            self.first.sendintr()
            self.first.expect(pexpect.EOF)
        self.first.close()

    def attach(self) -> pexpect.spawn:
        """The terminal program that the instructions name."""
        console = QuickSpawn(
            sys.executable,
            ["-m", "serial.tools.miniterm", "--raw", "--quiet", str(self.folder / "console"), str(self._bps)],
            encoding="utf-8",
            timeout=LOUDEST_S,
            echo=False,
            dimensions=(24, 80),
        )
        console.delaybeforesend = None
        return console

    def press_enter(self) -> None:
        """As the console asks for; its words may have been said before the program was there."""
        self.console.expect_exact(["Press Enter.", pexpect.TIMEOUT], timeout=15)
        self.console.send("\r")

    def answer(self, prompt: str, line: str) -> None:
        """Wait for the prompt, type the line."""
        self.console.expect_exact(prompt)
        self.console.send(line + "\r")

    def console_pids(self) -> list[int]:
        """The processes that serve the console."""
        wanted = str(self.folder / "dialpost.toml").encode()
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
            except OSError:
                continue
            if wanted in words and b"console" in words:
                found.append(int(path.parent.name))
        return found

    def port(self, door: str) -> int:
        """Where the station listens, by its configuration."""
        text = (self.folder / "dialpost.toml").read_text()
        found = re.search(rf'^{door} = \["127\.0\.0\.1:(\d+)"\]', text, re.MULTILINE)
        assert found, text
        return int(found[1])


def kill(pid: int, number: signal.Signals) -> None:
    """End one of the rig's own processes."""
    os.kill(pid, number)
