"""What counts as a fault of a card's file system after a power cut, by real file systems damaged on purpose."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from rig.card.data_partition import repair

pytestmark = pytest.mark.system


@pytest.fixture
def partition(tmp_path: Path) -> Path:
    made = tmp_path / "data.ext4"
    with made.open("wb") as file:
        file.truncate(64 << 20)
    subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", "-b", "4096", made], check=True)
    (tmp_path / "letter").write_text("x" * 9000)
    debugfs(made, f"write {tmp_path}/letter letter", "mkdir box", f"write {tmp_path}/letter box/other")
    return made


def debugfs(partition: Path, *commands: str) -> str:
    """Change what no mount would."""
    done = subprocess.run(
        ["/sbin/debugfs", "-w", "-f", "-", partition],
        input="\n".join(commands) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_a_sound_one(partition: Path) -> None:
    assert repair(partition) == []


def test_a_deleted_file_of_which_only_the_mark_is_left_is_a_fault(partition: Path) -> None:
    """No data is lost by it, but whoever left it wrote where he should not have."""
    debugfs(partition, "sif letter links_count 0", "unlink letter")
    assert "Deleted inode" in repair(partition)[0]


def test_a_file_on_blocks_that_are_marked_as_free_is_a_fault(partition: Path) -> None:
    block = debugfs(partition, "blocks letter").split()[-2]
    debugfs(partition, f"freeb {block}")
    assert "bitmap differences" in repair(partition)[0]


def test_a_lost_folder_is_a_fault(partition: Path) -> None:
    """Its files are there, and in no folder."""
    debugfs(partition, "unlink box")
    assert "e2fsck -fn ended with" in repair(partition)[0]
