"""What the wizard learns of the machine: modems on its ports, never the terminal's own, and the time zone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dialpost.cli.console import wizard_facts
from dialpost.cli.console.wizard_facts import look_around, look_for_modems, system_timezone
from fakes import FakeTerminal


def test_the_terminals_own_port_is_not_sent_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    master, slave = os.openpty()
    own = os.ttyname(slave)
    (tmp_path / "link").symlink_to(own)
    monkeypatch.setenv("DIALPOST_SERIAL_PORTS", f"{own}:{tmp_path / 'link'}")
    terminal = FakeTerminal([])
    try:
        os.set_blocking(master, False)
        assert look_for_modems(terminal, own) == ()
        with pytest.raises(BlockingIOError):
            os.read(master, 100)
    finally:
        os.close(master)
        os.close(slave)
    assert "no serial port for a modem" in terminal.text


def test_a_port_that_cannot_be_opened_is_offered_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DIALPOST_SERIAL_PORTS", str(tmp_path / "none"))
    terminal = FakeTerminal([])
    (offer,) = look_for_modems(terminal, "")
    assert (offer.port, offer.profile) == (str(tmp_path / "none"), "")
    assert offer.words and offer.words in terminal.text


@pytest.mark.parametrize(
    ("told", "zone"),
    [("Europe/Vienna", "Europe/Vienna"), (":Asia/Tokyo", "Asia/Tokyo"), ("UTC", ""), ("CET-1", "")],
)
def test_the_time_zone_of_the_machine(monkeypatch: pytest.MonkeyPatch, told: str, zone: str) -> None:
    monkeypatch.setenv("TZ", told)
    assert system_timezone() == zone


def test_without_tz_the_machines_link_tells(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TZ", raising=False)
    link = tmp_path / "localtime"
    link.symlink_to("/usr/share/zoneinfo/Europe/Berlin")
    monkeypatch.setattr(wizard_facts, "_LOCALTIME", link)
    assert system_timezone() == "Europe/Berlin"
    assert "Europe/Berlin" in look_around(tmp_path / "dialpost.toml", ()).timezones


def test_ctrl_c_leaves_out_the_ports_not_looked_at_yet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def ended_early(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setenv("DIALPOST_SERIAL_PORTS", "/dev/one:/dev/two")
    monkeypatch.setattr(wizard_facts, "look", ended_early)
    offers = look_for_modems(FakeTerminal([]), "")
    assert [(offer.port, offer.words) for offer in offers] == [
        ("/dev/one", "not checked"),
        ("/dev/two", "not checked"),
    ]
