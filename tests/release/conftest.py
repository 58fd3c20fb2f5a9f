"""A release of this tree as it is now, made as `make release ARGS=--wheel` makes it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

TREE = Path(__file__).parents[2]
Release = Callable[..., "subprocess.CompletedProcess[str]"]


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=a test", "-c", "user.email=test@clinic.example", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="session")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of its own whose one commit holds this tree as it is, new files included."""
    if shutil.which("git") is None or not (TREE / ".git").exists():
        pytest.skip("a release is made from a git repository: there is no git here, or this is no clone")
    folder = tmp_path_factory.mktemp("tree")
    for name in git(TREE, "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0"):
        if name and (TREE / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TREE / name, folder / name, follow_symlinks=False)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--message", "As it is")
    return folder


@pytest.fixture(scope="session")
def release(committed: Path) -> Release:
    """Runs its script with these arguments."""

    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, committed / "release/build.py", *words],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def made(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a release without the image."""
    out = tmp_path_factory.mktemp("release") / "out"
    done = release("--wheel", "--out", out)
    assert done.returncode == 0, done.stdout + done.stderr
    return out
