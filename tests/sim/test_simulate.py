"""`dialpost simulate` as typed: exit status, report, words, bad arguments, the panel in a terminal."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest
from pexpect import fdpexpect

from dialpost.__main__ import main
from dialpost.core.errors import DialpostError
from dialpost.core.panel.lights import Led
from dialpost.sim import simulate as simulation
from dialpost.sim.panel_view import _cut
from dialpost.sim.world import World
from first_start_rig import folder
from quick_start import QuickSpawn, quick_run

QUICK = ("--rate-bps", "1000000", "--rtt-ms", "5", "--dial-s", "0.1")


def simulate(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dialpost", "simulate", *args]
    return quick_run(command, cwd=cwd, text=True, timeout=100)


def report(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_once_carries_counts_and_reports(tmp_path: Path) -> None:
    done = simulate("--once", "--outbound", "4", "--inbound", "6", *QUICK, "--report", "r.json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "4 of 4 messages to the world arrived, exactly once." in done.stdout
    assert "submitted by SMTP, waiting for the line: 4 messages for the world" in done.stdout
    assert "\n1 call; the last ended: " in done.stdout
    found = report(tmp_path / "r.json")
    assert [found[side] for side in ("outbound", "inbound")] == [
        {"expected": n, "delivered": n, "duplicates": 0, "lost": 0, "damaged": 0, "waiting": 0} for n in (4, 6)
    ]
    assert found["queue_waiting"] == 0
    (call,) = found["calls"]
    wanted = {"result", "online_s", "bytes_up", "bytes_down", "sent", "received", "etrn", "hangup_reason"}
    assert wanted <= set(call)
    assert (call["result"], call["sent"], call["received"], call["hangup_reason"]) == ("connected", 4, 6, "done")
    assert {"domain", "code", "text"} <= set(call["etrn"][0])
    assert {led.value for led in Led} <= set(found["led_history"][0])
    assert list(tmp_path.iterdir()) == [tmp_path / "r.json"]


def test_a_cut_each_way(tmp_path: Path) -> None:
    done = simulate(
        "--once",
        "--outbound",
        "5",
        "--inbound",
        "5",
        *QUICK,
        "--cut-up",
        "9000",
        "--cut-down",
        "12345",
        "--seed",
        "7",
        "--report",
        "r.json",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout
    found = report(tmp_path / "r.json")
    assert [call["hangup_reason"] for call in found["calls"]] == ["carrier-lost", "carrier-lost", "done"]
    assert found["cuts"] == 2
    assert "The carrier was cut 2 times; the provider recognised" in done.stdout


def test_a_cut_that_is_never_reached_is_said(tmp_path: Path) -> None:
    done = simulate("--once", "--outbound", "1", "--inbound", "1", *QUICK, "--cut-up", "9999999", cwd=tmp_path)
    assert done.returncode == 0
    assert "No cut: only" in done.stdout


@pytest.mark.parametrize(
    ("code", "advice"),
    [("500", "does not support ETRN"), ("458", "asks again at the next connection"), ("459", "does not allow it")],
)
def test_a_refused_etrn_in_exit_status_words_status_and_log(code: str, advice: str, tmp_path: Path) -> None:
    done = simulate(
        "--once", "--outbound", "2", "--inbound", "2", *QUICK, "--etrn", code, "--report", "r.json", cwd=tmp_path
    )
    assert done.returncode == 3
    words, _, status = done.stdout.partition("`dialpost status` says (exit status 3):")
    assert "2 waiting at the provider" in words
    for told in (words, status, done.stderr):
        assert f"{code} " in told
        assert advice in told
    assert done.stderr.startswith("WARNING etrn: ")
    found = report(tmp_path / "r.json")
    assert found["exit_status"] == 3
    assert (found["outbound"]["delivered"], found["inbound"]["delivered"], found["inbound"]["lost"]) == (2, 0, 0)
    assert found["status"]["exit_status"] == 3


def test_without_a_terminal_it_is_a_demonstration_that_ends(tmp_path: Path) -> None:
    done = simulate(*QUICK, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 of 3 messages to the station arrived" in done.stdout
    assert "In a terminal" in done.stdout


def test_the_data_can_be_kept(tmp_path: Path) -> None:
    done = simulate("--once", "--outbound", "0", "--inbound", "1", *QUICK, "--dir", "kept", cwd=tmp_path)
    assert done.returncode == 0
    mail = list((tmp_path / "kept" / "data" / "mail").glob("*/new/*"))
    assert len(mail) == 1
    again = simulate("--once", *QUICK, "--dir", "kept", cwd=tmp_path)
    assert again.returncode == 1
    assert "is not empty" in again.stderr


def test_the_log_can_be_seen(tmp_path: Path) -> None:
    done = simulate("--once", "--outbound", "1", "--inbound", "0", *QUICK, "--verbose", cwd=tmp_path)
    assert done.returncode == 0
    assert "call: connected link=modem" in done.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--outbound", "many"), "'many' is not a whole number"),
        (("--outbound", "-1"), "-1 is not between 0 and 10000"),
        (("--rate-bps", "0"), "0 is not between 50"),
        (("--rtt-ms", "soon"), "'soon' is not a number"),
        (("--rtt-ms", "nan"), "nan is not between"),
        (("--etrn", "200"), "invalid choice"),
        (("--results", "MAYBE"), "'MAYBE' is not a result of dialling"),
        (("--report", "no/such/folder/r.json"), "does not exist"),
        (("--cut-up", "1.5"), "not a whole number"),
        (("--what",), "has no option --what"),
    ],
)
def test_bad_arguments(args: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["simulate", "--once", *args])
    told = capsys.readouterr()
    assert (ended.value.code, told.out) == (2, "")
    assert words in told.err


def test_a_report_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "r.json").mkdir()
    done = simulate("--once", "--outbound", "0", "--inbound", "0", *QUICK, "--report", "r.json", cwd=tmp_path)
    assert done.returncode == 1
    assert "can't be written" in done.stderr


def test_a_failure_is_reported_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(self: World) -> None:
        raise DialpostError("Can't listen on 127.0.0.1:0: no.")

    monkeypatch.setattr(World, "start", fail)
    monkeypatch.setattr(simulation, "_set_up_logging", lambda verbose: None)  # this process's log is pytest's
    assert main(["simulate", "--once", "--report", str(tmp_path / "r.json")]) == 1
    found = report(tmp_path / "r.json")
    assert (found["exit_status"], found["words"]) == (1, ["Can't listen on 127.0.0.1:0: no."])


def test_the_panel_in_a_terminal(tmp_path: Path) -> None:
    """The button, a message each way, quit: in the smallest terminal it is made for."""
    child = QuickSpawn(
        sys.executable,
        ["-m", "dialpost", "simulate", *QUICK],
        cwd=str(tmp_path),
        dimensions=(24, 80),
        encoding="utf-8",
        timeout=60,
    )
    child.expect("waiting: 0 for the world, 3 at the provider; anna's mailbox: 0")
    child.expect("swaks -s 127.0.0.1:")
    child.send("a")
    child.expect("4 at the provider")
    child.send("s")
    child.expect("waiting: 1 for the world,")
    child.send("\r")
    child.expect("on line")
    child.expect("waiting: 0 for the world, 0 at the provider; anna's mailbox: 4; sent: 1")
    child.expect("hung up")
    child.send("q")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


@pytest.mark.slow
def test_a_hold_of_the_button_in_a_terminal(tmp_path: Path) -> None:
    """3 s, then 10 s and once more: told in words before it acts."""
    child = QuickSpawn(
        sys.executable,
        ["-m", "dialpost", "simulate", *QUICK],
        cwd=str(tmp_path),
        dimensions=(24, 80),
        encoding="utf-8",
        timeout=60,
    )
    child.expect("swaks -s 127.0.0.1:")
    child.send("b")
    child.expect("button: held 1 s")
    child.expect("panel: let go now to hang up at once")
    child.send("b")
    child.expect("panel: button held: There is no call to end.")
    child.send("r")
    child.expect("panel: let go now for the offer of a factory reset")
    child.expect("panel: press again within 5 s to reset the station")
    child.send("\r")
    child.expect("factory reset confirmed by the button: The request is recorded in")
    child.expect("panel: the factory reset begins")
    child.send("q")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_control_c_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    child = QuickSpawn(
        sys.executable,
        ["-m", "dialpost", "simulate", *QUICK],
        cwd=str(tmp_path),
        dimensions=(24, 80),
        encoding="utf-8",
        timeout=60,
    )
    child.expect("swaks -s 127.0.0.1:")
    child.sendintr()
    child.expect_exact("\x1b[?25h\x1b[?1049l")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130


def test_lines_are_cut_to_the_width_and_colours_take_no_room() -> None:
    assert _cut("\x1b[32m●\x1b[0m line and more", 6) == "\x1b[32m●\x1b[0m line"
    assert _cut("short", 80) == "short"


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path leaves room in a row of the panel, wherever temporary folders are."""
    made = folder()
    yield made
    shutil.rmtree(made)


def test_the_console_is_on_a_pty_whose_path_the_panel_prints(short: Path) -> None:
    """Sit down at it, commit, get up, come back; the panel continues with the new configuration."""
    child = QuickSpawn(
        sys.executable,
        ["-m", "dialpost", "simulate", "--dir", str(short / "w"), "--dial-s", "0.1"],
        timeout=60,
        dimensions=(30, 200),
        encoding="utf-8",
        env={**os.environ, "TERM": "vt100"},
    )
    child.expect(r"Console: screen (\S+) (\d+)  or  minicom -D (\S+)\x1b")
    assert child.match[1] == child.match[3] and child.match[2] == "115200"
    path = child.match[1]
    for visit in range(2):
        seat = fdpexpect.fdspawn(os.open(path, os.O_RDWR | os.O_NOCTTY), timeout=60)
        if visit == 0:
            seat.expect("Press Enter. ")
        seat.send(b"\r")
        seat.expect("dialpost> ")
        seat.send(f"set call.cooldown_s {visit + 3}\rcommit\r".encode())
        seat.expect(f"Committed as number {visit + 2}.")
        child.expect("the station has a new configuration")
        seat.close()
    seat = fdpexpect.fdspawn(os.open(path, os.O_RDWR | os.O_NOCTTY), timeout=60)
    seat.send(b"call now\r")
    while seat.expect(["3 received", pexpect.TIMEOUT], timeout=0.3) == 1:
        child.expect(pexpect.TIMEOUT, timeout=0.1)  # the panel draws on meanwhile
    seat.close()
    child.send("q")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert not Path(path).exists()
