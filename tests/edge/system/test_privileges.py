"""A command run by root writes for the daemon as the daemon's user."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dialpost.edge.system.privileges import become_owner_of

NOBODY = 65_534


def in_child(work: Callable[..., Any]) -> str:
    """Run `work` in its own process, which may change its user; its answer, a line of text."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, repr(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return text


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give it up")
@pytest.mark.parametrize("owner", [NOBODY, 54_321])  # one with a name, one without
def test_root_becomes_the_owner(tmp_path: Path, owner: int) -> None:
    os.chown(tmp_path, owner, owner)

    def work() -> object:
        os.chdir(tmp_path)  # the folders above are root's own
        become_owner_of(Path())
        Path("made").touch()
        try:
            os.setuid(0)
        except PermissionError:
            return os.getresuid(), os.getresgid(), Path("made").stat().st_uid
        return "still root"

    assert in_child(work) == repr(((owner,) * 3, (owner,) * 3, owner))


def test_nothing_to_give_up(tmp_path: Path) -> None:
    before = os.getresuid()
    become_owner_of(tmp_path)
    become_owner_of(tmp_path / "gone")
    assert os.getresuid() == before
