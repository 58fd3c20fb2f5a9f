"""Run by test_recovery_cut: opens queue databases, each in its own process that is cut off at a step.

For each line of its input, a JSON array of the database's path, the step and the numbers of the bodies, it starts a
process for that and writes how it ended. It is small and has all imported, so that this is quick: the tests' own
process has hundreds of megabytes to share.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from dialpost.edge.mail.store import opening

STEPS = ("rename", "replace", "unlink", "link", "fsync", "open")
CUT = 77
"""The exit status of a process that was cut off."""


def count_steps(at: int) -> None:
    """From now on this process ends at the step numbered `at`, as by SIGKILL: nothing is closed."""
    left = at

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def act(*arguments: object, **named: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                os._exit(CUT)
            return real(*arguments, **named)

        return act

    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))


def open_and_end(path: str, at: int, bodies: list[int]) -> None:
    """Open it, and end this process, at the latest when it is open."""
    try:
        count_steps(at)
        opening.open_database(Path(path), lambda: bodies, lambda: [])
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    for line in sys.stdin:
        if (child := os.fork()) == 0:
            open_and_end(*json.loads(line))
        os.write(1, f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n".encode())
