"""Several workers at once, and what they are given to do."""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rig.crash.operations import ALPHABET, How, Op
from rig.crash.sync_sites import library

_TESTS = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Task:
    """Record `ops` and judge the states of those from number `from_op` on, until `most` faults are found.
    `is_full`: where the database's log is nearly full.
    """

    ops: tuple[Op, ...]
    from_op: int = 0
    left_out: str = ""
    how: How = How.LAZY
    is_full: bool = False
    most: int = 3

    def __str__(self) -> str:
        full = ", the log nearly full" if self.is_full else ""
        what = f", without {self.left_out}" if self.left_out else ""
        return f"{', '.join(op.value for op in self.ops)}: {self.how.value}{full}{what}"

    def text(self) -> str:
        """For a worker."""
        return json.dumps({**asdict(self), "ops": [op.value for op in self.ops], "how": self.how.value})


@dataclass(frozen=True, slots=True)
class Result:
    """What a worker found. `sites`: the places that make something durable which it came by."""

    task: Task
    faults: list[str]
    sites: list[str]
    states: int
    different: int


class _Worker:
    def __init__(self, folder: Path, preload: Path) -> None:
        folder.mkdir()
        path = f"{_TESTS}:{_TESTS / 'system'}"
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "rig.crash.worker", folder],
            env={**os.environ, "LD_PRELOAD": str(preload), "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ask("")

    def ask(self, line: str) -> Any:
        """Its answer to a line, or its first word."""
        assert self._process.stdin is not None and self._process.stdout is not None
        if line:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"a worker ended with {self._process.wait()}"
        return json.loads(answer)

    def end(self) -> None:
        """No more tasks."""
        self._process.communicate()


class Crew:
    """One worker for each core, from `__enter__` to `__exit__`."""

    def __init__(self, work: Path) -> None:
        self._work = work

    def __enter__(self) -> Crew:
        preload = library(self._work)
        count = len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(count)
        self._workers = [_Worker(self._work / f"worker{number}", preload) for number in range(count)]
        return self

    def __exit__(self, *exc: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        for worker in self._workers:
            worker.end()

    def do(self, tasks: Iterable[Task], is_over: Callable[[], bool] = lambda: False) -> list[Result]:
        """All tasks, in order, until it is over; those that were begun are finished."""
        left, found = _Shared(iter(tasks)), list[Result]()

        def work(worker: _Worker) -> None:
            while not is_over() and (task := left.next()) is not None:
                found.append(Result(task, **worker.ask(task.text())))

        for each in [self._pool.submit(work, worker) for worker in self._workers]:
            each.result()
        return found


class _Shared:
    """Tasks that several threads take from."""

    def __init__(self, tasks: Iterator[Task]) -> None:
        self._tasks, self._lock = tasks, threading.Lock()

    def next(self) -> Task | None:
        with self._lock:
            return next(self._tasks, None)


HOWS = (How.LAZY, How.EAGER, How.STRICT)


def sequences(length: int, seed: int, hows: Iterable[How] = HOWS) -> list[Task]:
    """All of that length, in each way, with a fresh log and with one that is nearly full, in an order by seed. The
    states of the last operation are judged: those of the others are the states of shorter sequences.
    """
    found = [
        Task(ops, length - 1, how=how, is_full=is_full)
        for ops in itertools.product(ALPHABET, repeat=length)
        for how in hows
        for is_full in (False, True)
    ]
    random.Random(seed).shuffle(found)
    return found
