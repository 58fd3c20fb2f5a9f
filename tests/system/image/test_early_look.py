"""What the initial RAM disk looks up on the data partition leaves no trace there: it comes before fsck has taken
the journal's last transactions over, and the kernel may write even where it mounts read-only.
"""

from __future__ import annotations

from pathlib import Path

from image.rig.card import Card
from image.rig.machine import Machine
from rig.card.data_partition import DATA_OFFSET, copy_range, repair

# A file that is deleted while it is open: the file system keeps it on a list until it is closed, and after a power
# cut it is freed by the list. The list is on the card for good (frozen, thawed); the file's own entry is in the
# journal as well, by way of its neighbour.
_HOLD = """\
cat >/run/hold.py <<'END'
import os, subprocess, time
gone, beside = (open(f"/data/dialpost/{name}", "w") for name in ("gone", "beside"))
def keep(file):
    file.write("x" * 800)
    file.flush()
    os.fsync(file.fileno())
keep(gone)
keep(beside)
os.unlink(gone.name)
subprocess.run(["fsfreeze", "--freeze", "/data"], check=True)
subprocess.run(["fsfreeze", "--unfreeze", "/data"], check=True)
for _ in range(5):
    keep(beside)
open("/run/held", "w").close()
time.sleep(3600)
END
systemd-run --quiet python3 /run/hold.py
until [ -e /run/held ]; do sleep 1; done"""


def _faults(card: Card, work: Path) -> list[str]:
    partition = work / "data.ext4"
    copy_range(card.path, partition, DATA_OFFSET)
    return repair(partition)


def test_a_file_that_was_open_when_the_power_failed_is_freed_and_leaves_no_mark(card: Card, work: Path) -> None:
    card.prepare()
    with Machine(card, work / "m1") as board:
        assert board.wait_up() == "running"
        identity = board.run("cat /etc/machine-id")
        board.run(_HOLD, within_s=120)
        board.pull_plug()
    assert _faults(card, work) == []
    with Machine(card, work / "m2") as board:
        assert board.wait_up() == "running"
        assert board.run("cat /etc/machine-id") == identity
        board.pull_plug()
    assert _faults(card, work) == []
