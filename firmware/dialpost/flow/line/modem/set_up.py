"""Waking and setting up a modem, over a `ModemChannel`. A required step that fails ends the call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from enum import Enum, auto

from dialpost.core.line.at.refusals import is_passing
from dialpost.core.line.link import Again, DialOutcome, DialResult
from dialpost.core.line.modem.profile import ModemProfile, ResultKind
from dialpost.core.line.modem.set_up import SetUpCommand
from dialpost.flow.line.modem.channel import Answer, ModemChannel
from dialpost.flow.line.modem.hang_up import escape

BUSY_S = 20.0
"""The total time a modem may be busy or silent before a command is given up."""
_BUSY_LOOK_S = 1.0
_SLOW_WAKE_S = 6.0


class ModemFailedError(Exception):
    """The modem can't dial; `outcome` says why."""

    def __init__(self, detail: str, result: DialResult = DialResult.ERROR, again: Again | None = None) -> None:
        super().__init__(detail)
        self.outcome = DialOutcome(result, detail, again=again)


class Woken(Enum):
    """How a modem woke."""

    AT_ONCE = auto()
    BY_ESCAPE = auto()  # it may have been on line
    SILENT = auto()


async def wake(talk: ModemChannel, profile: ModemProfile, guard_s: float | None = None) -> Woken:
    """Try until it answers AT; a modem that is on line is brought back to command state."""
    if await talk.wakes():
        return Woken.AT_ONCE
    await escape(talk, profile, profile.guard_s if guard_s is None else guard_s)
    await talk.once("ATH")
    return Woken.BY_ESCAPE if await talk.wakes(limit_s=_SLOW_WAKE_S) else Woken.SILENT


class ModemSetUp:
    """The commands before a call. A busy modem is retried for `BUSY_S` in all."""

    def __init__(self, talk: ModemChannel, profile: ModemProfile, say: Callable[[str], None]) -> None:
        self._talk, self._profile, self._say = talk, profile, say
        self._busy_until_s: float | None = None

    async def run(self, commands: Sequence[SetUpCommand]) -> None:
        """Send all in turn; if a required one fails, once more after a reset. Raises: ModemFailedError."""
        try:
            await self._all(commands)
        except ModemFailedError:
            if not self._profile.reset or self._talk.is_lost:
                raise
            # Another program may have left settings in which the profile's commands fail.
            await self._talk.ask(self._profile.reset)
            await asyncio.sleep(self._profile.settle_s)
            await self._all(commands)

    async def need(self, command: str) -> None:
        """A command that must succeed. Raises: ModemFailedError."""
        answer = await self.patiently(command)
        if not answer.is_ok:
            raise ModemFailedError(
                f"The modem rejects the command {command} (it said: {answer.words or 'nothing'}). Is the "
                f'profile "{self._profile.name}" the right one? `dialpost modem probe` suggests one.'
            )

    async def patiently(self, command: str) -> Answer:
        """Send a command and return its answer; while the modem is busy or silent, repeat it."""
        loop = asyncio.get_running_loop()
        while True:
            answer = await self._talk.ask(command)
            if self._talk.is_lost:
                raise ModemFailedError(
                    f"The modem stopped answering, or answers out of turn (the command was {command}). Power-cycle "
                    "it; `dialpost modem test` shows whether it works."
                )
            is_busy = answer.result is None or answer.result.kind is ResultKind.BUSY
            if not is_busy and not is_passing(answer.final_words):
                return answer
            if self._busy_until_s is None:
                self._busy_until_s = loop.time() + BUSY_S
            if loop.time() >= self._busy_until_s:
                return answer
            await asyncio.sleep(_BUSY_LOOK_S)

    async def _all(self, commands: Sequence[SetUpCommand]) -> None:
        for step in commands:
            if step.is_must:
                await self.need(step.command)
                continue
            answer = await self.patiently(step.command)
            if not answer.is_ok:
                self._say(f"it rejects {step.command} (it said: {answer.words or 'nothing'}); going on")
