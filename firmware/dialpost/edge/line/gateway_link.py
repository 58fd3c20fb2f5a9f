"""Links without a modem of ours: a router on the LAN, on a dedicated line or dialling by itself.

`DialupGateway`: the router dials when there is a packet to send, so `dial` tries to reach the provider until
something answers. The router hangs up by its own idle timer: after `hang_up` no packet of ours keeps its line up,
and while on line none is sent only to test it. A refused connection does not count as an answer, because routers
refuse while they dial. If only name servers are known, they get a query by UDP.

Runs in the daemon's event loop. `Gateway` is always up; it serves where code needs a Link.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Sequence

from dialpost.core.config.model import LinkKind
from dialpost.core.line.link import Again, DialOutcome, DialResult, Traffic
from dialpost.core.mail.places import Host

TRY_S = 20.0
"""The longest attempt to connect; a router that dials holds it until the line is up."""
PAUSE_S = 1.0
"""The pause between two attempts."""
_QUERY = b"dp\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + b"\x00\x00\x02\x00\x01"
"""Number, flags (recursion desired), one question: the root, NS, IN (RFC 1035 §4.1). Any answer but one will do."""
_SERVER_FAILURE = 2
"""The RCODE of a router's own name server that does not reach the provider's yet (RFC 1035 §4.1.1)."""


class Gateway:
    """A dedicated line: always up."""

    kind = LinkKind.GATEWAY

    async def dial(self) -> DialOutcome:
        """Nothing to do."""
        return DialOutcome(DialResult.CONNECTED)

    async def negotiate(self) -> DialOutcome:
        """Nothing to do."""
        return DialOutcome(DialResult.CONNECTED)

    async def lost(self) -> str:
        """Never: the flush retries what can't be reached now."""
        await asyncio.Event().wait()
        return ""

    async def hang_up(self) -> None:
        """Nothing to do."""

    def traffic(self) -> Traffic | None:
        """Unknown: only the router counts."""
        return None

    def doubt(self, why: str) -> None:
        """Nothing to check."""


class DialupGateway:
    """A router that dials by itself. `hosts` are the provider's; one answer is enough."""

    kind = LinkKind.DIALUP_GATEWAY

    def __init__(
        self,
        hosts: Sequence[Host],
        timeout_s: float,
        *,
        try_s: float = TRY_S,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._hosts = tuple(hosts)
        # A little less than the caller's own deadline (call.dial_timeout_s), so that the reason is reported.
        self._timeout_s, self._try_s, self._pause_s = timeout_s * 0.95, try_s, pause_s
        self._doubts = asyncio.Event()

    async def dial(self) -> DialOutcome:
        """Try to connect to the provider until it answers or `timeout_s` is over.

        A cancellation leaves nothing open.
        """
        if not self._hosts:
            detail = "No host to reach is configured: set outbound.smarthost or etrn.host."
            return DialOutcome(DialResult.ERROR, detail, again=Again.AFTER_CHANGE)
        self._doubts.clear()
        why = ""
        try:
            async with asyncio.timeout(self._timeout_s):
                while True:
                    found = await self._knock_all()
                    if found is None:
                        return DialOutcome(DialResult.CONNECTED)
                    why = found
                    await asyncio.sleep(self._pause_s)
        except TimeoutError:
            why = why or f"{self._hosts[0].name} does not answer"
            return DialOutcome(DialResult.TIMEOUT, f"The router has no line yet, or the provider is down: {why}.")

    async def negotiate(self) -> DialOutcome:
        """The router has done it."""
        return DialOutcome(DialResult.CONNECTED)

    async def lost(self) -> str:
        """Wait until the provider could not be reached (`doubt`) and a check finds the same."""
        while True:
            await self._doubts.wait()
            self._doubts.clear()
            why = await self._knock_all()
            if why is not None:
                return why

    async def hang_up(self) -> None:
        """The router does it, by its idle timer."""

    def traffic(self) -> Traffic | None:
        """Not known here: the router counts."""
        return None

    def doubt(self, why: str) -> None:
        """The provider could not be reached: have `lost` check."""
        self._doubts.set()

    async def _knock_all(self) -> str | None:
        """Try every host; None once any of them answered, else why the last one did not."""
        why = ""
        for host in self._hosts:
            found = await self._knock(host)
            if found is None:
                return None
            why = found
        return why

    async def _knock(self, host: Host) -> str | None:
        try:
            async with asyncio.timeout(self._try_s):
                await (self._query(host) if host.is_name_server else self._connect(host))
        except TimeoutError:
            return f"{host.name} port {host.port} does not answer"
        except socket.gaierror as error:
            return f"{host.name} can't be found in DNS ({error.strerror})"
        except OSError as error:
            why = errno.errorcode.get(error.errno or 0, "")
            return f"{host.name} port {host.port} can't be reached ({error.strerror or why or error})"
        return None

    async def _connect(self, host: Host) -> None:
        _, writer = await asyncio.open_connection(host.name, host.port)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def _query(self, host: Host) -> None:
        """Ask for the root's name servers until anything comes back: a router may drop packets while it dials."""
        loop = asyncio.get_running_loop()
        transport, waiting = await loop.create_datagram_endpoint(_Answer, remote_addr=(host.name, host.port))
        try:
            while not waiting.heard.done():
                transport.sendto(_QUERY)
                await asyncio.wait([waiting.heard], timeout=self._pause_s)
            waiting.heard.result()
        finally:
            transport.close()


class _Answer(asyncio.DatagramProtocol):
    """`heard` is done with the first answer; it raises the OSError of a port where nobody listens."""

    def __init__(self) -> None:
        self.heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        has_failed = len(data) > 3 and data[3] & 0x0F == _SERVER_FAILURE
        if not has_failed and not self.heard.done():
            self.heard.set_result(None)

    def error_received(self, exc: Exception) -> None:
        if not self.heard.done():
            self.heard.set_exception(exc)
