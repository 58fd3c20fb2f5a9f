"""The simulated modem passes for a real one: with chat, the dialler of pppd, and with minicom, the terminal."""

import contextlib
import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rig.needs import needs

pytestmark = needs(commands=("chat", "minicom"))

CHAT = "/usr/sbin/chat"


@pytest.fixture
def telephone(tmp_path: Path) -> Iterator[Path]:
    """The program, as a user starts it; gives a function that sends it an order."""
    station = tmp_path / "modem"
    child = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "dialpost.sim.telephone",
            "--station",
            station,
            "--provider",
            tmp_path / "provider",
            "--dial",
            "0.3",
            "--rate",
            "33600",
            "--results",
            "BUSY,NO CARRIER",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    assert child.stdout is not None and child.stdin is not None
    child.stdout.readline()
    yield station
    child.stdin.close()
    assert child.wait(10) == 0
    assert not station.is_symlink()


def chat(station: Path, *script: str) -> int:
    with station.open("r+b", buffering=0) as port:
        return subprocess.run(
            [CHAT, "-v", "-s", "-t", "10", *script], stdin=port, stdout=port, timeout=60
        ).returncode


def test_an_ordinary_chat_script_dials_and_knows_the_results(telephone: Path) -> None:
    script = (
        "ABORT",
        "BUSY",
        "ABORT",
        "NO CARRIER",
        "",
        "AT&F",
        "OK",
        "ATE1V1X4",
        "OK",
        "ATDT0961123",
        "CONNECT",
        "",
    )
    assert chat(telephone, *script) == 4  # chat(8): 4 is the first ABORT string
    assert chat(telephone, *script) == 5
    assert chat(telephone, *script) == 0
    assert chat(telephone, "", "\\d\\d+++\\d\\d\\c", "OK", "ATH", "OK", "") == 0


def test_an_operator_with_minicom_sees_a_modem(telephone: Path, tmp_path: Path) -> None:
    pid, screen = pty.fork()
    if pid == 0:
        environment = {**os.environ, "TERM": "vt100", "HOME": str(tmp_path), "LC_ALL": "C"}
        os.execvpe("minicom", ["minicom", "-o", "-D", str(telephone), "-b", "115200"], environment)
    try:
        _until(screen, b"Welcome to minicom")
        _until_keys_go_through_as_they_are(screen)
        os.write(screen, b"ATI3\r")
        _until(screen, b"Simulated Modem")
        for expected in (b"BUSY", b"NO CARRIER", b"CONNECT 33600"):
            os.write(screen, b"ATDT123\r")
            _until(screen, expected)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(screen)


def _until_keys_go_through_as_they_are(screen: int, within_s: float = 15.0) -> None:
    """minicom greets before it takes the terminal: a Return typed in between reaches the modem as a line feed.

    No event reports a change of the terminal's mode, so it is polled.
    """
    deadline = time.monotonic() + within_s
    while True:
        input_flags, _, _, local_flags = termios.tcgetattr(screen)[:4]
        if not input_flags & termios.ICRNL and not local_flags & termios.ICANON:
            return
        assert time.monotonic() < deadline, "minicom did not take the terminal"
        time.sleep(0.02)


def _until(screen: int, wanted: bytes, within_s: float = 15.0) -> None:
    seen, deadline = b"", time.monotonic() + within_s
    while wanted not in seen:
        left = deadline - time.monotonic()
        assert left > 0 and select.select([screen], [], [], left)[0], f"{wanted!r} is not in {seen[-2000:]!r}"
        seen += os.read(screen, 4096)
