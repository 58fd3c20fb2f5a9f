"""`summary`, `summary save` and `setup` at the console; which way a visit goes where the station is not well."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from console_rig import CONFIG, LiveDaemon, ScriptedTty, live_daemon, typed
from dialpost.cli.console import console
from dialpost.cli.console.console import Failures, Visit
from dialpost.cli.console.terminal import ConsoleTerminal
from dialpost.daemon import Daemon, SetUp
from dialpost.edge.config.file import ConfigFile
from dialpost.edge.console.admin_password import AdminPassword
from dialpost.edge.system.usb import sticks as usb_sticks

SECRET = "anna's secret"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[LiveDaemon]:
    with live_daemon(tmp_path) as made:
        yield made


def test_the_page_tells_what_holds_now_and_is_kept_and_saved(
    own: LiveDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    said = typed(own.config_path, "account add anna", SECRET, SECRET, "summary", "summary save")
    assert "anna@clinic.example" in said and "The lights" in said
    assert "No USB stick found." in said
    page = (own.folder / "data" / "summary.txt").read_text()
    assert "anna@clinic.example" in page and SECRET not in page
    monkeypatch.setattr(usb_sticks, "mounted", lambda: [stick])
    assert "Saved as dialpost-summary.txt." in typed(own.config_path, "summary save")
    assert (stick / "dialpost-summary.txt").read_text() == page


def test_the_wizard_again_by_quit_changes_nothing(own: LiveDaemon) -> None:
    before = own.config_path.read_text()
    said = typed(own.config_path, "setup", "back", "quit", "status")
    assert "This is the first question." in said and "Nothing was saved" in said
    assert "mail.clinic.example" in said and own.config_path.read_text() == before


def test_the_wizard_again_changes_what_is_answered_again(own: LiveDaemon) -> None:
    walk = ["", "3", "smtp.other.example", "", "", "Europe/Berlin", "the admin's", "the admin's"]
    users = ["anna", SECRET, SECRET, "", "yes"]
    said = typed(own.config_path, "setup", *walk, *users, "show outbound", "account list")
    assert "The station works." in said
    config = ConfigFile(own.config_path).load()
    assert (config.outbound.smarthost, config.schedule.timezone) == ("smtp.other.example", "Europe/Berlin")
    assert config.link.kind.value == "gateway" and config.smtp.listen == ("127.0.0.1:0",)
    assert "smtp.other.example" in said and "anna" in said and SECRET not in said


def test_changes_that_are_not_committed_come_first(own: LiveDaemon) -> None:
    said = typed(own.config_path, "set budget.currency EUR", "setup")
    assert "`commit` or `discard` them first" in said


# -- which way a visit goes ---------------------------------------------------------------------------------


def visit(config_path: Path, *lines: str) -> str:
    """What is shown to somebody who types these lines."""
    tty = ScriptedTty("".join(f"{line}\r" for line in lines))
    terminal = ConsoleTerminal(tty, dumb=False, utf8=False, idle_s=0.0)
    Visit(terminal, argparse.Namespace(config=config_path, tty=None), Failures()).run(60.0)
    return tty.text


@pytest.fixture
def run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DIALPOST_RUN_DIR", str(tmp_path / "run"))
    return str(tmp_path / "run")


def test_without_a_configuration_comes_the_wizard_and_after_quit_the_command_line(
    tmp_path: Path, run_dir: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console_rig.Daemon", partial(Daemon, set_up=SetUp(run_dir=run_dir)))
    with live_daemon(tmp_path, None) as daemon:
        said = visit(daemon.config_path, "quit", "status", "exit")
    assert "This station is not set up yet." in said
    assert "`setup` starts the set-up wizard again" in said and "set up" in said and said.endswith("Good-bye.\n")


def test_a_broken_configuration_wants_the_password_before_the_rescue_menu(tmp_path: Path, run_dir: str) -> None:
    AdminPassword(tmp_path / "dialpost.toml").set("harbour-gate")
    with live_daemon(tmp_path, CONFIG + "foo = 1\n") as daemon:
        said = visit(daemon.config_path, "harbour-gate", "1", "0")
    assert said.index("Password:") < said.index("This is the rescue menu.") < said.index("outbound.foo")
    assert "harbour-gate" not in said and said.endswith("Good-bye.\n")


def test_the_command_line_of_the_rescue_menu(tmp_path: Path, run_dir: str) -> None:
    with live_daemon(tmp_path, CONFIG + "foo = 1\n") as daemon:
        said = visit(daemon.config_path, "9", "unset outbound.foo", "commit", "status", "exit")
    assert "mail.clinic.example" in said.rpartition("commit")[2]


def test_where_no_daemon_answers_it_is_waited_for_and_then_the_menu_comes(
    tmp_path: Path, run_dir: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "DAEMON_STARTS_S", 0.6)
    path = tmp_path / "dialpost.toml"
    path.write_text(CONFIG.replace("{folder}", str(tmp_path)))
    said = visit(path, "1", "0")
    assert "Waiting for the mail station" in said and "the mail station is not running" in said
    assert "The configuration is valid." in said


def test_a_file_spoilt_by_hand_under_a_running_station_is_told(own: LiveDaemon) -> None:
    own.config_path.write_text(own.config_path.read_text() + "foo = 1\n")
    said = visit(own.config_path, "status", "exit")
    assert "The station keeps running with its previous configuration" in said and "outbound.foo" in said
    assert "rescue menu" not in said
