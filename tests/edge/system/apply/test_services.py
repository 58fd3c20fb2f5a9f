"""edge/system/apply/services: how each service is notified, and that none of it waits for the unit it runs in."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dialpost.core.system.apply.rendered import CHRONY, DOVECOT, FIREWALL, NETWORK
from dialpost.edge.system.apply import services as module

UNIT = Path(__file__).parents[4] / "systemd/dialpost-apply.service"
TABLE = "dialpost_lan"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Every command run; all of them succeed."""
    commands: list[tuple[str, ...]] = []

    def run(command: tuple[str, ...], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(tuple(command))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def _tell_all(there: bool) -> None:
    for service in module.services(TABLE):
        if service.path in {FIREWALL, NETWORK, CHRONY, DOVECOT}:
            service.tell(there)
        service.lacks()


@pytest.mark.parametrize("there", [True, False])
def test_nothing_waits_for_a_job_of_systemds(asked: list[tuple[str, ...]], there: bool) -> None:
    """The unit is ordered before network and chrony: a job for them would begin when it has ended, so never."""
    _tell_all(there)
    jobs = [command for command in asked if command[0] == "systemctl" and command[1] != "is-active"]
    assert jobs and all(command[1] == "--no-block" for command in jobs), jobs


def test_each_by_its_own_means(asked: list[tuple[str, ...]]) -> None:
    _tell_all(True)
    assert ("networkctl", "reload") in asked
    assert ("chronyc", "reload", "sources") in asked
    assert ("nft", "-f", FIREWALL) in asked


def test_one_that_does_not_run_yet_is_reported_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """At boot: it reads what it needs when it starts."""
    commands: list[tuple[str, ...]] = []

    def run(command: tuple[str, ...], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(tuple(command))
        return subprocess.CompletedProcess(command, 3, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    for service in module.services(TABLE):
        if service.path in {NETWORK, CHRONY}:
            service.tell(True)
    assert [command[1] for command in commands] == ["is-active", "is-active"]


def test_its_sandbox_lets_chronyc_talk() -> None:
    """chronyc makes its own socket beside chronyd's, in a folder of another user."""
    lines = UNIT.read_text().splitlines()
    assert "ReadWritePaths=-/run/chrony" in lines
    assert any(line.startswith("CapabilityBoundingSet=") and "CAP_DAC_OVERRIDE" in line for line in lines)
