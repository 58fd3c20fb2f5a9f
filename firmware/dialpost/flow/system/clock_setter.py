"""Sets the clock on connect, beside the mail: a board without a battery clock starts in the past.

If chrony runs, it sets the clock (the line's hook tells it that the servers can be reached); otherwise the station
asks by SNTP and sets the clock itself, if it may. While the clock is not trusted, `ready` makes the mail wait for
it for some seconds, so that certificates can be checked and records get a date. After a step `on_step` is called
for everything that depends on the wall clock.

Runs in the daemon's event loop. Nothing here raises: a wrong clock does not stop mail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from dialpost.core.config.model import ClockConfig, ClockSource
from dialpost.core.errors import fault_words
from dialpost.core.line.ppp.events import PppUp
from dialpost.core.system.sntp import ClockOffset
from dialpost.flow import maillog

READY_S = 10.0
"""The longest wait of the mail for a clock that is not trusted."""
STEP_S = 2.0
"""A clock that is off by less is left alone."""
LOOK_S = 1.0
LAST_RESORT = "pool.ntp.org"


class SettableClock(Protocol):
    """The subset of edge/system/clock.Clock needed here."""

    def wall_s(self) -> float:
        """Unix seconds as believed."""

    def monotonic_s(self) -> float:
        """Seconds that never go backwards."""

    def is_trusted(self) -> bool:
        """Whether the wall clock can be right."""

    def set_by(self, offset_s: float) -> str:
        """Move the clock; returns "" or why that failed."""

    def is_kept_by_chrony(self) -> bool:
        """Whether chrony runs."""


class ClockSetter:
    """A `LineWatcher` (flow/line/modem/dialled_line). `addresses` finds a host's addresses, `ask` asks one."""

    def __init__(
        self,
        config: ClockConfig,
        clock: SettableClock,
        *,
        mail_host: str,
        addresses: Callable[[str], Awaitable[tuple[str, ...]]],
        ask: Callable[[str], Awaitable[ClockOffset]],
        on_step: Callable[[], Awaitable[object]],
    ) -> None:
        self._config, self._clock, self._mail_host = config, clock, mail_host
        self._addresses, self._ask, self._on_step = addresses, ask, on_step
        self._work: asyncio.Task[None] | None = None

    def line_up(self, up: PppUp) -> None:
        """The network is up: set the clock."""
        self.line_down()
        if self._config.source is not ClockSource.NEVER:
            self._work = asyncio.create_task(self._see_to_it(up.remote))

    def line_down(self) -> None:
        """The network is gone."""
        if self._work is not None:
            self._work.cancel()
            self._work = None

    async def ready(self) -> None:
        """Wait until the clock is trusted, at most READY_S; not at all if it is, or if nothing can set it."""
        if self._clock.is_trusted() or self._work is None:
            return
        deadline_s = self._clock.monotonic_s() + READY_S
        while not self._clock.is_trusted() and self._clock.monotonic_s() < deadline_s and not self._work.done():
            await asyncio.wait({self._work}, timeout=LOOK_S)

    async def _see_to_it(self, peer: str) -> None:
        by_chrony = self._config.source is ClockSource.CHRONY or (
            self._config.source is ClockSource.AUTO and self._clock.is_kept_by_chrony()
        )
        if by_chrony:
            await self._watch()
        else:
            await self._ask_around(peer)

    async def _watch(self) -> None:
        """Notice when chrony steps the clock, which it does once it has enough samples."""
        before_s = self._clock.wall_s() - self._clock.monotonic_s()
        while True:
            await asyncio.sleep(LOOK_S)
            now_s = self._clock.wall_s() - self._clock.monotonic_s()
            if abs(now_s - before_s) > STEP_S:
                await self._stepped(now_s - before_s, "chrony")
                before_s = now_s

    async def _ask_around(self, peer: str) -> None:
        hosts = self._config.servers or tuple(filter(None, (peer, self._mail_host, LAST_RESORT)))
        for host in dict.fromkeys(hosts):
            try:
                for address in (await self._addresses(host))[:1]:
                    await self._believe(await self._ask(address), host)
                    return
            except (OSError, ValueError) as error:
                maillog.clock_not_told(server=host, why=fault_words(error))
        if not self._clock.is_trusted():
            maillog.fault(
                "clock: no server gave the time; it stays wrong",
                next="retried in the next call; or set clock.servers",
            )

    async def _believe(self, told: ClockOffset, host: str) -> None:
        if abs(told.offset_s) < STEP_S:
            return
        before_s = self._clock.wall_s()
        why = self._clock.set_by(told.offset_s)
        if why:
            maillog.fault("clock: it is wrong and can't be set", off_by_s=f"{told.offset_s:.0f}", why=why)
        elif self._clock.wall_s() != before_s:
            await self._stepped(told.offset_s, host)

    async def _stepped(self, by_s: float, source: str) -> None:
        maillog.clock_set(by_s=by_s, source=source)
        await self._on_step()
