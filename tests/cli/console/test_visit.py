"""One visit to the console, from greeting to good-bye: the idle time, wrong passwords, a stuck terminal."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from console_rig import LiveDaemon, ScriptedTty, live_daemon
from dialpost.cli.console import console, terminal
from dialpost.cli.console.console import Failures, Visit
from dialpost.cli.console.terminal import ConsoleTerminal
from dialpost.core.errors import IdleTooLongError, TerminalGoneError
from dialpost.edge.console.admin_password import NO_PASSWORD, AdminPassword

IDLE_S = 60.0


class Clock:
    """Time passes for the terminal only while nothing is typed."""

    now_s = 0.0


CLOCK = Clock()


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CLOCK, "now_s", 1000.0)
    monkeypatch.setattr(terminal, "time", SimpleNamespace(monotonic=lambda: CLOCK.now_s))


class Sleeper(ScriptedTty):
    """Types what it was given, then nothing any more. `noise` comes for ever."""

    noise = b""

    def read(self, timeout_s: float) -> bytes:
        if self._typed or timeout_s == 0:
            return super().read(timeout_s)
        CLOCK.now_s += timeout_s
        return self.noise


@pytest.fixture
def station(tmp_path: Path) -> Iterator[LiveDaemon]:
    with live_daemon(tmp_path) as made:
        yield made


def visit(config_path: Path, tty: ScriptedTty, *, serial: bool = False, failures: Failures | None = None) -> Visit:
    args = argparse.Namespace(config=config_path, tty=Path("/dev/ttyS0") if serial else None)
    terminal = ConsoleTerminal(tty, dumb=False, utf8=False, idle_s=0.0)
    return Visit(terminal, args, failures or Failures())


def test_a_session_where_nothing_is_typed_ends_and_drops_its_changes_saying_so(station: LiveDaemon) -> None:
    tty = Sleeper("set budget.currency EUR\r")
    visit(station.config_path, tty).run(IDLE_S)
    assert "Session closed after" in tty.text and "Uncommitted changes are lost." in tty.text
    assert "EUR" not in station.config_path.read_text()
    again = Sleeper("who\rexit\r")
    visit(station.config_path, again).run(IDLE_S)
    assert "Nobody else is editing the configuration." in again.text and "Good-bye." in again.text


def test_a_commit_not_confirmed_is_rolled_back_when_the_session_times_out(station: LiveDaemon) -> None:
    tty = Sleeper("set budget.currency EUR\rcommit confirm 60\r")
    visit(station.config_path, tty).run(IDLE_S)
    assert "Committed as number 2." in tty.text
    changes = station.daemon.changes
    station.until(lambda: changes.pending is None and not changes._lock.locked())
    again = Sleeper("compare 1\rexit\r")
    visit(station.config_path, again).run(IDLE_S)
    assert "No differences." in again.text
    assert "EUR" not in station.config_path.read_text()


def test_a_console_without_a_password_says_so_as_soon_as_somebody_is_in(station: LiveDaemon) -> None:
    tty = Sleeper("who\rexit\r")
    visit(station.config_path, tty).run(5.0)
    before, _, _ = tty.text.partition("Nobody else edits")
    assert NO_PASSWORD in " ".join(before.split())
    AdminPassword(station.config_path).set("correct horse")
    tty = Sleeper("correct horse\rexit\r")
    visit(station.config_path, tty).run(5.0)
    assert NO_PASSWORD not in " ".join(tty.text.split())


def test_line_noise_keeps_no_session_alive(station: LiveDaemon) -> None:
    tty = Sleeper("")
    tty._typed, tty.noise = [], b"\x00\xff\x80"
    visit(station.config_path, tty).run(IDLE_S)
    assert "Session closed after" in tty.text


def test_a_half_typed_password_and_a_pager_time_out_too(station: LiveDaemon) -> None:
    AdminPassword(station.config_path).set("correct horse")
    tty = Sleeper("corr")
    visit(station.config_path, tty).run(IDLE_S)
    assert "Password: " in tty.text and "Session closed after" in tty.text
    pager = Sleeper("correct horse\rhelp\r", lines=10)
    visit(station.config_path, pager).run(IDLE_S)
    assert "--more--" in pager.text and "Session closed after" in pager.text


def test_a_question_of_a_command_times_out_as_the_session_does(station: LiveDaemon) -> None:
    for question in ("account add anna\r", "set outbound.password\r", "shutdown\r", "restore from paste\r"):
        tty = Sleeper(question)
        began_s = CLOCK.now_s
        visit(station.config_path, tty).run(IDLE_S)
        assert IDLE_S < CLOCK.now_s - began_s < IDLE_S + 2 * terminal.POLL_S
        assert "Session closed after" in tty.text


@pytest.mark.parametrize("damage", [b"", b"rubbish"])
def test_a_password_file_that_cannot_be_read_lets_nobody_in(station: LiveDaemon, damage: bytes) -> None:
    AdminPassword(station.config_path).path.write_bytes(damage)
    tty = Sleeper("anything\rstatus\r")
    visit(station.config_path, tty).run(IDLE_S)
    assert "is damaged: nobody can log in." in tty.text and "Accounts" not in tty.text


def test_at_a_serial_line_nobody_is_waited_for_with_a_clock(station: LiveDaemon) -> None:
    class Late(Sleeper):
        """Comes long after the idle time."""

        reads = 0

        def read(self, timeout_s: float) -> bytes:
            self.reads += timeout_s > 0
            if self.reads == 1:
                CLOCK.now_s += 3 * IDLE_S
            return super().read(timeout_s)

    tty = Late("\rexit\r")
    visit(station.config_path, tty, serial=True).run(IDLE_S)
    assert "Press Enter." in tty.text and "Good-bye." in tty.text and "Session closed" not in tty.text


def test_after_many_wrong_passwords_the_visit_is_over(station: LiveDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    AdminPassword(station.config_path).set("correct horse")
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    failures = Failures()
    for _ in range(2):
        tty = ScriptedTty("")
        tty._typed = [b"correct house\r"] * console.MOST_TRIES
        visit(station.config_path, tty, failures=failures).run(IDLE_S)
        assert tty.text.count("Wrong password.") == console.MOST_TRIES
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0, 30.0, 30.0]


def test_a_terminal_that_takes_nothing_or_is_gone_ends_the_visit(station: LiveDaemon) -> None:
    class Stuck(ScriptedTty):
        def write(self, data: bytes, timeout_s: float) -> None:
            raise IdleTooLongError("The terminal has accepted nothing for a long time.")

    visit(station.config_path, Stuck("show\r")).run(IDLE_S)
    with pytest.raises(TerminalGoneError):
        visit(station.config_path, ScriptedTty("set budget.currency EUR\r")).run(IDLE_S)
