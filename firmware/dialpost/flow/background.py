"""Tasks that run beside the mail until the station stops. All in the daemon's event loop.

These tasks must wait with `asyncio.timeout`, not with `asyncio.wait_for`: before Python 3.12 `wait_for` loses a
cancellation that arrives together with its result, and the task never ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine

RESTART_PAUSE_S = 5.0
"""The pause before a crashed task restarts: one poisoned message must not keep the processor busy."""

_log = logging.getLogger(__name__)

Work = Callable[[], Coroutine[object, object, None]]


class Background:
    """The tasks of one station; `end` ends all of them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_ending = False

    def keep(self, name: str, work: Work) -> None:
        """Run it until `end`. After a bug of ours it restarts, after a pause: mail can't wait for an operator."""

        async def keep() -> None:
            while True:
                await _guarded(name, work, f"it restarts in {RESTART_PAUSE_S:.0f} s")
                if self._is_ending:  # a fault while it cleaned up took the place of its cancellation
                    return
                await asyncio.sleep(RESTART_PAUSE_S)

        self._start(name, keep())

    def once(self, name: str, work: Work) -> None:
        """Run it once; a bug of ours is logged."""
        self._start(name, _guarded(name, work, "it does not restart"))

    async def end(self) -> None:
        """Cancel the tasks that still run, and wait for them."""
        self._is_ending = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, name: str, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _guarded(name: str, work: Work, then: str) -> None:
    try:
        await work()
    except Exception:
        _log.exception("%s failed; %s", name, then)
