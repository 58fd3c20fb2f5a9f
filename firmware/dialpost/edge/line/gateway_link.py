"""Links without a modem of ours: a router on the LAN, on a dedicated line or dialling by itself.

`DialupGateway`: the router dials when there is a packet to send, so `dial` tries to reach the provider until
something answers. The router hangs up by its own idle timer: after `hang_up` no packet of ours keeps its line up,
and while on line none is sent only to test it. A refused connection does not count as an answer, because routers
refuse while they dial.

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

TRY_S = 20.0
"""The longest attempt to connect; a router that dials holds it until the line is up."""
PAUSE_S = 1.0
"""The pause between two attempts."""


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
    """A router that dials by itself. `hosts` are (host, port) of the provider; one answer is enough."""

    kind = LinkKind.DIALUP_GATEWAY

    def __init__(
        self,
        hosts: Sequence[tuple[str, int]],
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
            why = why or f"{self._hosts[0][0]} does not answer"
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
        for host, port in self._hosts:
            found = await self._knock(host, port)
            if found is None:
                return None
            why = found
        return why

    async def _knock(self, host: str, port: int) -> str | None:
        try:
            async with asyncio.timeout(self._try_s):
                _, writer = await asyncio.open_connection(host, port)
        except TimeoutError:
            return f"{host} port {port} does not answer"
        except socket.gaierror as error:
            return f"{host} can't be found in DNS ({error.strerror})"
        except OSError as error:
            why = errno.errorcode.get(error.errno or 0, "")
            return f"{host} port {port} can't be reached ({error.strerror or why or error})"
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(self._try_s):
                await writer.wait_closed()
        return None
