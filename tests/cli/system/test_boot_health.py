"""The watch over a start: how it looks, and what it finds on a station that is not one."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from dialpost.cli.system import boot_health
from dialpost.cli.system.boot_health import LOOK_EVERY_S, card_faults, faults, judge_update, watch
from dialpost.core.errors import StorageError
from dialpost.core.system.boot.health import GIVE_UP_S, HOLD_S, ILL_S, STARTING, HealthGate, Verdict
from dialpost.core.system.boot.state import Slot
from dialpost.core.system.update.record import UpdateRecord, UpdateState
from dialpost.edge.system.update.file import UpdateFile


class _Time:
    """Goes on only while somebody pauses."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def pause(self, seconds: float) -> None:
        self.now_s += seconds


def _watch(looks: list[list[str]], *, is_on_trial: bool) -> tuple[Verdict, float]:
    time = _Time()
    left = iter(looks)
    last: list[str] = []

    def look() -> list[str]:
        nonlocal last
        last = next(left, last)
        return last

    gate = HealthGate(time.now_s, is_on_trial=is_on_trial)
    return watch(gate, look, lambda: time.now_s, time.pause), time.now_s - 1000


def test_a_good_start(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dialpost.health")
    verdict, took_s = _watch([["the system is starting"], ["the system is starting"], []], is_on_trial=True)
    assert (verdict, took_s) == (Verdict.GOOD, 2 * LOOK_EVERY_S + HOLD_S)
    assert [record.message for record in caplog.records] == ["not well: the system is starting", "all is well"]


def test_a_start_on_trial_that_never_gets_well() -> None:
    assert _watch([["x.service has failed"]], is_on_trial=True) == (Verdict.GIVE_UP, ILL_S)


def test_a_start_on_trial_that_never_ends() -> None:
    assert _watch([[STARTING]], is_on_trial=True) == (Verdict.GIVE_UP, GIVE_UP_S)
    assert _watch([["x.service has failed"], [STARTING], []], is_on_trial=True)[0] is Verdict.GOOD


def test_the_configuration_and_the_daemon_are_looked_at(tmp_path: Path) -> None:
    config = tmp_path / "dialpost.toml"
    system = faults(config)  # this machine's own service manager, whatever it says
    config.write_text("[station]\nhostnam = 3\n")
    (fault,) = faults(config)[len(system) :]
    assert "configuration can't be read" in fault
    config.write_text(
        f'[station]\nhostname = "a.example"\ndomains = ["a.example"]\n'
        f'data_dir = "{tmp_path}"\nrun_dir = "{tmp_path}"\n'
    )
    (fault,) = faults(config)[len(system) :]
    assert "daemon does not answer" in fault
    config.write_text(config.read_text().replace(f'data_dir = "{tmp_path}"', f'data_dir = "{tmp_path}/none"'))
    assert f"{tmp_path}/none can't be written to" in faults(config)[len(system)]


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_lies_in_the_place_of_the_probe_is_not_followed_and_not_waited_for(tmp_path: Path, kind: str) -> None:
    """The folder is the station's user's, and root writes the probe."""
    other = tmp_path / "other"
    other.write_text("mine")
    probe = tmp_path / ".health"
    if kind == "link":
        probe.symlink_to(other)
    elif kind == "pipe":
        os.mkfifo(probe)
    else:
        probe.mkdir()
    found = card_faults(tmp_path)
    assert other.read_text() == "mine"
    if kind == "folder":
        assert "can't be written to" in found[0]
    else:
        assert found == [] and not probe.exists()


def test_each_look_tells_that_the_watch_is_alive() -> None:
    time, beats = _Time(), []
    watch(
        HealthGate(time.now_s, is_on_trial=True),
        list,
        lambda: time.now_s,
        time.pause,
        lambda: beats.append(time.now_s),
    )
    assert beats[1] - beats[0] == LOOK_EVERY_S
    assert len(beats) == HOLD_S / LOOK_EVERY_S + 1


class _FullCard(UpdateFile):
    def write(self, record: UpdateRecord) -> None:
        raise StorageError("The card is full.")


def test_a_verdict_that_cannot_be_written_down_does_not_end_the_watch(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record = UpdateRecord("1", UpdateState.INSTALLED, "0.3.0", "0.2.0", Slot.B, "boot-1")
    file = tmp_path / "update.json"
    UpdateFile(file).write(record)
    judged = judge_update(_FullCard(file), Slot.B, is_well=True, boot="boot-2")
    assert judged is not None and judged.state is UpdateState.PROVEN
    assert "The card is full." in caplog.text
    assert judge_update(UpdateFile(file), Slot.A, is_well=False, boot="boot-2") != record
    assert UpdateFile(file).read() != record


@pytest.mark.parametrize(
    ("mode", "asked"), [("running", ["update.look"]), ("on-trial", ["trial.over"]), ("set-up", []), ("", [])]
)
def test_the_daemon_is_asked_only_for_what_it_has(
    monkeypatch: pytest.MonkeyPatch, mode: str, asked: list[str]
) -> None:
    """A station that runs knows no `trial.over`, one on trial no `update.look`: each refusal was a log line."""
    told: list[str] = []
    monkeypatch.setattr(boot_health, "station_mode", lambda: mode)
    monkeypatch.setattr(boot_health, "tell_station", lambda method: told.append(method.name) is None)
    boot_health.tell_it_was_good()
    assert told == asked
