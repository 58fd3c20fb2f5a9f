"""The call: one task, one event queue, one table (`core/line/call/states`).

Actions (`flow/line/call/actions`: dial, negotiate, the mail, hang up) run as tasks of their state. They never set
the state: like buttons, schedules and timers they post events. A state with an action has a deadline that posts
DEADLINE. Leaving a state cancels its actions; a late event of theirs is recognised by the number of its call and
dropped. The link always has to hang up, however a call ended.

`request`, `cancel` and `mail_accepted` may be called from anywhere in the event loop; they only post.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from dialpost.core.call_reason import CallReason
from dialpost.core.config.model import BudgetConfig, CallConfig, LinkKind
from dialpost.core.json_value import JsonValue
from dialpost.core.line.call import notes as call_notes
from dialpost.core.line.call.habits import GraceRules
from dialpost.core.line.call.notes import Happening, note
from dialpost.core.line.call.record import CallRecord, HangUpReason
from dialpost.core.line.call.states import AT_REST, CallEvent, CallState, Ignore, next_state
from dialpost.core.line.dial_plan import DialPlan
from dialpost.core.line.link import DialResult
from dialpost.core.mail.esmtp.tls_cost import TlsCost
from dialpost.core.mail.queue.records import QueueCounts
from dialpost.flow import maillog
from dialpost.flow.line.call.actions import HANG_UP_S, SETTLE_S, CallActions
from dialpost.flow.line.call.budget import Budget, BudgetGate
from dialpost.flow.line.call.facts import CallFacts
from dialpost.flow.line.call.forecasts import Forecasts
from dialpost.flow.line.call.learnt import LearntHabits
from dialpost.flow.line.call.mail_needs import Etrn, FlushForCall, Inbound, Ways
from dialpost.flow.line.call.mail_part import MailPart
from dialpost.flow.line.call.redial import Redials
from dialpost.flow.line.call.remains import CallMemory, CallStore
from dialpost.flow.line.call.running import RunningCall
from dialpost.flow.line.link import Link
from dialpost.flow.line.panel import LinePanel

HARD_LIMIT_FACTOR = 2
"""A call still running at this many times call.max_call_s is cut, even in the middle of a message."""

_ENDING = frozenset({CallState.HANGING_UP, CallState.COOLDOWN})


class CallManager:
    """Makes calls. `run` is its one task; the other methods are called from outside. `in_vain` returns why an
    automatic call could achieve nothing ("" = it could); `line_settings` is a digest of the settings that can
    cause a refusal on the line. `budget` counts and limits the cost of calls, `forecasts` estimates it beforehand.
    `on_line_down` is called when the line is down, however the call went, to drop the connections over it; it
    returns how many hang all the same. `on_given_up` gets the last record and the number of failed calls in a row
    when redialling stops; once, until a call succeeds.
    """

    def __init__(
        self, config: CallConfig, link: Link, *, etrn: Etrn | None, flush: FlushForCall, inbound: Inbound,
        store: CallStore, panel: LinePanel, ways: Ways | None = None, wall_clock: Callable[[], float] = time.time,
        dial_plan: DialPlan | None = None, clock_trusted: Callable[[], bool] = lambda: False,
        budget: Budget | None = None, forecasts: Forecasts | None = None,
        on_line_down: Callable[[], int] = lambda: 0, on_by_hand: Callable[[], None] = lambda: None,
        line_doubt: Callable[[], str] = str, in_vain: Callable[[CallReason], str] = lambda reason: "",
        line_settings: str = "", learnt: LearntHabits | None = None, tls_cost: Callable[[], TlsCost] = TlsCost,
        on_given_up: Callable[[CallRecord, int], None] = lambda record, failures: None,
    ) -> None:  # fmt: skip
        self._config, self._link, self._panel, self._in_vain = config, link, panel, in_vain
        self._wall_clock, self._on_line_down, self._on_by_hand = wall_clock, on_line_down, on_by_hand
        self._budget = budget or Budget(BudgetConfig(), store, clock_trusted=clock_trusted, wall_clock=wall_clock)
        self._gate, self._tls_cost = BudgetGate(self._budget, panel, self._say), tls_cost
        self._state, self._over_budget, self._settled = CallState.IDLE, False, asyncio.Event()
        self._queue: asyncio.Queue[Happening] = asyncio.Queue()
        self._call: RunningCall | None = None
        self._wish: Happening | None = None
        self._redials = Redials(
            config, self._redial, self._say, dial_plan, wall_clock=wall_clock, clock_trusted=clock_trusted,
            on_pending=panel.redial, settings=line_settings,
        )  # fmt: skip
        self._memory = CallMemory(store, panel, self._redials, self._say, on_given_up, learnt)
        self._facts = CallFacts(self._budget, self._redials, self._memory, line_doubt)
        self._actions = CallActions(
            config, link, self._budget, forecasts, self._queue.put_nowait, self._say, self._memory
        )
        self._new_mail: Callable[[], MailPart] = lambda: MailPart(
            etrn=etrn,
            ways=ways,
            flush=flush,
            inbound=inbound,
            meter=link,
            before=self._memory.begin_call(),
            say=self._say,
            rules=GraceRules(config.grace_min_s, config.grace_max_s, self._budget.unit_s),
            moving=self._mail_moves,
            paid_until_s=self._budget.paid_until_s,
        )
        self._watchers: list[Callable[[str], None]] = []

    # -- what it reports ----------------------------------------------------------------------

    @property
    def state(self) -> CallState:
        """The state of the call."""
        return self._state

    @property
    def state_words(self) -> str:
        """What the line is doing, for people."""
        return self._facts.state_words(self._state)

    @property
    def last_call(self) -> CallRecord | None:
        """The last call that ended since the start; None before the first."""
        return self._memory.last_call

    @property
    def last_end_s(self) -> float | None:
        """Its end, monotonic."""
        return self._memory.last_end_s

    @property
    def failures(self) -> int:
        """Calls in a row that did not come on line."""
        return self._memory.failures

    @property
    def left_behind(self) -> QueueCounts:
        """The mail still waiting after the last call that ended regularly."""
        return self._memory.left_behind

    @property
    def current_call(self) -> CallRecord | None:
        """The record of the current call so far; None between calls."""
        return self._call.completed() if self._call is not None else None

    def refusal(self) -> str:
        """Why the budget allows no further call now, in words; "" if it does, or during a call."""
        return self._facts.refusal(self._state)

    def status(self) -> dict[str, JsonValue]:
        """The state, the current call and the last one, for `status`."""
        return self._facts.status(self._state, self._call)

    def attention(self) -> list[str]:
        """What the operator should know about the last call and the budget, an item each."""
        return self._facts.attention(self._state)

    # -- asked from outside ---------------------------------------------------------------------------

    def request(self, reason: CallReason, *, over_budget: bool = False) -> str:
        """Ask for a call; returns what happens now, in words. An operator's call waits for no redial and no rule.

        A spent budget stops every call, unless `over_budget`: then no limit of the budget ends the call either.
        """
        if reason.by_hand:
            self._on_by_hand()
        if not over_budget and (why := self.refusal()):
            return self._gate.turn_away(why, reason)
        self._settled.clear()
        if self._state in AT_REST and (held := self._held(reason)):
            self._settle_if_done()
            return held
        wish = Happening(CallEvent.CALL_WANTED, reason=reason, over_budget=over_budget)
        if self._state is CallState.IDLE:
            self._queue.put_nowait(wish)
            return "Dialling." if self._link.kind is LinkKind.MODEM else "Calling."
        if self._state in _ENDING:
            self._wish = wish
            return "The last call is ending; the next one follows at once."
        return f"A call is already under way ({self.state_words})."

    def cancel(self, at_once: bool) -> str:
        """Ask for the end of the current call and of redials; returns what happens now, in words."""
        waiting = self._wish is not None or self._redials.pending
        self._wish = None
        self._redials.forget()
        if self._state in AT_REST:
            self._settle_if_done()
            return "The next call is cancelled." if waiting else "There is no call to end."
        if self._state is CallState.HANGING_UP:
            return "The line is already hanging up."
        self._queue.put_nowait(Happening(CallEvent.CANCEL_WANTED if at_once else CallEvent.STOP_WANTED))
        if self._state is CallState.ONLINE and not at_once:
            return "Hanging up after the current message."
        return "Hanging up."

    def mail_accepted(self) -> None:
        """New mail is in the queue; if the line is up, it is sent in this call."""
        self._panel.queue_changed()
        if self._call is not None and self._call.mail is not None:
            self._call.mail.mail_accepted()

    def subscribe(self, watcher: Callable[[str], None]) -> Callable[[], None]:
        """Call `watcher` with each step in words; the returned function unsubscribes."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    async def finished(self) -> CallRecord:
        """Wait for the end of the current call, including redials; returns the last record."""
        while True:
            await self._settled.wait()
            if self.last_call is not None:
                return self.last_call
            self._settled.clear()

    # -- the one task ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Handle events until cancelled; before it ends it hangs up and saves the call's record.

        If a bug of ours ended it, it may be run again: it starts at rest.
        """
        await self._budget.recall()
        await self._memory.recall()
        if self._state is not CallState.IDLE:
            self._actions.number += 1  # events posted before belong to a former call
            self._enter(CallState.IDLE, Happening(CallEvent.RESTED))
            self._settle_if_done()  # somebody may wait for the end of that call
        try:
            while True:
                self._handle(await self._queue.get())
        finally:
            await self._stop_for_good()

    def _handle(self, posted: Happening) -> None:
        if posted.call is not None and posted.call != self._actions.number:
            return  # a late event of a former call
        step = next_state(self._state, posted.event)
        if isinstance(step, Ignore):
            self._ignored(posted)
            return
        if self._call is not None:
            self._call.record = note(self._call.record, self._state, posted, self._config.dial_timeout_s)
        self._enter(step, posted)

    def _ignored(self, posted: Happening) -> None:
        """Handle requests that change no state: keep them for later, or pass them to the mail."""
        if posted.event is CallEvent.CALL_WANTED and self._state in _ENDING:
            self._wish = posted
        elif posted.event is CallEvent.STOP_WANTED and self._call is not None and self._call.mail is not None:
            self._call.stop(posted.ended or HangUpReason.STOPPED, posted.detail)
            self._say("ending the call after the current message")

    # -- states ---------------------------------------------------------------------------------------

    def _enter(self, state: CallState, posted: Happening) -> None:
        """The one place where the state is set."""
        self._actions.cancel()
        if self._call is not None:
            self._call.offline()
        self._state = state
        self._panel.call(state)
        {
            CallState.IDLE: self._enter_idle,
            CallState.DIALING: self._enter_dialing,
            CallState.NEGOTIATING: self._enter_negotiating,
            CallState.ONLINE: self._enter_online,
            CallState.HANGING_UP: self._enter_hanging_up,
            CallState.COOLDOWN: self._enter_cooldown,
        }[state](posted)

    def _enter_idle(self, posted: Happening) -> None:
        if self._wish is None:
            return
        wish, self._wish = self._wish, None
        reason = wish.reason or CallReason.COMMAND
        if not wish.over_budget and (why := self.refusal()):
            self._gate.turn_away(why, reason)
            self._settle_if_done()
        elif self._held(reason):
            self._settle_if_done()
        else:
            self._queue.put_nowait(wish)

    def _enter_dialing(self, posted: Happening) -> None:
        reason = posted.reason or CallReason.COMMAND
        self._actions.number += 1
        self._redials.started(reason is CallReason.REDIAL)
        self._settled.clear()
        self._over_budget = posted.over_budget
        self._gate.look()
        record = CallRecord(
            reason, self._link.kind.value, DialResult.ERROR, int(self._wall_clock()), over_budget=self._over_budget
        )
        self._call = RunningCall(record, self._link, self._budget, self._tls_cost)
        maillog.dialled(reason=reason.value, link=self._link.kind.value)
        self._actions.start(self._actions.dial(self._call), self._config.dial_timeout_s)

    def _enter_negotiating(self, posted: Happening) -> None:
        self._budget.answered()
        self._say("carrier; connecting")
        self._actions.start(self._actions.negotiate(), self._config.dial_timeout_s)
        self._actions.start(self._actions.watch_line())
        self._actions.start(self._actions.keep_answered())
        self._actions.start(self._actions.count_cost())

    def _enter_online(self, posted: Happening) -> None:
        call = self._call
        assert call is not None
        call.online()
        maillog.connected(link=self._link.kind.value, rate_bps=call.record.rate_bps)
        self._say("on line")
        self._memory.online()
        call.mail = self._new_mail()
        actions = self._actions
        actions.start(actions.carry_mail(call), self._config.max_call_s * HARD_LIMIT_FACTOR)
        actions.start(actions.watch_line())
        actions.start(actions.limit_time())
        actions.start(actions.count_cost())
        if not self._over_budget:
            actions.start(actions.limit_cost())

    def _enter_hanging_up(self, posted: Happening) -> None:
        self._say("hanging up")
        self._actions.start(self._actions.hang_up(), HANG_UP_S + SETTLE_S)

    def _enter_cooldown(self, posted: Happening) -> None:
        if posted.event is CallEvent.DEADLINE:
            maillog.fault("call: the link did not hang up in time", link=self._link.kind.value)
        self._redials.hanging = self._on_line_down()
        self._end_record()
        self._actions.start(self._rest())

    async def _rest(self) -> None:
        number = self._actions.number
        try:
            await self._budget.write()
            await self._memory.keep()
        except Exception as error:  # a bug of ours must not block the next call
            maillog.fault("call: stopped by a bug in Dialpost", error=repr(error))
        self._settle_if_done()
        await asyncio.sleep(self._config.cooldown_s)
        self._queue.put_nowait(Happening(CallEvent.RESTED, number))

    # -- the record and what follows from it ----------------------------------------------------------

    def _end_record(self) -> None:
        call, self._call = self._call, None
        assert call is not None
        self._budget.ended()
        record = call.completed()
        if call.mail is not None:
            self._memory.mail_ended(call.mail.left)
        self._memory.ended(record)
        self._gate.look()
        if self._redials.pending and self._wish is not None and not (self._wish.reason or record.reason).by_hand:
            self._wish = None

    def _settle_if_done(self) -> None:
        if not self._redials.pending and self._wish is None:
            self._settled.set()

    def _held(self, reason: CallReason) -> str:
        """Why a call from rest must wait, in words; "" if it need not."""
        vain = "" if reason.by_hand else self._in_vain(reason)
        return f"No call now. {vain}" if vain else self._redials.held(reason)

    def lift_bar(self) -> None:
        """An operator says that the cause of the refusal is gone: automatic calls resume."""
        self._redials.bar.lift()

    def _redial(self) -> None:
        """It is time for a redial. An operator's permission to exceed the budget covers redials, too."""
        if self._in_vain(CallReason.REDIAL):
            self._redials.forget()
            self._settle_if_done()
            return
        if not self._over_budget and (why := self.refusal()):
            self._redials.forget()
            self._gate.turn_away(why, CallReason.REDIAL)
            self._settle_if_done()
            return
        wish = Happening(CallEvent.CALL_WANTED, reason=CallReason.REDIAL, over_budget=self._over_budget)
        self._queue.put_nowait(wish)

    async def _stop_for_good(self) -> None:
        """The daemon ends: hang up and save the record. A pending redial is made after the restart."""
        redials_left = self._redials.left
        self._redials.started(is_redial=True)
        self._gate.close()
        await self._actions.close()
        if self._call is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._link.hang_up(), HANG_UP_S)
            self._call.record = call_notes.station_stopped(self._call.record, self._state)
            self._end_record()
            self._redials.forget()
            self._redials.left = redials_left
        await self._budget.write()
        await self._memory.keep()

    def _mail_moves(self, moving: bool) -> None:
        self._panel.mail_moves(moving)
        if moving:
            self._panel.queue_changed()

    def _say(self, words: str) -> None:
        for watcher in list(self._watchers):
            watcher(words)
