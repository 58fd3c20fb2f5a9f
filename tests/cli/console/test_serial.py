"""The console at a serial line of 9600 bit/s: every byte takes its time, and none is lost."""

from __future__ import annotations

import contextlib
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from console_rig import CONFIG, PROMPT, LiveDaemon, SerialSeat, live_daemon
from dialpost.edge.console.admin_password import AdminPassword


@pytest.fixture
def station(tmp_path: Path) -> Iterator[LiveDaemon]:
    with live_daemon(tmp_path) as made:
        yield made


@pytest.fixture
def serial(station: LiveDaemon) -> Iterator[SerialSeat]:
    made = SerialSeat(station.config_path)
    made.sit_down()
    yield made
    made.close()


def log_in(serial: SerialSeat) -> None:
    serial.until("Press Enter. ")
    serial.type("\r")
    serial.until(PROMPT)


@pytest.mark.slow
def test_a_configuration_of_200_lines_is_pasted_whole(station: LiveDaemon, serial: SerialSeat) -> None:
    log_in(serial)
    text = station.config_path.read_text()
    route = '\n[[outbound.route]]\ndomains = ["branch-{0}.example"]\nvia = "smarthost"\nhost = "mx-{0}.example"\n'
    routes = "".join(route.format(number) for number in range(40))
    pasted = text.rstrip("\n") + "\n" + routes
    assert len(pasted.splitlines()) >= 200
    serial.type("restore from paste\r")
    serial.until("Ctrl-C cancels.")
    began_s = time.monotonic()
    serial.type(pasted.replace("\n", "\r") + ".\r")
    said = serial.until("lines loaded") + serial.until(PROMPT)
    assert time.monotonic() - began_s >= len(pasted) * 10 / 9600 * 0.9  # at the line's pace
    assert "FAULT" not in said
    assert "Committed as number 2." in serial.command("commit")
    assert tomllib.loads(station.config_path.read_text()) == tomllib.loads(pasted)


@pytest.mark.slow
def test_200_commands_are_pasted_without_waiting_for_answers(station: LiveDaemon) -> None:
    lines = [
        f"set outbound.route[{number}].{key} far-{number}.example"
        for number in range(1, 101)
        for key in ("domains", "host")
    ]
    lines += ["set outbound.user clinic", "set outbound.password", "sehr geheim", "sehr geheim", "commit"]
    assert len(lines) > 200
    with contextlib.closing(
        SerialSeat(station.config_path, 115_200)
    ) as serial:  # quicker than they are carried out
        serial.sit_down()
        log_in(serial)
        serial.type("\n".join(lines) + "\n")
        said = serial.until("Committed as number 2.")
    assert "geheim" not in said and "There is no" not in said
    found = tomllib.loads(station.config_path.read_text())
    assert len(found["outbound"]["route"]) == 100
    assert found["outbound"]["password"] == "sehr geheim"


def test_a_terminal_program_that_leaves_and_comes_back_goes_on(serial: SerialSeat) -> None:
    log_in(serial)
    serial.command("set budget.currency EUR")
    serial.get_up()
    serial.sit_down()
    serial.type("\r")
    serial.until(r"dialpost\*> \Z")
    assert "budget.currency" in serial.command("compare")


def test_a_session_that_ends_is_followed_by_the_next_with_its_own_login(
    station: LiveDaemon, serial: SerialSeat
) -> None:
    log_in(serial)
    serial.command("password", "New password: ")
    serial.type("correct horse\rcorrect horse\r")
    serial.until(PROMPT)
    assert AdminPassword(station.config_path).is_right("correct horse")
    serial.command("exit", "Good-bye.")
    serial.until("Press Enter. ")
    serial.type("\r")
    serial.until("Password: ")
    serial.type("correct horse\r")
    serial.until(PROMPT)


def test_noise_on_the_line_does_no_harm(serial: SerialSeat) -> None:
    log_in(serial)
    noise = bytes((index * 37 + 11) % 256 for index in range(2000))
    harmless = bytes(byte for byte in noise if byte not in {0x03, 0x04, 0x0A, 0x0D, 0x13})
    serial.type(harmless + b"\x1b[\xff\x00\x80\x15\r")
    serial.type("\x15set budget.currency EUR\r")
    serial.until("budget.currency = ")
    serial.until(PROMPT)
    assert "EUR" in serial.command("compare")


def test_a_commit_left_unconfirmed_and_a_rollback(station: LiveDaemon, serial: SerialSeat) -> None:
    log_in(serial)
    serial.command("set budget.currency EUR")
    serial.command("commit confirm 0.05")
    assert "EUR" in station.config_path.read_text()
    serial.until("Your candidate still has those changes; `discard` drops them.")
    serial.until(PROMPT)
    assert "EUR" not in station.config_path.read_text()
    serial.command("discard")
    serial.command("set budget.currency CHF")
    serial.command("commit")
    serial.command("rollback 1")
    serial.command("commit")
    assert "CHF" not in station.config_path.read_text()


def test_a_session_killed_before_it_confirmed_takes_its_commit_back(
    station: LiveDaemon, serial: SerialSeat
) -> None:
    log_in(serial)
    serial.command("set budget.currency EUR")
    assert "unless you `confirm`" in serial.command("commit confirm 60").replace("\r\n", " ")
    assert "EUR" in station.config_path.read_text()
    serial.kill()
    log_in(serial)
    assert "its session ended without a confirmation" in serial.command("history")
    assert "EUR" not in station.config_path.read_text()


def test_tab_and_editing_are_quick_at_this_pace(serial: SerialSeat) -> None:
    log_in(serial)
    serial.type("set budget.curr\tEUR")
    drawn = serial.until("budget.currency EUR")
    assert len(drawn) < 9600 / 10, "less than a second of the line"
    serial.type("\x01\x0b")
    serial.until(r"\x1b\[K")


def test_a_line_of_which_the_configuration_says_that_it_is_dumb(tmp_path: Path) -> None:
    config = CONFIG + '\n[console]\nterminal = "dumb"\nspeed_bps = 19200\n'
    with live_daemon(tmp_path, config) as station:
        serial = SerialSeat(station.config_path, 19_200)
        try:
            serial.sit_down()
            log_in(serial)
            serial.type("shwo\x08\x08ow console\r")
            seen = serial.until(PROMPT)
            seen += serial.command("help")
            serial.type("com\t")
            seen += serial.until(r"dialpost> com\Z")
        finally:
            serial.close()
    assert "\x1b" not in seen and "--more--" not in seen and 'console.terminal = "dumb"' in seen
