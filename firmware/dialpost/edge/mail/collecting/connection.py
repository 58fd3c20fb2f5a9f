"""Drives a dialogue with a mailbox (core/mail/inbound/dialogue) over one connection.

One task runs a session: it takes the events in their order, and asks for more while `can_ask`. What arrives goes
into the dialogue at once, in the event loop's callback. Nothing is read from the network while many events wait, so
that a card that is slower than the line does not fill the memory.

A time-out counts from the last event, the last change of what is waited for, or the last half a kilobyte: a server
that sends a byte now and then gets no more time than one that sends nothing.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from math import inf

from dialpost.core.config.model import TlsMode
from dialpost.core.errors import fault_words
from dialpost.core.mail.esmtp.tls_use import TlsUse
from dialpost.core.mail.inbound.collected import CollectFate
from dialpost.core.mail.inbound.dialogue import BoxEvent, Content, Ended, MailboxDialogue, StartTls
from dialpost.core.mail.smtp_target import HostTarget
from dialpost.edge.mail.wire.connection import Connection
from dialpost.edge.mail.wire.outlet import Room, no_limit
from dialpost.edge.mail.wire.tls import TlsMemory, TlsRefusedError

_log = logging.getLogger(__name__)

CONNECT_WAIT_S = 60.0
"""Several retransmissions of a SYN over a line with seconds of delay, as in `smtp_client/driver`."""
TLS_WAIT_S = 180.0
LEAST_TLS_WAIT_S = 60.0
"""The least time that a handshake gets if nothing else keeps a paid line up."""
PROGRESS_BYTES = 512
MOST_WAITING_BYTES = 131_072
"""Content that has arrived and was not taken: more is not read from the network."""


class BoxSession:
    """One session with one mailbox. The last event is always `Ended`, unless the task was cancelled."""

    def __init__(
        self,
        begin: Callable[[], MailboxDialogue],
        target: HostTarget,
        tls: TlsMode,
        use: TlsUse,
        memory: TlsMemory,
        *,
        room: Room = no_limit,
        sock: Callable[[str], socket.socket | None] = lambda address: None,
        timeout_scale: float = 1.0,
    ) -> None:
        """`begin` makes the dialogue, a second time if the first handshake is to be done in another way.

        `sock`: a socket of its own for this address, for instance one that can't leave the line.
        """
        self.dialogue = begin()
        self.address = ""
        self._begin = begin
        self._target, self._tls, self._use, self._memory = target, tls, use, memory
        self._room, self._sock, self._scale = room, sock, timeout_scale
        self._past_bytes = (0, 0)
        self._connection = self._new_connection()
        self._events: deque[BoxEvent] = deque()
        self._waiting_bytes = 0
        self._wake = asyncio.Event()
        self._broken = ""
        self._progress_at = asyncio.get_running_loop().time()
        self._since_progress = 0
        self._waited_for = ""
        self._is_to_repeat = False
        self._is_shaking_hands = False
        self._is_flush_planned = False

    # What the collector asks and wants

    @property
    def can_ask(self) -> bool:
        """Whether one more `look`, `fetch` or `delete` may be given now."""
        return self.dialogue.can_ask

    @property
    def bytes_up(self) -> int:
        """Everything sent on the connection, TLS included."""
        return self._past_bytes[0] + self._connection.bytes_up

    @property
    def bytes_down(self) -> int:
        """Everything received on the connection, TLS included."""
        return self._past_bytes[1] + self._connection.bytes_down

    @property
    def patience_ends_s(self) -> float:
        """Until when it is worth waiting for if nothing else keeps a paid line up (the loop's time)."""
        due = self.dialogue.waiting_for
        least_s = LEAST_TLS_WAIT_S if self._is_shaking_hands else None if due is None else due.least_s
        return inf if least_s is None else self._progress_at + least_s * self._scale

    def look(self, uid: str) -> None:
        """Ask for a message's header."""
        self.dialogue.look(uid)
        self._flush_soon()

    def fetch(self, uid: str, offset: int = 0) -> None:
        """Ask for a message's content from this byte on."""
        self.dialogue.fetch(uid, offset)
        self._flush_soon()

    def delete(self, uids: Sequence[str]) -> None:
        """Have these messages deleted."""
        self.dialogue.delete(uids)
        self._flush_soon()

    def quit(self) -> None:
        """End the session once everything asked for is answered."""
        self.dialogue.quit()
        self._flush_soon()

    def break_off(self, why: str) -> None:
        """The line is gone, or nobody waits any longer: the session ends now."""
        self._broken = why
        self._connection.break_off(why)
        self._wake.set()

    async def events(self) -> AsyncGenerator[BoxEvent, None]:
        """Connect, and hand out everything that happens. When it ends, the connection is closed."""
        try:
            await self._connect()
            while True:
                async for event in self._taken():
                    yield event
                    if isinstance(event, Ended):
                        return
                self._flush()
                await self._wait()
        finally:
            self._close()

    # Inside

    async def _taken(self) -> AsyncIterator[BoxEvent]:
        while self._events:
            event = self._events.popleft()
            if isinstance(event, Content):
                self._waiting_bytes -= len(event.data)
                self._connection.hold_input(self._waiting_bytes > MOST_WAITING_BYTES)
            if isinstance(event, StartTls):
                self._flush()
                await self._shake_hands()
                continue
            yield event

    async def _connect(self) -> None:
        """Try each address in turn. Tells `Ended` if there is no connection."""
        words = "it has no address"
        for address in self._target.addresses:
            try:
                async with asyncio.timeout(CONNECT_WAIT_S * self._scale):
                    await self._connect_to(address)
            except TimeoutError:
                words = "no answer"
            except OSError as error:
                words = fault_words(error)
            else:
                await self._begin_tls(address)
                return
            if self._broken:
                words = self._broken
                break
        if not self.dialogue.is_over:
            self._tell([Ended(CollectFate.UNREACHABLE, f"{self._target.host} can't be reached: {words}")])

    async def _connect_to(self, address: str) -> None:
        if self._broken:
            raise ConnectionError(self._broken)
        loop = asyncio.get_running_loop()
        sock = self._sock(address)
        if sock is None:
            await loop.create_connection(lambda: self._connection, address, self._target.port)
        else:
            try:
                await loop.sock_connect(sock, (address, self._target.port))
                await loop.create_connection(lambda: self._connection, sock=sock)
            except BaseException:
                sock.close()
                raise
        self.address = address
        self._progress()

    async def _begin_tls(self, address: str) -> None:
        if self._tls is not TlsMode.IMPLICIT:
            return
        self._is_to_repeat = True
        while not await self._shake_hands() and self._is_to_repeat and not self._broken:
            self._is_to_repeat = False  # once
            self._close()
            self._past_bytes = (self.bytes_up, self.bytes_down)
            self._events.clear()
            self.dialogue, self._connection = self._begin(), self._new_connection()
            try:
                async with asyncio.timeout(CONNECT_WAIT_S * self._scale):
                    await self._connect_to(address)
            except OSError as error:  # TimeoutError is one
                self._tell(self.dialogue.failed(fault_words(error)))

    async def _shake_hands(self) -> bool:
        """Do the TLS handshake; whether it succeeded."""
        self._is_shaking_hands = True
        try:
            async with asyncio.timeout(TLS_WAIT_S * self._scale):
                await self._connection.start_tls(self._memory, self._use)
        except TlsRefusedError as error:
            self._is_to_repeat = self._is_to_repeat and error.is_to_repeat
            self._tell(self.dialogue.tls_failed(str(error)))
            return False
        except (ConnectionError, TimeoutError) as error:
            is_lost = isinstance(error, ConnectionError)
            self._is_to_repeat = self._is_to_repeat and is_lost and self._memory.failed(self._use)
            why = "the server closed the connection" if is_lost else "took too long"
            self._tell(self.dialogue.failed(f"TLS handshake: {why}"))
            return False
        finally:
            self._is_shaking_hands = False
        if self._tls is not TlsMode.IMPLICIT:
            self._tell(self.dialogue.tls_established(verified=self._use.is_proof))
        self._progress()
        return True

    async def _wait(self) -> None:
        """Sleep until something happens; a time-out ends the session."""
        due = self.dialogue.waiting_for
        what = "" if due is None else due.what
        if what != self._waited_for:
            self._waited_for = what
            self._progress()
        deadline = None if due is None else self._progress_at + due.limit_s * self._scale
        try:
            async with asyncio.timeout_at(deadline):
                await self._wake.wait()
        except TimeoutError:
            limit_s = 0.0 if due is None else due.limit_s * self._scale
            self._tell(self.dialogue.failed(f"no answer to {what} within {limit_s:.0f} s"))
        self._wake.clear()

    def _new_connection(self) -> Connection:
        return Connection(self._on_data, self._on_end, self._room)

    def _flush_soon(self) -> None:
        """What is wanted in one go is sent together."""
        if not self._is_flush_planned:
            self._is_flush_planned = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._is_flush_planned = False
        data = self.dialogue.data_to_send()
        if data:
            self._connection.write(data)

    def _progress(self) -> None:
        self._progress_at, self._since_progress = asyncio.get_running_loop().time(), 0

    def _tell(self, events: Sequence[BoxEvent]) -> None:
        self._events.extend(events)
        self._waiting_bytes += sum(len(event.data) for event in events if isinstance(event, Content))
        self._wake.set()

    def _on_data(self, data: bytes) -> None:
        events = self.dialogue.receive(data)
        self._since_progress += len(data)
        if events or self._since_progress >= PROGRESS_BYTES:
            self._progress()
        self._tell(events)
        self._flush()
        if self.dialogue.is_over:
            self._connection.stop_reading()
        elif self._waiting_bytes > MOST_WAITING_BYTES:
            self._connection.hold_input(True)

    def _on_end(self, why: str | None) -> None:
        words = self._broken or f"the connection broke ({why})"
        self._tell(self.dialogue.eof() if why is None else self.dialogue.failed(words))

    def _close(self) -> None:
        """Send the farewell if that is possible at once, and close."""
        if self.dialogue.is_over:
            self._flush()
            self._connection.close()
        else:
            self._connection.abort()
