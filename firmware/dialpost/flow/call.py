"""The call: one task, one event queue, one table (`core/call_states`).

Actions (dial, negotiate, the mail, hang up) run as tasks of their state. They never set the state: they
post events, as buttons, schedules and timers do. A state with an action has a deadline that posts
DEADLINE. Leaving a state cancels its actions; a late word of theirs is told by its call's number and
dropped. The link is always told to hang up, however a call ended.

`request`, `cancel` and `mail_accepted` may be called from anywhere in the event loop; they only post.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Protocol

from dialpost.core import call_notes
from dialpost.core.call_end import GraceRules
from dialpost.core.call_notes import Happening, note
from dialpost.core.call_record import CallReason, CallRecord, HangUpReason
from dialpost.core.call_states import STATE_WORDS, CallEvent, CallState, Ignore, next_state
from dialpost.core.config import CallConfig, LinkKind
from dialpost.core.dial_plan import DialPlan
from dialpost.core.json_value import JsonValue
from dialpost.core.link import DialOutcome, DialResult, Traffic
from dialpost.core.queue_records import QueueCounts
from dialpost.flow import maillog
from dialpost.flow.call_memory import CallMemory, CallStore
from dialpost.flow.mail_part import Etrn, FlushForCall, Inbound, MailPart
from dialpost.flow.panel import Panel
from dialpost.flow.redial import Redials

HANG_UP_S = 30.0
"""So long the link gets to hang up before the call is taken as over all the same."""
SETTLE_S = 10.0
"""So long the ended actions of a call get to put their outcomes on record, before the link hangs up."""
HARD_LIMIT_FACTOR = 2
"""A call still running at so many times call.max_call_s is cut, in the middle of a message if need be."""


class Link(Protocol):
    """The way to the world. One call at a time: dial, negotiate, (lost), hang_up, in this order."""

    @property
    def kind(self) -> LinkKind:
        """Which of the three it is."""

    async def dial(self) -> DialOutcome:
        """Bring up the carrier. Never raises for what a line does. A cancellation leaves the link as it
        is; `hang_up` follows.
        """

    async def negotiate(self) -> DialOutcome:
        """Bring up the network over the carrier: CONNECTED when mail can flow."""

    async def lost(self) -> str:
        """Wait until the line is lost; why, in words."""

    async def hang_up(self) -> None:
        """Put the line down, in whatever state it is; returns when it is down. Harmless if it is."""

    def traffic(self) -> Traffic | None:
        """Bytes of this call so far (still told after `hang_up`), None where the link can't count."""

    def doubt(self, why: str) -> None:
        """The provider can't be reached: the link may check whether it is still up."""


class CallManager:
    """Makes calls. `run` is its one task; the rest is asked from outside."""

    def __init__(
        self, config: CallConfig, link: Link, *, etrn: Etrn | None, flush: FlushForCall, inbound: Inbound,
        store: CallStore, panel: Panel, wall_clock: Callable[[], float] = time.time,
        dial_plan: DialPlan | None = None, clock_trusted: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        self._config, self._link, self._etrn, self._flush = config, link, etrn, flush
        self._inbound, self._panel, self._wall_clock = inbound, panel, wall_clock
        self._state = CallState.IDLE
        self._queue: asyncio.Queue[Happening] = asyncio.Queue()
        self._actions: list[asyncio.Task[None]] = []
        self._ended_actions: list[asyncio.Task[None]] = []
        self._deadline: asyncio.TimerHandle | None = None
        self._number = 0
        self._record: CallRecord | None = None
        self._online_at_s = 0.0
        self._online_s: float | None = None
        self._mail: MailPart | None = None
        self._wish: CallReason | None = None
        self._redials = Redials(
            config, self._redial, self._say, dial_plan, wall_clock=wall_clock, clock_trusted=clock_trusted
        )
        self._memory = CallMemory(store, panel, self._redials, self._say)
        self._settled = asyncio.Event()
        self._watchers: list[Callable[[str], None]] = []

    # -- asked from outside ---------------------------------------------------------------------------

    @property
    def state(self) -> CallState:
        """Where the call stands."""
        return self._state

    @property
    def state_words(self) -> str:
        """What the line is doing, for a person."""
        words = STATE_WORDS[self._state]
        redial = self._redials.words()
        return f"{words}; {redial}" if redial else words

    @property
    def last_call(self) -> CallRecord | None:
        """The last call that ended since the start, None before the first."""
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
        """What still waited when the last call that went to its end was over."""
        return self._memory.left_behind

    @property
    def current_call(self) -> CallRecord | None:
        """The call under way as far as it is known, None between calls."""
        return self._completed(self._record) if self._record is not None else None

    def request(self, reason: CallReason) -> str:
        """Ask for a call; what happens now, in words. By hand, neither redial nor rule holds it back."""
        self._settled.clear()
        at_rest = self._state in {CallState.IDLE, CallState.COOLDOWN}
        if at_rest and (held := self._redials.held(reason)):
            self._settle_if_done()
            return held
        if self._state is CallState.IDLE:
            self._post(CallEvent.CALL_WANTED, reason=reason)
            return "Dialling." if self._link.kind is LinkKind.MODEM else "Calling."
        if self._state in {CallState.HANGING_UP, CallState.COOLDOWN}:
            self._wish = reason
            return "The last call is being ended; the next follows at once after it."
        return f"A call is under way already ({self.state_words})."

    def cancel(self, at_once: bool) -> str:
        """Ask for the end of the call under way, and of redials; what happens now, in words."""
        waiting = self._wish is not None or self._redials.pending
        self._wish = None
        self._redials.forget()
        if self._state in {CallState.IDLE, CallState.COOLDOWN}:
            self._settle_if_done()
            return "The next call is called off." if waiting else "There is no call to end."
        if self._state is CallState.HANGING_UP:
            return "The line is being hung up already."
        self._post(CallEvent.CANCEL_WANTED if at_once else CallEvent.STOP_WANTED, reason=CallReason.BUTTON)
        if self._state is CallState.ONLINE and not at_once:
            return "Hanging up after the current message."
        return "Hanging up."

    def mail_accepted(self) -> None:
        """New mail is in the queue: if the line is up, it goes out in this call."""
        self._panel.queue_changed()
        if self._mail is not None:
            self._mail.mail_accepted()

    def subscribe(self, watcher: Callable[[str], None]) -> Callable[[], None]:
        """Be told each step in words; the answer ends it."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    async def finished(self) -> CallRecord:
        """Wait for the end of the call under way, redials included; the last of them."""
        while True:
            await self._settled.wait()
            if self.last_call is not None:
                return self.last_call
            self._settled.clear()

    def status(self) -> dict[str, JsonValue]:
        """State, the call under way and the last one, for the control API."""
        current, last = self.current_call, self.last_call
        return {
            "state": self._state.value,
            "words": self.state_words,
            "current": current.to_json() if current is not None else None,
            "last": last.to_json() if last is not None else None,
            "redials_left": self._redials.left,
        }

    def attention(self) -> list[str]:
        """What a person should know of the last call, an item each."""
        return call_notes.attention(self.last_call) if self.last_call is not None else []

    # -- the one task ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Handle events until cancelled; the line is put down and the call's record kept before it ends.

        After a bug of ours ended it, it may be run again: it begins at rest.
        """
        await self._memory.recall()
        if self._state is not CallState.IDLE:
            self._number += 1  # what was posted before is of a former call
            self._enter(CallState.IDLE, Happening(CallEvent.RESTED))
        try:
            while True:
                self._handle(await self._queue.get())
        finally:
            await self._stop_for_good()

    def _post(
        self, event: CallEvent, *, call: int | None = None, detail: str = "", dial: DialOutcome | None = None,
        ended: HangUpReason | None = None, reason: CallReason | None = None,
    ) -> None:  # fmt: skip
        self._queue.put_nowait(Happening(event, call, detail, dial, ended, reason))

    def _handle(self, posted: Happening) -> None:
        if posted.call is not None and posted.call != self._number:
            return  # a late word of a former call
        step = next_state(self._state, posted.event)
        if isinstance(step, Ignore):
            self._ignored(posted)
            return
        if self._record is not None:
            self._record = note(self._record, self._state, posted, self._config.dial_timeout_s)
        self._enter(step, posted)

    def _ignored(self, posted: Happening) -> None:
        """Wishes that change no state: kept for later, or passed to the mail."""
        if posted.event is CallEvent.CALL_WANTED and self._state in {CallState.HANGING_UP, CallState.COOLDOWN}:
            self._wish = posted.reason
        elif posted.event is CallEvent.STOP_WANTED and self._mail is not None:
            self._mail.stop(posted.ended or HangUpReason.STOPPED)
            self._say("ending the call after the current message")

    # -- states ---------------------------------------------------------------------------------------

    def _enter(self, state: CallState, posted: Happening) -> None:
        """The one place where the state is set."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        for action in self._actions:
            action.cancel()
        self._ended_actions, self._actions = self._actions, []
        if self._state is CallState.ONLINE:
            self._online_s = asyncio.get_running_loop().time() - self._online_at_s
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
        if self._wish is not None:
            reason, self._wish = self._wish, None
            if self._redials.held(reason):
                self._settle_if_done()
            else:
                self._post(CallEvent.CALL_WANTED, reason=reason)

    def _enter_dialing(self, posted: Happening) -> None:
        reason = posted.reason or CallReason.COMMAND
        self._number += 1
        self._redials.started(reason is CallReason.REDIAL)
        self._settled.clear()
        self._record = CallRecord(reason, self._link.kind.value, DialResult.ERROR, int(self._wall_clock()))
        self._online_s = None
        maillog.dialled(reason=reason.value, link=self._link.kind.value)
        self._say("dialling")
        self._act(self._bring_up(self._link.dial, CallEvent.CARRIER), self._config.dial_timeout_s)

    def _enter_negotiating(self, posted: Happening) -> None:
        self._say("carrier; connecting")
        self._act(self._bring_up(self._link.negotiate, CallEvent.LINE_UP), self._config.dial_timeout_s)
        self._act(self._watch_line())

    def _enter_online(self, posted: Happening) -> None:
        record = self._record
        maillog.connected(link=self._link.kind.value, rate_bps=record.rate_bps if record else None)
        self._say("on line")
        self._memory.online()
        self._online_at_s = asyncio.get_running_loop().time()
        rules = GraceRules(self._config.grace_min_s, self._config.grace_max_s)
        self._mail = MailPart(
            etrn=self._etrn, flush=self._flush, inbound=self._inbound, meter=self._link, rules=rules,
            habits=self._memory.habits, say=self._say, moving=self._mail_moves,
        )  # fmt: skip
        self._act(self._carry_mail(self._mail), self._config.max_call_s * HARD_LIMIT_FACTOR)
        self._act(self._watch_line())
        self._act(self._limit_call())

    def _enter_hanging_up(self, posted: Happening) -> None:
        self._say("hanging up")
        self._act(self._hang_up(self._ended_actions), HANG_UP_S + SETTLE_S)

    def _enter_cooldown(self, posted: Happening) -> None:
        if posted.event is CallEvent.DEADLINE:
            maillog.fault("call: the link did not hang up in time", link=self._link.kind.value)
        self._end_record()
        self._act(self._rest())

    # -- actions --------------------------------------------------------------------------------------

    def _act(self, action: Coroutine[None, None, None], deadline_s: float | None = None) -> None:
        self._actions.append(asyncio.create_task(action))
        if deadline_s is not None:
            number = self._number
            self._deadline = asyncio.get_running_loop().call_later(
                deadline_s, lambda: self._post(CallEvent.DEADLINE, call=number)
            )

    async def _bring_up(self, action: Callable[[], Coroutine[None, None, DialOutcome]], done: CallEvent) -> None:
        number = self._number
        try:
            outcome = await action()
        except Exception as error:  # a link must not raise; if it does the call fails, not the station
            outcome = DialOutcome(DialResult.ERROR, f"a fault in the link: {error!r}")
        event = done if outcome.result is DialResult.CONNECTED else CallEvent.DIAL_FAILED
        self._post(event, call=number, dial=outcome)

    async def _watch_line(self) -> None:
        number = self._number
        try:
            why = await self._link.lost()
        except Exception as error:
            why = f"a fault in the link: {error!r}"
        self._post(CallEvent.CARRIER_LOST, call=number, detail=why)

    async def _limit_call(self) -> None:
        await asyncio.sleep(self._config.max_call_s)
        self._post(CallEvent.STOP_WANTED, call=self._number, ended=HangUpReason.MAX_CALL_TIME)

    async def _carry_mail(self, mail: MailPart) -> None:
        number = self._number
        ended = HangUpReason.DONE
        try:
            ended = await mail.run()
        except Exception as error:
            maillog.fault("call: stopped by a fault of Dialpost", error=repr(error))
        self._post(CallEvent.MAIL_DONE, call=number, ended=ended)

    async def _hang_up(self, before: list[asyncio.Task[None]]) -> None:
        number = self._number
        if before:
            await asyncio.wait(before, timeout=SETTLE_S)
        try:
            await self._link.hang_up()
        except Exception as error:
            maillog.fault("call: hanging up failed", error=repr(error))
        self._post(CallEvent.LINE_DOWN, call=number)

    async def _rest(self) -> None:
        number = self._number
        await self._memory.keep()
        self._settle_if_done()
        await asyncio.sleep(self._config.cooldown_s)
        self._post(CallEvent.RESTED, call=number)

    # -- the record and what follows from it ----------------------------------------------------------

    def _completed(self, record: CallRecord) -> CallRecord:
        """The record with what is counted so far."""
        if self._state is CallState.ONLINE:
            record = replace(record, online_s=asyncio.get_running_loop().time() - self._online_at_s)
        elif self._online_s is not None:
            record = replace(record, online_s=self._online_s)
        else:
            return record  # never on line: what the link counted is of a former call
        if self._mail is not None:
            tally = self._mail.tally
            record = replace(
                record, sent=tally.sent, received=tally.received, deferred=tally.deferred,
                refused=tally.refused, etrn=self._mail.answers, bytes_down=tally.bytes_received,
            )  # fmt: skip
        traffic = self._link.traffic()
        return record if traffic is None else replace(record, bytes_up=traffic.up, bytes_down=traffic.down)

    def _end_record(self) -> None:
        assert self._record is not None
        record = self._completed(self._record)
        if self._mail is not None:
            self._memory.habits = self._mail.habits
        self._record = self._mail = None
        self._memory.ended(record)
        if self._redials.pending and self._wish is not None and not self._wish.by_hand:
            self._wish = None

    def _settle_if_done(self) -> None:
        if not self._redials.pending and self._wish is None:
            self._settled.set()

    def _redial(self) -> None:
        self._post(CallEvent.CALL_WANTED, reason=CallReason.REDIAL)

    async def _stop_for_good(self) -> None:
        """The daemon ends: hang up, keep the record. A redial that was due is made after the restart."""
        redials_left = self._redials.left
        self._redials.started(is_redial=True)
        if self._deadline is not None:
            self._deadline.cancel()
        for action in self._actions:
            action.cancel()
        await asyncio.gather(*self._actions, *self._ended_actions, return_exceptions=True)
        if self._record is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._link.hang_up(), HANG_UP_S)
            if self._state is CallState.ONLINE:
                self._record = replace(self._record, hangup_reason=HangUpReason.STATION_STOPPED)
            elif self._state in {CallState.DIALING, CallState.NEGOTIATING}:
                self._record = replace(self._record, result=DialResult.CANCELLED)
            self._end_record()
            self._redials.forget()
            self._redials.left = redials_left
        await self._memory.keep()

    def _mail_moves(self, moving: bool) -> None:
        self._panel.mail_moves(moving)
        if moving:
            self._panel.queue_changed()

    def _say(self, words: str) -> None:
        for watcher in list(self._watchers):
            watcher(words)
