"""Fuzz tests: input that no peer of ours should send, and what must hold nevertheless.

A new one is a module `test_*.py` here:

    from hypothesis import strategies as st
    from fuzzing import fuzz, fuzz_machine

    @fuzz(st.binary(max_size=4000), examples=300)
    def test_a_header_scan_takes_any_bytes(data):
        scan(data)

    TestModem = fuzz_machine(ModemOutOfStep, examples=30)  # a hypothesis.stateful.RuleBasedStateMachine

`fuzz` takes what `hypothesis.given` takes, and the bounded number of inputs: choose it so that the test takes a few
seconds in `make test`. Set no seed, deadline or profile. What is asynchronous runs in virtual time
(`fakes.run_virtual`), so that waiting costs nothing and a hang is a failure. Inputs known to have failed are kept
with `@hypothesis.example(...)` above `@fuzz`.

`make fuzz MINUTES=n` shares n minutes among all tests here. A line for each test tells how many inputs it saw.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis.statistics import collector

from fuzzing import MINUTES

_HERE = f"{Path(__file__).parent}{os.sep}"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = [item for item in items if str(item.path).startswith(_HERE)]
    share_s = MINUTES * 60 / len(ours) if ours else 0.0
    for item in ours:
        item.runtest = _counted(item, item.runtest, share_s)  # type: ignore[method-assign]


def _counted(item: pytest.Item, run: Callable[[], None], share_s: float) -> Callable[[], None]:
    def count(stats: dict[str, dict[str, list[object]]]) -> None:
        cases = sum(len(phase["test-cases"]) for name, phase in stats.items() if name.endswith("-phase"))
        item.user_properties.append(("inputs", cases))  # tests/conftest.py adds them up

    def runtest() -> None:
        end_s = time.monotonic() + share_s
        with collector.with_value(count):  # type: ignore[arg-type]  # typed by its default alone
            run()
            while time.monotonic() < end_s:
                run()

    return runtest
