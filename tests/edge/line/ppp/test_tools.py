"""nft and ip, started before they are needed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dialpost.edge.line.ppp import tools
from dialpost.edge.line.ppp.tools import IP, NFT, Tools, run

Program = Callable[[str, str], None]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Makes one in sh."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tools, "SYSTEM_PATH", str(tmp_path))

    def make(name: str, does: str) -> None:
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)

    return make


@pytest.fixture
def started(program: Program, tmp_path: Path) -> Iterator[Tools]:
    """The tools, waiting: each notes its start and its input."""
    for name in ("nft", "ip"):
        program(name, f"echo {name} >>{tmp_path}/started\nread -r told\necho $told >>{tmp_path}/{name}.told")
    waiting = Tools()
    waiting.start()
    yield waiting
    waiting.stop()


def test_one_that_waits_gets_its_input(started: Tools, tmp_path: Path) -> None:
    assert started.run(NFT, "the rules\n") == "" == started.run(IP, "the routes\n")
    assert (tmp_path / "nft.told").read_text() == "the rules\n"
    assert (tmp_path / "ip.told").read_text() == "the routes\n"
    assert len((tmp_path / "started").read_text().split()) == 2


def test_a_second_run_starts_it_again(started: Tools, tmp_path: Path) -> None:
    assert [started.run(NFT, f"{number}\n") for number in range(2)] == ["", ""]
    assert (tmp_path / "nft.told").read_text() == "0\n1\n"


def test_one_that_was_killed_while_it_waited_is_started_again(started: Tools, tmp_path: Path) -> None:
    started._waiting[NFT].kill()
    assert started.run(NFT, "the rules\n") == ""
    assert (tmp_path / "nft.told").read_text() == "the rules\n"


def test_one_that_fails_says_why(program: Program) -> None:
    program("nft", "echo no such rule >&2\nexit 1")
    waiting = Tools()
    waiting.start()  # there is no ip
    assert waiting.run(NFT, "the rules\n") == run(NFT, "the rules\n") == "nft -f -: status 1: no such rule"
    assert "No such file" in waiting.run(IP, "the routes\n")
    waiting.stop()


def test_those_that_are_not_needed_are_ended(started: Tools, tmp_path: Path) -> None:
    children = list(started._waiting.values())
    started.stop()
    assert [child.returncode for child in children] == [-9, -9]
    assert not (tmp_path / "nft.told").exists()
