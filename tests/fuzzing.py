"""What every fuzz test shares: Hypothesis with the same settings everywhere. See tests/fuzz/conftest.py.

`make test` runs half of a bounded number of inputs, the same each time; with DIALPOST_TEST_INPUTS=all, as in CI,
all of them. With FUZZ_MINUTES set (`make fuzz MINUTES=n`) each test is repeated with new inputs until its share of
the time is over, and what fails is kept in `.hypothesis`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.internal.conjecture import providers
from hypothesis.stateful import RuleBasedStateMachine
from hypothesis.strategies import SearchStrategy

MINUTES = float(os.environ.get("FUZZ_MINUTES") or 0)
"""How long all fuzz tests together may take; 0: bounded by their number of inputs."""
EXAMPLES = 200
"""Inputs of one test, where it names no other number; a round of as many in `make fuzz`."""

ARE_ALL_WANTED = MINUTES > 0 or os.environ.get("DIALPOST_TEST_INPUTS") == "all"

SLOW_IS_NO_FAULT = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)


if not MINUTES:
    # Among the inputs are strings and numbers of our modules, of those that happen to be imported by then: which
    # tests ran before in this process would decide.
    providers._get_local_constants = lambda: providers._local_constants


def inputs(number: int) -> int:
    """How many of a test's inputs this run has: `number`, or half of them."""
    return number if ARE_ALL_WANTED else -(-number // 2)


def fuzz(*args: SearchStrategy[Any], examples: int = EXAMPLES, **kwargs: SearchStrategy[Any]) -> Callable[..., Any]:
    """Decorate a test: it runs with inputs of these strategies (as `hypothesis.given` takes them)."""

    def decorate(test: Callable[..., None]) -> Any:
        return fuzz_settings(examples)(given(*args, **kwargs)(test))

    return decorate


def fuzz_machine(machine: type[RuleBasedStateMachine], *, examples: int = 50, steps: int = 30) -> type:
    """The test of a stateful machine: `TestDoor = fuzz_machine(Door)`."""
    test: type = machine.TestCase
    test.settings = settings(fuzz_settings(examples), stateful_step_count=steps)  # type: ignore[attr-defined]
    return test


def fuzz_settings(examples: int) -> settings:
    """Bounded and the same in each run, or new in each; never a limit of wall clock time on one input."""
    if MINUTES:
        return settings(max_examples=inputs(examples), deadline=None, suppress_health_check=SLOW_IS_NO_FAULT)
    return settings(
        max_examples=inputs(examples),
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=SLOW_IS_NO_FAULT,
    )
