"""Processes forked from one with everything imported behave as newly started ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest

from quick_start import QuickPopen, QuickSpawn, quick_run

SHOW = """
import os, sys
print(sys.argv[1:], os.getcwd(), os.environ.get("MARK"), os.environ.get("HOME"), sys.path[0])
print(repr(sys.stdin.read()), os.isatty(1), len(os.listdir("/proc/self/fd")), file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""
WAIT = """
import sys, time
try:
    print("ready", flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    print("interrupted")
    sys.exit(3)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A folder whose modules `show` and `wait` can be run with -m."""
    (tmp_path / "show.py").write_text(SHOW)
    (tmp_path / "wait.py").write_text(WAIT)
    return tmp_path


def test_words_streams_environment_folder_and_status_are_as_of_a_new_process(program: Path) -> None:
    command = [sys.executable, "-m", "show", "7", "ü"]
    keywords: dict[str, Any] = {
        "cwd": program,
        "env": {"MARK": "x"},
        "text": True,
        "timeout": 60,
        "input": "typed\n",
    }
    found = [quick_run(command, **keywords), subprocess.run(command, capture_output=True, **keywords)]
    shown = [(done.returncode, done.stdout, done.stderr) for done in found]
    assert shown[0] == shown[1]
    assert shown[0][:2] == (7, f"['7', 'ü'] {program} x None {program}\n")
    assert shown[0][2].startswith("'typed\\n' False ")


def test_a_signal_ends_it_and_is_its_status(program: Path) -> None:
    for number in (signal.SIGKILL, signal.SIGTERM):
        with QuickPopen([sys.executable, "-m", "wait"], cwd=program, stdout=subprocess.DEVNULL) as process:
            assert process.poll() is None
            process.send_signal(number)
            assert process.wait(60) == -number
        with pytest.raises(ChildProcessError):  # no zombie is left
            os.waitpid(process.pid, os.WNOHANG)


def test_its_terminal_controls_it(program: Path) -> None:
    child = QuickSpawn(sys.executable, ["-m", "wait"], cwd=str(program), dimensions=(10, 33), timeout=60)
    child.expect("ready")
    assert child.getwinsize() == (10, 33)
    child.sendintr()
    child.expect("interrupted")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 3


def test_a_terminal_that_is_closed_hangs_up(program: Path) -> None:
    child = QuickSpawn(sys.executable, ["-m", "wait"], cwd=str(program), timeout=60)
    child.expect("ready")
    child.ptyproc.fileobj.close()  # child.close() would send SIGHUP itself
    child.ptyproc.wait()
    child.close()
    assert child.signalstatus == signal.SIGHUP


def test_many_at_once_are_each_their_own(program: Path) -> None:
    started = [
        QuickPopen([sys.executable, "-m", "show", str(number)], cwd=program, stdin=subprocess.DEVNULL, text=True)
        for number in range(5)
    ]
    assert [process.wait(60) for process in started] == list(range(5))
