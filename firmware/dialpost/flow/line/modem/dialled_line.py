"""The dialled line: the modem provides the carrier, pppd the network over it. One of the call's three links.

dial: the modem dials the number whose turn it is (core/line/dial_plan). negotiate: the provider's login dialogue,
if it has one, then pppd gets the open tty. lost: the carrier or pppd ends, whichever is noticed first. hang_up:
pppd ends in order (so that the provider knows at once), then the modem hangs up; always both, however far the call
got. Other parts that depend on the line (name servers, the clock) are notified as a `LineWatcher`. Runs in the
daemon's event loop, in the call's task.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Protocol

from dialpost.core.config.model import LinkKind, PppConfig
from dialpost.core.line.dial_plan import DialPlan
from dialpost.core.line.link import Again, DialOutcome, DialResult, Traffic
from dialpost.core.line.ppp.end import PppEnd
from dialpost.core.line.ppp.events import PppUp
from dialpost.core.line.ppp.options import PppRequest
from dialpost.flow import maillog


class Modem(Protocol):
    """The subset of flow/line/modem/modem.Modem the link needs. No method raises for what a line or modem does."""

    async def dial(self, number: str) -> DialOutcome:
        """Prepare the modem and dial."""

    async def login(self, user: str, password: str) -> DialOutcome:
        """Answer the provider's login dialogue before PPP; CONNECTED at once if there is none."""

    def pause_reading(self) -> None:
        """From here on pppd reads the port."""

    async def carrier_lost(self) -> str:
        """Wait until the carrier is gone; returns why, in words."""

    def resume_reading(self) -> None:
        """pppd is gone."""

    async def hang_up(self) -> str:
        """Hang up, whatever the state of the line; returns "" or why it may still be up."""

    @property
    def line_may_be_up(self) -> bool:
        """Whether nothing has proved since the last dial that the line is down."""

    async def look_back(self) -> None:
        """Find out whether a call was up when the station stopped."""


class Ppp(Protocol):
    """The subset of edge/line/ppp/pppd.Pppd the link needs."""

    def rehearse(self) -> None:
        """The modem dials: get ready for `start` as far as that costs nothing."""

    async def start(self, request: PppRequest) -> PppUp | PppEnd:
        """Bring the network up; returns how it ended if it did not come up."""

    async def ended(self) -> PppEnd:
        """Wait until pppd ends by itself."""

    async def stop(self) -> None:
        """End it in order; harmless if it does not run."""

    def traffic(self) -> Traffic | None:
        """Bytes carried since the network came up."""


class LineWatcher(Protocol):
    """A part that depends on the line besides the mail."""

    def line_up(self, up: PppUp) -> None:
        """The network is up; mail may flow."""

    def line_down(self) -> None:
        """The network is gone, or about to be."""


LAST_WORDS_S = 5.0
"""The time pppd has to end by itself after the carrier is gone: it knows whether the provider refused."""
RELEASE_PAUSE_S = 60.0
"""The interval for hanging up again while the line may still be up after a call."""


class ModemLink:
    """A Link (see flow/line/call/machine) with a real modem and a real pppd. One call at a time.

    `run`, alongside the calls, takes care of a line that may have stayed up: it costs money until it is hung up.
    """

    kind = LinkKind.MODEM

    def __init__(
        self,
        ppp_config: PppConfig,
        modem: Modem,
        ppp: Ppp,
        plan: DialPlan,
        request: Callable[[int | None], PppRequest],
        *,
        watchers: Sequence[LineWatcher] = (),
        ready: Callable[[], Awaitable[None]] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._modem, self._ppp, self._plan, self._request = ppp_config, modem, ppp, plan, request
        self._watchers, self._ready, self._monotonic = tuple(watchers), ready, monotonic
        self._rate_bps: int | None = None
        self._up: PppUp | None = None
        self._carried: Traffic | None = None
        self._in_call = self._negotiates = False
        self._free = asyncio.Lock()  # held by whoever talks to the modem between calls
        self._may_be_up = asyncio.Event()

    @property
    def line_doubt(self) -> str:
        """Why the line may be up although there is no call; "" if it is down, or during a call."""
        if self._in_call or not self._modem.line_may_be_up:
            return ""
        return (
            "The line may still be up and cost money: the modem does not say that it hung up. The station tries "
            "again every minute. Check the modem, or power-cycle it."
        )

    async def run(self) -> None:
        """Hang up a line that was left up, by a restart or by a deaf modem, until it is down."""
        await self._modem.look_back()
        self._may_be_up.set()
        while True:
            await self._may_be_up.wait()
            async with self._free:
                if not self._in_call:
                    await self._modem.hang_up()
                if not self._modem.line_may_be_up or self._in_call:
                    self._may_be_up.clear()
            await asyncio.sleep(RELEASE_PAUSE_S)

    async def dial(self) -> DialOutcome:
        """Dial the number whose turn it is, and report the result to the plan."""
        self._rate_bps = self._carried = None
        number = self._plan.next(self._monotonic()).number
        if not number:
            return DialOutcome(
                DialResult.ERROR,
                "No number is configured: set modem.numbers (or modem.apn).",
                again=Again.AFTER_CHANGE,
            )
        self._in_call = True
        try:
            async with self._free:
                self._ppp.rehearse()
                outcome = await self._modem.dial(number)
        except asyncio.CancelledError:  # by the call's deadline or an operator: it counts as an attempt
            self._plan.tried(number, DialResult.TIMEOUT, self._monotonic())
            raise
        self._plan.tried(number, outcome.result, self._monotonic())
        self._rate_bps = outcome.rate_bps
        return replace(outcome, number=number)

    async def negotiate(self) -> DialOutcome:
        """Log in if the provider asks before PPP, then bring the network up."""
        login = await self._modem.login(self._config.user, self._config.password)
        if login.result is not DialResult.CONNECTED:
            return login
        self._modem.pause_reading()
        self._negotiates = True
        try:
            answer = await self._ppp.start(self._request(self._rate_bps))
        finally:
            self._negotiates = False
        if isinstance(answer, PppEnd):
            maillog.network_ended(reason=answer.log, detail=answer.words)
            return DialOutcome(DialResult.ERROR, answer.words, again=answer.again)
        self._up = answer
        maillog.network_up(interface=answer.interface, local=answer.local, remote=answer.remote)
        for watcher in self._watchers:
            watcher.line_up(answer)
        if self._ready is not None:
            await self._ready()
        return DialOutcome(DialResult.CONNECTED, rate_bps=self._rate_bps)

    async def lost(self) -> str:
        """Wait for the carrier or pppd to end. Before the network is up only the carrier counts.

        A provider that refuses hangs up at once: pppd, which knows why, gets a moment to end and report.
        """
        carrier = asyncio.ensure_future(self._modem.carrier_lost())
        waits = {carrier} if self._up is None else {carrier, asyncio.ensure_future(self._network_ended())}
        try:
            done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if pending - {carrier}:
                told, _ = await asyncio.wait(pending - {carrier}, timeout=LAST_WORDS_S)
                done = told or done
            elif self._negotiates:  # `negotiate` will report pppd's end, and cancel this
                await asyncio.sleep(LAST_WORDS_S)
            return next(iter(done)).result()
        finally:
            for wait in waits:
                wait.cancel()

    async def hang_up(self) -> None:
        """End pppd, then the call; each is attempted whatever happens to the other."""
        if self._up is not None:
            self._carried = self._ppp.traffic() or self._carried
            self._up = None
            for watcher in self._watchers:
                watcher.line_down()
        try:
            await self._ppp.stop()
        finally:
            self._modem.resume_reading()
            try:
                doubt = await self._modem.hang_up()
            finally:
                self._in_call = False
                if self._modem.line_may_be_up:
                    self._may_be_up.set()
        if doubt:
            maillog.operator_needed("modem: the line may still be up", words=doubt)

    def traffic(self) -> Traffic | None:
        """Bytes of this call."""
        if self._up is None:
            return self._carried
        self._carried = self._ppp.traffic() or self._carried
        return self._carried

    def doubt(self, why: str) -> None:
        """Nothing to check: LCP echoes detect a dead line."""

    async def _network_ended(self) -> str:
        end = await self._ppp.ended()
        maillog.network_ended(reason=end.log, detail=end.words)
        return end.words
