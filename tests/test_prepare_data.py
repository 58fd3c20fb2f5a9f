"""The image's script that makes /data fit: its one way to put a file in the place of another."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "image-build/rootfs/usr/lib/dialpost/prepare-data"


def _replace(source: Path, to: Path) -> int:
    """As `provision` calls it, where `set -e` counts for nothing."""
    text = SCRIPT.read_text("utf-8")
    function = text[text.index("replace() {") :]
    function = function[: function.index("\n}\n") + 3]
    story = f'set -eu\n{function}replace "$1" "$2" 0640 "$(id -u):$(id -g)" || exit 3\n'
    return subprocess.run(["sh", "-c", story, "sh", source, to], capture_output=True, check=False).returncode


def test_a_file_is_replaced_with_its_mode(tmp_path: Path) -> None:
    (tmp_path / "offered").write_text("new")
    (tmp_path / "there").write_text("old")
    assert _replace(tmp_path / "offered", tmp_path / "there") == 0
    assert (tmp_path / "there").read_text() == "new"
    assert (tmp_path / "there").stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["offered", "there"]


def test_what_cannot_be_read_whole_replaces_nothing(tmp_path: Path) -> None:
    """A folder is what cp refuses, as it does a file that a bad card gives only a part of."""
    (tmp_path / "offered").mkdir()
    (tmp_path / "there").write_text("old")
    assert _replace(tmp_path / "offered", tmp_path / "there") == 3
    assert (tmp_path / "there").read_text() == "old"


@pytest.mark.parametrize("there", ["link", "file"])
def test_what_lies_under_the_new_name_is_not_followed(tmp_path: Path, there: str) -> None:
    """The folder is the station's user's; this runs as root."""
    (tmp_path / "offered").write_text("new")
    (tmp_path / "passwd").write_text("root")
    new = tmp_path / "to.new"
    new.symlink_to(tmp_path / "passwd") if there == "link" else new.write_text("half")
    assert _replace(tmp_path / "offered", tmp_path / "to") == 0
    assert (tmp_path / "passwd").read_text() == "root"
    assert (tmp_path / "to").read_text() == "new" and not (tmp_path / "to").is_symlink()
