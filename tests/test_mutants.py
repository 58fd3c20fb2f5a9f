"""What `make mutants` leaves out on the ground that it is explained is still there, and still has a reason."""

from __future__ import annotations

import tomllib
from pathlib import Path

from cases import cases

TREE = Path(__file__).parent.parent
EXPLAINED = TREE / "tests" / "mutants" / "explained.toml"
ENTRIES = tomllib.loads(EXPLAINED.read_text()).get("mutant", [])
SOURCES = {path: path.read_text() for path in (TREE / "firmware" / "dialpost" / "core").rglob("*.py")}


@cases("entry", ENTRIES, ids=lambda entry: entry["where"])
def test_an_explained_mutant_can_still_be_made(entry: dict[str, str]) -> None:
    """One that no longer can excuses nothing; it goes with the code it was about."""
    assert set(entry) == {"where", "was", "now", "why"} and entry["was"] != entry["now"] and entry["why"]
    stem = entry["where"].partition(".")[0]
    texts = [text for path, text in SOURCES.items() if stem in {path.stem, path.parent.name}]
    lines = {line.strip() for text in texts for line in text.splitlines()}
    assert entry["was"] in lines


def test_nothing_is_explained_twice() -> None:
    keys = [(entry["where"], entry["was"], entry["now"]) for entry in ENTRIES]
    assert len(set(keys)) == len(keys)
