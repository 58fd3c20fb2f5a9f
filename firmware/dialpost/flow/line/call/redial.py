"""Redialling after a failed dial, a lost line or a call in vain: how often and after what pause, even after a
restart.

The configuration says how often and how soon; the country's rules (`core/line/redial_rules`, queried through the
modem's `core/line/dial_plan`) win if they are stricter. They apply to every automatic call: one that comes too soon
is made as soon as it is allowed. An operator never has to wait, and resets the rules' counters. A call that came up
and achieved nothing is repeated too, if the cause may be temporary; each costs money, so all but the first of these
wait at least `IN_VAIN_PAUSE_S`. A lasting refusal (`core/line/link.Again`) is not tried again at all until
something changes (`flow/line/call/bar`).

Mail that hangs in the provider's connections since the line was lost (edge/line/half_open) can't come before they
time out. One more redial fetches it then, though the first went well. If that one is cut as well, and nothing has
moved, no other follows: a line that is lost each time must not be dialled for ever.

Runs in the daemon's event loop; a timer asks for the call, `flow/line/call/machine` makes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import time
from collections.abc import Callable

from dialpost.core.amounts import count_words
from dialpost.core.call_reason import CallReason
from dialpost.core.config.model import CallConfig
from dialpost.core.errors import StorageError
from dialpost.core.json_text import parse_json
from dialpost.core.line.call.learning import promise_of
from dialpost.core.line.call.notes import failed, in_vain, was_cut
from dialpost.core.line.call.record import LEFT_BEHIND, CallRecord, HangUpReason
from dialpost.core.line.dial_plan import DialPlan
from dialpost.core.line.link import Again, DialResult
from dialpost.flow import maillog
from dialpost.flow.line.call import bar as call_bar
from dialpost.flow.line.call.bar import CallBar
from dialpost.flow.memory import Memory

_KEY = "call.redials_left"
_PLAN_KEY = "call.dial_plan"

_NEXT_TIME = "at the next scheduled time, or by the button"
_AFTER_CHANGE = "after a change of settings, or by the button or `dialpost call now`"
_BY_HAND = "redialling takes the operator: press the button, or `dialpost call now`"
IN_VAIN_PAUSE_S = 300.0
"""The least pause before the second and later redials of calls that achieved nothing: a cause that outlasted the
first redial (greylisting, a host that restarts) takes minutes."""
_GREETING_S = 305.0
"""How long a connection hangs whose client waits for the greeting (RFC 5321 §4.5.3.2.1: five minutes)."""
_BY_ITSELF = LEFT_BEHIND | {HangUpReason.DONE, HangUpReason.PROVIDER_SILENT}
"""How calls end that neither the operator nor a limit ended: only these may be followed by one that nobody asked
for."""
_HANGS = "mail hangs at the provider since the line was lost"
_CLOCK_FROM_S = 120.0
"""A wait longer than this is shown with the time when it ends."""


class Redials:
    """The redials left, and the timer of the next. `left` is None while no redial is due.

    `plan` is the modem's dial plan; None if no modem of ours dials. `on_pending` is called when a call starts and
    when it stops waiting for its time. `hanging`: how many connections of the provider hang, if the line was lost.
    """

    def __init__(
        self,
        config: CallConfig,
        dial: Callable[[], None],
        say: Callable[[str], None],
        plan: DialPlan | None = None,
        *,
        wall_clock: Callable[[], float] = time.time,
        clock_trusted: Callable[[], bool] = lambda: False,
        on_pending: Callable[[bool], None] = lambda pending: None,
        settings: str = "",
    ) -> None:
        self.bar = CallBar(settings)
        self._refused_numbers: set[str] = set()
        self._on_pending = on_pending
        self._config, self._dial, self._say, self._plan = config, dial, say, plan
        self._wall_clock, self._clock_trusted = wall_clock, clock_trusted
        self._timer: asyncio.TimerHandle | None = None
        self._why = ""
        self.left: int | None = None
        self.hanging, self._hanging_until_s = 0, -math.inf
        self._has_fetched = False  # a call for mail that hangs was made, and nothing has moved since

    @property
    def pending(self) -> bool:
        """Whether a call is waiting for its time."""
        return self._timer is not None

    def words(self) -> str:
        """When the next attempt is, in words; "" if there is none."""
        if self._timer is None:
            return call_bar.SHORT if self.bar.reason else ""
        left_s = max(0.0, self._timer.when() - asyncio.get_running_loop().time())
        more = "" if self.left is None else f", then up to {count_words(self.left, 'more time')}"
        why = f" ({self._why})" if self._why else ""
        return f"redialling {self._moment(left_s)}{more}{why}"

    def held(self, reason: CallReason) -> str:
        """Whether a call from rest must wait: "" = go ahead, else why and until when, in words.

        A call that the rules hold back is made when they allow it.
        """
        if reason.by_hand:
            self._by_person()
            return ""
        if self.bar.reason:
            return f"No call now. {self.bar.words}"
        if self.pending:
            return f"The line failed a moment ago; {self.words()}."
        wait_s, why = self._rules()
        if wait_s <= 0:
            return ""
        if math.isinf(wait_s):
            return f"No call now: {why}; {_BY_HAND}."
        self._wait(wait_s, why, pause_s=0.0)
        return f"No call now: {self.words()}."

    def plan(self, record: CallRecord, *, had_given_up: bool = False) -> None:
        """After a call: again, if it failed, was cut or achieved nothing, and tries are left.

        A call that moved mail resets the count: even a bad line gets everything through. A call that met a lasting
        refusal, or one that a series of attempts will not outlast, has no redial. Nor has one that achieved nothing
        after a series of those was given up (`had_given_up`): with a provider that is down for days, each scheduled
        time costs one call.
        """
        if record.result is not DialResult.CANCELLED:
            self.bar.lift()
        vain, has_moved = in_vain(record), record.sent > 0 or record.received > 0
        self._has_fetched = self._has_fetched and not has_moved
        if (not failed(record) and not was_cut(record) and not vain) or (vain and had_given_up):
            self._refused_numbers.clear()
            self.forget()
            self._fetch_what_hangs(record)
            return
        if was_cut(record) and self.hanging and not self._has_fetched:
            self._hanging_until_s = asyncio.get_running_loop().time() + _GREETING_S
        if failed(record) and (again := self._again(record)) is not Again.SOON:
            self.forget()
            if again is Again.AFTER_CHANGE:
                self.bar.set(record)
            next_try = _AFTER_CHANGE if again is Again.AFTER_CHANGE else _NEXT_TIME
            self._give_up("given up for now; the next try is " + next_try, next_try)
            return
        left = self.left
        pause_s = max(self._pause_s, IN_VAIN_PAUSE_S) if vain and left is not None else self._pause_s
        # A first failure, or one after progress: a full series of redials.
        if left is None or has_moved:
            left = self._config.redial_attempts
        if left <= 0:
            self.forget()
            if self._config.redial_attempts:
                self._give_up("given up for now; the next try is " + _NEXT_TIME, _NEXT_TIME)
            return
        wait_s, why = self._rules()
        if math.isinf(wait_s):
            self.forget()
            self._give_up(f"given up: {why}; {_BY_HAND}", _BY_HAND)
            return
        self.left = left - 1
        self._wait(wait_s, why, pause_s)

    def _fetch_what_hangs(self, record: CallRecord) -> None:
        """After a call that went well: one more, if it came too early for mail that hangs at the provider."""
        if record.hangup_reason not in _BY_ITSELF:
            self._hanging_until_s = -math.inf
        wait_s = self._hanging_until_s - asyncio.get_running_loop().time()
        rules_s, why = self._rules()
        last = {answer.name: answer for answer in record.etrn}.values()
        is_wanted = promise_of([*last]) is not None and self._config.redial_attempts > 0
        if wait_s > 0 and is_wanted and not math.isinf(rules_s):
            self._has_fetched = True
            self._wait(rules_s, why, pause_s=wait_s, reason=_HANGS)

    def _again(self, record: CallRecord) -> Again:
        """When another call can help. If the modem bars one number, the others are left."""
        if record.result is not DialResult.BLACKLISTED or self._plan is None:
            return record.again
        self._refused_numbers.add(record.dialled)
        return Again.SOON if set(self._plan.numbers) - self._refused_numbers else record.again

    def started(self, is_redial: bool) -> None:
        """A call begins: a redial uses up one attempt; a call for another reason resets the count."""
        self._stop_timer()
        if not is_redial:
            self.left, self._has_fetched = None, False

    def forget(self) -> None:
        """Plan no further redial."""
        self._stop_timer()
        self.left = None

    def _rules(self) -> tuple[float, str]:
        """How long the country's rules delay the next call, and why."""
        if self._plan is None:
            return 0.0, ""
        step = self._plan.next(asyncio.get_running_loop().time())
        return step.wait_s, step.why

    def _by_person(self) -> None:
        self._refused_numbers.clear()
        if self._plan is not None:
            self._plan.by_person(asyncio.get_running_loop().time())

    @property
    def _pause_s(self) -> float:
        return max(self._config.redial_pause_s, self._config.cooldown_s)

    def _wait(self, rules_s: float, why: str, pause_s: float, reason: str = "") -> None:
        """Make the call after a pause (which has a `reason`), or later if the rules require it."""
        self._stop_timer()
        self._why = why if rules_s > pause_s else reason
        wait_s = max(pause_s, rules_s)
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._now)
        self._on_pending(True)
        self._say(f"redialling {self._moment(wait_s)}" + (f" ({self._why})" if self._why else ""))

    def _now(self) -> None:
        self._timer = None
        self._on_pending(False)
        wait_s, why = self._rules()
        if wait_s <= 0:
            self._dial()
        elif math.isinf(wait_s):
            self.forget()
            self._give_up(f"given up: {why}; {_BY_HAND}", _BY_HAND)
        else:
            self._wait(wait_s, why, pause_s=0.0)

    def _give_up(self, words: str, next_try: str) -> None:
        maillog.fault("call: given up for now", next=next_try)
        self._say(words)

    def _moment(self, wait_s: float) -> str:
        """ "in 30 s", "in 47 min (14:20)"."""
        if wait_s < _CLOCK_FROM_S:
            return f"in {wait_s:.3g} s"
        minutes = math.ceil(wait_s / 60)
        hours, rest = divmod(minutes, 60)
        told = f"{minutes} min" if not hours else f"{hours} h" + (f" {rest} min" if rest else "")
        if not self._clock_trusted():
            return f"in {told}"
        return f"in {told} ({time.strftime('%H:%M', time.localtime(self._wall_clock() + wait_s))})"

    def _stop_timer(self) -> None:
        self._why = ""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._on_pending(False)

    async def keep(self, memory: Memory) -> None:
        """Save the redials left and the attempts made, so that they survive a restart. Raises: StorageError."""
        await memory.remember(_KEY, json.dumps(self.left))
        await self.bar.keep(memory)
        if self._plan is not None:
            await self._keep_plan(memory, self._plan)

    async def keep_ahead(self, memory: Memory) -> None:
        """Save, before a dial, the state as if it had failed: a board whose power fails at each attempt must not
        try for ever.

        Raises: StorageError.
        """
        # What `plan` would leave if this call failed.
        left = self.left - 1 if self.left else None
        await memory.remember(_KEY, json.dumps(left))
        if self._plan is not None:
            await self._keep_plan(memory, self._plan.as_if_failed(asyncio.get_running_loop().time()))

    async def keep_answered(self, memory: Memory) -> None:
        """The other end answered: the number's failures no longer count. Raises: StorageError."""
        if self._plan is not None:
            await self._keep_plan(memory, self._plan)

    async def _keep_plan(self, memory: Memory, plan: DialPlan) -> None:
        now_s = asyncio.get_running_loop().time()
        kept = plan.to_json(now_s, self._wall_clock(), trusted=self._clock_trusted())
        await memory.remember(_PLAN_KEY, json.dumps(kept))

    async def recall(self, memory: Memory) -> None:
        """Continue where a restart interrupted: a redial that was due is made after the pause.

        Unreadable values start from zero.
        """
        with contextlib.suppress(StorageError, ValueError):
            kept = await memory.recall(_PLAN_KEY)
            if self._plan is not None and kept is not None:
                now_s = asyncio.get_running_loop().time()
                self._plan.restore(parse_json(kept), now_s, self._wall_clock(), trusted=self._clock_trusted())
        await self.bar.recall(memory)
        with contextlib.suppress(StorageError, ValueError):
            left = parse_json(await memory.recall(_KEY) or "null")
            wait_s, why = self._rules()
            if isinstance(left, int) and not isinstance(left, bool) and left >= 0 and not math.isinf(wait_s):
                self.left = min(left, self._config.redial_attempts)
                self._wait(wait_s, why, self._pause_s)
