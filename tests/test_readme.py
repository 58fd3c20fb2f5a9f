"""What README.md says of itself: its length, its links, the make targets it names, the screen it quotes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

TREE = Path(__file__).parents[1]
README = (TREE / "README.md").read_text(encoding="utf-8")
MOST_WORDS = 900
SCREEN = re.compile(r"<!-- screen -->\n```\n(.*?)\n```", re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z])")


def same(line: str) -> str:
    """What differs from run to run made equal."""
    return re.sub(r"port \d+", "port N", re.sub(r"password [^;]+", "password P", line)).strip()


def test_it_is_short() -> None:
    assert len(README.split()) <= MOST_WORDS


def test_every_link_leads_somewhere() -> None:
    targets = LINK.findall(README)
    assert len(targets) > 20
    assert [target for target in targets if not (TREE / target).exists()] == []


def test_every_make_target_it_names_exists() -> None:
    known = set(re.findall(r"^([a-z-]+):", (TREE / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"^ +make ([a-z-]+)", README, re.MULTILINE))
    assert {"run", "test", "check", "test-system", "fuzz", "bench"} <= named
    assert named <= known


def test_it_names_what_debian_needs() -> None:
    assert "python3-venv" in README


@pytest.fixture
def screen() -> Iterator[pexpect.spawn[str]]:
    """`make run` in a terminal of 24 lines."""
    child = pexpect.spawn(
        str(TREE / ".venv/bin/dialpost"), ["simulate"], encoding="utf-8", timeout=60, dimensions=(24, 80)
    )
    yield child
    child.send("q")
    child.expect(pexpect.EOF)
    child.close()


def test_what_it_says_of_a_mail_program_is_what_the_screen_shows(screen: pexpect.spawn[str]) -> None:
    quoted = SCREEN.search(README)
    assert quoted
    screen.expect_exact("Status: ")
    shown = [same(line) for line in ESCAPES.sub("", screen.before or "").splitlines()]
    for line in quoted[1].splitlines():
        assert same(line) in shown
