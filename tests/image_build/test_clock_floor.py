"""What the image does with a clock that nobody set (its clock-floor), without a board."""

import os
import subprocess
from pathlib import Path

import pytest

from dialpost.core.mail.queue.records import EARLIEST_TRUE_TIME_S

SCRIPT = Path(__file__).parents[2] / "image-build/rootfs/usr/lib/dialpost/clock-floor"
DAY_S = 86_400
FLOOR_S = EARLIEST_TRUE_TIME_S - 5 * 365 * DAY_S
SYSTEMD_S = EARLIEST_TRUE_TIME_S - 200 * DAY_S  # when systemd's package was made: it shows nothing earlier
TRUE_S = EARLIEST_TRUE_TIME_S + 40 * DAY_S

DATE = """#!/bin/sh
case $1 in
  +%s) cat {clock} ;;
  -s) echo "${{2#@}}" >{clock} ;;
  *) exit 1 ;;
esac
"""


@pytest.mark.parametrize(
    ("shown_s", "kept_s", "then_s"),
    [
        (SYSTEMD_S, None, FLOOR_S),  # the first start
        (SYSTEMD_S, FLOOR_S + 9 * DAY_S, FLOOR_S + 9 * DAY_S),  # never set, after a power cut
        (SYSTEMD_S, TRUE_S, TRUE_S),  # set once, no battery
        (SYSTEMD_S, 5, FLOOR_S),  # the card is spoilt
        (0, None, FLOOR_S),  # a systemd older than the floor, the battery is empty
        (TRUE_S, None, TRUE_S),  # a battery clock that is right
        (TRUE_S, FLOOR_S + DAY_S, TRUE_S),
        (TRUE_S, TRUE_S + DAY_S, TRUE_S),  # chronyd -s continues from there itself
        (EARLIEST_TRUE_TIME_S, FLOOR_S, EARLIEST_TRUE_TIME_S),
        (EARLIEST_TRUE_TIME_S - 1, FLOOR_S, FLOOR_S),
    ],
)
def test_a_clock_that_nobody_set_goes_on_from_where_it_was_last(
    tmp_path: Path, shown_s: int, kept_s: int | None, then_s: int
) -> None:
    clock, drift, epoch = tmp_path / "clock", tmp_path / "chrony.drift", tmp_path / "clock-epoch"
    clock.write_text(str(shown_s))
    epoch.write_text(f"{EARLIEST_TRUE_TIME_S}\n")
    os.utime(epoch, (FLOOR_S, FLOOR_S))
    if kept_s is not None:
        drift.write_text("1.5 0.2\n")
        os.utime(drift, (kept_s, kept_s))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/date").write_text(DATE.format(clock=clock))
    (tmp_path / "bin/date").chmod(0o755)
    script = (
        SCRIPT.read_text()
        .replace("/var/lib/chrony", str(tmp_path))
        .replace("/usr/lib/clock-epoch", str(epoch))
        .replace("_chrony:_chrony", f"{os.getuid()}")
    )
    environment = os.environ | {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    subprocess.run(["sh", "-c", script], check=True, timeout=60, env=environment)
    assert int(clock.read_text()) == then_s
    assert int(drift.stat().st_mtime) == max(then_s, kept_s or 0)  # what chronyd -s holds an RTC against
    assert drift.read_text() == ("0.0 1000000.0\n" if kept_s is None else "1.5 0.2\n")
