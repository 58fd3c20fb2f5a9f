"""One TCP connection, with TLS if wanted: bytes in by callback, bytes out with back-pressure, all counted.

TLS goes through memory buffers (`ssl.SSLObject`) rather than asyncio's own, which can't resume a session (see
`tls`). The kernel's send buffer holds little more than the line takes, so that a decision of the client (stop
sending content that nobody wants) still has an effect on a slow line.

Runs in the event loop; every method is called there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import time
from collections.abc import Callable
from typing import cast

from dialpost.core.errors import fault_words
from dialpost.core.mail.esmtp.tls_cost import TlsCost
from dialpost.core.mail.esmtp.tls_use import TlsUse
from dialpost.edge.ground.tcp import send_at_once
from dialpost.edge.ground.transports import abort
from dialpost.edge.mail.wire.heard import Heard, unread
from dialpost.edge.mail.wire.outlet import Outlet, Room, no_limit
from dialpost.edge.mail.wire.tls import TlsMemory, TlsRefusedError

WRITE_HIGH_BYTES = 16_384
WRITE_LOW_BYTES = 4096
UNSENT_BYTES = 16_384
"""The most unsent bytes in the kernel's buffer (TCP_NOTSENT_LOWAT); its default of megabytes is hours of line."""
_TCP_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", 25)  # Linux; Python < 3.12 lacks the name
_READ_BYTES = 65_536
_LINGER_S = 30.0
_NOT_YET_VALID = 9  # X509_V_ERR_CERT_NOT_YET_VALID


class Connection(asyncio.Protocol):
    """A connection made by `loop.create_connection`.

    `on_data` gets the data received (decrypted, inside TLS); `on_end` is called once, with what broke the
    connection, or None if the other side closed it in order. `room` limits what the kernel holds at a time
    (see `outlet`).
    """

    def __init__(
        self, on_data: Callable[[bytes], None], on_end: Callable[[str | None], None], room: Room = no_limit
    ) -> None:
        self.bytes_up = 0
        self.bytes_down = 0
        self.tls_version = ""
        self.tls_cost = TlsCost()
        self._on_data = on_data
        self._on_end = on_end
        self._on_writable: Callable[[], None] = lambda: None
        self._transport: asyncio.Transport | None = None
        self._room = room
        self._outlet: Outlet | None = None
        self._writable = True
        self._ended = False
        self._is_deaf = False
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        self._handshake: asyncio.Future[None] | None = None
        self._keep: Callable[[], None] = lambda: None
        self._heard = Heard()

    # Used by the talk

    @property
    def is_writable(self) -> bool:
        """Whether more may be written now."""
        return self._writable and (self._outlet is None or self._outlet.held < WRITE_HIGH_BYTES)

    @property
    def unwritten(self) -> int:
        """Bytes the kernel has not taken yet."""
        return self._outlet.waiting if self._outlet else 0

    @property
    def unacknowledged(self) -> int:
        """Bytes written that the other side's TCP has not acknowledged."""
        return self._outlet.unacknowledged if self._outlet else 0

    @property
    def unheard(self) -> int:
        """The number of last bytes written that the other side had not received when it sent what was read last."""
        if self._outlet is None:
            return 0
        return self._heard.unheard(read=self.bytes_down, unheard_raw=self._outlet.unacknowledged)

    @property
    def sock(self) -> socket.socket | None:
        """The socket, to be asked about; None before the connection is made."""
        return None if self._transport is None else self._transport.get_extra_info("socket")

    def hand_over(self, on_data: Callable[[bytes], None], on_end: Callable[[str | None], None]) -> None:
        """Somebody else gets the data from here on, and hears of the end."""
        self._on_data, self._on_end = on_data, on_end

    def pause_reading(self) -> None:
        """Leave what comes to TCP, which makes the other side wait."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take it again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def when_writable(self, callback: Callable[[], None]) -> None:
        """Call `callback` each time writing may continue."""
        self._on_writable = callback

    def write(self, data: bytes) -> None:
        """Send; does nothing on a connection that is gone (`on_end` was called)."""
        if self._ended or self._transport is None:
            return
        if self._tls is None:
            self._write_raw(data, plain=len(data))
            return
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            self._end(f"TLS broke ({error.reason or error})")
        self._flush_tls(plain=len(data))

    async def start_tls(self, memory: TlsMemory, use: TlsUse) -> None:
        """Do the handshake.

        Raises: TlsRefusedError (not as configured), ConnectionError (the connection broke meanwhile).
        """
        try:
            self._tls = memory.begin(use, self._incoming, self._outgoing)
        except (ssl.SSLError, OSError, ValueError) as error:
            raise TlsRefusedError(f"TLS can't be started with {use.host}: {fault_words(error)}") from error
        before = self.bytes_up + self.bytes_down
        self._handshake = asyncio.get_running_loop().create_future()
        try:
            self._advance_handshake()
            await self._handshake
        except ssl.SSLCertVerificationError as error:
            raise TlsRefusedError(
                f"the certificate of {use.host} is not acceptable: {error.verify_message}{_clock_words(error)}"
            ) from error
        except ssl.SSLError as error:
            words = f"TLS with {use.host} failed: {error.reason or error}"
            raise TlsRefusedError(words, is_to_repeat=memory.failed(use)) from error
        finally:
            self._handshake = None
            resumed = bool(self._tls.session_reused)
            self.tls_cost = TlsCost(1, int(resumed), self.bytes_up + self.bytes_down - before)
        memory.check(use, self._tls)
        self.tls_version = self._tls.version() or ""
        tls = self._tls
        self._keep = lambda: memory.keep(use, tls)
        self._read_tls()  # data that came in one packet with the end of the handshake

    def stop_reading(self) -> None:
        """Nothing the other side sends matters any more: stop reading, so that TCP makes it stop."""
        self._is_deaf = True
        self.pause_reading()

    def hold_input(self, hold: bool) -> None:
        """Read nothing more for now, or go on: who takes the data is slower than the line."""
        if self._transport is None or self._transport.is_closing() or self._is_deaf:
            return
        if hold:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def close(self) -> None:
        """Close in order: data already written is still sent, without waiting for it."""
        self._end_tls()
        if not self._ended:
            self._flush_tls()
        self._ended = True
        if self._transport is not None and self._outlet is not None:
            self._outlet.let_go()
            self._transport.close()
            # A line that accepts nothing any more must not keep the socket open for ever.
            asyncio.get_running_loop().call_later(_LINGER_S, abort, self._transport)

    def abort(self) -> None:
        """Close at once and drop unsent data."""
        self._end_tls()
        self._ended = True
        if self._transport is not None:
            abort(self._transport)

    def break_off(self, why: str) -> None:
        """The line is gone: end as if the network had said so, at once."""
        self._end(why)
        self.abort()

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(WRITE_HIGH_BYTES, WRITE_LOW_BYTES)
        sock = transport.get_extra_info("socket")
        send_at_once(sock)
        with contextlib.suppress(OSError):  # not Linux
            sock.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        self._outlet = Outlet(self._transport, self._room, self._on_room)

    def data_received(self, data: bytes) -> None:
        self.bytes_down += len(data)
        if self._ended or self._is_deaf:
            return
        if self._tls is None:
            self._on_data(data)
            return
        self._incoming.write(data)
        if self._handshake is not None:
            self._advance_handshake()
        elif self.tls_version:
            self._read_tls()

    def eof_received(self) -> bool:
        self._end(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self._take_what_came()
        if self._outlet is not None:
            self._outlet.forget()
        self._end(None if exc is None else str(getattr(exc, "strerror", "") or exc))
        self._on_writable()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._on_writable()

    # Inside

    def _end_tls(self) -> None:
        """Keep the session for the next connection; without a close_notify (sent or not) OpenSSL would spoil it."""
        if self._tls is not None and self.tls_version:
            self._keep()
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()

    def _take_what_came(self) -> None:
        """Read on after a failed write: asyncio doesn't, and an unread reply means mail sent twice."""
        assert self._transport is not None
        sock: socket.socket = self._transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            while not (self._ended or self._is_deaf) and (data := os.read(sock.fileno(), _READ_BYTES)):
                self.data_received(data)

    def _on_room(self) -> None:
        if self.unwritten <= WRITE_LOW_BYTES:
            self._on_writable()

    def _write_raw(self, data: bytes, *, plain: int = 0) -> None:
        if data and self._outlet is not None and self._transport is not None and not self._transport.is_closing():
            self.bytes_up += len(data)
            self._heard.wrote(
                plain,
                len(data),
                read=self.bytes_down,
                unread=unread(self._transport.get_extra_info("socket")),
                unheard_raw=self._outlet.unacknowledged,
            )
            self._outlet.write(data)

    def _flush_tls(self, *, plain: int = 0) -> None:
        self._write_raw(self._outgoing.read(), plain=plain)

    def _advance_handshake(self) -> None:
        assert self._tls is not None and self._handshake is not None
        if self._handshake.done():
            return
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self._handshake.set_exception(error)
        else:
            self._handshake.set_result(None)
        self._flush_tls()

    def _read_tls(self) -> None:
        assert self._tls is not None
        while not self._ended and not self._is_deaf:
            try:
                data = self._tls.read(_READ_BYTES)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                data = b""
            except ssl.SSLError as error:
                self._end(f"TLS broke ({error.reason or error})")
                break
            if not data:
                self._end(None)
                break
            self._on_data(data)
        self._flush_tls()

    def _end(self, why: str | None) -> None:
        if self._ended:
            return
        self._ended = True
        if self._handshake is not None and not self._handshake.done():
            self._handshake.set_exception(ConnectionError(why or "closed"))
        self._on_end(why)


def _clock_words(error: ssl.SSLCertVerificationError) -> str:
    """A certificate that is not yet valid usually means that our clock is slow."""
    if error.verify_code != _NOT_YET_VALID:
        return ""
    shown = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    return f" (the station's clock shows {shown} UTC; if that is wrong, a call sets it: try again after one)"
