"""Drives the core over one connection, for both mail and ETRN.

One task runs a session. Received data goes into the core at once, in the event loop's callback; events wait for the
task. Time-outs apply to each reply and each block of content (RFC 5321 §4.5.3.2), never to the whole; a reply that
trickles in or never ends gets no more time than one that does not come. Once the server breaks the protocol nothing
more is read.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from math import inf
from secrets import token_urlsafe

from dialpost.core.config.model import TlsMode
from dialpost.core.mail.esmtp.client import BLOCK_WAIT_S, EsmtpClient
from dialpost.core.mail.esmtp.expected import LEAST_WAIT_S
from dialpost.core.mail.esmtp.tls_use import tls_use
from dialpost.core.mail.esmtp.wire import Ended, Event, Ready, StartTls
from dialpost.core.mail.smtp_target import ConnectSettings, HostTarget, SessionFate
from dialpost.edge.mail.wire.connection import Connection
from dialpost.edge.mail.wire.outlet import Room, no_limit
from dialpost.edge.mail.wire.tls import TlsMemory, TlsRefusedError

_log = logging.getLogger(__name__)
CONNECT_WAIT_S = 60.0
"""Several retransmissions of a SYN (1, 3, 7, 15, 31 s) over a line with seconds of delay."""
_LEAST_BULK_WAIT_S = 60.0
"""The least time to wait for a line that accepts nothing, or for a TLS handshake, if nothing else keeps the line
up."""


class SessionDriver:
    """One connection and its core."""

    def __init__(
        self,
        target: HostTarget,
        settings: ConnectSettings,
        memory: TlsMemory,
        room: Room = no_limit,
        sock: socket.socket | None = None,
    ) -> None:
        """`sock`: connects with this one, and closes it."""
        self._socket = sock
        self.target = target
        self.settings = settings
        self.ended: Ended | None = None
        self.is_ready = False
        self.address = ""  # of the host; set by `connect`
        self.is_handed_over = False  # another user goes on with it, and closes it
        self.tls_failed = False
        self.is_tls_to_repeat = False  # the next handshake will be another one
        self.ended_early = False
        self.is_to_repeat = False  # resend at once in another session, without the extension found broken
        self.idle_round_trips = 0
        trace = self._trace if _log.isEnabledFor(logging.DEBUG) else None
        self._use = tls_use(target, settings)
        self._memory = memory
        implicit = settings.tls is TlsMode.IMPLICIT
        self.core = EsmtpClient(
            settings, target.host, tls=implicit, verified=self._use.is_proof, trace=trace, nonce=token_urlsafe()
        )
        self.connection = Connection(self._on_data, self._on_end, room)
        self.connection.when_writable(self._progress)
        self._events: deque[Event] = deque()
        self._wake = asyncio.Event()
        self._progress_at = asyncio.get_running_loop().time()
        self._sent_since_wait = False
        self._limit: asyncio.Timeout | None = None  # of connecting, or of the TLS handshake
        self._is_shaking_hands = False
        self._moved_at, self._unacknowledged = self._progress_at, 0

    async def connect(self, address: str) -> None:
        """Make the connection. Raises: OSError (TimeoutError is one)."""
        self.address = address
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_WAIT_S * self.settings.timeout_scale) as self._limit:
            if self._socket is None:
                await loop.create_connection(lambda: self.connection, address, self.target.port)
            else:
                await self._connect_socket(self._socket, address)
        self._limit = None
        self._progress()
        if self.settings.tls is TlsMode.IMPLICIT:
            await self._do_tls()

    async def _connect_socket(self, sock: socket.socket, address: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_connect(sock, (address, self.target.port))
            await loop.create_connection(lambda: self.connection, sock=sock)
        except BaseException:
            sock.close()
            raise

    def break_off(self, why: str) -> None:
        """The line is gone: the session ends now, as lost, and every message in it gets its outcome."""
        self.ended_early = True
        self._cut_limit()
        self.connection.break_off(why)

    @property
    def patience_ends_s(self) -> float:
        """Until when the session is worth waiting for if nothing else keeps a paid line up (monotonic).

        It counts from the last byte that the other side accepted, or its last complete answer: half a reply does
        not count. If the session waits for us, there is no end. Poll it every second or so: no event reports what
        was acknowledged.
        """
        unacknowledged = self.connection.unacknowledged
        if unacknowledged < self._unacknowledged:
            self._moved_at = asyncio.get_running_loop().time()
        self._unacknowledged = unacknowledged
        least_s = self._least_wait_s
        if least_s is None or self.ended is not None:
            return inf
        return max(self._moved_at, self._progress_at) + least_s * self.settings.timeout_scale

    @property
    def _least_wait_s(self) -> float | None:
        """The least time to wait for what the session is waiting for; None if it waits for us."""
        if self._limit is not None:
            return _LEAST_BULK_WAIT_S if self._is_shaking_hands else LEAST_WAIT_S
        due = self.core.waiting_for
        return _LEAST_BULK_WAIT_S if self._is_stuck else due.least_s if due is not None else None

    def stop_waiting(self, why: str) -> None:
        """The session ends now, as after a time-out, if it waits for the other side."""
        if self._limit is not None:
            self._cut_limit()
        elif self.ended is None and (self._is_stuck or self.core.waiting_for is not None):
            self.tell(self.core.failed(why))

    def _cut_limit(self) -> None:
        """End a connection being made, or a handshake, unless it ends just now."""
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(0.0)

    @property
    def _is_stuck(self) -> bool:
        return not self.connection.is_writable

    def wake(self) -> None:
        """Wake the task."""
        self._wake.set()

    def tell(self, events: list[Event]) -> None:
        """Append events to those waiting."""
        self._events.extend(events)
        self._wake.set()

    async def next_event(self) -> Event | None:
        """The next event for the user of this session; TLS is handled here."""
        while self._events:
            event = self._events.popleft()
            if isinstance(event, StartTls):
                if not any(isinstance(later, Ended) for later in self._events):
                    await self._do_tls()
                continue
            if isinstance(event, Ended):
                self.ended = event
            self.is_ready = self.is_ready or isinstance(event, Ready)
            return event
        return None

    def events_left(self) -> list[Event]:
        """The events not yet taken by `next_event`, for an end that leaves no time for them."""
        left = list(self._events)
        self._events.clear()
        return left

    def flush(self) -> None:
        """Write what the core wants to send, if the connection accepts it."""
        if self.connection.is_writable or self.ended is not None:
            data = self.core.data_to_send()
            if data:
                self._sent_since_wait = True
                self._progress()
                self.connection.write(data)

    async def wait(self) -> None:
        """Sleep until something happens; a time-out ends the session."""
        if self._wake.is_set():
            self._wake.clear()
            return
        due = self.core.waiting_for
        stuck = self._is_stuck
        limit_s = BLOCK_WAIT_S if stuck else due.limit_s if due else None
        if self.core.is_held_up and not stuck and self._sent_since_wait:
            self.idle_round_trips += 1
            self._sent_since_wait = False
        unwritten = self.connection.unwritten
        deadline = None if limit_s is None else self._progress_at + limit_s * self.settings.timeout_scale
        try:
            async with asyncio.timeout_at(deadline):
                await self._wake.wait()
        except TimeoutError:
            # A slow line may need longer than the limit for a block: what counts is that it still moves.
            if stuck and self.connection.unwritten < unwritten:
                self._progress()
            else:
                what = "content was not accepted" if stuck else f"no answer to {due.what if due else 'us'}"
                why = f"{what} within {(limit_s or 0) * self.settings.timeout_scale:.0f} s"
                self.tell(self.core.failed(why) if stuck else self.core.timed_out(why))
        self._wake.clear()

    def close(self) -> None:
        """Send what can be sent at once (QUIT), and close."""
        if self.ended is None or self.ended.fate is SessionFate.LOST:
            self.connection.abort()
            return
        self.flush()
        self.connection.close()

    def _trace(self, line: str) -> None:
        _log.debug("%s %s", self.target.host, line)

    def _progress(self) -> None:
        self._progress_at = asyncio.get_running_loop().time()
        self._wake.set()

    def _on_data(self, data: bytes) -> None:
        answers = self.core.answers
        events = self.core.receive(data, unheard_bytes=self.connection.unheard)
        if events:
            self.tell(events)
        if self.core.answers != answers:
            self._progress()
        if self.core.is_over:
            self.connection.stop_reading()

    def _on_end(self, why: str | None) -> None:
        self.core.note_unheard(self.connection.unheard)
        self.tell(self.core.eof() if why is None else self.core.failed(f"the connection broke ({why})"))

    async def _do_tls(self) -> None:
        use = self._use
        limit_s = 180.0 * self.settings.timeout_scale  # a full handshake is 5 kB: 20 s at 2400 bit/s, and retries
        self._is_shaking_hands = True
        try:
            async with asyncio.timeout(limit_s) as self._limit:
                await self.connection.start_tls(self._memory, use)
        except TlsRefusedError as error:
            self.tls_failed, self.is_tls_to_repeat = True, error.is_to_repeat
            self.tell(self.core.tls_failed(str(error)))
        except (ConnectionError, TimeoutError) as error:
            self.tls_failed = True
            self.is_tls_to_repeat = isinstance(error, ConnectionError) and self._memory.failed(use)
            why = "took too long" if isinstance(error, TimeoutError) else "the server closed the connection"
            self.tell(self.core.failed(f"TLS handshake: {why}"))
        else:
            if self.settings.tls is not TlsMode.IMPLICIT:
                self.core.tls_established(verified=use.is_proof)
            self._progress()
        finally:
            self._limit, self._is_shaking_hands = None, False
