"""The simulated telephone line (dialpost.sim.telephone) for tests that wait for guests: in its own thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from dialpost.sim.telephone import Telephone
from dialpost.sim.telephone_line import TelephoneSettings
from rig.processes import RigError

_T = TypeVar("_T")


class _Events(list[tuple[float, str]]):
    """The telephone's record, which also tells somebody."""

    def __init__(self, told: Callable[[str], None]) -> None:
        super().__init__()
        self._told = told

    def append(self, event: tuple[float, str], /) -> None:
        super().append(event)
        self._told(event[1])


class TelephoneLine:
    """One line. `on_carrier` hears, in a thread, in turn: True when a call is through, False when it is over."""

    def __init__(self, settings: TelephoneSettings | None = None) -> None:
        self.on_carrier: Callable[[bool], None] = lambda up: None
        self._loop = asyncio.new_event_loop()
        self._was_up = False
        self._watch: asyncio.TimerHandle | None = None
        self._telling = ThreadPoolExecutor(1, "carrier")
        self._failed: list[BaseException] = []
        self._telephone = Telephone(settings or TelephoneSettings(), _Events(self._note))
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="telephone")
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._telephone.start(), self._loop).result(10)
        self.station_path, self.provider_path = self._telephone.station_path, self._telephone.provider_path

    def do(self, action: Callable[[Telephone], _T]) -> _T:
        """Something done to the telephone, or asked of it, in its own thread."""

        async def act() -> _T:
            return action(self._telephone)

        return asyncio.run_coroutine_threadsafe(act(), self._loop).result(10)

    @property
    def events(self) -> list[tuple[float, str]]:
        """(seconds since the start, what happened), all so far."""
        return self.do(lambda telephone: list(telephone.events))

    @property
    def is_up(self) -> bool:
        return self.do(lambda telephone: telephone.is_up)

    @property
    def counters(self) -> dict[str, int]:
        return self.do(lambda telephone: telephone.counters)

    def answer_next(self, *results: str) -> None:
        """The results of the next dials; then calls connect."""
        self.do(lambda telephone: telephone.answer_next(*results))

    def cut(self) -> None:
        """Lose the carrier now."""
        self.do(lambda telephone: telephone.cut())

    def cut_after(self, way: str, count: int) -> None:
        """Lose the carrier when this many more bytes have arrived that way ("up" or "down")."""

        def plan(telephone: Telephone) -> None:
            direction = {"up": telephone.up, "down": telephone.down}[way]
            direction.cut_at = direction.carried + count

        self.do(plan)

    def die_after(self, way: str, count: int, dead: Collection[str] = ("up", "down")) -> None:
        """When this many more bytes have arrived that way, all bytes the `dead` ways vanish for the call."""

        def look(telephone: Telephone, end: int) -> None:
            if {"up": telephone.up, "down": telephone.down}[way].carried >= end:
                telephone.die()
                telephone.up.is_dead, telephone.down.is_dead = "up" in dead, "down" in dead
            else:
                self._watch = self._loop.call_later(0.01, look, telephone, end)

        def plan(telephone: Telephone) -> None:
            look(telephone, {"up": telephone.up, "down": telephone.down}[way].carried + count)

        self.do(plan)

    def heal(self) -> None:
        """No call, no faults planned."""

        def clear(telephone: Telephone) -> None:
            if self._watch is not None:
                self._watch.cancel()
            telephone.cut()
            telephone.up.cut_at = telephone.down.cut_at = None

        self.do(clear)

    def check(self) -> None:
        """Raises: RigError if telling somebody of a carrier went wrong."""
        failed, self._failed = self._failed, []
        if failed:
            raise RigError(f"reporting the carrier failed: {failed[0]!r}") from failed[0]

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._telephone.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._telling.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> TelephoneLine:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _note(self, what: str) -> None:
        """In the telephone's thread, with every event."""
        is_up = self._telephone.is_up
        if is_up != self._was_up:
            self._was_up = is_up
            self._telephone.up.is_dead = self._telephone.down.is_dead = False
            self._telling.submit(self._tell, is_up)

    def _tell(self, *args: Any) -> None:
        try:
            self.on_carrier(*args)
        except BaseException as error:
            self._failed.append(error)
