"""What `make release` refuses, and what it makes without root."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dialpost import __version__

pytestmark = [pytest.mark.slow, pytest.mark.release]

Release = Callable[..., "subprocess.CompletedProcess[str]"]


def test_a_tree_with_changes_is_refused(committed: Path, release: Release, tmp_path: Path) -> None:
    stray = committed / "firmware" / "dialpost" / "stray.py"
    stray.write_text("")
    try:
        done = release("--wheel", "--out", tmp_path / "out")
    finally:
        stray.unlink()
    assert done.returncode == 1 and "firmware/dialpost/stray.py" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_version_that_the_changelog_does_not_date_is_refused(
    committed: Path, release: Release, tmp_path: Path
) -> None:
    init = committed / "firmware" / "dialpost" / "__init__.py"
    before = init.read_text()
    init.write_text(before.replace(f'"{__version__}"', '"99.1"'))
    commit = ["git", "-c", "user.name=a", "-c", "user.email=a@clinic.example", "commit", "-qam", "99.1"]
    subprocess.run(commit, cwd=committed, check=True)
    try:
        done = release("--wheel", "--out", tmp_path / "out")
    finally:
        subprocess.run(["git", "reset", "--quiet", "--hard", "HEAD~1"], cwd=committed, check=True)
    assert done.returncode == 1 and "CHANGELOG.md has no dated section for 99.1" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_folder_holds_what_is_published_and_its_checksums(made: Path) -> None:
    names = {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()}
    wheel = f"dialpost-{__version__}-py3-none-any.whl"
    assert {wheel, f"{wheel}.spdx.json", f"dialpost-{__version__}.tar.gz", "SHA256SUMS"} <= names
    assert {"man/dialpost.1", "man/dialpost-queue.1", "completion/dialpost", "completion/_dialpost"} <= names
    lines = [line.split("  ") for line in (made / "SHA256SUMS").read_text().splitlines()]
    sums = {name: digest for digest, name in lines}
    assert sums == {name: hashlib.sha256((made / name).read_bytes()).hexdigest() for name in names - {"SHA256SUMS"}}


def test_the_bill_of_materials_names_every_locked_package(made: Path) -> None:
    (path,) = made.glob("*.spdx.json")
    packages = json.loads(path.read_text())["packages"]
    assert {"dialpost", "aiosmtpd", "dnspython", "gpiod", "gpiozero", "idna", "pyserial"} <= {
        one["name"] for one in packages
    }
    assert all(one["versionInfo"] for one in packages)


def test_the_source_archive_is_the_whole_tree(made: Path, committed: Path) -> None:
    with tarfile.open(made / f"dialpost-{__version__}.tar.gz") as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert {"Makefile", "image-build/build", "tests/release/test_build.py", "firmware/dialpost/board"} <= inside
    assert "board/rpi-4b.toml" in inside


def test_the_same_commit_gives_the_same_bytes(made: Path, release: Release, tmp_path: Path) -> None:
    assert release("--wheel", "--out", tmp_path / "again").returncode == 0
    assert (tmp_path / "again" / "SHA256SUMS").read_text() == (made / "SHA256SUMS").read_text()
