"""Tests run in a forked child: once to see which of them reach which line, then against one mutant at a time.

The parent has imported pytest and its plugins but nothing of Dialpost, so that a child starts at once and
imports the mutated module in place of the file. No file of the tree is ever changed.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from importlib.util import spec_from_loader
from pathlib import Path
from types import CodeType, ModuleType

import coverage
import hypothesis
import pytest

QUIET = ("-q", "-x", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov")


class Fate(Enum):
    """What became of a mutant."""

    KILLED = "killed"
    NO_IMPORT = "killed on import"
    TIMED_OUT = "killed by time"
    SURVIVED = "survived"
    UNREACHED = "survived, no test reaches it"
    UNDECIDED = "not decided in time"
    NOT_TRIED = "not tried"


_LONGEST_S = 900.0
"""Of one mutant, whatever it does. A busy machine may be the reason, so it says nothing about the tests."""
_MOST_BYTES = 4 << 30
"""Memory of one mutant: one that collects for ever gets a MemoryError before the machine has none left."""

_EXAMPLES = 100
LESS_MEASURED = 5
"""Which lines a test of properties reaches, a fifth of its examples tell: coverage makes each cost a multiple."""

_BROKE_PYTEST = 70
"""What goes past pytest: a MemoryError while it reports one. Without the mutant nothing does (`measure`)."""

_FATES: dict[int, Fate] = {
    pytest.ExitCode.OK: Fate.SURVIVED,
    pytest.ExitCode.TESTS_FAILED: Fate.KILLED,
    pytest.ExitCode.INTERRUPTED: Fate.NO_IMPORT,  # by an error in collecting
    pytest.ExitCode.USAGE_ERROR: Fate.NO_IMPORT,  # the conftest's imports fail already
    pytest.ExitCode.INTERNAL_ERROR: Fate.KILLED,
    _BROKE_PYTEST: Fate.KILLED,
}


def measure(test_file: str, core: Path, data_file: Path) -> dict[str, object]:
    """Run one file of tests on the sources as they are: "reach" {path below the core: {line: tests}}, and
    "seconds" {test: seconds}.

    Raises: RuntimeError if a test fails.
    """
    times = data_file.with_suffix(".seconds")

    def child() -> int:
        cover = coverage.Coverage(str(data_file), source=[str(core)], config_file=False, messages=False)
        recorder = _Recorder(cover)
        cover.erase()
        cover.start()
        code = pytest.main([*QUIET, test_file], plugins=[recorder])
        cover.stop()
        cover.save()
        times.write_text(json.dumps(recorder.seconds))
        return int(code)

    try:
        if _in_child(child, 3600.0, examples=_EXAMPLES // LESS_MEASURED) != pytest.ExitCode.OK:
            raise RuntimeError(f"{test_file} fails without any mutation ($MUTANTS_LOG is a file to see why in).")
        data = coverage.CoverageData(str(data_file))
        data.read()
        reach = {path: data.contexts_by_lineno(path) for path in data.measured_files()}
        named = {
            Path(path).relative_to(core).as_posix(): {
                line: tests for line, names in lines.items() if (tests := sorted(filter(None, names)))
            }
            for path, lines in reach.items()
        }
        return {"reach": named, "seconds": json.loads(times.read_text())}
    finally:
        data_file.unlink(missing_ok=True)
        times.unlink(missing_ok=True)


def try_mutant(module: str, source: str, path: Path, limits_s: Mapping[str, float]) -> Fate:
    """Whether a test fails with `source` for `module`; the tests to run, and how long each may take."""

    def child() -> int:
        sys.meta_path.insert(0, _Finder(module, source, path))
        return int(pytest.main([*QUIET, *limits_s], plugins=[_Watch(limits_s)]))

    code = _in_child(child, _LONGEST_S)
    if code is None:
        return Fate.UNDECIDED
    return Fate.TIMED_OUT if code < 0 else _FATES[code]


def _in_child(work: Callable[[], int], limit_s: float, examples: int = _EXAMPLES) -> int | None:
    """The exit status of `work`, done in a forked child, negative for a signal; None if it took too long."""
    child = os.fork()
    if child == 0:
        code = _BROKE_PYTEST
        try:
            sink = os.open(os.environ.get("MUTANTS_LOG", os.devnull), os.O_WRONLY | os.O_APPEND)
            os.dup2(sink, 1)
            os.dup2(sink, 2)
            resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
            # No shrinking, no example kept for the next run, the same input for each mutant.
            hypothesis.settings.register_profile(
                "mutants",
                max_examples=examples,
                database=None,
                deadline=None,
                derandomize=True,
                phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
                suppress_health_check=list(hypothesis.HealthCheck),
            )
            hypothesis.settings.load_profile("mutants")
            code = work()
        finally:
            os._exit(code)
    ended = os.pidfd_open(child)
    try:
        in_time = bool(select.select([ended], [], [], limit_s)[0])
        if not in_time:
            os.kill(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        os.close(ended)
    return status if in_time else None


class _Recorder:
    """Tells coverage which test is running."""

    def __init__(self, cover: coverage.Coverage) -> None:
        self._cover = cover
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        name = item.nodeid.partition("[")[0]
        self._cover.switch_context(name)
        begun = time.monotonic()
        try:
            return (yield)
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - begun
            self._cover.switch_context("")


class _Watch:
    """Ends the process where a test uses far more processor time than it did: a mutant may run for ever."""

    def __init__(self, limits_s: Mapping[str, float]) -> None:
        self._limits_s = limits_s

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, self._limits_s[item.nodeid.partition("[")[0]])


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):  # type: ignore[misc]  # typeshed's bases differ
    """Gives one module another source."""

    def __init__(self, module: str, source: str, path: Path) -> None:
        self._module, self._source, self._path = module, source, path

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._module:
            return None
        is_package = self._path.name == "__init__.py"
        return spec_from_loader(fullname, self, origin=str(self._path), is_package=is_package)

    def get_filename(self, fullname: str) -> str:
        return str(self._path)

    def get_data(self, path: str | bytes) -> bytes:
        return self._source.encode()

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self._source.encode(), str(self._path))
