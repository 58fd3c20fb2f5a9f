"""The mail of a call while the line is up: ETRN (or another way) and the flush at the same time, inbound mail
alongside, and the end.

One `MailPart` serves one call. The provider is asked first, so that its mail comes down while ours goes up: the
line is full duplex, and a call costs max(up, down), not their sum. `core/line/call/end` decides when to end, on the
evidence gathered here. Runs in the daemon's event loop, in the call's task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from math import inf

from dialpost.core.line.call.end import (
    HANGING_S,
    AskAgain,
    Evidence,
    HangUp,
    Stop,
    StopWaiting,
    TryAgain,
    Wait,
    decide,
    may_hang,
)
from dialpost.core.line.call.habits import GraceRules
from dialpost.core.line.call.learning import Learning
from dialpost.core.line.call.record import HangUpReason
from dialpost.core.line.call.retry import Setback
from dialpost.core.line.link import Traffic
from dialpost.core.mail.etrn import EtrnAnswer, EtrnOutcome, waiting_in_all
from dialpost.core.mail.inbound.collected import Collected
from dialpost.core.mail.queue.hope import Hope
from dialpost.flow import maillog
from dialpost.flow.line.call.collection import Collection
from dialpost.flow.line.call.mail_needs import (
    Before,
    Etrn,
    FlushedCounts,
    FlushForCall,
    Inbound,
    LineMeter,
    OnlyEtrn,
    Tally,
    Ways,
)

TICK_S = 0.5
"""The longest time between two evaluations of the evidence, and of whether the panel shows moving mail."""
MOVING_S = 1.0
"""The time after its last byte for which mail still counts as moving, so that the light does not flicker."""
WRAP_UP_S = 5.0
"""The time the flush has to record its outcomes after the line is gone."""


class MailPart:
    """The mail of one call. `run` once; `stop` ends it after the current message.

    `paid_until_s` returns when the current billing unit ends.
    """

    def __init__(
        self,
        *,
        etrn: Etrn | None,
        flush: FlushForCall,
        inbound: Inbound,
        meter: LineMeter,
        rules: GraceRules,
        before: Before,
        say: Callable[[str], None],
        moving: Callable[[bool], None],
        paid_until_s: Callable[[], float],
        ways: Ways | None = None,
    ) -> None:
        self._etrn, self._flush, self._inbound, self._meter = etrn, flush, inbound, meter
        self._rules, self._paid_until_s = rules, paid_until_s
        self._say, self._moving = say, moving
        self._learning, self._hanging_until_s = Learning(before.habits), before.hanging_until_s
        self.answers: tuple[EtrnAnswer, ...] = ()
        self._latest: tuple[EtrnAnswer, ...] = ()
        self._is_believed = True
        self._sent = self._refused = 0
        self._last_run: FlushedCounts | None = None
        self._notes: tuple[str, ...] = ()
        self._setback = Setback()
        self._sending = True
        self._etrn_task: asyncio.Task[None] | None = None
        self._flush_task: asyncio.Task[None] | None = None
        self._collection = Collection(ways or OnlyEtrn(), self._begin_etrn, say, self._changed_now)
        self._more = asyncio.Event()
        self._changed = asyncio.Event()
        self._asks = 0
        self._stop: Stop | None = None
        self._is_cut = False
        self._why = ""
        self._began_s = self._asked_s = self._answered_s = self._progress_s = 0.0
        self._messages_before = self._messages_at_ask = inbound.messages
        self._bytes_before = inbound.bytes
        self._stale = inbound.connections
        self._moved_s = -MOVING_S
        self._counted: tuple[Traffic | None, int] = (meter.traffic(), inbound.bytes)

    @property
    def left(self) -> Before:
        """What the next call needs to know, once this one is over."""
        return Before(self._learning.habits, self._hanging_until_s)

    @property
    def inbound(self) -> tuple[Collected, ...]:
        """What ATRN and mailboxes brought so far."""
        return self._collection.results

    @property
    def inbound_why(self) -> tuple[str, ...]:
        """Why these ways were taken, a sentence each."""
        return self._collection.why

    @property
    def tally(self) -> Tally:
        """What went over the line so far; the flush's part grows when one of its runs ends."""
        last = self._last_run
        return Tally(
            self._sent,
            self._inbound.messages - self._messages_before,
            0 if last is None else last.deferred,
            self._refused,
            self._inbound.bytes - self._bytes_before,
            self._notes,
            Hope.SOON if self._is_unserved else self._setback.best,
            self._why_left(),
        )

    def _why_left(self) -> str:
        """Why something was left behind, in one line; "" if nothing was."""
        last, unreached = self._last_run, [one for one in self._latest if one.outcome is EtrnOutcome.UNREACHABLE]
        unreached += [one for one in self._latest if self._is_unserved and one.outcome is EtrnOutcome.AT_WORK]
        words = [one.words() for one in unreached]
        words += [one.sentence() for one in self._collection.results if one.is_worth_retrying]
        deferred = f"{last.deferred} deferred" if last is not None and last.deferred else ""
        why = last.why_left if last is not None and last.why_left else words[0] if words else ""
        return "; ".join(filter(None, (deferred, why)))

    @property
    def _is_unserved(self) -> bool:
        """Whether the provider said that it was at work already, and nothing came."""
        at_work = any(answer.outcome is EtrnOutcome.AT_WORK for answer in self._latest)
        return at_work and self._inbound.messages == self._messages_before

    def stop(self, reason: HangUpReason) -> None:
        """End after the current message in each direction."""
        if self._stop is None:
            self._stop = Stop(asyncio.get_running_loop().time(), reason, self.tally.received)
            self._is_cut = not self._sending
            self._flush.stop(after_current=True)
            self._collection.stop()
            self._changed.set()

    def mail_accepted(self) -> None:
        """New mail may wait for the world: send it in this call."""
        self._more.set()
        self._changed.set()

    async def run(self) -> HangUpReason:
        """Carry mail until the evidence ends the call. On cancellation (the line is gone) outcomes are recorded
        first, within WRAP_UP_S.
        """
        self._flush.begin_call()
        now = asyncio.get_running_loop().time()
        self._began_s = self._asked_s = self._answered_s = self._progress_s = now
        self._collection.begin()
        self._flush_task = asyncio.create_task(self._send())
        try:
            return await self._until_end()
        except asyncio.CancelledError:
            self._is_cut = self._is_cut or not self._sending
            evidence = self._evidence()
            if may_hang(evidence):
                self._hanging_until_s = evidence.now_s + HANGING_S
            raise
        finally:
            now_s = asyncio.get_running_loop().time()
            self._learning.ended(now_s, self._rules, is_cut=self._is_cut, carried=self._sent > 0)
            await self._wrap_up()

    async def _until_end(self) -> HangUpReason:
        while True:
            self._changed.clear()
            self._observe()
            decision = decide(self._evidence(), self._rules, self._learning.habits)
            if isinstance(decision, HangUp):
                return decision.reason
            if isinstance(decision, AskAgain) and self._etrn is not None:
                self._say("asking the provider for more mail")
                self._begin_etrn()
            elif isinstance(decision, StopWaiting):
                self._say("a mail host does not answer: its connection is given up")
                why = "no answer, and nothing else to keep the line up for"
                self._flush.stop_waiting(why)
                self._collection.stop_waiting(why)
                await self._pause(Wait(inf, self._why))
            elif isinstance(decision, TryAgain):
                self._try_again(decision.until_s)
            elif isinstance(decision, Wait):
                await self._pause(decision)

    def _try_again(self, until_s: float) -> None:
        """Retry what was left behind."""
        self._say("trying again what was deferred")
        setback = self._setback
        self._setback = replace(setback, retrying_until_s=until_s)
        is_unreached = any(answer.outcome is EtrnOutcome.UNREACHABLE for answer in self._latest)
        if is_unreached and self._etrn is not None:
            self.answers = self.answers[: len(self.answers) - len(self._latest)]  # one record of it is enough
            self._etrn_task = asyncio.create_task(self._ask(self._etrn, is_retry=True))
        self._collection.try_again()
        if setback.hope is not Hope.NONE:
            self._flush.retry()
            self._more.set()

    def _begin_etrn(self) -> None:
        if self._etrn is not None:
            self._etrn_task = asyncio.create_task(self._ask(self._etrn))

    @property
    def _is_trying(self) -> bool:
        """Whether something is being sent, asked for or fetched."""
        is_asking = self._etrn_task is not None and not self._etrn_task.done()
        return self._sending or is_asking or self._collection.running > 0

    def _changed_now(self) -> None:
        self._note_setback(still_trying=self._is_trying)
        self._changed.set()

    async def _pause(self, decision: Wait) -> None:
        if decision.why != self._why:
            self._why = decision.why
            self._say(decision.why)
        now = asyncio.get_running_loop().time()
        waits = {
            asyncio.ensure_future(self._changed.wait()),
            asyncio.ensure_future(self._inbound.changed()),
        }
        try:
            await asyncio.wait(
                waits,
                timeout=max(0.0, min(TICK_S, decision.until_s - now)),
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            for wait in waits:
                wait.cancel()

    async def _ask(self, etrn: Etrn, *, is_retry: bool = False) -> None:
        self._asked_s = asyncio.get_running_loop().time()
        self._asks += 1
        named = waiting_in_all(self._latest) if any(one.promises_mail for one in self._latest) else None
        came = self._inbound.messages - self._messages_at_ask
        self._messages_at_ask = self._inbound.messages
        try:
            self._latest = await etrn.ask(is_retry=is_retry)
        except Exception as error:  # a bug of ours must not strand the call
            maillog.fault("etrn stopped by a bug in Dialpost", error=repr(error))
            self._latest = ()  # nor is it retried
        finally:
            self._answered_s = asyncio.get_running_loop().time()
            self._changed.set()
        self.answers += self._latest
        names = waiting_in_all(self._latest)
        self._is_believed = named is None or names is None or names <= named - came
        self._learning.asked(
            self._asked_s, self._answered_s, self._latest, self._inbound.messages - self._messages_before
        )
        self._note_setback(still_trying=self._sending or self._collection.running > 0)
        for answer in self._latest:
            self._say(f"ETRN {answer.name}: {answer.words()}")
            if answer.outcome is EtrnOutcome.UNREACHABLE:
                self._meter.doubt(answer.text)
        self._collection.answered(self._latest)

    async def _send(self) -> None:
        """Flush, and again whenever mail was accepted, until stopped."""
        while self._stop is None:
            self._more.clear()
            self._sending = True
            try:
                result = await self._flush.run()
                self._last_run = result
                self._sent += result.sent
                self._refused += result.refused
                self._notes = tuple(dict.fromkeys((*self._notes, *result.notes)))
            except Exception as error:  # a bug of ours: the mail stays in the queue
                maillog.fault("flush stopped by a bug in Dialpost", error=repr(error))
            finally:
                self._sending = False
                self._note_setback(still_trying=self._is_trying)
                self._changed.set()
            await self._more.wait()

    def _note_setback(self, *, still_trying: bool) -> None:
        """An attempt is over, of the mail or of ETRN: note what is left behind, and since when."""
        now_s, last, before = asyncio.get_running_loop().time(), self._last_run, self._setback
        setback = Setback(
            hope=Hope.NONE if last is None else last.hope,
            since_s=before.since_s if before.is_any else now_s,
            tried_s=now_s,
            messages=0 if last is None else last.deferred,
            etrn_unreached=self._collection.is_unreached
            or any(answer.outcome is EtrnOutcome.UNREACHABLE for answer in self._latest),
        )
        self._setback = replace(setback, retrying_until_s=before.retrying_until_s) if still_trying else setback

    def _observe(self) -> None:
        """Learn the provider's habits from what changed, and whether mail moves."""
        if self._flush.sending:  # a retry that got as far as mail
            self._setback = replace(self._setback, retrying_until_s=inf)
        self._learning.seen(self._last_in_s(), self._inbound.messages - self._messages_before)
        counted = (self._meter.traffic(), self._inbound.bytes)
        now_s = asyncio.get_running_loop().time()
        if counted != self._counted:
            self._progress_s = self._moved_s = now_s
        self._counted = counted
        self._moving(now_s - self._moved_s < MOVING_S)

    def _last_in_s(self) -> float | None:
        """When the provider last did anything in this call."""
        last = self._inbound.last_activity_s
        return last if last is not None and last >= self._began_s else None

    def _live_connections(self) -> int:
        """The provider's connections in this call. Those open at its start are dead ones from an earlier call that
        was cut: TCP does not notice, and they stay until they time out. If one of this call is mistaken for a dead
        one, its bytes still hold the line.
        """
        self._stale = min(self._stale, self._inbound.connections)
        return self._inbound.connections - self._stale

    def _evidence(self) -> Evidence:
        etrn_task = self._etrn_task
        under_way = etrn_task is not None and not etrn_task.done()
        evidence = Evidence(
            now_s=asyncio.get_running_loop().time(),
            outbound_drained=not self._sending and not self._more.is_set(),
            outbound_busy=self._sending,
            etrn_under_way=under_way,
            asked_s=self._asked_s,
            answered_s=self._answered_s,
            answers=self._latest,
            inbound_connections=self._live_connections(),
            inbound_last_s=self._last_in_s(),
            inbound_messages=self.tally.received,
            messages_since_ask=self._inbound.messages - self._messages_at_ask,
            stop=self._stop,
            asks=self._asks,
            progress_s=self._progress_s,
            setback=self._setback,
            paid_until_s=self._paid_until_s(),
            patience_ends_s=self._patience_ends_s(under_way),
            sent=self._sent,
            is_believed=self._is_believed,
            hanging_until_s=min(self._hanging_until_s, self._began_s + self._rules.max_s),
            collecting=self._collection.running,
            has_collected=bool(self._collection.results),
        )
        if self._counted[0] is None:  # the link can't count: the client's own time-outs must suffice
            return replace(evidence, progress_s=evidence.now_s)
        return evidence

    def _patience_ends_s(self, etrn_under_way: bool) -> float:
        """Of the flush's sessions (ETRN's among them), and of those that fetch mail."""
        fetching_s = self._collection.patience_ends_s
        if not self._collection.running:
            return self._flush.patience_ends_s
        if not self._sending and not etrn_under_way:
            return fetching_s
        return max(self._flush.patience_ends_s, fetching_s)

    async def _wrap_up(self) -> None:
        """The line is being released: let the flush record its outcomes, then end what still runs."""
        self._moving(False)
        if self._etrn_task is not None:
            self._etrn_task.cancel()
        tasks = [task for task in (self._etrn_task, self._flush_task) if task is not None]
        if self._sending:
            self._flush.stop(after_current=False)
            waiting = asyncio.ensure_future(self._until_not_sending())
            await asyncio.wait({waiting}, timeout=WRAP_UP_S)
            waiting.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._collection.close(received=self.tally.received, is_cut=self._is_cut)

    async def _until_not_sending(self) -> None:
        while self._sending:
            self._changed.clear()
            await self._changed.wait()
