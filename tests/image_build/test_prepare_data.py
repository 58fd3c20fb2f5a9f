"""The image's script that makes /data fit: its one way to put a file in the place of another."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "image-build/rootfs/usr/lib/dialpost/prepare-data"


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


# -- a configuration on the boot partition ----------------------------------------------------------------


def _provision(tmp_path: Path, *, there: str = "") -> str:
    """`provision` with folders of ours, a `dialpost` that takes every file, and nothing to mount; what it said."""
    text = SCRIPT.read_text("utf-8")
    functions = text[text.index("replace() {") : text.index("# Made by the initial RAM disk")]
    cut = functions.index("on_firmware() {")
    own = 'on_firmware() { "$@" || echo "$* failed"; }\ndialpost() { return 0; }\n'
    rest = functions[functions.index("\n}\n", cut) + 3 :]
    functions = functions[:cut] + own + rest
    config = tmp_path / "config.toml"
    if there:
        config.write_text(there)
    functions = functions.replace("dialpost:dialpost", '"$(id -u):$(id -g)"')
    functions = functions.replace("/run/dialpost-problems.txt", f"{tmp_path}/dialpost-problems.txt")
    story = (
        f"set -eu\nFIRMWARE={tmp_path}/firmware\nCONFIG={config}\nMARKER={tmp_path}/no\n{functions}\nprovision\n"
    )
    return subprocess.run(["sh", "-c", story], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def firmware(tmp_path: Path) -> Path:
    folder = tmp_path / "firmware"
    folder.mkdir()
    for name in ("config.txt", "README.txt", "args.txt", "LICENCE.txt"):
        (folder / name).write_text("theirs")
    return folder


@pytest.mark.parametrize("name", ["dialpost.toml", "dialpost.toml.txt"])
def test_a_configuration_is_taken_over_and_removed(tmp_path: Path, firmware: Path, name: str) -> None:
    """Windows adds .txt and does not show it."""
    (firmware / name).write_text("mine")
    assert "taken over" in _provision(tmp_path)
    assert (tmp_path / "config.toml").read_text() == "mine"
    assert not (firmware / name).exists()


@pytest.mark.parametrize("name", ["Dialpost (1).toml", "dialpost.txt", "clinic.toml", "dialpost.toml.toml"])
def test_another_name_is_reported(tmp_path: Path, firmware: Path, name: str) -> None:
    (firmware / name).write_text("mine")
    assert "is not read" in _provision(tmp_path)
    told = (firmware / "dialpost-problems.txt").read_text()
    assert name.lower() in told and "Rename it to dialpost.toml" in told
    assert (firmware / name).exists() and not (tmp_path / "config.toml").exists()


def test_nothing_is_reported_of_files_that_belong_there(tmp_path: Path, firmware: Path) -> None:
    assert _provision(tmp_path) == ""
    assert not (firmware / "dialpost-problems.txt").exists()


def test_a_configuration_that_is_there_stays(tmp_path: Path, firmware: Path) -> None:
    (firmware / "dialpost.toml.txt").write_text("another")
    assert "dialpost.toml.txt on the boot partition is left alone" in _provision(tmp_path, there="mine")
    assert (tmp_path / "config.toml").read_text() == "mine"
    assert (firmware / "dialpost.toml.txt").exists()
