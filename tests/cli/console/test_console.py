"""`dialpost console` as an operator meets it: the real program on a pseudo-terminal, the real daemon behind it."""

from __future__ import annotations

import os
import re
import signal
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from pexpect import fdpexpect

from console_rig import CONFIG, PROMPT, SEARCHED, LiveDaemon, Seat, live_daemon
from dialpost.cli.console.console import Failures
from dialpost.edge.console.admin_password import AdminPassword
from loop_thread import HANGS_S
from quick_start import quick_run
from screen import Screen


@pytest.fixture
def station(tmp_path: Path) -> Iterator[LiveDaemon]:
    with live_daemon(tmp_path) as made:
        yield made


@pytest.fixture
def seat(station: LiveDaemon) -> Iterator[Seat]:
    made = Seat(station.config_path)
    yield made
    made.close()


@pytest.fixture
def seats(station: LiveDaemon) -> Iterator[list[Seat]]:
    """Two places to sit at."""
    made = [Seat(station.config_path), Seat(station.config_path)]
    yield made
    for seat in made:
        seat.close()


def test_the_password_is_asked_slowly_and_never_shown(station: LiveDaemon) -> None:
    AdminPassword(station.config_path).set("correct horse")
    seat = Seat(station.config_path)
    seat.until("Password: ")
    began_s = time.monotonic()
    seat.type("correct house\rcorrect horse\r")  # what is typed ahead of the answer is not tried
    shown = seat.until("Wrong password.")
    assert time.monotonic() - began_s >= 1.0
    shown += seat.until("Password: ")
    seat.type("correct horse\r")
    shown += seat.until(PROMPT)
    assert "hors" not in shown and "hous" not in shown
    seat.command("exit", "Good-bye.")
    seat.close()


def test_each_wrong_password_makes_the_next_wait_longer() -> None:
    failures, pauses = Failures(), []
    for _ in range(8):
        failures.count += 1
        pauses.append(failures.pause_s)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_without_a_password_nobody_is_asked(station: LiveDaemon) -> None:
    seat = Seat(station.config_path)
    assert "Password" not in seat.until(PROMPT)
    seat.type("\x04")
    seat.until("Good-bye.")
    seat.close()


def test_a_commit_left_unconfirmed_is_rolled_back_and_said(station: LiveDaemon, seats: list[Seat]) -> None:
    seat, other = seats
    seat.until(PROMPT)
    other.until(PROMPT)
    seat.command("set budget.currency EUR")
    said = seat.command("commit confirm 2")
    assert "Committed as number 2." in said and "It will be rolled back in 2 min" in said
    assert "EUR" in station.config_path.read_text()
    station.leap(120.0)
    other.until("rolled back")
    assert "EUR" not in station.config_path.read_text()
    seat.until("Your candidate still has those changes; `discard` drops them.")
    seat.until(PROMPT)
    seat.command("discard")
    assert "EUR" not in seat.command("show all budget")


def test_a_confirmed_commit_stays_when_the_session_ends(station: LiveDaemon, seats: list[Seat]) -> None:
    seat, other = seats
    seat.until(PROMPT)
    other.until(PROMPT)
    seat.command("set budget.currency EUR")
    seat.command("commit confirm 5")
    assert "Commit 2 confirmed." in seat.command("confirm")
    seat.kill()
    other.until("ended the session")
    assert "EUR" in station.config_path.read_text()


def test_a_session_killed_before_it_confirmed_takes_its_commit_back(station: LiveDaemon, seats: list[Seat]) -> None:
    seat, other = seats
    for each in seats:
        each.until(PROMPT)
    seat.command("set budget.currency EUR")
    seat.command("commit confirm 60")
    assert "EUR" in station.config_path.read_text()
    seat.kill()
    other.until("rolled back")
    assert "EUR" not in station.config_path.read_text()
    assert "No differences." in other.command("compare 1")


def test_a_session_killed_in_the_middle_leaves_nothing_of_its_candidate(
    station: LiveDaemon, seats: list[Seat]
) -> None:
    seat, other = seats
    for each in seats:
        each.until(PROMPT)
    seat.command("set budget.currency EUR")
    seat.kill()
    other.until("without committing")
    assert "No differences." in other.command("compare") and "EUR" not in other.command("show all budget")


def test_two_sessions_see_each_other(seats: list[Seat]) -> None:
    seat, other = seats
    seat.until(PROMPT)
    other.until(PROMPT)
    seat.command("set budget.currency EUR")
    assert re.search(r"tester at pts/\d+, for \d+ s: 1 key changed, not committed", other.command("who"))
    seat.command("commit")
    other.until("committed")  # told above the line, which is drawn again
    other.until(PROMPT)
    assert "EUR" in other.command("discard") + other.command("show budget")


def test_news_do_not_disturb_the_line_being_typed(seats: list[Seat]) -> None:
    seat, other = seats
    seat.until(PROMPT)
    other.until(PROMPT)
    other.type("show bud")
    other.until("show bud")
    seat.command("set budget.currency EUR")
    seat.command("commit")
    other.until(r"committed[^\r]*\r\n")
    other.until(r"dialpost> show bud")
    other.type("get\r")
    other.until(PROMPT)


def test_tab_completes_and_the_question_mark_tells(seat: Seat) -> None:
    seat.until(PROMPT)
    seat.type("set bud\tcurr\tE")
    seat.until(re.escape("set budget.currency E"))
    seat.type("UR\r")
    assert "+ budget.currency = " in seat.until(PROMPT)
    seat.type("com\t")
    assert "compare" in seat.until(r"dialpost\*> com\Z")
    seat.type("\x15commit ?")
    said = seat.until(r"dialpost\*> commit \Z")
    assert "usage: commit" in said and "confirm" in said and "comment" in said


def test_cursor_keys_history_and_long_lines(seat: Seat) -> None:
    seat.until(PROMPT)
    assert "Unknown command: dance." in seat.command("dance")
    seat.type("\x1b[A\x1b[D\x7fn" + "\x1b[C" + "\r")  # up, left: danc|e, n instead of c
    assert "Unknown command: danne." in seat.until(PROMPT)
    seat.type("set budget.currency " + "x" * 300 + "\r")
    assert "budget.currency" in seat.until(PROMPT)


def test_garbage_does_no_harm(station: LiveDaemon, seat: Seat) -> None:
    seat.until(PROMPT)
    noise = bytes(byte for byte in range(256) if byte not in {0x03, 0x04, 0x0A, 0x0D, 0x13}) * 5
    seat.type(noise + b"\x1b[999999999\x1b]0;x\x1bP\xff\xfe\x00\x15\r")
    seat.until(PROMPT)
    seat.type(os.urandom(0) + b"\x80\x81\x00\xff\x15set budget.currency EUR\r")
    seat.until(re.escape("+ budget.currency"))  # the noise drew many prompts
    seat.until(PROMPT)
    assert "budget.currency" in seat.command("compare")


def test_ctrl_c_breaks_a_command_off_and_the_session_goes_on(station: LiveDaemon, seat: Seat) -> None:
    seat.until(PROMPT)
    seat.type("junk\x03")
    seat.until(PROMPT)
    seat.command("set budget.currency EUR")
    seat.type("set outbound.user\r")
    seat.until("outbound.user = ")
    seat.type("\x03")
    seat.until("Cancelled.")
    seat.until(PROMPT)
    assert "budget.currency" in seat.command("compare")


def test_a_dumb_terminal_gets_no_escape_sequence(station: LiveDaemon) -> None:
    seat = Seat(station.config_path, term="dumb")
    seen = seat.until(PROMPT)
    seat.type("shwo\x08\x08ow\r")
    seen += seat.until(PROMPT)
    assert "--more--" not in seat.command("help")
    seat.type("com\t")
    seen += seat.until(r"dialpost> com\Z")
    assert "\x1b" not in seen
    seat.close()


def test_the_screen_shows_80_by_24_what_an_operator_expects(seat: Seat) -> None:
    seat.until(PROMPT)
    screen = Screen()
    seat.type("help\r")
    seat.child.expect("--more--")
    screen.show(seat.child.before)
    rows = screen.rows()
    assert len(rows) == 1 + 23 + 1  # the command, which has scrolled away, the page, and --more--
    assert all(len(row) <= 80 for row in rows)
    seat.type("q")
    seat.until(PROMPT)


def test_a_pipe_of_commands_is_carried_out_to_its_end(station: LiveDaemon, tmp_path: Path) -> None:
    done = quick_run(
        [sys.executable, "-m", "dialpost", "--config", str(station.config_path), "console"],
        input=b"set budget.currency EUR\ncommit\nshow budget\n",
        timeout=HANGS_S,
    )
    assert done.returncode == 0, done.stderr
    assert b"Committed as number 2." in done.stdout and b'budget.currency = "EUR"' in done.stdout


def test_without_a_daemon_the_console_comes_up_all_the_same(tmp_path: Path) -> None:
    config = tmp_path / "dialpost.toml"
    config.write_text(
        '[station]\nhostname = "mail.a.example"\ndomains = ["a.example"]\n'
        f'run_dir = "{tmp_path}/run"\ndata_dir = "{tmp_path}/data"\n'
    )
    impatient = "from dialpost.cli.console import console; console.DAEMON_STARTS_S = 0.1"
    main = "import runpy; runpy.run_module('dialpost', run_name='__main__')"
    seat = Seat(config, program=("-c", f"{impatient}; {main}"))
    seat.until("Waiting for the mail station")
    seat.until("No Dialpost daemon is running")
    seat.close()


def test_ctrl_c_ends_only_the_showing_of_a_call(tmp_path: Path) -> None:
    """A router that never gets its line up: the call goes on, the session too."""
    config = CONFIG + 'port = 1\n\n[link]\nkind = "dialup-gateway"\n'
    with live_daemon(tmp_path, config.replace('"smtp.provider.example"', '"127.0.0.1"')) as station:
        seat = Seat(station.config_path)
        seat.until(PROMPT)
        seat.type("call now\r")
        seat.until("forecast")
        seat.type("\x03")
        seat.until("The call continues and may cost money")
        seat.until(PROMPT)
        assert "on hook" not in seat.command("status")
        assert seat.command("call stop")
        seat.command("exit", "Good-bye.")
        seat.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_ended_from_outside_it_leaves_the_terminal_as_it_was(station: LiveDaemon, number: int) -> None:
    seat = Seat(station.config_path)
    before = seat.child.terminal_before
    seat.until(PROMPT)
    assert termios.tcgetattr(seat.child.child_fd) != before  # a pseudo-terminal's two ends have one set of settings
    os.kill(seat.child.pid, number)
    seat.child.expect(pexpect.EOF)
    seat.child.wait()
    assert seat.child.exitstatus == 0
    assert termios.tcgetattr(seat.child.child_fd) == before


def test_a_terminal_closed_while_a_command_works_ends_the_session(tmp_path: Path) -> None:
    config = CONFIG + 'port = 1\n\n[link]\nkind = "dialup-gateway"\n'
    with live_daemon(tmp_path, config.replace('"smtp.provider.example"', '"127.0.0.1"')) as station:
        seat, other = Seat(station.config_path), Seat(station.config_path)
        other.until(PROMPT)
        seat.until(PROMPT)
        seat.command("set budget.currency EUR")
        seat.type("call now\r")
        seat.until("forecast")
        seat.close()
        other.until("ended the session without committing")
        other.close()


def test_this_rig_misses_nothing_of_what_is_said_at_once() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"here" + b"." * 1996)
    os.close(writing)
    child = fdpexpect.fdspawn(reading, timeout=HANGS_S, searchwindowsize=SEARCHED)
    child.expect("here")
    child.close()
