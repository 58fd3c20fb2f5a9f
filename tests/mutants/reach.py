"""Which of the core's tests reach which line of the core, measured once and again only where something changed."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any

from mutants.trial import LESS_MEASURED, measure


class Reach:
    """Tests by line, and how long each takes."""

    def __init__(self, core: Path) -> None:
        self._core = core
        self._seconds: dict[str, float] = {}
        self._texts: dict[str, str] = {}
        self._by_line: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))

    def add(self, text: str, found: dict[str, dict[str, dict[str, list[str]]]], seconds: dict[str, float]) -> None:
        """What one file of tests reaches; its text."""
        self._seconds |= seconds
        self._texts |= dict.fromkeys(map(_file, seconds), text)
        for path, lines in found.items():
            for line, tests in lines.items():
                self._by_line[path][int(line)].update(tests)

    def tests(self, path: Path, first: int, last: int) -> list[str]:
        """Those that run one of the lines, the module's own first, then the quick ones. For what runs on import:
        all that run anything of the module, stand in a file that imports it or are its package's.
        """
        name = path.relative_to(self._core).as_posix()
        lines = self._by_line.get(name, {})
        found = {test for line in range(first, last + 1) for test in lines.get(line, ())}
        if not found:
            module = "dialpost.core." + name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            found = {test for tests in lines.values() for test in tests}
            found |= {test for test in self._seconds if re.search(rf"{module}\b", self._texts[_file(test)])}
            if not found or "/" in name:  # all of tests/core is the ground floor's package
                package = "/".join(("tests/core", *path.relative_to(self._core).parent.parts)) + "/"
                found |= {test for test in self._seconds if test.startswith(package)}
        return sorted(found, key=lambda test: (not is_own(test, path), self._seconds[test], test))

    def limits_s(self, tests: Iterable[str]) -> dict[str, float]:
        """By test: after this much processor time it runs for ever."""
        return {test: 5 + 5 * LESS_MEASURED * self._seconds[test] for test in tests}


def is_own(test: str, path: Path) -> bool:
    """Whether the test stands in the file that mirrors the module's."""
    return Path(_file(test)).name == f"test_{path.stem}.py"


def reach_of(test_files: Iterable[Path], tree: Path, core: Path, cache: Path, pool: Executor) -> Reach:
    """From the cache where neither the tests nor what they reached changed. Raises: RuntimeError if one fails."""
    reach = Reach(core)
    files = sorted(test_files)
    for file, kept in zip(
        files, pool.map(partial(_of_file, tree=tree, core=core, cache=cache), files), strict=True
    ):
        reach.add(file.read_text(), kept["reach"], kept["seconds"])
    return reach


def _of_file(test_file: Path, *, tree: Path, core: Path, cache: Path) -> dict[str, Any]:
    name = test_file.relative_to(tree).as_posix()
    place = cache / (name.replace("/", "+") + ".json")
    if place.exists():
        kept: dict[str, Any] = json.loads(place.read_text())
        if all(_digest(tree / path) == digest for path, digest in kept["of"].items()):
            return kept
    found: dict[str, Any] = measure(name, core, place.with_suffix(".coverage"))
    files = [test_file, *(core / path for path in found["reach"])]
    found["of"] = {path.relative_to(tree).as_posix(): _digest(path) for path in files}
    fresh = place.with_suffix(".new")
    fresh.write_text(json.dumps(found))
    fresh.replace(place)  # whole, also if this is interrupted
    return found


def _file(test: str) -> str:
    return test.partition("::")[0]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""
