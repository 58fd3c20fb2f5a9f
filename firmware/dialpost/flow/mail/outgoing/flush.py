"""The flush: sending the queue over the line, urgent mail first, then the smallest.

Mail is sorted into lanes, one per receiving host (flow/mail/outgoing/lane): the smarthost gets everything over one
connection, receivers with the same best MX share one, and `outbound.mx_connections` lanes run at a time. Every
outcome is recorded (flow/mail/outgoing/outcome_record) before its message leaves the lane. If a host can't be
reached, its domains move on to their next MX host, and the host rests for a while.

On a dialled line each recipient is tried once per call, however often `run` is called and whatever its retry time;
`retry` allows another attempt at what may go now. On a dedicated line it is tried when its retry time has come.
Runs in the task of the call, or of the dedicated line.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Protocol

from dialpost.core.config.model import Config
from dialpost.core.errors import StorageError
from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.queue.hope import Hope
from dialpost.core.mail.routing import RouteTable
from dialpost.flow import maillog
from dialpost.flow.mail.needs import BodyFiles, OutcomeRows
from dialpost.flow.mail.outgoing.host_troubles import HostTroubles
from dialpost.flow.mail.outgoing.lane import Sender
from dialpost.flow.mail.outgoing.next_hops import NameService, NextHops
from dialpost.flow.mail.outgoing.outcome_record import Cuts, FlushResult, Left, Notices, OutcomeRecord
from dialpost.flow.mail.outgoing.run import FlushRun, QueueForRun
from dialpost.flow.mail.outgoing.standing import Standing

BREAK_OFF_S = 3.0
"""The time connections have to record their outcomes after the line is gone."""

_FAR_FUTURE_S = 1 << 40


class QueueForFlush(QueueForRun, OutcomeRows, Protocol):
    """The subset of the store (edge/mail/store) the flush needs."""


class Flush:
    """Sends the mail that waits for the world. `is_dialled`: a call was made for it, so retry times don't apply.

    `drained` is set while nothing is being sent. `result` is that of the current run, or of the last one.
    """

    def __init__(
        self,
        config: Config,
        queue: QueueForFlush,
        sender: Sender,
        names: NameService,
        bodies: BodyFiles,
        notices: Notices,
        *,
        is_dialled: bool,
        on_finished: Callable[[], None] = lambda: None,
        wall_clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
        troubles: HostTroubles | None = None,
        cuts: Cuts | None = None,
    ) -> None:
        self._cuts, self._call_bytes, self._is_new_call = cuts, 0, False
        self._troubles = troubles or HostTroubles()
        self._config, self._queue, self._sender, self._names, self._bodies = config, queue, sender, names, bodies
        self._is_dialled, self._wall_clock, self._chance = is_dialled, wall_clock, chance
        self._table = RouteTable.from_config(config)
        self._outcomes = OutcomeRecord(
            config.outbound,
            config.station.hostname,
            queue,
            notices,
            is_dialled=is_dialled,
            on_finished=on_finished,
            wall_clock=wall_clock,
            cuts=cuts,
        )
        self._standing = Standing()
        self._work: asyncio.Task[None] | None = None
        self._left: dict[QueueId, Left] = {}
        self.result = FlushResult()
        self.drained = asyncio.Event()
        self.drained.set()

    async def run(self) -> FlushResult:
        """Send what is due. Returns once nothing due is left or `stop` was called; outcomes are recorded then."""
        self._standing.stopping = self._standing.aborted = False
        if not self._is_dialled:
            self._left = {}
            self._standing.tried.clear()  # there the retry time shows what has had its turn
        self.result = FlushResult(left=self._left)
        self._outcomes.begin_run()
        self.drained.clear()
        # A task of its own, so that `stop` can cancel the work and this caller still returns the result.
        self._work = asyncio.create_task(self._run(self.result))
        try:
            await asyncio.wait({self._work})
        finally:
            if not self._work.done():  # we are cancelled
                self._work.cancel()
                await asyncio.gather(self._work, return_exceptions=True)
            self._standing.lanes.clear()
            self._call_bytes += self.result.taken_bytes
            self.drained.set()
        if not self._work.cancelled() and (error := self._work.exception()) is not None:
            raise error
        return self.result

    def stop(self, after_current: bool) -> None:
        """End the current run: after the message being sent, or at once because the line is gone."""
        self._standing.stopping = True
        self._standing.more.set()
        if not after_current and self._work is not None and not self._work.done():
            self._standing.aborted = True
            self._sender.break_off("the line is down")
            asyncio.get_running_loop().call_later(BREAK_OFF_S, self._work.cancel)

    @property
    def patience_ends_s(self) -> float:
        """Until when sessions (including ETRN's) are worth waiting for if nothing else needs the line."""
        return self._sender.patience_ends_s

    def stop_waiting(self, why: str) -> None:
        """End the sessions that wait for their other side, as after a time-out."""
        self._sender.stop_waiting(why)

    def begin_call(self) -> None:
        """A new call: everything may be retried. Those held because the line cut them have waited for one more."""
        self._is_new_call = True
        self.try_all()

    def try_all(self) -> None:
        """Mail was released, or an operator asks for it: everything may be retried, in a call too."""
        self._standing.tried.clear()
        self._standing.resting.clear()
        self._standing.unreached.clear()
        self._outcomes.begin_call()
        self._left.clear()

    def retry(self) -> None:
        """Let the next run retry what was deferred in this call and may go now."""
        self._standing.retry({queue_id for queue_id, one in self._left.items() if one.hope is not Hope.NONE})

    def wake(self) -> None:
        """Mail was accepted: it takes its place in the current run."""
        # Fetched but not yet offered messages are fetched again, now with the new one in its place among them.
        self._standing.unreached.clear()
        for lane in self._standing.lanes:
            lane.fetched.clear()
        self._standing.more.set()

    def trouble_of(self, address: str) -> str:
        """What the operator has to change before mail for this address can be sent; "" if nothing is known."""
        hop = self._table.next_hop(address.rpartition("@")[2])
        return self._troubles.at(hop.host) if hop is not None and hop.host else ""

    @property
    def sending(self) -> tuple[tuple[QueueId, str], ...]:
        """The messages being sent at this moment, and to which host."""
        return tuple((queue_id, lane.host) for lane in self._standing.lanes for queue_id in lane.in_flight)

    def is_in_flight(self, queue_id: QueueId) -> bool:
        """Whether the message is being sent at this moment."""
        return any(queue_id in lane.in_flight for lane in self._standing.lanes)

    async def _run(self, result: FlushResult) -> None:
        hops = NextHops(self._config, self._table, self._names, self._chance)
        run = FlushRun(
            self._config,
            self._table,
            self._queue,
            self._sender,
            hops,
            self._bodies,
            self._outcomes,
            self._standing,
            result,
            due_s=self._due_s,
            is_dialled=self._is_dialled,
            troubles=self._troubles,
        )
        try:
            await self._outcomes.write_left_over()
            if self._is_new_call and self._cuts is not None:
                last_call_bytes, self._call_bytes, self._is_new_call = self._call_bytes, 0, False
                await self._cuts.call_begins(last_call_bytes)
            await run.run()
        except StorageError as error:
            maillog.operator_needed("flush: stopped, outcomes can't be recorded", error=error)

    def _due_s(self) -> int:
        """The time up to which mail is due: on a dialled line everything that waits is."""
        return _FAR_FUTURE_S if self._is_dialled else int(self._wall_clock())
