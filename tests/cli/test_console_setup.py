"""`summary`, `summary save` and `setup` at the console of a running station."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from console_rig import LiveDaemon, live_daemon, typed
from dialpost.edge import usb_sticks
from dialpost.edge.config_file import ConfigFile

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
    assert "No USB stick is there." in said
    page = (own.folder / "data" / "summary.txt").read_text()
    assert "anna@clinic.example" in page and SECRET not in page
    monkeypatch.setattr(usb_sticks, "mounted", lambda: [stick])
    assert "Saved as dialpost-summary.txt." in typed(own.config_path, "summary save")
    assert (stick / "dialpost-summary.txt").read_text() == page


def test_the_wizard_again_by_quit_changes_nothing(own: LiveDaemon) -> None:
    before = own.config_path.read_text()
    said = typed(own.config_path, "setup", "back", "quit", "status")
    assert "This is the first question." in said and "everything is as before" in said
    assert "mail.clinic.example" in said and own.config_path.read_text() == before


def test_the_wizard_again_changes_what_is_answered_anew(own: LiveDaemon) -> None:
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
