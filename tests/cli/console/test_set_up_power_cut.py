"""The power goes at each durable write of a first set-up: then there is no configuration, or a whole station."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dialpost.core.password import verify_password
from dialpost.edge.config.file import ConfigFile
from dialpost.edge.console.admin_password import AdminPassword
from dialpost.edge.mail.account_file import AccountFile
from first_start_rig import folder
from set_up_child import ADMIN, ANNA

TESTS = Path(__file__).parents[2]
MOST_WRITES = 60
AGAIN_EVERY = 4


def set_up(place: Path, last: int) -> int:
    """The child's exit status; it is killed at write number `last`."""
    done = subprocess.run(
        [sys.executable, str(TESTS / "set_up_child.py"), str(place), str(last)],
        env=os.environ | {"PYTHONPATH": str(TESTS), "TZ": "UTC"}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode


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
def test_at_every_write_there_is_nothing_or_a_whole_station_and_it_can_be_run_again() -> None:
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
