"""The edge around pppd, with a program in its place: what it is given, how it comes up, ends and is ended."""

import asyncio
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dialpost.core.line.ppp.end import PppEnd
from dialpost.core.line.ppp.events import PppUp
from dialpost.core.line.ppp.options import PppRequest
from dialpost.edge.line.ppp import pppd as edge
from dialpost.edge.line.ppp.pppd import Pppd

REQUEST = PppRequest(
    "/dev/ttyUSB0", 115_200, 33_600, user="clinic", password="s3cret", firewall=False, shaping=False
)

_PROGRAM = """#!{python}
import os, re, signal, subprocess, sys, time
text = open(sys.argv[2]).read()
open({record!r}, "w").write(repr(sys.argv) + chr(10) + text)
print("Connect: ppp0 <--> /dev/x", flush=True)
{body}
"""
_UP = """
hook = re.search("ip-up-script (.*)", text)[1]
env = dict(IFNAME="dp-none", IPLOCAL="10.0.0.2", IPREMOTE="10.0.0.1", DNS1="192.0.2.53", PPPD_PID=str(os.getpid()))
subprocess.run([hook, "dp-none"], env=env, check=True)
"""


@pytest.fixture
def make_pppd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    def make(body: str) -> Pppd:
        bin_dir = tmp_path / "bin"
        bin_dir.mkdir(exist_ok=True)
        program = bin_dir / "pppd"
        program.write_text(_PROGRAM.format(python=sys.executable, record=str(tmp_path / "record"), body=body))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{bin_dir}:/usr/bin:/bin")
        return Pppd(tmp_path / "run", under_systemd=False)

    return make


async def test_it_comes_up_when_the_hook_says_so_and_ends_in_order(
    make_pppd: Callable[..., Any], tmp_path: Path
) -> None:
    pppd = make_pppd("signal.signal(15, lambda *_: sys.exit(5))\n" + _UP + "signal.pause()")
    assert await pppd.start(REQUEST) == PppUp("dp-none", "10.0.0.2", "10.0.0.1", ("192.0.2.53",))
    ended = asyncio.create_task(pppd.ended())
    await asyncio.sleep(0)
    assert not ended.done()
    await pppd.stop()
    assert (await ended).exit_code == 5
    await pppd.stop()  # harmless


@pytest.mark.parametrize("status", [0, 2, 10, 15, 16, 19])
async def test_an_end_before_the_network_is_told_by_its_status(make_pppd: Callable[..., Any], status: int) -> None:
    pppd = make_pppd(f"print('LCP: timeout', flush=True); sys.exit({status})")
    end = await pppd.start(REQUEST)
    assert isinstance(end, PppEnd)
    assert end.exit_code == status
    assert end.last_lines[-1] == "LCP: timeout"
    await pppd.stop()


@pytest.mark.parametrize(
    ("kept", "code", "words"),
    [
        ("ExecMainCode=1\nExecMainStatus=19", 19, "refused the login"),
        ("ExecMainStatus=9\nExecMainCode=2", None, "did not run, or was killed: Job failed."),
        ("ExecMainCode=3\nExecMainStatus=11", None, "did not run, or was killed"),
        ("ExecMainCode=0\nExecMainStatus=0", None, "did not run, or was killed"),
        ("ExecMainCode=1\nExecMainStatus=137", None, "did not run, or was killed"),
        ("Failed to connect to bus", None, "did not run, or was killed"),
    ],
)
async def test_a_signal_s_number_is_not_taken_for_pppd_s_status(
    kept: str, code: int | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text(f"""#!/bin/sh
case $1 in start) echo Job failed.; exit 1 ;; show) printf '%s\\n' '{kept}' ;; esac
""")
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{systemctl.parent}:/usr/bin:/bin")
    end = await Pppd(tmp_path / "run", under_systemd=True).start(REQUEST)
    assert isinstance(end, PppEnd)
    assert end.exit_code == code and words in end.words


_UNIT = """#!{python}
import json, socket, sys
if sys.argv[1] == "start":
    hook = {{"event": "up", "IFNAME": "dp-none", "IPLOCAL": "10.0.0.2", "IPREMOTE": "10.0.0.1"}}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect({path!r})
        if {up}:
            sock.send(json.dumps(hook).encode())
        sock.send(json.dumps({{"event": "log", "lines": ["LCP terminated by peer (Idle-Timeout)"]}}).encode())
    sys.exit(1)
print("ExecMainCode=1\\nExecMainStatus=16" if sys.argv[1] == "show" else "")
"""


@pytest.mark.parametrize("up", [False, True])
async def test_under_systemd_the_log_comes_from_the_unit_also_after_the_network_was_up(
    up: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.parent.mkdir()
    path = str(tmp_path / "run" / "ppp" / "events")
    systemctl.write_text(_UNIT.format(python=sys.executable, path=path, up=up))
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{systemctl.parent}:/usr/bin:/bin")
    pppd = Pppd(tmp_path / "run", under_systemd=True)
    end = await pppd.start(REQUEST)
    if up:
        assert isinstance(end, PppUp)
        end = await pppd.ended()
    assert isinstance(end, PppEnd)
    assert (end.log, end.was_up) == ("ppp-inactive", up)
    await pppd.stop()


async def test_the_secret_is_on_no_command_line_and_in_no_file_that_others_read(
    make_pppd: Callable[..., Any], tmp_path: Path
) -> None:
    pppd = make_pppd("sys.exit(10)")
    await pppd.start(REQUEST)
    arguments, _, rest = (tmp_path / "record").read_text().partition("\n")
    assert "s3cret" not in arguments and "s3cret" in rest
    for path in (tmp_path / "run" / "ppp").iterdir():
        assert not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO) or path.is_socket(), path
    assert stat.S_IMODE((tmp_path / "run" / "ppp").stat().st_mode) == 0o700


async def test_one_that_does_not_end_is_killed(
    make_pppd: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "TERMINATE_S", 0.0)
    pppd = make_pppd(_UP + "signal.signal(15, signal.SIG_IGN)\nwhile True: time.sleep(60)")
    assert isinstance(await pppd.start(REQUEST), PppUp)
    ended = asyncio.create_task(pppd.ended())
    await asyncio.sleep(0)
    await pppd.stop()
    assert (await ended).exit_code is None


async def test_a_missing_program_is_an_end_with_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "command", lambda *_: ["/nonexistent/pppd"])
    end = await Pppd(tmp_path / "run", under_systemd=False).start(REQUEST)
    assert isinstance(end, PppEnd) and "could not be started" in end.words


async def test_a_folder_that_takes_no_pipe_is_an_end_with_words(
    make_pppd: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def mkfifo(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "mkfifo", mkfifo)
    pppd = make_pppd("sys.exit(0)")
    for _ in range(2):
        end = await pppd.start(REQUEST)
        assert isinstance(end, PppEnd)
        assert "could not be started: No space left" in end.words
        await pppd.stop()


async def test_a_start_that_is_called_off_leaves_nothing_behind(make_pppd: Callable[..., Any]) -> None:
    pppd = make_pppd("signal.signal(15, lambda *_: sys.exit(5)); signal.pause()")
    starting = asyncio.create_task(pppd.start(REQUEST))
    while pppd._process is None:
        await asyncio.sleep(0.01)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    process = pppd._process
    await pppd.stop()
    assert process.returncode is not None


async def test_traffic_is_none_where_the_interface_is_not_there(make_pppd: Callable[..., Any]) -> None:
    pppd = make_pppd(_UP + "signal.pause()")
    await pppd.start(REQUEST)
    assert pppd.traffic() is None
    await pppd.stop()


async def test_what_the_hook_could_not_do_is_logged_and_told_where_the_network_ends_of_it(
    make_pppd: Callable[..., Any], tmp_path: Path
) -> None:
    said: list[object] = []
    pppd = make_pppd(
        """
import json, socket
path = os.path.join(os.path.dirname(re.search("ip-up-script (.*)", text)[1]), "events")
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
    sock.sendto(json.dumps({"event": "trouble", "words": "No firewall\\n  could be set."}).encode(), path)
sys.exit(5)
"""
    )
    pppd._log = said.append
    end = await pppd.start(REQUEST)
    assert end.detail == "No firewall could be set." and end.detail in end.words
    assert "No firewall could be set." in said


async def test_while_the_modem_dials_pppd_waits_for_its_options(
    make_pppd: Callable[..., Any], tmp_path: Path
) -> None:
    pppd = make_pppd(_UP + "signal.pause()")
    pppd.rehearse()
    pppd.rehearse()  # a redial
    await pppd._starting
    waiting = pppd._process
    assert not (tmp_path / "record").exists()
    assert isinstance(await pppd.start(REQUEST), PppUp)
    assert pppd._process is waiting
    await pppd.stop()


async def test_one_that_waits_for_its_options_ends_with_a_dial_that_fails(
    make_pppd: Callable[..., Any], tmp_path: Path
) -> None:
    pppd = make_pppd("")
    pppd.rehearse()
    await pppd._starting
    waiting = pppd._process
    await pppd.stop()
    assert waiting.returncode is not None and not (tmp_path / "record").exists()
    assert (await pppd.start(REQUEST)).exit_code == 0, "the next call starts another"
    await pppd.stop()


async def test_one_that_ended_while_it_waited_is_started_again(
    make_pppd: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pppd = make_pppd(_UP + "signal.pause()")
    monkeypatch.setattr(edge, "command", lambda *_: ["/nonexistent/pppd"])
    pppd.rehearse()
    await pppd._starting
    assert pppd._process is None
    monkeypatch.undo()
    pppd = make_pppd(_UP + "signal.pause()")
    pppd.rehearse()
    await pppd._starting
    waiting = pppd._process
    waiting.kill()
    await waiting.wait()
    assert isinstance(await pppd.start(REQUEST), PppUp)
    assert pppd._process is not waiting
    await pppd.stop()
