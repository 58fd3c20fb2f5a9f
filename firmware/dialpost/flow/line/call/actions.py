"""The actions of a call's states: dial, negotiate, carry the mail, watch line and clock, hang up.

Each action is a task of the state it was started in. It never sets the state: it posts an event with the number of
its call, so that a late event is not mistaken for one of the current call. None raises for what a link does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Protocol

from dialpost.core.amounts import about_span
from dialpost.core.config.model import CallConfig
from dialpost.core.line.call.budget import overrun_s
from dialpost.core.line.call.notes import Happening
from dialpost.core.line.call.record import HangUpReason
from dialpost.core.line.call.states import CallEvent
from dialpost.core.line.link import DialOutcome, DialResult
from dialpost.flow import maillog
from dialpost.flow.line.call.budget import Budget
from dialpost.flow.line.call.forecasts import Forecasts
from dialpost.flow.line.call.running import RunningCall
from dialpost.flow.line.link import Link

HANG_UP_S = 60.0
"""The time the link has to hang up before the call counts as over nevertheless."""
SETTLE_S = 10.0
"""The time that ended actions have to record their outcomes before the link hangs up."""
CUT_FOR_BUDGET = "cut in the middle of a message; raise the limit if your messages need longer"


class Tries(Protocol):
    """The subset of flow/line/call/remains.CallMemory that keeps the attempts across a power cut."""

    async def keep_ahead(self) -> None:
        """Record the attempt about to be made, as a failed one."""

    async def keep_answered(self) -> None:
        """Record that it did not fail."""


class CallActions:
    """The tasks of the call's present state. `number` is that of the current call."""

    def __init__(
        self,
        config: CallConfig,
        link: Link,
        budget: Budget,
        forecasts: Forecasts | None,
        post: Callable[[Happening], None],
        say: Callable[[str], None],
        memory: Tries,
    ) -> None:
        self._memory = memory
        self._config, self._link, self._budget, self._forecasts = config, link, budget, forecasts
        self._post, self._say = post, say
        self._running: list[asyncio.Task[None]] = []
        self._ended: list[asyncio.Task[None]] = []
        self._deadline: asyncio.TimerHandle | None = None
        self.number = 0

    def start(self, action: Coroutine[None, None, None], deadline_s: float | None = None) -> None:
        """Start an action of the state just entered; at the deadline DEADLINE is posted."""
        self._running.append(asyncio.create_task(action))
        if deadline_s is not None:
            event = Happening(CallEvent.DEADLINE, self.number)
            self._deadline = asyncio.get_running_loop().call_later(deadline_s, self._post, event)

    def cancel(self) -> None:
        """The state is left: cancel its actions. They may take a moment to record their outcomes."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        for action in self._running:
            action.cancel()
        self._ended, self._running = self._running, []

    async def close(self) -> None:
        """Cancel everything and wait for it."""
        before = self._ended
        self.cancel()
        await asyncio.gather(*before, *self._ended, return_exceptions=True)

    # -- the actions ----------------------------------------------------------------------------------

    async def dial(self, call: RunningCall) -> None:
        """Announce the forecast, record the attempt, and bring up the carrier."""
        await self._tell_forecast(call)
        # On the card before the first digit: a power cut while dialling must not make the attempt free.
        await self._budget.begin()
        await self._memory.keep_ahead()
        self._say("dialling")
        await self._bring_up(self._link.dial, CallEvent.CARRIER)

    async def keep_answered(self) -> None:
        """Record that the number answered."""
        await self._memory.keep_answered()

    async def negotiate(self) -> None:
        """Bring up the network."""
        await self._bring_up(self._link.negotiate, CallEvent.LINE_UP)

    async def watch_line(self) -> None:
        """Post an event when the line is lost."""
        number = self.number
        try:
            why = await self._link.lost()
        except Exception as error:
            why = f"a fault in the link: {error!r}"
        self._post(Happening(CallEvent.CARRIER_LOST, number, why))

    async def count_cost(self) -> None:
        """Keep the call's usage on record while it lasts."""
        await self._budget.keep_counting()

    async def limit_time(self) -> None:
        """Ask for the end when the call reaches its longest duration."""
        await asyncio.sleep(self._config.max_call_s)
        self._post(Happening(CallEvent.STOP_WANTED, self.number, ended=HangUpReason.MAX_CALL_TIME))

    async def limit_cost(self) -> None:
        """Ask for the end when the budget is spent; a message that takes much longer is cut."""
        number = self.number
        why = self._budget.used_words(await self._budget.until_spent())
        self._say(f"the budget is spent: {why}")
        self._post(Happening(CallEvent.STOP_WANTED, number, why, ended=HangUpReason.BUDGET_SPENT))
        # The current message may finish: cutting it would waste what was paid for it.
        await asyncio.sleep(overrun_s(self._budget.paid_s))
        why = f"{why}; {CUT_FOR_BUDGET}"
        self._post(Happening(CallEvent.DEADLINE, number, why, ended=HangUpReason.BUDGET_SPENT))

    async def carry_mail(self, call: RunningCall) -> None:
        """Carry the mail of the call until the evidence ends it."""
        number, ended = self.number, HangUpReason.DONE
        assert call.mail is not None
        try:
            ended = await call.mail.run()
        except Exception as error:
            maillog.fault("call: stopped by a bug in Dialpost", error=repr(error))
        detail = call.stop_detail if ended is call.stop_reason else ""
        self._post(Happening(CallEvent.MAIL_DONE, number, detail, ended=ended))

    async def hang_up(self) -> None:
        """Hang up, after the actions before have recorded their outcomes."""
        number = self.number
        if self._ended:
            # The flush records what the provider has already accepted, or the next call would send it twice.
            await asyncio.wait(self._ended, timeout=SETTLE_S)
        try:
            await self._link.hang_up()
        except Exception as error:
            maillog.fault("call: hanging up failed", error=repr(error))
        self._post(Happening(CallEvent.LINE_DOWN, number))

    # -- inside ---------------------------------------------------------------------------------------

    async def _bring_up(self, action: Callable[[], Coroutine[None, None, DialOutcome]], done: CallEvent) -> None:
        number = self.number
        try:
            outcome = await action()
        except Exception as error:  # a link must not raise; if it does, the call fails, not the station
            outcome = DialOutcome(DialResult.ERROR, f"a fault in the link: {error!r}")
        event = done if outcome.result is DialResult.CONNECTED else CallEvent.DIAL_FAILED
        self._post(Happening(event, number, dial=outcome))

    async def _tell_forecast(self, call: RunningCall) -> None:
        if self._forecasts is None:
            return
        try:
            expected = await self._forecasts.next_call()
        except Exception as error:  # the call matters more than its forecast
            maillog.fault("call: no forecast could be made", error=repr(error))
            return
        call.record = replace(call.record, forecast=expected)
        self._say(f"forecast: {expected.words()}")
        left = self._budget.allowance()
        if not call.record.over_budget and left.seconds < expected.seconds:
            self._say(f"the budget allows {about_span(left.seconds)} of it; the rest waits for the next call")
