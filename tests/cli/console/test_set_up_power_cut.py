"""The power goes at each durable write of a first set-up: then there is no configuration, or a whole station."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dialpost.core.password import verify_password
from dialpost.edge.config.file import ConfigFile
from dialpost.edge.console.admin_password import AdminPassword
from dialpost.edge.mail.account_file import AccountFile
from first_start_rig import folder
from loop_thread import HANGS_S
from set_up_child import ADMIN, ANNA

TESTS = Path(__file__).parents[2]
MOST_WRITES = 60
AGAIN_EVERY = 4


@pytest.fixture
def set_up() -> Iterator[Callable[[Path, int], int]]:
    """Makes a set-up in a place, killed at a write of this number; returns its exit status."""
    with subprocess.Popen(
        [sys.executable, str(TESTS / "set_up_child.py")],
        env=os.environ | {"PYTHONPATH": str(TESTS), "TZ": "UTC"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as child:
        assert child.stdin is not None and child.stdout is not None
        told, done = child.stdin, child.stdout

        def one(place: Path, last: int) -> int:
            told.write(f"{place} {last}\n")
            assert select.select([done], [], [], HANGS_S)[0], "it hangs"
            status = int(done.readline())
            assert status in {0, -signal.SIGKILL}
            return status

        try:
            yield one
        finally:
            child.kill()


def whole_station(place: Path) -> bool:
    """Whether there is a configuration; if so, everything that belongs to it must be there."""
    path = place / "dialpost.toml"
    if not path.exists():
        return False
    config = ConfigFile(path).load()
    assert config.station.domains == ("clinic.example",) and config.station.postmaster == "anna"
    assert AdminPassword(path).is_right(ADMIN)
    accounts, _ = AccountFile(place / "data" / "accounts.toml").load()
    assert list(accounts) == ["anna"] and verify_password(ANNA, accounts["anna"].password_hash)
    return True


@pytest.mark.slow
def test_at_every_write_there_is_nothing_or_a_whole_station_and_it_can_be_run_again(
    set_up: Callable[[Path, int], int],
) -> None:
    found: list[bool] = []
    for last in range(1, MOST_WRITES):
        place = folder()
        try:
            status = set_up(place, last)
            found.append(whole_station(place))
            if status and last % AGAIN_EVERY == 0:
                assert set_up(place, 0) == 0
                assert whole_station(place)
        finally:
            shutil.rmtree(place)
        if status == 0:
            break
    else:
        raise AssertionError("it never came to its end")
    assert found == sorted(found), "once it is there it stays"
    assert {False, True} <= set(found), "both sides of the one rename were seen"
