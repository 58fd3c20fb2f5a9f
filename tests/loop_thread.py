"""An event loop in its own thread, ended as `asyncio.run` ends one: whatever still runs is cancelled, and what
was closed is closed before the loop is.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


HANGS_S = 120.0
"""Longer than anything takes on a busy machine."""


class _LeapingLoop(asyncio.SelectorEventLoop):
    """A loop whose clock can be set ahead."""

    ahead_s = 0.0

    def time(self) -> float:
        return super().time() + self.ahead_s


class LoopThread:
    """Runs from its making to `stop`."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner(loop_factory=_LeapingLoop)
        self._loop = self._runner.get_loop()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self._runner:
            self._runner.run(self._until_over())

    async def _until_over(self) -> None:
        await self._over.wait()

    def run(self, work: Coroutine[Any, Any, _T], timeout_s: float = HANGS_S) -> _T:
        """What the coroutine returns, run there. Raises: what it raises, TimeoutError."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)

    def leap(self, seconds: float) -> None:
        """Let all timers run that are due within these seconds."""

        async def leap() -> None:
            assert isinstance(self._loop, _LeapingLoop)
            self._loop.ahead_s += seconds

        self.run(leap())

    def stop(self) -> None:
        """End the loop; harmless where it has ended."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join(HANGS_S)
            assert not self._thread.is_alive()
