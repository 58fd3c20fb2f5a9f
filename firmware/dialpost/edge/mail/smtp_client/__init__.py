"""The ESMTP client on real sockets: the edge around `core/mail/esmtp`.

`SmtpClient` sends many messages over one connection to one host, and does ETRN dialogues. It runs in the
daemon's event loop; only reading the card happens in threads.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path

from dialpost.core.config.model import TlsMode
from dialpost.core.mail.esmtp.lessons import Lesson
from dialpost.core.mail.esmtp.line_trust import LineTrust, on_trusted_line
from dialpost.core.mail.esmtp.tls_cost import TlsCost
from dialpost.core.mail.esmtp.tls_use import after_failed_tls, tls_use
from dialpost.core.mail.esmtp.wire import Ended, EtrnAnswered
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.smtp_target import (
    AtrnDialogue,
    ConnectSettings,
    EtrnDialogue,
    HostTarget,
    OutgoingMessage,
    SessionEnd,
    SessionFate,
    Trust,
)
from dialpost.edge.mail.smtp_client.atrn import AtrnTalk, Serve, serve_nobody
from dialpost.edge.mail.smtp_client.driver import SessionDriver
from dialpost.edge.mail.smtp_client.ends import added, end_of, no_address
from dialpost.edge.mail.smtp_client.handover import Handover
from dialpost.edge.mail.smtp_client.message_sender import MessageSender, NextMessage, OnOutcome, Report
from dialpost.edge.mail.wire.line_socket import socket_on_line
from dialpost.edge.mail.wire.outlet import Room, no_limit
from dialpost.edge.mail.wire.tls import TlsMemory

__all__ = ["SmtpClient"]

Work = Callable[[SessionDriver], Awaitable[int]]
"""The work of one session; returns the number of messages delivered."""
MAX_LESSONS = 256  # hosts; the oldest is forgotten first
MAX_ADDRESSES = 5
"""The most addresses of one host tried in a row: each that is silent holds a paid line."""


class SmtpClient:
    """Connects to other mail hosts. One object serves the whole daemon: it keeps TLS sessions.

    `bytes_up` and `bytes_down` count all connections so far, including open ones. `room` applies to future
    connections: how much of a slow line each may fill.
    """

    def __init__(
        self,
        serve_turned: Serve = serve_nobody,
        *,
        ca_file: Path | None = None,
        line: LineTrust | None = None,
        is_lean: bool = False,
        room: Room = no_limit,
    ) -> None:
        """`ca_file`: authorities trusted besides the system's. `line`: what the owner's trust in it allows.

        `is_lean`: each byte of a TLS handshake costs. `serve_turned`: for connections that ATRN has turned.
        """
        self.room = room
        self._line = line
        self._memory = TlsMemory(ca_file, is_lean=is_lean)
        self._lessons: dict[tuple[str, int], set[Lesson]] = {}
        self._talks: set[SessionDriver] = set()
        self._atrn: AtrnTalk | None = None
        self._serve_turned = serve_turned
        self._past_up = 0
        self._past_down = 0
        self._past_tls = TlsCost()
        self._asking: dict[tuple[str, int, ConnectSettings], Handover] = {}

    @property
    def bytes_up(self) -> int:
        """Bytes sent so far."""
        return self._past_up + sum(talk.connection.bytes_up for talk in self._talks)

    @property
    def bytes_down(self) -> int:
        """Bytes received so far."""
        return self._past_down + sum(talk.connection.bytes_down for talk in self._talks)

    @property
    def tls_cost(self) -> TlsCost:
        """What TLS took so far."""
        return sum((talk.connection.tls_cost for talk in self._talks), self._past_tls)

    async def send(
        self,
        target: HostTarget,
        settings: ConnectSettings,
        next_message: NextMessage,
        on_outcome: OnOutcome,
    ) -> SessionEnd:
        """Send messages as long as `next_message` returns any; None from it ends the session.

        Each message gets exactly one `on_outcome`, in the order of `envelope.recipients`, awaited one at a time. If
        the host turns out not to do what it offers (`SessionEnd.learnt`), the messages interrupted by that are
        resent immediately in another session, without the extension. The caller makes outcomes durable. A
        cancellation closes the connection; outcomes that the server had already given are still reported first, no
        others. Raises: whatever `next_message` or `on_outcome` raise.
        """
        fallen: list[Report] = []

        async def next_or_fallen() -> OutgoingMessage | None:
            return fallen.pop(0)[0] if fallen else await next_message()

        async def work(talk: SessionDriver) -> int:
            mail = MessageSender(talk, next_or_fallen, on_outcome)
            try:
                await mail.run()
            finally:
                fallen[:0] = mail.fallen
                talk.is_to_repeat = bool(mail.fallen)
            return mail.delivered

        end = await self._in_handed_over(target, settings, work)
        if end is None:
            end = await self._converse(target, settings, work)
        for message, outcomes in fallen:  # there was no other session
            await on_outcome(message, outcomes)
        return end

    def break_off(self, why: str) -> None:
        """The line is gone: end every session now, with an outcome for each message offered in it.

        That distinguishes messages that were sent in full and got no reply (RFC 1047), which a cancellation can't.
        """
        for asking in self._asking.values():
            asking.broken = SessionEnd(SessionFate.LOST, why, reply=Reply(451, (why,), "4.4.2"))
        for talk in list(self._talks):
            talk.break_off(why)

    @property
    def patience_ends_s(self) -> float:
        """Until when a session is worth waiting for if nothing else keeps a paid line up (monotonic)."""
        return max((talk.patience_ends_s for talk in self._talks), default=inf)

    def stop_waiting(self, why: str) -> None:
        """Every session that waits for its other side ends, as after a time-out; others continue."""
        for talk in list(self._talks):
            talk.stop_waiting(why)

    async def etrn(self, target: HostTarget, settings: ConnectSettings, names: Sequence[str]) -> EtrnDialogue:
        """Ask for the mail waiting for each name (RFC 1985), even if EHLO does not list ETRN."""
        offered = early_failed = False
        answers: list[tuple[str, Reply]] = []

        async def work(talk: SessionDriver) -> int:
            nonlocal offered, early_failed
            await _ask_each(talk, names, answers, handover)
            offered = talk.core.extensions.etrn
            early_failed = talk.core.is_early and (bool(talk.core.early_refused) or not answers)
            return 0

        handover, key = Handover(target.addresses), _key(target, settings)
        if self._is_worth_sharing(target, settings):
            self._asking[key] = handover
        try:
            end = await self._converse(target, settings, work)
            if end.fate is SessionFate.UNREACHABLE:
                handover.unreachable = end
        finally:
            handover.end()
            if self._asking.get(key) is handover:
                del self._asking[key]
        error = None if end.fate is SessionFate.DONE else end.reason
        return EtrnDialogue(
            tuple(answers),
            error,
            offered,
            end.fate,
            end.bytes_up,
            end.bytes_down,
            end.address,
            may_be_early=offered and not end.tls and not settings.user,
            early_failed=early_failed,
        )

    async def atrn(self, target: HostTarget, settings: ConnectSettings, domains: Sequence[str]) -> AtrnDialogue:
        """Ask for the mail of these domains by ATRN (RFC 2645); `serve_turned` takes it over the same connection.

        A cancellation closes the connection; what was acknowledged is safe.
        """
        talk = self._atrn = AtrnTalk(domains, self._serve_turned)
        try:
            return talk.result(await self._converse(target, settings, talk.run))
        finally:
            self._atrn = None

    @property
    def atrn_patience_ends_s(self) -> float:
        """Until when the ATRN session is worth waiting for if nothing else keeps a paid line up (monotonic)."""
        return inf if self._atrn is None else self._atrn.patience_ends_s

    def stop_atrn(self, why: str) -> None:
        """The ATRN session ends, as after a time-out, if it waits for the provider."""
        if self._atrn is not None:
            self._atrn.stop_waiting(why)

    def _is_worth_sharing(self, target: HostTarget, settings: ConnectSettings) -> bool:
        """Whether a second session would pay for TLS again. In clear, two sessions at once are quicker."""
        if settings.early_etrn or (
            settings.trust is not Trust.NONE and self._line is not None and self._line.interface
        ):
            return False
        is_known = settings.tls is TlsMode.OPPORTUNISTIC and self._memory.knows(tls_use(target, settings))
        return is_known or settings.tls in {TlsMode.STARTTLS, TlsMode.IMPLICIT}

    async def _in_handed_over(self, target: HostTarget, settings: ConnectSettings, work: Work) -> SessionEnd | None:
        """Do the work in the session of an ETRN dialogue with this host; None if it takes another one."""
        asking = self._asking.get(_key(target, settings))
        if asking is None:
            return None
        try:
            talk = await asking.take()
        finally:
            if asking.left is not None:
                self._close(asking.left)
        if talk is None:
            return asking.end_for(target.addresses)
        try:
            if talk.address not in target.addresses:  # mail goes only where the name service says now
                return None
            delivered = await work(talk)
        finally:
            self._close(talk)
        end = self._ended(talk, delivered)
        if talk.ended_early or not talk.is_to_repeat:
            return end
        return self._judged(target, end, await self._converse(target, settings, work))

    async def _converse(self, target: HostTarget, settings: ConnectSettings, work: Work) -> SessionEnd:
        """Do the work over the first address, and with the first settings, that allow it."""
        end = no_address(target)
        for address in target.addresses[:MAX_ADDRESSES]:
            way: ConnectSettings | None = settings
            while way is not None:
                used, sock = self._on_trusted_line(address, way)
                talk = SessionDriver(target, self._as_learnt(target, used), self._memory, self.room, sock)
                end = self._judged(target, end, await self._run(talk, address, work))
                if talk.ended_early or not (talk.tls_failed or talk.is_to_repeat):
                    break
                if not (talk.is_to_repeat or talk.is_tls_to_repeat):
                    way = after_failed_tls(way)
            if talk.ended_early or end.ready or end.needs_operator:
                break
        return end

    def _judged(self, target: HostTarget, before: SessionEnd, end: SessionEnd) -> SessionEnd:
        """Both ends as one. If the plainer session hung as well, pipelining was not the cause: unlearn it."""
        both = added(before, end)
        if before.learnt and not end.learnt and end.fate is SessionFate.LOST and not end.messages:
            self._lessons.pop((target.host, target.port), None)
            return replace(both, learnt="")
        return both

    def _on_trusted_line(self, address: str, way: ConnectSettings) -> tuple[ConnectSettings, socket.socket | None]:
        """How to talk to this address, and a socket that holds the connection to the trusted line if that is it."""
        if self._line is None or way.trust is Trust.NONE:
            return way, None
        sock = socket_on_line(address, self._line.interface, self._line.local)
        if sock is None:
            return way, None
        self._line.reached(address)
        return on_trusted_line(way), sock

    def _as_learnt(self, target: HostTarget, settings: ConnectSettings) -> ConnectSettings:
        lessons = self._lessons.get((target.host, target.port), set())
        return replace(settings, without=frozenset(lessons))

    async def _run(self, talk: SessionDriver, address: str, work: Work) -> SessionEnd:
        """One connection: connect, do the work, close."""
        self._talks.add(talk)
        try:
            unreachable = await _connect(talk, address)
            if unreachable is not None:
                return unreachable
            delivered = await work(talk)
        finally:
            if not talk.is_handed_over:
                self._close(talk)
        return self._ended(talk, delivered)

    def _close(self, talk: SessionDriver) -> None:
        talk.close()
        self._talks.discard(talk)
        self._past_up += talk.connection.bytes_up
        self._past_down += talk.connection.bytes_down
        self._past_tls += talk.connection.tls_cost

    def _ended(self, talk: SessionDriver, delivered: int) -> SessionEnd:
        """What became of a session, and what it taught."""
        learnt = talk.core.lessons
        if learnt:
            self._lessons.setdefault((talk.target.host, talk.target.port), set()).update(learnt)
            if len(self._lessons) > MAX_LESSONS:
                del self._lessons[next(iter(self._lessons))]
        return replace(end_of(talk), messages=delivered)


async def _connect(talk: SessionDriver, address: str) -> SessionEnd | None:
    """Connect; returns the session's end if that fails."""
    try:
        await talk.connect(address)
    except (OSError, TimeoutError) as error:
        port = talk.target.port
        why = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
        reason = f"no connection to {talk.target.host} ({address}, port {port}): {why}"
        return SessionEnd(SessionFate.UNREACHABLE, reason, reply=Reply(451, (reason,), "4.4.1"))
    return None


async def _ask_each(
    talk: SessionDriver, names: Sequence[str], answers: list[tuple[str, Reply]], handover: Handover
) -> None:
    left = list(names)
    while talk.ended is None:
        while (event := await talk.next_event()) is not None:
            if isinstance(event, EtrnAnswered):
                answers.append((event.name, event.reply))
                if event.reply.is_permanent:
                    left.clear()  # this server does not do ETRN (RFC 1985 §5.2): asking for the others is useless
            elif isinstance(event, Ended):
                return
        if talk.core.is_idle:
            if left:
                talk.tell(talk.core.etrn(left.pop(0)))
            elif handover.give(talk):
                return
            else:
                talk.tell(talk.core.quit())
        talk.flush()
        await talk.wait()


def _key(target: HostTarget, settings: ConnectSettings) -> tuple[str, int, ConnectSettings]:
    """Sessions with equal keys are set up alike."""
    use = tls_use(target, settings)
    alike = replace(settings, tls_verify=use.verify, tls_fingerprint=use.fingerprint, early_etrn=False)
    return target.host, target.port, alike
