"""An event loop whose time is virtual: hours pass in milliseconds. For tests, and for bench's model of a call."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for threads only: the time any other wait would have taken is added to the clock."""

    now_s = 0.0
    at_work = 0
    """Calls that executors have not finished. Virtual time stands still for them: it can't measure a thread."""
    tick_s = 0.0
    """What a round of the loop takes at least; more than nothing for code that waits for a sum of times to pass."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(None if self.at_work and timeout != 0 else 0)
        if not ready:
            assert timeout is not None, "nothing is planned and nothing can happen: the test would hang"
            self.now_s += max(timeout, self.tick_s)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is virtual, from 0: hours pass in milliseconds, in the same order."""

    def __init__(self) -> None:
        self.jumping = _JumpingSelector()
        super().__init__(self.jumping)

    def time(self) -> float:
        return self.jumping.now_s

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """As asyncio's, with the time standing still until the result is here."""
        self.jumping.at_work += 1
        future: asyncio.Future[T] = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._finished)
        return future

    def _finished(self, future: asyncio.Future[Any]) -> None:
        self.jumping.at_work -= 1

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """asyncio's own waits for a real thread, which knows no virtual time."""
        del timeout
        executor = self._default_executor  # type: ignore[attr-defined]
        if executor is not None:
            executor.shutdown(wait=True)


def run_virtual(coroutine: Coroutine[Any, Any, T], limit_s: float = 1_000_000.0) -> T:
    """Run in virtual time; `limit_s` of it may pass."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(asyncio.wait_for(coroutine, limit_s))
