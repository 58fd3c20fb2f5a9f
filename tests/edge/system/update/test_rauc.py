"""What is made of RAUC's answers: a stand-in for its command says them. The real one is tried with the image."""

from __future__ import annotations

from pathlib import Path

import pytest

from dialpost.core.errors import UpdateError
from dialpost.edge.system.update.rauc import Rauc


def _rauc(folder: Path, script: str) -> Rauc:
    command = folder / "rauc"
    command.write_text(f'#!/bin/sh\necho "$@" >>{folder}/asked\n{script}\n')
    command.chmod(0o755)
    return Rauc(str(command))


def test_what_a_bundle_is(tmp_path: Path) -> None:
    rauc = _rauc(tmp_path, """echo '{"version": "1"}'; echo 'rauc-Message: Verified' >&2""")
    assert rauc.info(Path("/media/new.raucb")) == {"version": "1"}
    assert (tmp_path / "asked").read_text() == "info --output-format=json /media/new.raucb\n"


def test_a_bundle_with_a_wrong_signature(tmp_path: Path) -> None:
    rauc = _rauc(tmp_path, "echo 'rauc: reading' >&2; echo 'signature verification failed' >&2; exit 1")
    with pytest.raises(UpdateError, match="is not an update for this station: signature verification failed"):
        rauc.info(Path("/media/new.raucb"))


@pytest.mark.parametrize("script", ["echo nonsense", "true"])
def test_an_answer_that_is_none(tmp_path: Path, script: str) -> None:
    with pytest.raises(UpdateError, match="could not be examined"):
        _rauc(tmp_path, script).info(Path("x"))


def test_without_rauc(tmp_path: Path) -> None:
    rauc = Rauc(str(tmp_path / "none"))
    with pytest.raises(UpdateError, match="could not be examined"):
        rauc.info(Path("x"))
    with pytest.raises(UpdateError, match="can't be run"):
        rauc.install(Path("x"), print)


def test_installing_tells_each_line(tmp_path: Path) -> None:
    told: list[str] = []
    _rauc(tmp_path, "echo ' 50% Copying'; echo '100% done'").install(Path("/media/new.raucb"), told.append)
    assert told == [" 50% Copying", "100% done"]
    assert (tmp_path / "asked").read_text() == "install /media/new.raucb\n"


def test_installing_that_fails(tmp_path: Path) -> None:
    rauc = _rauc(tmp_path, "echo 'LastError: no space'; echo; exit 1")
    with pytest.raises(UpdateError, match="was not installed: LastError: no space"):
        rauc.install(Path("new.raucb"), lambda line: None)
