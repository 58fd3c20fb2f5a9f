"""The connections of a call over which the station fetches mail itself: ATRN's, and those to mailboxes.

`flow/line/call/mail_part` has one. Each collector runs as a task of its own, beside ETRN and the flush. What
follows from its end is the plan's decision (`mail_needs.Ways`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf

from dialpost.core.mail.etrn import EtrnAnswer
from dialpost.core.mail.inbound.collected import Collected, Way
from dialpost.flow import maillog
from dialpost.flow.line.call.mail_needs import Collector, Start, Ways


class Collection:
    """The collectors of one call. `on_etrn` begins ETRN, `on_end` hears of each end."""

    def __init__(
        self,
        ways: Ways,
        on_etrn: Callable[[], None],
        say: Callable[[str], None],
        on_end: Callable[[], None],
    ) -> None:
        self._ways, self._on_etrn, self._say, self._on_end = ways, on_etrn, say, on_end
        self._running: dict[Collector, asyncio.Task[None]] = {}
        self._again: list[Collector] = []
        self._results: dict[tuple[Way, str], Collected] = {}
        self._is_stopped = False
        self.why: tuple[str, ...] = ()

    @property
    def results(self) -> tuple[Collected, ...]:
        """What each brought so far, in the order in which they first ended."""
        return tuple(self._results.values())

    @property
    def running(self) -> int:
        """How many are fetching."""
        return len(self._running)

    @property
    def is_unreached(self) -> bool:
        """Whether another attempt may bring mail that this one could not."""
        return bool(self._again)

    @property
    def patience_ends_s(self) -> float:
        """Until when one of them is worth waiting for, if nothing else needs the line; inf if none runs."""
        return max((collector.patience_ends_s for collector in self._running), default=inf)

    def begin(self) -> None:
        """The line is up."""
        self.start(self._ways.begin_call())

    def answered(self, answers: tuple[EtrnAnswer, ...]) -> None:
        """ETRN has its answers: they may make another way necessary."""
        self.start(self._ways.answered(answers))

    def start(self, start: Start) -> None:
        """Begin what is named; not once the end of the call was requested."""
        if self._is_stopped:
            return
        if start.why:
            self._say(start.why)
            self.why = (*self.why, start.why)
        if start.etrn:
            self._on_etrn()
        for collector in start.collectors:
            self._running[collector] = asyncio.create_task(self._run(collector))

    def try_again(self) -> None:
        """Retry those that reached nobody, or were cut."""
        again, self._again = self._again, []
        self.start(Start(collectors=tuple(again)))

    def stop(self) -> None:
        """End after the current message of each."""
        self._is_stopped = True
        for collector in self._running:
            collector.stop()

    def stop_waiting(self, why: str) -> None:
        """End those that wait for their other side."""
        for collector in list(self._running):
            collector.stop_waiting(why)

    async def close(self, *, received: int, is_cut: bool) -> None:
        """The line is being released."""
        self._is_stopped = True
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._ways.end_call(received=received, is_cut=is_cut)

    async def _run(self, collector: Collector) -> None:
        try:
            self._note(collector, await collector.collect())
        except Exception as error:  # a bug of ours must not strand the call
            maillog.fault("collecting stopped by a bug in Dialpost", error=repr(error))
        finally:
            self._running.pop(collector, None)
            self._on_end()

    def _note(self, collector: Collector, result: Collected) -> None:
        key = result.way, result.box
        self._results[key] = result.after(self._results.get(key))
        if result.is_worth_retrying:
            self._again.append(collector)
        maillog.collected(
            way=result.label,
            fate=result.fate.value,
            messages=result.messages,
            words=result.words,
            advice=result.advice,
            is_fault=result.is_fault,
        )
        self._say(result.sentence())
        self.start(self._ways.collected(result))
