"""A console without an admin password: every way to a station that runs so says it, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from console_rig import LiveDaemon, live_daemon, typed
from dialpost.cli.console.console import who
from dialpost.edge.console.admin_password import NO_PASSWORD, AdminPassword


@pytest.fixture
def own(tmp_path: Path) -> Iterator[LiveDaemon]:
    with live_daemon(tmp_path) as made:
        yield made


def said(screen: str) -> int:
    return " ".join(screen.split()).count(NO_PASSWORD)


def test_a_commit_and_the_exit_say_so_until_there_is_one(own: LiveDaemon) -> None:
    assert said(typed(own.config_path, "set smtp.max_errors 7", "commit", "exit")) == 2
    assert said(typed(own.config_path, "exit")) == 1
    AdminPassword(own.config_path).set("correct horse")
    assert said(typed(own.config_path, "set smtp.max_errors 8", "commit", "exit")) == 0


def test_what_is_restored_from_a_paste_says_so(own: LiveDaemon) -> None:
    text = own.config_path.read_text()
    assert said(typed(own.config_path, "restore from paste", *text.splitlines(), ".", "exit", "yes")) >= 2


def test_status_of_an_installed_station_says_so(own: LiveDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DIALPOST_STATION", raising=False)
    assert said(typed(own.config_path, "status")) == 0  # a development tree has no console of its own
    monkeypatch.setenv("DIALPOST_STATION", "1")
    assert said(typed(own.config_path, "status")) == 1
    AdminPassword(own.config_path).set("correct horse")
    assert said(typed(own.config_path, "status")) == 0


def test_the_history_says_who_and_where() -> None:
    assert who(Path("/dev/pts/3")) == "the admin at the serial console (pts/3)"
    assert who(Path("/dev/ttyAMA0")) == "the admin at the serial console (ttyAMA0)"
