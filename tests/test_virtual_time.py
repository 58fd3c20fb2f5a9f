"""The tests' own clock: it jumps over every wait but that for a thread."""

import asyncio
import threading
from selectors import SelectorKey

import pytest

from fakes import VirtualTimeLoop, now, run_virtual


def test_time_stands_still_while_a_thread_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a timer would fire first, or not, as fast as the thread happens to be."""
    loop_waits = threading.Event()

    async def run() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        select = loop.jumping.select

        def seen(timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
            if timeout != 0:
                loop_waits.set()
            return select(timeout)

        monkeypatch.setattr(loop.jumping, "select", seen)
        fired: list[float] = []
        loop.call_later(3600, lambda: fired.append(now()))
        assert await asyncio.to_thread(loop_waits.wait, 60)
        assert now() == 0 and fired == []
        await asyncio.sleep(7200)
        assert now() == 7200 and fired == [3600]

    run_virtual(run())
