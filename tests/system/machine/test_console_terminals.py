"""The console of `make run` with the programs people have: minicom and screen, twice each on the same port."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest
from rig.needs import needs

pytestmark = [pytest.mark.system, needs(commands=("minicom",))]

ENVIRONMENT = {**os.environ, "TERM": "vt100", "LC_ALL": "C.UTF-8"}


@pytest.fixture
def port(tmp_path: Path) -> Iterator[str]:
    """Where `make run` says its console is."""
    child = pexpect.spawn(
        sys.executable,
        ["-m", "dialpost", "simulate", "--dir", str(tmp_path / "w")],
        timeout=60,
        dimensions=(30, 200),
        encoding="utf-8",
        env=ENVIRONMENT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored behind a shell
    )
    child.expect(r"minicom -D (\S+)\x1b")
    path = child.match[1]
    reader = threading.Thread(target=_read_on, args=(child,))  # it draws without end
    reader.start()
    yield path
    os.kill(child.pid, 2)
    reader.join(30)
    assert not reader.is_alive()
    child.close()


def _read_on(child: pexpect.spawn) -> None:
    with contextlib.suppress(pexpect.EOF):
        while True:
            with contextlib.suppress(pexpect.TIMEOUT):
                child.read_nonblocking(1000, timeout=1)


def minicom(port: str, home: Path) -> pexpect.spawn:
    child = pexpect.spawn(
        "minicom",
        ["-D", port, "-b", "115200", "-o"],
        timeout=30,
        dimensions=(25, 80),
        encoding="utf-8",
        env={**ENVIRONMENT, "HOME": str(home)},
    )
    child.expect("Welcome to minicom")
    return child


def screen(port: str, home: Path) -> pexpect.spawn:
    (home / "sockets").mkdir(mode=0o700, exist_ok=True)
    return pexpect.spawn(
        "screen",
        [port, "115200"],
        timeout=30,
        dimensions=(25, 80),
        encoding="utf-8",
        env={**ENVIRONMENT, "HOME": str(home), "SCREENDIR": str(home / "sockets")},
    )


@pytest.mark.parametrize(
    ("program", "leave"), [(minicom, ("\x01x", "Leave", "\r")), (screen, ("\x01k", "Really kill", "y"))]
)
def test_it_can_be_sat_down_at_left_and_come_back_to(
    port: str, tmp_path: Path, program: Callable[[str, Path], pexpect.spawn], leave: tuple[str, str, str]
) -> None:
    if shutil.which(program.__name__) is None:
        pytest.skip(f"{program.__name__} is missing (Debian: the package of that name): not tried with it")
    for visit in range(2):
        child = program(port, tmp_path)
        if visit == 0:
            child.expect("Press Enter")
        child.send("\r")
        child.expect("dialpost> ")
        child.send("status\r")
        child.expect("Accounts  2")
        child.expect("dialpost> ")
        child.send("sh\t")
        child.expect("show +shutdown")
        child.send("\x15\x1b[A\x1b[A")  # the line before, on a terminal with cursor keys
        child.send("\x15")
        keys, asked, answer = leave
        child.send(keys)
        child.expect(re.escape(asked))
        child.send(answer)
        child.expect(pexpect.EOF)
        child.close()
