"""The wiring of one station: which edge serves which flow, in which order they start and stop.

Start: lock, spool, database, accounts, certificate, then sockets; the first 220 is sent once all of these are
ready. Recovery examines the spool alongside the traffic. Stop: sockets first, so that nothing new is promised; then
the call and the flush, which record their outcomes; the database last.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from dialpost.core.call_reason import CallReason
from dialpost.core.config.digest import digest
from dialpost.core.config.model import Config, LinkKind
from dialpost.core.control.serving import ServedMethods
from dialpost.core.control.station import Status
from dialpost.core.errors import DialpostError, StorageError
from dialpost.core.faults import Fault
from dialpost.core.line.call import notes as call_notes
from dialpost.core.line.call.record import CallRecord
from dialpost.core.line.dial_plan import DialPlan
from dialpost.core.mail.esmtp.line_trust import LineTrust
from dialpost.core.mail.queue.records import MessageRecord, QueueCounts
from dialpost.core.mail.session import Listener
from dialpost.edge.control_socket import SOCKET_NAME
from dialpost.edge.control_socket.server import ControlServer
from dialpost.edge.line.half_open import HalfOpen
from dialpost.edge.mail.maildir import Maildirs
from dialpost.edge.mail.resolver import Resolver
from dialpost.edge.mail.smtp_client import SmtpClient
from dialpost.edge.mail.spool import LOG_BYTES, Spool
from dialpost.edge.system.card.meter import CardMeter
from dialpost.edge.system.card.spare_room import SpareRoom
from dialpost.edge.system.clock import Clock, zone_of
from dialpost.edge.system.data_lock import DataLock
from dialpost.edge.system.log import tail as log_tail
from dialpost.edge.system.update.file import UpdateFile, UpdateNotes
from dialpost.flow import maillog
from dialpost.flow.background import Background
from dialpost.flow.console.tool_methods import tool_methods
from dialpost.flow.line.call.budget import Budget
from dialpost.flow.line.call.learnt import LearntHabits, learnt_methods
from dialpost.flow.line.call.machine import CallManager
from dialpost.flow.line.call.methods import call_methods
from dialpost.flow.line.call.schedule import Scheduler
from dialpost.flow.line.dedicated_line import DedicatedLine
from dialpost.flow.line.link import Link
from dialpost.flow.line.modem.dialled_line import ModemLink, Ppp
from dialpost.flow.line.modem.refused_pin import pin_methods
from dialpost.flow.mail.account_methods import account_methods
from dialpost.flow.mail.bounces import Bouncer
from dialpost.flow.mail.incoming.inbound_activity import InboundActivity
from dialpost.flow.mail.incoming.intake import Intake
from dialpost.flow.mail.local_delivery import LocalDelivery
from dialpost.flow.mail.outgoing.etrn import etrn_if_wanted
from dialpost.flow.mail.outgoing.flush import Flush
from dialpost.flow.mail.outgoing.host_troubles import HostTroubles, login_settings
from dialpost.flow.mail.queue.big_messages import BigMessages
from dialpost.flow.mail.queue.control import QueueControl
from dialpost.flow.mail.queue.cut_messages import CutMessages
from dialpost.flow.mail.queue.expiry import Expiry
from dialpost.flow.mail.queue.methods import queue_methods
from dialpost.flow.mail.queue.recovery import Recovery
from dialpost.flow.mail.queue.retention import Retention
from dialpost.flow.panel.methods import panel_methods
from dialpost.flow.panel.state import Panel
from dialpost.flow.system.control import control_methods
from dialpost.flow.system.update_news import UpdateNews
from dialpost.inbound_ways import inbound_plan
from dialpost.modem_line import configured_link, expected_rate_bps, in_vain, line_forecasts, line_pace
from dialpost.opening import Opening, keep_room
from dialpost.provider_mailboxes import provider_mail
from dialpost.smtp_doors import SmtpDoors
from dialpost.station_status import StationStatus

_T = TypeVar("_T")


class Station:
    """One station: made, started, stopped once. `link` replaces the configured one, `ppp` only pppd of a modem's
    (the simulated lines).

    `panel` and `control` outlive it if given: the process has them for every station it makes. `remarks` returns
    what an operator should know about the process.
    """

    def __init__(
        self,
        config: Config,
        *,
        link: Link | None = None,
        ppp: Ppp | None = None,
        panel: Panel | None = None,
        control: ControlServer | None = None,
        remarks: Callable[[], list[str]] = list,
    ) -> None:
        self.config = config
        self._remarks = remarks
        self.panel = panel or Panel()
        self._control = control
        self.log = log_tail.listen()
        self.clock = Clock()
        data = Path(config.station.data_dir)
        self.lock = DataLock(data)
        self.room = SpareRoom(data)
        self.spool = Spool(
            data / "spool",
            config.smtp.disk_reserve_bytes,
            data / "set-aside",
            is_short=self.room.is_used,
            log_bytes=LOG_BYTES,
        )
        self.mailboxes = Maildirs(data / "mail", data / "archive")
        self.resolver = Resolver(config.dns)
        self.line_trust, self.pace = LineTrust(config), line_pace(config)
        is_lean = config.link.kind is LinkKind.MODEM
        self._smtp, room = SmtpDoors(config), self.pace.outbound_room
        self.client = SmtpClient(self._smtp.turned, line=self.line_trust, is_lean=is_lean, room=room)
        self.half_open = HalfOpen()
        self.inbound = InboundActivity(self.clock.monotonic_s)
        self._data, self._link, self._ppp = data, link, ppp
        self._modem_link: ModemLink | None = None
        self._started_s = self.clock.monotonic_s()
        self._no_call: tuple[str, ...] = ()
        self._reports: list[str] = []
        self._running = contextlib.AsyncExitStack()
        self._background = Background()

    # -- start and stop -------------------------------------------------------------------------------

    async def start(self, inherited: dict[str, list[socket.socket]] | None = None) -> None:
        """Return when every door answers. Raises: DialpostError with what to do; nothing runs then."""
        try:
            await self._open()
            self._wire()
            await self._serve(inherited or {})
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop in reverse order; work in progress is recorded. Harmless if it never started."""
        await self._running.aclose()

    @property
    def doors(self) -> list[tuple[Listener, str, int]]:
        """Where the station listens: which door, address, port."""
        return self._smtp.addresses

    def make_room(self) -> None:
        """The system allows no more connections: some idle ones are closed."""
        self.intake.make_room()

    async def _open(self) -> None:
        """What is on the card: locked, checked, created if missing."""
        self.lock.acquire()
        self._running.callback(self.lock.release)
        self._running.callback(self.half_open.close)
        self.spool.prepare()
        self._running.callback(self.spool.close)
        self.mailboxes.prepare()
        self._running.callback(self.mailboxes.close)
        opening = Opening(self.config, self.room, self.mailboxes, self._reports)
        self.store = await opening.queue(self.spool)
        self._running.push_async_callback(self.store.close)
        self.accounts = await opening.accounts()
        self.tls = await opening.own_tls()

    def _wire(self) -> None:
        """Make the flows and give each the edges it declares."""
        config, clock = self.config, self.clock
        self.card = CardMeter(self._data, clock.monotonic_s)
        self.panel.starts(self.store)
        self.retention = Retention(self.store, self.spool, config.retention, clock_trusted=clock.is_trusted)
        self.bouncer = Bouncer(
            config.station.hostname, self.spool, self.store, self.accounts, on_accepted=self._accepted,
            wall_clock=clock.wall_s,
        )  # fmt: skip
        self.host_troubles = HostTroubles(self._host_troubles_changed, login_settings(config))
        self.updates = UpdateNews(UpdateFile(), UpdateNotes(self._data), self.panel, self.bouncer.tell_postmaster)
        self.delivery = LocalDelivery(
            self.store, self.spool, self.mailboxes, self.accounts, hostname=config.station.hostname,
            default_quota_bytes=config.delivery.default_quota_bytes, on_refused=self.bouncer.refused,
            on_delivered=self.bouncer.delivered, on_finished=self.retention.wake,
        )  # fmt: skip
        self.cuts = CutMessages(self.store, self.bouncer, clock, on_work=self._work_is_due)
        self.flush = Flush(
            config, self.store, self.client, self.resolver, self.spool, self.bouncer,
            is_dialled=config.link.kind is not LinkKind.GATEWAY, on_finished=self.retention.wake,
            troubles=self.host_troubles, cuts=self.cuts,
        )  # fmt: skip
        self.expiry = Expiry(
            config.outbound, config.station.hostname, self.store, self.bouncer, clock_trusted=clock.is_trusted,
            on_finished=self.retention.wake, is_in_flight=self.flush.is_in_flight,
        )  # fmt: skip
        zone = zone_of(config.schedule.timezone)
        self.big_messages = BigMessages(
            config.budget, config.station.hostname, self.store, self.spool, self.bouncer, zone=zone,
            clock_trusted=clock.is_trusted, wall_clock=clock.wall_s, on_work=self._work_is_due,
            on_held=self.flush.wake,
        )  # fmt: skip
        self.boxes = provider_mail(
            config, self.store.boxes, self.accounts, self.bouncer, self.resolver, clock, self.pace.outbound_room
        )
        self.budget = Budget(
            config.budget, self.store, zone=zone, clock_trusted=clock.is_trusted, wall_clock=clock.wall_s
        )
        self.forecasts = line_forecasts(config, self.store)
        self.learnt = LearntHabits(self.store, config.etrn_host)
        once = partial(self._background.once, "inbound plan")
        self.ways = inbound_plan(self.client, self.resolver, self.host_troubles, self.store, self.boxes, once)
        self.calls = self._make_calls()
        self.scheduler = Scheduler(config.schedule, zone, self.calls, self.store, clock_trusted=clock.is_trusted)
        self.calls.subscribe(lambda _: self.scheduler.queue_changed())  # a call changes what is due next
        self.intake = Intake(
            config, self.accounts, self.store, self.spool, self.mailboxes, activity=self.inbound, pace=self.pace,
            on_accepted=self._accepted, as_held=self.big_messages.as_held,
            most_connections=self._smtp.most_connections, line_trust=self.line_trust,
        )  # fmt: skip
        self.boxes.intake = self.intake
        self.intake.line_rate(expected_rate_bps(config))
        # A dedicated line is always there: waiting mail waits for a mail host, and is retried automatically.
        waits_for = "the next try" if config.link.kind is LinkKind.GATEWAY else "the next call"
        self.queue = QueueControl(
            self.store, self.spool, clock, waits_for=waits_for, size_hold=self.big_messages.words,
            on_work=self._operator_wants_work, on_finished=self.retention.wake, trouble_of=self.flush.trouble_of,
        )  # fmt: skip

    def _make_calls(self) -> CallManager | DedicatedLine:
        config = self.config
        etrn = etrn_if_wanted(config, self.client, self.resolver, self.host_troubles, self.store)
        if config.link.kind is LinkKind.GATEWAY:
            return DedicatedLine(
                etrn=etrn,
                ways=self.ways,
                flush=self.flush,
                inbound=self.inbound,
                store=self.store,
                panel=self.panel,
                on_by_hand=self.host_troubles.try_again,
            )
        link, plan = (self._link, None) if self._link else self._make_link()
        return CallManager(
            config.call, link, etrn=etrn, ways=self.ways, flush=self.flush, inbound=self.inbound, store=self.store,
            panel=self.panel, budget=self.budget, forecasts=self.forecasts, on_line_down=self._line_is_down,
            on_by_hand=self.host_troubles.try_again, on_given_up=self._calls_given_up, dial_plan=plan,
            line_doubt=self._line_doubt, in_vain=self._in_vain, learnt=self.learnt,
            tls_cost=lambda: self.client.tls_cost + self.inbound.tls_cost,
            line_settings=digest(config.link, config.modem, config.ppp), clock_trusted=self.clock.is_trusted,
        )  # fmt: skip

    def _make_link(self) -> tuple[Link, DialPlan | None]:
        made = configured_link(
            self.config, self.clock, self.resolver, self.store, self._clock_stepped, ppp=self._ppp,
            on_rate=self._line_rate, round_trip_s=lambda: self.pace.round_trip_s,
            watchers=(self.half_open, self.line_trust),
        )  # fmt: skip
        self._modem_link = made.modem
        if made.why_not:
            self._reports.append(f"No call can be made: {made.why_not}")
            self._no_call = (made.why_not,)
        return made.link, made.plan

    def _in_vain(self, reason: CallReason) -> str:
        return in_vain(self.config, self.host_troubles, reason, waits=self.panel.counted.waiting_remote > 0)

    def _host_troubles_changed(self, some: bool) -> None:
        async def keep() -> None:
            try:
                await self.host_troubles.keep(self.store)
            except StorageError as error:
                maillog.fault("smtp: what a host refused could not be recorded", error=error)

        self.panel.fault(Fault.SETUP, some)
        self._background.once("refused logins", keep)

    def _pin_allowed(self) -> None:
        if isinstance(self.calls, CallManager):
            self.calls.lift_bar()

    def _line_doubt(self) -> str:
        """Why the modem's line may be up between calls."""
        return self._modem_link.line_doubt if self._modem_link is not None else ""

    def _line_rate(self, rate_bps: int) -> None:
        """Buffers are kept short according to what the line can carry."""
        self.pace.begins(rate_bps if self.config.ppp.shaping else 0)
        self.intake.line_rate(rate_bps)

    async def _clock_stepped(self) -> None:
        """Mail dated by a wrong clock must not wait because of it."""
        await self.store.retry_now(None)
        self.scheduler.queue_changed()

    async def _serve(self, inherited: dict[str, list[socket.socket]]) -> None:
        """Open the doors, start what runs beside them, and the control socket last."""
        await self.budget.recall()  # before anybody can ask for a call
        await self.host_troubles.recall(self.store)
        flows = (self.delivery, self.retention, self.expiry, self.calls, self.scheduler, self.panel, self.cuts)
        for flow in (*flows, self.big_messages, *([self._modem_link] if self._modem_link is not None else [])):
            self._background.keep(type(flow).__name__, flow.run)
        self._running.push_async_callback(self._background.end)
        self._background.keep("SpareRoom", partial(keep_room, self.room))
        self._background.once("Recovery", self._recover)
        await self._smtp.open(self.intake, self.tls, inherited, self._running)
        methods = control_methods(self.calls, self.store, self)
        methods |= queue_methods(self.queue) | account_methods(self.accounts) | self.boxes.methods()
        methods |= tool_methods(self.resolver, self.log) | pin_methods(self.store, self._pin_allowed)
        budget = None if isinstance(self.calls, DedicatedLine) else self.budget
        methods |= call_methods(self.calls, self.store, budget, self.forecasts) | panel_methods(self.panel)
        methods |= learnt_methods(self.learnt, self.config) | self.updates.methods()
        self._background.once("UpdateNews", self.updates.begin)
        await self._offer(methods)
        self.panel.started()

    async def _offer(self, methods: ServedMethods) -> None:
        """Give the methods to the process's control socket, or to this station's own."""
        if self._control is None:
            own = ControlServer(Path(self.config.station.run_dir) / SOCKET_NAME, methods)
            await own.start()
            self._running.push_async_callback(own.close)
        else:
            self._running.callback(self._control.offer(methods))

    # -- what runs beside -----------------------------------------------------------------------------

    async def _recover(self) -> None:
        report = await Recovery(self.store, self.spool).run()
        self._reports += report.sentences
        self.delivery.wake()
        self.retention.wake()

    def _accepted(self, message: MessageRecord) -> None:
        """A message is in the queue: wake whoever handles it."""
        self.card.message()
        if any(recipient.local_account for recipient in message.recipients):
            self.delivery.accepted(message)
        if any(recipient.local_account is None for recipient in message.recipients):
            self.flush.wake()
            self.calls.mail_accepted()
            self.scheduler.queue_changed()
        self.big_messages.accepted(message)
        self.panel.queue_changed()

    def _work_is_due(self) -> None:
        self.delivery.wake()
        self.flush.try_all()
        self.calls.mail_accepted()
        self.scheduler.queue_changed()
        self.panel.queue_changed()

    def _operator_wants_work(self) -> None:
        self.host_troubles.try_again()
        self._work_is_due()

    def _line_is_down(self) -> int:
        """TCP does not notice: without this the provider's connections would hang. How many do all the same."""
        tells_when_up = self._link is None and self.config.link.kind is LinkKind.MODEM
        self._smtp.abort(self.intake.is_over_the_line, self.half_open.keep if tells_when_up else None)
        return self.half_open.opening

    def _calls_given_up(self, record: CallRecord, failures: int) -> None:
        """The operator reads it in the mailbox: nobody may be watching the panel."""

        async def tell() -> None:
            try:
                await self.bouncer.tell_postmaster(
                    "The station can't reach the provider", call_notes.given_up_letter(record, failures)
                )
            except DialpostError as error:
                maillog.fault("call: the postmaster could not be notified", error=error)

        self._background.once("letter", tell)

    # -- what `status` asks ---------------------------------------------------------------------------

    async def counts(self) -> QueueCounts:
        """What waits."""
        return await self.store.counts()

    def facts(self) -> Status:
        """Who this is, for `status`."""
        return self._status().facts()

    def attention(self) -> list[str]:
        """What needs an operator, a sentence each."""
        return self._status().attention()

    def _status(self) -> StationStatus:
        return StationStatus(
            config=self.config, clock=self.clock, started_s=self._started_s, log=self.log, spool=self.spool,
            room=self.room, counted=self.panel.counted, accounts=self.accounts, calls=self.calls,
            budget=self.budget, updates=self.updates, troubles=self.host_troubles, doors=self.doors,
            reports=[*dict.fromkeys(self._reports), *self._remarks()], no_call=self._no_call, card=self.card,
        )  # fmt: skip
