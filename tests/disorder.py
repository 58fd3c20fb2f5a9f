"""Scheduling as unkind as it may be, for finding what depends on which of two things comes first.

`DIALPOST_TEST_SCHEDULE=SEED make test`: threads and children start late or run ahead of who started them, work in
threads takes longer than it has to, sockets that are ready together are served in any order and some a round later,
an event loop now and then sleeps before a round, and threads switch at each byte code or hardly ever. Nothing
happens here that a loaded machine may not do. The draws of a test depend on the seed and its name alone; what
they do is still up to the machine. `tests/under-load` adds busy processes and pauses of whole processes.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import threading
import time
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import Callable
from typing import Any

ENVIRONMENT = "DIALPOST_TEST_SCHEDULE"
_SWITCH_S = 1e-6, 1e-4, 0.05, 0.5

_chance = random.Random()
_sleep = time.sleep


def draw_for(seed: str, test: str) -> None:
    """Begin this test's draws."""
    _chance.seed(f"{seed} {test}")
    sys.setswitchinterval(_chance.choice(_SWITCH_S))


def begin() -> None:
    """From now on, for the whole process."""
    _delay_threads()
    _delay_children()
    _delay_work_in_threads()
    _disturb_loops()


def _nap(chance: float, most_s: float) -> None:
    if _chance.random() < chance:
        _sleep(_chance.random() * most_s)


def _delay_threads() -> None:
    start = threading.Thread.start

    def start_sometime(thread: threading.Thread) -> None:
        run = thread.run

        def run_late() -> None:
            _nap(0.5, 0.1)
            run()

        thread.run = run_late  # type: ignore[method-assign]
        start(thread)
        _nap(0.3, 0.1)

    threading.Thread.start = start_sometime  # type: ignore[method-assign, assignment]


def _delay_children() -> None:
    begin_child = subprocess.Popen.__init__

    def begin_slowly(child: subprocess.Popen[Any], *args: Any, **keywords: Any) -> None:
        _nap(0.3, 0.2)
        begin_child(child, *args, **keywords)
        _nap(0.5, 0.5)

    subprocess.Popen.__init__ = begin_slowly  # type: ignore[method-assign, assignment]


def _delay_work_in_threads() -> None:
    run_in_executor = asyncio.BaseEventLoop.run_in_executor

    def run_slowly(loop: Any, executor: Any, work: Callable[..., Any], *args: Any) -> Any:
        def slowly() -> Any:
            _nap(0.4, 0.05)
            try:
                return work(*args)
            finally:
                _nap(0.4, 0.05)

        return run_in_executor(loop, executor, slowly)

    asyncio.BaseEventLoop.run_in_executor = run_slowly  # type: ignore[method-assign, assignment]


def _disturb_loops() -> None:
    """The order of `call_soon` is promised and stays; that of what the kernel reports together is not."""
    run_once = asyncio.BaseEventLoop._run_once  # type: ignore[attr-defined]
    process_events = BaseSelectorEventLoop._process_events  # type: ignore[attr-defined]

    def run_late(loop: Any) -> None:
        _nap(0.02, 0.03)
        run_once(loop)

    def process_some(loop: Any, events: list[Any]) -> None:
        if len(events) > 1:
            _chance.shuffle(events)
            del events[_chance.randrange(1, 2 * len(events)) :]  # the others are reported again
        process_events(loop, events)

    asyncio.BaseEventLoop._run_once = run_late  # type: ignore[attr-defined]
    BaseSelectorEventLoop._process_events = process_some  # type: ignore[attr-defined]
