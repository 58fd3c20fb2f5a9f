"""Emptying the queue over the line: what is due, urgent first, then the smallest, one connection a next hop.

`run` sends everything due once and ends; each recipient is tried at most once a run, a further run is a new chance.
Outcomes are on record before the next batch is fetched. Runs for the call, or for the dedicated line.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dialpost.core.config import Config, Via
from dialpost.core.envelope import Envelope, QueueId, Recipient
from dialpost.core.mx import AddressAnswer, MxAnswer, NoWay, mx_hosts, no_addresses
from dialpost.core.outcomes import Deferred, Delivered, Outcome, Refused
from dialpost.core.queue_records import MessageRecord, RecipientRecord
from dialpost.core.reply import Reply
from dialpost.core.retry import after_try
from dialpost.core.routing import NextHop, RouteTable, connect_settings
from dialpost.core.smtp_target import ConnectSettings, HostTarget, OutgoingMessage, SessionEnd, SessionFate
from dialpost.flow import maillog

BATCH = 50
_FAR_FUTURE_S = 1 << 40


class QueueForFlush(Protocol):
    """The subset of the store (edge/store) the flush needs."""

    async def remote_batch(
        self, domains: Sequence[str] | None, now_s: int, limit: int, exclude: Set[QueueId]
    ) -> list[MessageRecord]:
        """Messages with due recipients in the world, only those recipients, in the order of the line."""

    async def remote_domains(self, now_s: int) -> list[tuple[str, int]]:
        """Domains with due recipients."""

    async def update_recipients(self, message: QueueId, recipients: Sequence[RecipientRecord]) -> None:
        """Write what an attempt brought, durably."""


class Sender(Protocol):
    """The subset of edge/smtp_client the flush needs."""

    async def send(
        self,
        target: HostTarget,
        settings: ConnectSettings,
        next_message: Callable[[], Awaitable[OutgoingMessage | None]],
        on_outcome: Callable[[OutgoingMessage, tuple[Outcome, ...]], Awaitable[None]],
    ) -> SessionEnd:
        """One connection for as many messages as `next_message` gives."""


class NameService(Protocol):
    """The subset of edge/resolver the flush needs."""

    async def mx(self, domain: str) -> MxAnswer:
        """MX records."""

    async def addresses(self, host: str) -> AddressAnswer:
        """IP addresses."""


class Bodies(Protocol):
    """The subset of the spool the flush needs."""

    def path(self, queue_id: QueueId) -> Path:
        """Where a body is."""


class Notices(Protocol):
    """The subset of flow/bounces the flush needs."""

    async def refused(self, message: MessageRecord, recipient: RecipientRecord, outcome: Refused) -> None:
        """Tell the sender; durable when it returns."""

    async def relayed(self, message: MessageRecord, recipient: RecipientRecord, outcome: Delivered) -> None:
        """Tell a sender who asked to know, where the next hop will not."""


@dataclass(slots=True)
class FlushResult:
    """Messages of one run, by their best outcome."""

    sent: int = 0
    deferred: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class _Group:
    """Mail that takes one connection: the hosts to try in order, and the domains (None: every one)."""

    hop: NextHop
    hosts: tuple[str, ...]
    domains: tuple[str, ...] | None


class Flush:
    """Sends what waits for the world. `is_dialled`: a call was made for it, so waits between tries don't count."""

    def __init__(
        self, config: Config, queue: QueueForFlush, sender: Sender, names: NameService, bodies: Bodies,
        notices: Notices, *, is_dialled: bool, on_finished: Callable[[], None] = lambda: None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self.config, self.queue, self.sender, self.names = config, queue, sender, names
        self.bodies, self._notices, self._is_dialled = bodies, notices, is_dialled
        self._on_finished, self._wall_clock = on_finished, wall_clock
        self._table = RouteTable.from_config(config)
        self.stopping = False
        self._work: asyncio.Task[None] | None = None
        self.result = FlushResult()

    async def run(self) -> FlushResult:
        """Send what is due. Returns when nothing due is left or `stop` was called; outcomes are on record."""
        self.stopping, self.result = False, FlushResult()
        self._work = asyncio.create_task(self._run(self.result))
        try:
            await self._work
        except asyncio.CancelledError:
            if not self.stopping or (task := asyncio.current_task()) is None or task.cancelling():
                self._work.cancel()
                raise
        return self.result

    def stop(self, after_current: bool) -> None:
        """End the run under way: after the message being sent, or at once."""
        self.stopping = True
        if not after_current and self._work is not None:
            self._work.cancel()

    async def _run(self, result: FlushResult) -> None:
        tried: set[tuple[str, ...] | None] = set()
        while not self.stopping:
            groups = [group for group in await self._groups() if group.domains not in tried]
            if not groups:
                return
            tried |= {group.domains for group in groups}
            limit = asyncio.Semaphore(self.config.outbound.mx_connections)

            async def one(group: _Group, limit: asyncio.Semaphore = limit) -> None:
                async with limit:
                    await _GroupRun(self, group, result).run()

            async with asyncio.TaskGroup() as tasks:
                for group in groups:
                    tasks.create_task(one(group))

    async def _groups(self) -> list[_Group]:
        """What is due now, by the connection it takes."""
        general = self._table.general
        if self._table.is_one_smarthost and general is not None:
            return [_Group(general, (general.host,), None)] if await self._due_domains() else []
        groups: dict[tuple[NextHop, tuple[str, ...]], list[str]] = {}
        for domain in await self._due_domains():
            hop = self._table.next_hop(domain)
            if hop is None:
                continue  # no smarthost is configured: it waits, and `config check` and doctor say so
            hosts = (hop.host,) if hop.via is Via.SMARTHOST else await self._mx(domain)
            if hosts is not None:
                groups.setdefault((hop, hosts), []).append(domain)
        return [_Group(hop, hosts, tuple(domains)) for (hop, hosts), domains in groups.items()]

    async def _due_domains(self) -> list[str]:
        return [domain for domain, _ in await self.queue.remote_domains(self.due_s())]

    async def _mx(self, domain: str) -> tuple[str, ...] | None:
        """The domain's hosts; None where there are none, and that is on record for its mail."""
        if domain.startswith("["):
            return (domain.strip("[]").removeprefix("IPv6:"),)
        own = frozenset({self.config.station.hostname, *self.config.station.domains})
        found = mx_hosts(domain, await self.names.mx(domain), own, lambda host: random.random())
        if isinstance(found, NoWay):
            await self._no_way(domain, found)
            return None
        return found

    async def _no_way(self, domain: str, why: NoWay) -> None:
        seen: set[QueueId] = set()
        while batch := await self.queue.remote_batch([domain], self.due_s(), BATCH, seen):
            for message in batch:
                seen.add(message.queue_id)
                outcomes = [why.outcome(one.attempts, self.config.station.hostname) for one in message.recipients]
                await self.record(message, outcomes, self.result)

    def due_s(self) -> int:
        """What counts as due: on a dialled line everything that waits, else what has waited long enough."""
        return _FAR_FUTURE_S if self._is_dialled else int(self._wall_clock())

    async def record(self, message: MessageRecord, outcomes: Sequence[Outcome], result: FlushResult) -> None:
        """Put one message's outcomes on record: bounces durable first, then the rows."""
        now_s = int(self._wall_clock())
        rows = []
        for recipient, outcome in zip(message.recipients, outcomes, strict=True):
            rows.append(after_try(recipient, outcome, now_s, self.config.outbound, is_dialled=self._is_dialled))
            if isinstance(outcome, Delivered):
                maillog.relayed(message.queue_id, recipient=recipient.address, outcome=outcome)
                if not outcome.dsn_passed_on:
                    await self._notices.relayed(message, recipient, outcome)
            elif isinstance(outcome, Deferred):
                maillog.deferred(message.queue_id, recipient=recipient.address, outcome=outcome)
            else:
                await self._notices.refused(message, recipient, outcome)
                maillog.bounced(message.queue_id, recipient=recipient.address, outcome=outcome)
        await self.queue.update_recipients(message.queue_id, rows)
        kinds = {type(outcome) for outcome in outcomes}
        if Delivered in kinds:
            result.sent += 1
        elif Deferred in kinds:
            result.deferred += 1
        else:
            result.refused += 1
        if Deferred not in kinds:
            self._on_finished()


class _GroupRun:
    """One group's mail in one run: fetched in small batches, each message offered once."""

    def __init__(self, flush: Flush, group: _Group, result: FlushResult) -> None:
        self._flush, self._group, self._result = flush, group, result
        self._offered: set[QueueId] = set()
        self._fetched: list[MessageRecord] = []
        self._in_flight: dict[QueueId, MessageRecord] = {}

    async def run(self) -> None:
        """Try the hosts in order; after a connection that moved mail and was closed, once more."""
        end: SessionEnd | None = None
        problems = []
        settings = connect_settings(self._group.hop, self._flush.config)
        for host in self._group.hosts:
            answer = await self._flush.names.addresses(host)
            if not isinstance(answer, tuple):
                problems.append(answer)
                continue
            end = await self._talk(HostTarget(host, answer, self._group.hop.port), settings)
            if end.ready:
                return
        if end is not None:
            await self._defer_all(end)
        elif problems:
            await self._no_host(no_addresses(self._group.hosts[0], problems))

    async def _talk(self, target: HostTarget, settings: ConnectSettings) -> SessionEnd:
        """One host, connected to again as long as each connection moves something."""
        while True:
            end = await self._flush.sender.send(target, settings, self._next, self._done)
            moved = end.messages > 0
            is_cut = end.fate in {SessionFate.CLOSED, SessionFate.LOST}
            if not (end.ready and is_cut and moved) or self._flush.stopping:
                return end

    async def _next(self) -> OutgoingMessage | None:
        """The next message to offer, None when there is nothing more now."""
        if self._flush.stopping:
            return None
        if not self._fetched:
            self._fetched = await self._flush.queue.remote_batch(
                self._group.domains, self._flush.due_s(), BATCH, self._offered
            )
            self._offered |= {message.queue_id for message in self._fetched}
        if not self._fetched:
            return None
        message = self._fetched.pop(0)
        self._in_flight[message.queue_id] = message
        return self._outgoing(message)

    def _outgoing(self, message: MessageRecord) -> OutgoingMessage:
        recipients = tuple(Recipient(one.address, one.notify, one.orcpt) for one in message.recipients)
        envelope = Envelope(
            message.sender, recipients, message.body_type, message.smtputf8, message.envid, message.ret
        )
        return OutgoingMessage(
            message.queue_id, envelope, message.wire_size, self._flush.bodies.path(message.queue_id),
            message.local_prefix,
        )  # fmt: skip

    async def _done(self, outgoing: OutgoingMessage, outcomes: tuple[Outcome, ...]) -> None:
        message = self._in_flight.pop(outgoing.queue_id)
        await self._flush.record(message, outcomes, self._result)

    async def _defer_all(self, end: SessionEnd) -> None:
        """No host would talk to us: every due message of the group learns why, and waits."""
        reply = end.reply or Reply(451, (end.reason,), "4.4.1")
        if end.needs_person:
            maillog.person_needed(
                "smtp: a person is needed", host=self._group.hosts[0], reason=end.reason, reply=reply
            )
        # Where no connection came about the line may be down: that uses up no attempt.
        await self._all(Deferred(_transient(reply), self._group.hosts[-1], counts_as_attempt=end.connected))

    async def _no_host(self, why: NoWay) -> None:
        outcome = why.outcome(0, self._flush.config.station.hostname)
        if self._group.hop.via is Via.SMARTHOST:
            # A smarthost that DNS does not know is a mistake of ours, or of DNS: nobody's mail bounces for it.
            outcome = Deferred(_transient(why.reply), self._group.hosts[0], counts_as_attempt=False)
        await self._all(outcome)

    async def _all(self, outcome: Outcome) -> None:
        while not self._flush.stopping:
            outgoing = await self._next()
            if outgoing is None:
                return
            message = self._in_flight.pop(outgoing.queue_id)
            await self._flush.record(message, [outcome] * len(message.recipients), self._result)


def _transient(reply: Reply) -> Reply:
    """The same words as a 4yz: trouble with the session is no refusal of the mail in it."""
    if reply.is_transient:
        return reply
    enhanced = "4" + reply.status()[1:] if reply.enhanced else "4.4.0"
    return Reply(451, (str(reply),), enhanced)
