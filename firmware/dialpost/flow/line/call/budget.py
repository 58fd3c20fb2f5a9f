"""Counting durably what calls use, and saying when the budget is spent.

The counters on the card are never too low: before a call is dialled, and in each minute of it, the coming minute is
written as already used; the true figures follow when the line is down. So a power cut during a call costs the
budget at most a minute too much and never gives one back. Runs in the daemon's event loop, in the call's task; the
rules are in `core/line/call/budget`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo

from dialpost.core.call_reason import CallReason
from dialpost.core.config.model import BudgetConfig
from dialpost.core.control import calls as api
from dialpost.core.errors import StorageError
from dialpost.core.faults import Fault
from dialpost.core.json_text import parse_object
from dialpost.core.line.call.budget import (
    HANG_UP_S,
    Allowance,
    Spent,
    allowance,
    call_cost,
    call_limits,
    spent_words,
    unit_rest_s,
    usage,
    used_words,
)
from dialpost.flow import maillog
from dialpost.flow.line.panel import LinePanel
from dialpost.flow.memory import Memory

LOOK_AGAIN_S = 60.0
"""The interval for checking a spent budget: midnight brings new minutes, and so may setting the clock."""
KEEP_EVERY_S = 60.0
"""The interval for writing the counters during a call, each time as far ahead."""
_AHEAD_S = KEEP_EVERY_S + 5.0  # a slow card delays the next write
_KEY = "budget.spent"


class Budget:
    """The counters, and the meter of the current call (`paid_s`, `cost`: kept after its end)."""

    def __init__(
        self,
        config: BudgetConfig,
        memory: Memory,
        *,
        zone: tzinfo = UTC,
        clock_trusted: Callable[[], bool] = lambda: True,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._config, self._memory, self._zone = config, memory, zone
        self._clock_trusted, self._wall_clock = clock_trusted, wall_clock
        self._spent = Spent()
        self._is_recalled = False
        self._answered_s: float | None = None
        self.paid_s = 0.0
        self.cost = 0.0

    @property
    def spent(self) -> Spent:
        """The usage of today and of this month."""
        self.count()
        return self._spent.on(self._today())

    @property
    def currency(self) -> str:
        """The currency of costs."""
        return self._config.currency

    @property
    def unit_s(self) -> float:
        """The billing step."""
        return float(self._config.billing_step_s)

    async def recall(self) -> None:
        """Load, once, the usage before a restart. If it can't be read, it counts as nothing and is logged."""
        if self._is_recalled:
            return
        self._is_recalled = True
        with contextlib.suppress(StorageError):
            text = await self._memory.recall(_KEY)
            try:
                self._spent = Spent.from_json(parse_object(text or "{}"))
            except (ValueError, AttributeError):
                maillog.fault("budget: the counters can't be read; they start from zero", found=text)

    def allowance(self) -> Allowance:
        """How much longer a call may last: the current one, or one made now."""
        spent = self.spent
        return allowance(self._config, spent, self.paid_s if self._answered_s is not None else 0.0)

    def refusal(self) -> str:
        """Why no call may be made now, in words; "" if one may."""
        found = self.allowance()
        if found.limit is None or not found.is_spent:
            return ""
        return spent_words(self._config, self.spent, found.limit, clock_trusted=self._clock_trusted())

    def used_words(self, found: Allowance) -> str:
        """The limit that was reached: "30 of 30 minutes used today (budget.minutes_per_day)"."""
        if found.limit is None:
            return ""
        return f"{used_words(self._config, self.spent, found.limit)}, {found.limit.value}"

    def limits_in_words(self) -> list[str]:
        """The usage of each limit of day and month; [] if there is none."""
        config = self._config
        limits = (config.minutes_per_day, config.minutes_per_month, config.limit_per_day, config.limit_per_month)
        return [text for text in usage(config, self.spent) if " of " in text] if any(limits) else []

    def facts(self) -> api.Budget:
        """For `dialpost call budget`."""
        left, spent = self.allowance(), self.spent
        return api.Budget(
            usage=tuple(usage(self._config, spent)),
            call_limits=tuple(call_limits(self._config)),
            left_s=None if left.limit is None else round(left.seconds, 1),
            limit=None if left.limit is None else left.limit.value,
            spent=api.Spent(
                day=spent.day,
                day_s=round(spent.day_s, 1),
                day_cost=round(spent.day_cost, 6),
                month_s=round(spent.month_s, 1),
                month_cost=round(spent.month_cost, 6),
                undated_s=round(spent.undated_s, 1),
                undated_cost=round(spent.undated_cost, 6),
            ),
            refusal=self.refusal(),
            clock_trusted=self._clock_trusted(),
        )

    # -- one call -------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """A call is about to be dialled: count its first minute as used, in case the power fails."""
        self.paid_s = self.cost = 0.0
        self._answered_s = None
        await self._write(ahead_s=_AHEAD_S)

    def answered(self) -> None:
        """The other end answered: from here on the call is paid for."""
        self._answered_s = asyncio.get_running_loop().time()

    async def keep_counting(self) -> None:
        """Write the counters each minute, one ahead, until cancelled."""
        while True:
            await self._write(ahead_s=_AHEAD_S)
            await asyncio.sleep(KEEP_EVERY_S)

    async def until_spent(self) -> Allowance:
        """Wait until it is time to end the call; returns the limit reached. Midnight may bring new minutes."""
        while True:
            left = self.allowance()
            if left.seconds <= HANG_UP_S:
                return left
            await asyncio.sleep(min(left.seconds - HANG_UP_S, KEEP_EVERY_S))

    def paid_until_s(self) -> float:
        """When the billing unit ends that the call under way has begun (monotonic)."""
        now_s = asyncio.get_running_loop().time()
        if self._answered_s is None:
            return now_s
        return now_s + unit_rest_s(self._config, now_s - self._answered_s)

    def ended(self) -> None:
        """The line is down."""
        self.count()
        self._answered_s = None

    async def write(self) -> None:
        """Write the true figures, durably; if the card fails, they stay in memory and the fault is logged."""
        await self._write(ahead_s=0.0)

    def count(self) -> None:
        """Bring the meter and the counters up to date: elapsed time is added to the day it passed on."""
        if self._answered_s is None:
            return
        total_s = asyncio.get_running_loop().time() - self._answered_s
        cost = call_cost(self._config, total_s)
        today = self._today()
        more_s, more_cost = total_s - self.paid_s, cost - self.cost
        # In small steps, so that a call over midnight is charged to both days.
        self._spent = self._spent.on(today).plus(more_s, more_cost, dated=today is not None)
        self.paid_s, self.cost = total_s, cost

    # -- inside ---------------------------------------------------------------------------------------

    def _today(self) -> str | None:
        if not self._clock_trusted():
            return None
        return datetime.fromtimestamp(self._wall_clock(), self._zone).date().isoformat()

    async def _write(self, ahead_s: float) -> None:
        spent = self.spent
        if ahead_s:
            cost = call_cost(self._config, self.paid_s + ahead_s) - self.cost
            spent = spent.plus(ahead_s, cost, dated=self._today() is not None)
        try:
            await self._memory.remember(_KEY, json.dumps(spent.to_json()))
        except StorageError as error:
            maillog.fault("budget: the counters could not be kept", error=error)


class BudgetGate:
    """Refuses calls while the budget is spent, and shows that on the panel until it is renewed."""

    def __init__(self, budget: Budget, panel: LinePanel, say: Callable[[str], None]) -> None:
        self._budget, self._panel, self._say = budget, panel, say
        self._timer: asyncio.TimerHandle | None = None

    def turn_away(self, why: str, reason: CallReason) -> str:
        """Refuse a call because of `why`: logged once, because the schedule keeps asking."""
        is_news = Fault.BUDGET not in self._panel.faults
        self._panel.fault(Fault.BUDGET, True)
        self._look_later()
        if is_news:
            maillog.fault("call: not made", reason=reason.value, why=why)
        if is_news or reason is CallReason.REDIAL:
            self._say(why)
        return why

    def look(self) -> None:
        """Show on the panel whether the budget is spent; while it is, check again later."""
        is_spent = bool(self._budget.refusal())
        self._panel.fault(Fault.BUDGET, is_spent)
        if is_spent:
            self._look_later()
        else:
            self.close()

    def close(self) -> None:
        """Stop checking."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_later(self) -> None:
        self.close()
        self._timer = asyncio.get_running_loop().call_later(LOOK_AGAIN_S, self.look)
