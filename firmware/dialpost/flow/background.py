"""Tasks that run beside the mail until the station stops. All in the daemon's event loop.

What runs here must wait with `asyncio.timeout`, not with `asyncio.wait_for`: before Python 3.12 that one forgets a
cancellation that comes with what it waits for, and the end never comes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine

RESTART_PAUSE_S = 5.0
"""The pause before a task that a bug ended restarts: a poisoned message must not spin the board."""

_log = logging.getLogger(__name__)

Work = Callable[[], Coroutine[object, object, None]]


class Background:
    """The tasks of one station; `end` ends all of them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def keep(self, name: str, work: Work) -> None:
        """Run it until the end; restart it after a bug of ours, with a pause: mail can't wait for an operator."""

        async def keep() -> None:
            while True:
                await _guarded(name, work, f"it restarts in {RESTART_PAUSE_S:.0f} s")
                await asyncio.sleep(RESTART_PAUSE_S)

        self._start(name, keep())

    def once(self, name: str, work: Work) -> None:
        """Run it, once; a bug of ours is logged."""
        self._start(name, _guarded(name, work, "it does not restart"))

    async def end(self) -> None:
        """Cancel what still runs and wait for its end."""
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
