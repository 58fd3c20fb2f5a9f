"""One run of the flush: finds the next hops of the mail that is due, sorts it into lanes, serves some at a time.

Each lane is served by its own task; everything else happens in the run's task, so nothing here needs a lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence, Set
from typing import Protocol

from dialpost.core.config.model import Config, Via
from dialpost.core.errors import StorageError
from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.mx import DnsProblem, NoWay
from dialpost.core.mail.outcomes import Outcome
from dialpost.core.mail.queue.hope import Hope
from dialpost.core.mail.queue.records import MessageRecord, RecipientRecord
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.routing import NextHop, RouteTable, connect_settings
from dialpost.core.mail.smtp_target import HostTarget, SessionEnd, SessionFate
from dialpost.flow import maillog
from dialpost.flow.mail.needs import BodyFiles, WaitingMail
from dialpost.flow.mail.outgoing.host_troubles import HostTrouble, HostTroubles, HostUse
from dialpost.flow.mail.outgoing.lane import Lane, LaneEnd, LaneFate, LaneRun, Sender
from dialpost.flow.mail.outgoing.next_hops import NextHops, Way
from dialpost.flow.mail.outgoing.outcome_record import FlushResult, Job, OutcomeRecord
from dialpost.flow.mail.outgoing.standing import Standing

REST_S = 300.0
"""The longest rest of an unreachable host before new mail makes the flush try it again."""
LOOKUPS_AT_ONCE = 8
"""DNS queries in flight: enough to hide the round trips of a slow line, too few to fill it."""
AGAIN_AFTER_S = 3.0
"""The pause before an unreachable smarthost is retried once: the first packets of a call are often lost."""
QUICK_S = 10.0
"""If the first attempt took longer than this to fail, there is no second: the line is expensive."""
_LANES_DIALLED, _LANES_DEDICATED = 2, 20
"""Lanes at a time: a slow line is full with two; on a fast one each only waits for its server's replies."""
_PAGE = 100
"""The messages that decide which lane starts first; the order of later ones matters little."""
_LONG_PAGE = 500


class QueueForRun(WaitingMail, Protocol):
    """The subset of the store (edge/mail/store) a run needs."""

    async def remote_domains(self, now_s: int) -> list[tuple[str, int]]:
        """Domains with due recipients."""


class FlushRun:
    """For one run: call `run` once."""

    def __init__(
        self,
        config: Config,
        table: RouteTable,
        queue: QueueForRun,
        sender: Sender,
        hops: NextHops,
        bodies: BodyFiles,
        outcomes: OutcomeRecord,
        standing: Standing,
        result: FlushResult,
        *,
        due_s: Callable[[], int],
        is_dialled: bool,
        troubles: HostTroubles,
    ) -> None:
        self._troubles = troubles
        self._config, self._table, self._queue, self._sender = config, table, queue, sender
        self._hops, self._bodies, self._outcomes, self._standing = hops, bodies, outcomes, standing
        self._result, self._due_s, self._is_dialled = result, due_s, is_dialled
        self._most_lanes = config.outbound.mx_connections or (_LANES_DIALLED if is_dialled else _LANES_DEDICATED)
        self._rest_s = min(REST_S, float(config.outbound.retry_min_s))
        self._placed: set[str] = set()
        self._order: dict[str, int] = {}
        self._ways: dict[str, Way] = {}
        self._failures: dict[str, list[SessionEnd | DnsProblem]] = {}
        self._waiting: list[Lane] = []
        self._late: set[int] = set()  # lanes (by identity) that got a domain while being served
        self._serving: dict[asyncio.Task[LaneEnd], Lane] = {}
        self._looking: set[asyncio.Task[None]] = set()
        self._lookups = asyncio.Semaphore(LOOKUPS_AT_ONCE)
        self._has_connected = False
        self._fault: StorageError | None = None

    async def run(self) -> None:
        """Run until nothing is left to do. Raises: StorageError, once the messages being sent are done."""
        self._standing.more.clear()
        try:
            await self._place_due()
            while not self._standing.stopping or self._serving:
                self._start()
                if not self._serving and not self._looking and not self._standing.more.is_set():
                    break
                await self._step()
        finally:
            tasks = [*self._serving, *self._looking]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._fault is not None:
            raise self._fault

    async def _step(self) -> None:
        """Wait until something happens, and handle it."""
        more = asyncio.create_task(self._standing.more.wait())
        try:
            await asyncio.wait({more, *self._serving, *self._looking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            more.cancel()
        try:
            for lookup in [task for task in self._looking if task.done()]:
                self._looking.discard(lookup)
                await lookup
            for task in [task for task in self._serving if task.done()]:
                await self._ended(self._serving.pop(task), task)
            if self._standing.more.is_set():
                self._standing.more.clear()
                if not self._standing.stopping:
                    await self._place_due()
        except StorageError as error:  # nothing may be sent that can't be recorded; the current messages may finish
            self._fault, self._standing.stopping = error, True

    # Finding the way

    async def _place_due(self) -> None:
        """Put every domain with mail due into its lane, or start looking up its next hop."""
        general = self._table.general
        if self._table.is_one_smarthost and general is not None:
            self._put(general, general.host, None)
            return
        # The first page is in sending order, so its domains say which lane is the most pressing.
        first = await self._queue.remote_batch(None, self._due_s(), _PAGE, frozenset())
        domains = dict.fromkeys(one.address.rpartition("@")[2].lower() for m in first for one in m.recipients)
        self._order = {domain: place for place, domain in enumerate(domains)}
        for domain, _ in await self._queue.remote_domains(self._due_s()):
            if domain in self._placed or self._standing.is_resting(domain):
                continue
            self._placed.add(domain)
            hop = self._table.next_hop(domain)
            if hop is not None and hop.via is Via.SMARTHOST:
                self._put(hop, hop.host, domain)
            else:
                self._looking.add(asyncio.create_task(self._look_up(domain)))

    async def _look_up(self, domain: str) -> None:
        async with self._lookups:
            way = await self._hops.way(domain)
        if isinstance(way, NoWay):
            await self._no_way(domain, way)
        else:
            self._ways[domain] = way
            await self._next_host(domain)

    async def _next_host(self, domain: str) -> None:
        """Put the domain into the lane of its first host that has not failed."""
        way = self._ways[domain]
        failed = self._failures.setdefault(domain, [])
        left = [host for host in way.hosts[len(failed) :] if not self._standing.is_resting((way.hop, host))]
        if left:
            self._ways[domain] = Way(way.hop, (*way.hosts[: len(failed)], *left))
            self._standing.share(self._result.in_doubt, way.hop, way.hosts, left[0])
            self._put(way.hop, left[0], domain)
        elif failed:
            await self._nobody_reached(domain, way, failed)

    def _put(self, hop: NextHop, host: str, domain: str | None) -> None:
        if self._standing.is_resting((hop, host)):
            return
        for lane in (*self._waiting, *self._serving.values()):
            if (lane.hop, lane.host) == (hop, host):
                # Its server may have asked for this lane's domains already: it is served again when it ends.
                if lane not in self._waiting:
                    self._late.add(id(lane))
                if domain is not None and lane.domains is not None:
                    lane.domains.add(domain)
                return
        self._waiting.append(self._standing.lane(hop, host, None if domain is None else {domain}))

    # Serving

    def _start(self) -> None:
        """Serve the most pressing lanes, as many at a time as allowed."""
        free = self._most_lanes - len(self._serving)
        if self._standing.stopping or free <= 0:
            return
        self._waiting.sort(key=self._place)
        started, self._waiting = self._waiting[:free], self._waiting[free:]
        for lane in started:
            self._serving[asyncio.create_task(self._serve(lane))] = lane

    def _place(self, lane: Lane) -> int:
        return min((self._order.get(domain, _PAGE) for domain in lane.domains or ()), default=0)

    async def _serve(self, lane: Lane) -> LaneEnd:
        standing = self._standing
        work = LaneRun(
            lane,
            self._queue,
            self._bodies,
            self._record,
            due_s=self._due_s,
            is_stopping=lambda: standing.stopping,
        )
        if not await work.has_more():
            return LaneEnd(LaneFate.EMPTY)
        refused = self._troubles.login_refused(HostUse.OUTBOUND, lane.host, lane.hop.port)
        if refused is not None:
            return LaneEnd(LaneFate.UNREACHED, _refused_before(refused))
        found = await self._hops.addresses(lane.host)
        if not isinstance(found, tuple):
            return LaneEnd(LaneFate.UNREACHED, problem=found)
        if standing.stopping:
            return LaneEnd(LaneFate.EMPTY)
        target = HostTarget(lane.host, found, lane.hop.port)
        settings = connect_settings(lane.hop, self._config)
        began_s = asyncio.get_running_loop().time()
        try:
            end = await work.serve(self._sender, target, settings)
            took_s = asyncio.get_running_loop().time() - began_s
            if self._may_be_too_early(lane, end) and took_s < QUICK_S:
                await asyncio.sleep(AGAIN_AFTER_S)
                if not standing.stopping:
                    end = await work.serve(self._sender, target, settings)
            return end
        finally:
            self._result.bytes_up += work.bytes_up
            self._result.bytes_down += work.bytes_down

    def _may_be_too_early(self, lane: Lane, end: LaneEnd) -> bool:
        is_unreachable = end.end is not None and end.end.fate is SessionFate.UNREACHABLE
        return (
            is_unreachable
            and end.fate is LaneFate.UNREACHED
            and self._is_dialled
            and lane.hop.via is Via.SMARTHOST
            and not self._standing.stopping
        )

    async def _ended(self, lane: Lane, task: asyncio.Task[LaneEnd]) -> None:
        """Handle the end of a lane's run: what it means for its mail. Raises: StorageError."""
        error = task.exception()
        if isinstance(error, StorageError):
            raise error
        if error is not None:  # a bug of ours: the other lanes continue
            maillog.fault("flush: a bug in Dialpost", host=lane.host, error=repr(error))
            self._standing.let_rest((lane.hop, lane.host), self._rest_s)
            return
        end = task.result()
        self._has_connected = self._has_connected or (end.end is not None and end.end.connected)
        if end.end is not None:
            self._note(lane, end.end)
        if self._standing.aborted:
            return  # the line failed, not the host
        if end.fate is LaneFate.EMPTY:
            self._emptied(lane)
        else:
            self._standing.let_rest((lane.hop, lane.host), self._rest_s)
            if end.fate is LaneFate.UNREACHED:
                await self._unreached(lane, end)

    def _note(self, lane: Lane, end: SessionEnd) -> None:
        """Note what the operator should know about a session's end."""
        if end.learnt:
            maillog.fault("smtp: the host does not support what it offers", host=lane.host, found=end.learnt)
            self._result.note(
                f"{lane.host} does not support what it offers: {end.learnt}. Dialpost no longer uses it."
            )
        is_news = self._troubles.note(
            HostUse.OUTBOUND,
            lane.host,
            lane.hop.port,
            end.fate,
            end.reason,
            served=end.ready and not end.needs_operator,
        )
        if is_news:
            maillog.operator_needed("smtp: needs the operator", host=lane.host, reason=end.reason)
        if end.needs_operator:
            self._result.note(self._troubles.at(lane.host))

    def _emptied(self, lane: Lane) -> None:
        if id(lane) in self._late:
            self._late.discard(id(lane))
            self._waiting.append(lane)
        else:
            self._placed -= lane.domains or set()

    # What can't be sent now

    async def _unreached(self, lane: Lane, end: LaneEnd) -> None:
        why = end.end or end.problem
        assert why is not None
        if lane.hop.via is Via.SMARTHOST:
            outcome = await self._why_not(lane.hop, lane.host, "", [why])
            if self._is_dialled and not self._standing.is_news(lane, end.end.fate if end.end is not None else None):
                return  # a retry in vain: all of it is already recorded
            hope = Hope.NONE if end.end is not None and end.end.needs_operator else Hope.SOON
            await self._record_all(lane.covers(), lambda _: outcome.outcome(0, lane.host), lane.tried, hope)
            return
        for domain in sorted(lane.domains or ()):
            self._failures[domain].append(why)
            await self._next_host(domain)

    async def _nobody_reached(self, domain: str, way: Way, failed: Sequence[SessionEnd | DnsProblem]) -> None:
        await self._no_way(domain, await self._why_not(way.hop, way.hosts[len(failed) - 1], domain, failed))

    async def _why_not(
        self, hop: NextHop, host: str, domain: str, failed: Sequence[SessionEnd | DnsProblem]
    ) -> NoWay:
        """One reason from the failures of all hosts. If any host was found but not reached, it is a deferral."""
        ends = [one for one in failed if isinstance(one, SessionEnd)]
        if not ends:
            problems = [one for one in failed if not isinstance(one, SessionEnd)]
            return await self._hops.unreachable(hop, domain or host, problems)
        end = ends[-1]
        reply = end.reply or Reply(451, (end.reason,), "4.4.1")
        return NoWay(_transient(reply), counts_as_attempt=self._counts(hop, end))

    def _counts(self, hop: NextHop, end: SessionEnd) -> bool:
        """Whether a connection that delivered nothing was a real attempt (decision 9)."""
        if end.needs_operator and hop.via is Via.SMARTHOST:
            return False  # our login, our certificate rules: no reason to give up mail
        # Without any connection the line itself may be down, unless there are signs that it is up.
        return end.connected or self._is_dialled or self._has_connected or self._hops.hears_dns

    async def _no_way(self, domain: str, why: NoWay) -> None:
        self._standing.let_rest(domain, self._rest_s)
        hope = None if why.counts_as_attempt else Hope.LATER  # name service, for a domain's own hosts
        if self._table.next_hop(domain) is None:
            hope = Hope.NONE  # no route is configured
        await self._record_all(
            [domain], lambda one: why.outcome(one.attempts, self._config.station.hostname), frozenset(), hope
        )

    async def _record_all(
        self,
        domains: Sequence[str] | None,
        outcome: Callable[[RecipientRecord], Outcome],
        tried: Set[QueueId],
        hope: Hope | None = None,
    ) -> None:
        """Record for everything due to these domains why it can't be sent now, a page at a time."""
        seen = set(tried)
        while not self._standing.aborted:
            batch = await self._queue.remote_batch(domains, self._due_s(), _LONG_PAGE, seen)
            if not batch:
                return
            seen |= {message.queue_id for message in batch}
            jobs: list[Job] = [(message, [outcome(one) for one in message.recipients]) for message in batch]
            settled = await self._outcomes.record_many(jobs)
            for message, outcomes in zip(batch, settled, strict=True):
                self._result.count(message, outcomes, hope)

    async def _record(self, message: MessageRecord, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        settled = await self._outcomes.record(message, outcomes)
        self._result.count(message, settled, Hope.NONE if message.queue_id in self._outcomes.held else None)
        return settled


def _refused_before(trouble: HostTrouble) -> SessionEnd:
    reply = Reply(451, (trouble.words,), "4.7.8")
    return SessionEnd(trouble.fate, trouble.reason, reply=reply)


def _transient(reply: Reply) -> Reply:
    """The same reply as a 4yz: trouble with the session is not a refusal of its mail."""
    if reply.is_transient:
        return reply
    enhanced = "4" + reply.status()[1:] if reply.enhanced else "4.4.0"
    return Reply(451, (str(reply),), enhanced)
