"""The ESMTP client on real sockets: the edge around `core/esmtp`.

`SmtpClient` sends many messages over one connection to one host, and does ETRN dialogues. It runs in the
daemon's event loop; only reading the card happens in threads.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from dialpost.core.config import TlsMode
from dialpost.core.esmtp.wire import Ended, EtrnAnswered
from dialpost.core.reply import Reply
from dialpost.core.smtp_target import (
    ConnectSettings,
    EtrnDialogue,
    HostTarget,
    SessionEnd,
    SessionFate,
)
from dialpost.edge.smtp_client.mail_talk import MailTalk, NextMessage, OnOutcome
from dialpost.edge.smtp_client.talk import Talk
from dialpost.edge.smtp_client.tls import TlsMemory

__all__ = ["SmtpClient"]


class SmtpClient:
    """Connects to other mail hosts. One object serves the whole daemon: it keeps TLS sessions.

    `bytes_up` and `bytes_down` count all connections so far, those under way included. `in_flight_bytes` holds for
    connections to come: how much of a slow line each may fill, 0 = as the kernel likes.
    """

    def __init__(self, *, ca_file: Path | None = None) -> None:
        """`ca_file`: authorities trusted besides the system's."""
        self.in_flight_bytes = 0
        self._memory = TlsMemory(ca_file)
        self._no_chunking: set[tuple[str, int]] = set()
        self._talks: set[Talk] = set()
        self._past_up = 0
        self._past_down = 0

    @property
    def bytes_up(self) -> int:
        """Bytes sent so far."""
        return self._past_up + sum(talk.connection.bytes_up for talk in self._talks)

    @property
    def bytes_down(self) -> int:
        """Bytes received so far."""
        return self._past_down + sum(talk.connection.bytes_down for talk in self._talks)

    async def send(
        self,
        target: HostTarget,
        settings: ConnectSettings,
        next_message: NextMessage,
        on_outcome: OnOutcome,
    ) -> SessionEnd:
        """Send messages while `next_message` gives any; None from it means: nothing now, end the session.

        Each message gets exactly one `on_outcome`, in the order of `envelope.recipients`, awaited one at
        a time. An outcome is for the caller to make durable. A cancellation closes the connection;
        outcomes the server had already given are still reported before it goes through, no others.
        Raises: what `next_message` or `on_outcome` raise.
        """
        if (target.host, target.port) in self._no_chunking:
            settings = replace(settings, chunking=False)
        end = _no_address(target)
        for address in target.addresses:
            for way in _ways(settings):
                talk = Talk(target, way, self._memory, self.in_flight_bytes)
                mail = MailTalk(talk, next_message, on_outcome)
                end = _added(end, await self._run(talk, address, mail.run), mail.delivered)
                if talk.broken_off or not talk.tls_failed:
                    break
            if talk.broken_off or end.ready or end.fate is SessionFate.NEEDS_PERSON:
                break
        return end

    def break_off(self, why: str) -> None:
        """The line is gone: every session ends now, with an outcome for each message offered in it.

        So what was sent whole and got no answer is told apart (RFC 1047), which a cancellation can't do.
        """
        for talk in list(self._talks):
            talk.break_off(why)

    async def etrn(self, target: HostTarget, settings: ConnectSettings, names: Sequence[str]) -> EtrnDialogue:
        """Ask for the mail waiting for each name (RFC 1985), even where ETRN is not listed as offered."""
        end, offered = _no_address(target), False
        answers: list[tuple[str, Reply]] = []
        for address in target.addresses:
            for way in _ways(settings):
                talk = Talk(target, way, self._memory, self.in_flight_bytes)
                ask = partial(_ask_each, talk, names, answers)
                end = _added(end, await self._run(talk, address, ask), 0)
                offered = talk.core.extensions.etrn
                if talk.broken_off or not talk.tls_failed:
                    break
            if talk.broken_off or end.ready or end.fate is SessionFate.NEEDS_PERSON:
                break
        error = None if end.fate is SessionFate.DONE else end.reason
        return EtrnDialogue(tuple(answers), error, offered, end.fate, end.bytes_up, end.bytes_down)

    async def _run(self, talk: Talk, address: str, work: Callable[[], Awaitable[None]]) -> SessionEnd:
        """One connection: connect, do the work, close."""
        self._talks.add(talk)
        try:
            unreachable = await _connect(talk, address)
            if unreachable is not None:
                return unreachable
            await work()
        finally:
            talk.close()
            self._talks.discard(talk)
            self._past_up += talk.connection.bytes_up
            self._past_down += talk.connection.bytes_down
        if talk.core.chunking_broken:
            self._no_chunking.add((talk.target.host, talk.target.port))
        return _end_of(talk, address)


async def _connect(talk: Talk, address: str) -> SessionEnd | None:
    """Connect; the end, if it can't be done."""
    try:
        await talk.connect(address)
    except (OSError, TimeoutError) as error:
        port = talk.target.port
        why = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
        reason = f"no connection to {talk.target.host} ({address}, port {port}): {why}"
        return SessionEnd(SessionFate.UNREACHABLE, reason, reply=Reply(451, (reason,), "4.4.1"))
    return None


async def _ask_each(talk: Talk, names: Sequence[str], answers: list[tuple[str, Reply]]) -> None:
    left = list(names)
    while talk.ended is None:
        while (event := await talk.next_event()) is not None:
            if isinstance(event, EtrnAnswered):
                answers.append((event.name, event.reply))
                if event.reply.is_permanent:
                    left.clear()  # this server does no ETRN (RFC 1985 §5.2): no use asking for others
            elif isinstance(event, Ended):
                return
        if talk.core.is_idle:
            if left:
                talk.tell(talk.core.etrn(left.pop(0)))
            else:
                talk.core.quit()
        talk.flush()
        await talk.wait()


def _no_address(target: HostTarget) -> SessionEnd:
    reason = f"no address is known for {target.host}"
    return SessionEnd(SessionFate.UNREACHABLE, reason, reply=Reply(451, (reason,), "4.4.4"))


def _ways(settings: ConnectSettings) -> tuple[ConnectSettings, ...]:
    """With opportunistic TLS a handshake that fails is followed by a try in clear (RFC 7435 §4.3)."""
    if settings.tls is TlsMode.OPPORTUNISTIC:
        return settings, replace(settings, tls=TlsMode.NONE)
    return (settings,)


def _end_of(talk: Talk, address: str) -> SessionEnd:
    ended = talk.ended
    assert ended is not None
    reply = ended.reply
    if not talk.is_ready and reply is None:
        reply = Reply(451, (ended.reason,), "4.4.2")
    return SessionEnd(
        fate=ended.fate,
        reason=_in_words(ended),
        ready=talk.is_ready,
        connected=True,
        bytes_up=talk.connection.bytes_up,
        bytes_down=talk.connection.bytes_down,
        idle_round_trips=talk.idle_round_trips,
        reply=reply,
        address=address,
        tls=talk.connection.tls_version,
    )


def _in_words(ended: Ended) -> str:
    """The reason, with the server's own words where it gave any."""
    reply = ended.reply
    if reply is None or ended.fate is SessionFate.LOST or ended.reason in reply.text:
        return ended.reason
    return f"{ended.reason}: {reply}"


def _added(before: SessionEnd, end: SessionEnd, delivered: int) -> SessionEnd:
    """The later end, with the bytes of both; but what a server said is not hidden by an address that is dead."""
    up, down = before.bytes_up + end.bytes_up, before.bytes_down + end.bytes_down
    telling = before if before.connected and not end.connected else end
    return replace(telling, messages=delivered, bytes_up=up, bytes_down=down)
