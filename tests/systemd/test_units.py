"""The units: how much of the machine each may touch (systemd's own measure), and why."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from dialpost.edge.system.update import file as update_file
from unit_exposure import exposure, needs_analyzer

UNITS = Path(__file__).parents[2] / "systemd"
LIMITS = {"dialpost.service": 2.0, "dialpost-console@.service": 3.0}
OPEN = re.compile(
    r"(SupplementaryGroups|ReadWritePaths|DeviceAllow|DevicePolicy|RestrictAddressFamilies)=.|[A-Za-z]+=(no|all)\Z"
)
"""Lines that leave something open: each stands below a comment that says why."""


@needs_analyzer
@pytest.mark.parametrize(("unit", "most"), LIMITS.items())
def test_the_exposure_is_within_its_limit(unit: str, most: float, tmp_path: Path) -> None:
    assert exposure(UNITS / unit, tmp_path) <= most


def _calls_of(group: str) -> set[str]:
    """The system calls a word of SystemCallFilter stands for, as the service manager here knows them."""
    if not group.startswith("@"):
        return {group}
    done = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager", group],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    words = [line.strip() for line in done.stdout.splitlines()[1:]]
    return set().union(*(_calls_of(word) for word in words if word and not word.startswith("#")))


@needs_analyzer
def test_the_console_may_make_the_calls_without_which_ping_ends() -> None:
    """ping gives up its privileges at its start, and ends with an error if it can't (iputils)."""
    allowed: set[str] = set()
    unit = (UNITS / "dialpost-console@.service").read_text()
    for words in re.findall(r"^SystemCallFilter=(.*)$", unit, re.MULTILINE):
        calls = set().union(*(_calls_of(word) for word in words.removeprefix("~").split()))
        allowed = allowed - calls if words.startswith("~") else allowed | calls
    assert {"capset", "setuid", "socket", "sendto"} <= allowed
    assert allowed & {"chroot", "reboot", "mount", "setgroups", "nice"} == set()


@pytest.mark.parametrize("unit", LIMITS)
def test_what_is_open_has_its_reason_beside_it(unit: str) -> None:
    lines = (UNITS / unit).read_text().splitlines()
    unexplained = []
    for number, line in enumerate(lines):
        above = number - 1
        while OPEN.match(lines[above]):
            above -= 1
        if OPEN.match(line) and not lines[above].startswith("#"):
            unexplained.append(line)
    assert unexplained == []


EVERY = sorted(
    [*UNITS.glob("*.service"), *(UNITS.parent / "image-build/rootfs/usr/lib/systemd/system").glob("*.service")]
)
MOST_EXPOSED = 5.0
"""Of any unit of ours, root's as well. What a unit needs beyond that stands in it, with the reason."""


@needs_analyzer
@pytest.mark.parametrize("unit", EVERY, ids=lambda unit: unit.name)
def test_no_unit_is_open(unit: Path, tmp_path: Path) -> None:
    assert exposure(unit, tmp_path) <= MOST_EXPOSED


def test_the_image_runs_units_of_its_own() -> None:
    """Else the test above looks in the wrong place."""
    assert {unit.name for unit in EVERY} >= {
        "dialpost.service",
        "dialpost-data.service",
        "dialpost-health.service",
        "dialpost-resolv.service",
    }


@pytest.mark.parametrize("name", ["dialpost-data.service", "dialpost-health.service", "dialpost-resolv.service"])
def test_each_of_roots_powers_has_its_reason_beside_it(name: str) -> None:
    """Every capability that a unit of the image keeps is named in a comment or explained right above it."""
    lines = next(unit for unit in EVERY if unit.name == name).read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("CapabilityBoundingSet="))
    kept = lines[at].partition("=")[2].split()
    assert len(kept) <= 5
    assert lines[at - 1].startswith("#") or not kept
    if len(kept) > 1:
        words = " ".join(line for line in lines if line.startswith("#"))
        assert [name for name in kept if name not in words] == []


def test_what_looks_at_the_disk_looks_at_nothing_else() -> None:
    for unit in EVERY:
        text = unit.read_text()
        if "DeviceAllow=block" in text:
            assert "DevicePolicy=closed" in text and unit.name in {
                "dialpost-data.service",
                "dialpost-health.service",
            }


def test_the_daemon_sees_the_kernels_files_that_it_reads() -> None:
    """ProcSubset=pid hides all of /proc but the processes: a release on trial was then not known as one."""
    read = {str(update_file._COMMAND_LINE), str(update_file._BOOT_ID)}
    assert all(path.startswith("/proc/") and not path.startswith("/proc/self/") for path in read)
    assert re.findall(r"^ProcSubset=(.*)$", (UNITS / "dialpost.service").read_text(), re.MULTILINE) == ["all"]


def test_the_daemon_asks_for_nothing_that_takes_netlink() -> None:
    """if_nameindex(3) does, and fails in dialpost.service; the interfaces are in /proc/net/dev as well."""
    families = re.findall(r"^RestrictAddressFamilies=(.*)$", (UNITS / "dialpost.service").read_text(), re.MULTILINE)
    assert families and "AF_NETLINK" not in " ".join(families)
    code = {path.name: path.read_text() for path in (UNITS.parent / "firmware/dialpost").rglob("*.py")}
    assert [name for name, text in code.items() if "socket.if_indextoname(" in text] == ["interface.py"]
    assert [name for name, text in code.items() if re.search(r"socket\.(?:if_nameindex|AF_NETLINK)", text)] == []
