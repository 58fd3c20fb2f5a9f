"""Commands and answers on an open modem port, kept in step: no answer is mistaken for that to another command.

V.250 does not number answers: one that comes after its time-out looks like the answer to the next command. So
outstanding answers are counted. Before the next command is sent, they are waited for; if they do not come, `AT` is
sent until it brings one answer and nothing else (`fall_in`). How long this modem takes is learnt on the way
(decision 34).

Runs in the caller's event loop, one command at a time. Everything takes bounded time, whatever comes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dialpost.core.line.at.answers import prefix_of, values
from dialpost.core.line.at.dialogue import AtDialogue, AtEvent, Said
from dialpost.core.line.at.results import COMMAND_RESULTS, DIAL_ANSWERS, AtResult, own_results_of
from dialpost.core.line.modem.profile import ResultKind
from dialpost.flow.line.modem.port import Port

ANSWER_S = 3.0
OWED_S = 6.0
"""The wait for a late answer before a new command is sent."""
QUIET_S = 0.7
"""The silence after an answer that proves it to be the only one."""
SLOWEST_S = 12.0
"""The longest wait for an answer, however slow the modem."""
STALE_S = 1.5
"""The wait for the command's own answer after an OK without the expected line, which may be a late one."""
MOST_LINES = 200
_FALL_IN_TRIES = 4
_READ_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a command: lines of information, and the final result (None if none came in time)."""

    lines: tuple[str, ...] = ()
    result: AtResult | None = None

    @property
    def is_ok(self) -> bool:
        """Whether the modem accepted the command."""
        return self.result is not None and self.result.kind is ResultKind.OK

    @property
    def words(self) -> str:
        """The modem's own words, "" if it was silent."""
        return " ".join((*self.lines, *([self.result.words] if self.result is not None else [])))

    @property
    def final_words(self) -> str:
        """The words of the result, "" if none came."""
        return self.result.words if self.result is not None else ""


class ModemChannel:
    """The dialogue on an open port.

    `was_late`: an answer came late or not at all, so a strange one proves nothing. `is_lost`: the modem could not
    be brought back into step.
    """

    def __init__(
        self, port: Port, own_results: Mapping[str, ResultKind] | None = None, answer_s: float = ANSWER_S
    ) -> None:
        self._port, self._dialogue, self._answer_s = port, AtDialogue(own_results), answer_s
        self._owed: deque[float] = deque()  # the times of commands whose answers are outstanding
        self._slowest_s = 0.0
        self.was_late = self.is_lost = False

    @property
    def garbage(self) -> bool:
        """Whether the last input was mostly not text."""
        return self._dialogue.garbage > self._dialogue.received // 4

    @property
    def carrier_bps(self) -> int | None:
        """The line's own rate, if the modem reported it before CONNECT."""
        return self._dialogue.carrier_bps

    @property
    def patience_s(self) -> float:
        """The wait for an answer: as in the profile, longer if the modem has proved slow."""
        return max(self._answer_s, 2 * self._slowest_s)

    async def ask(self, command: str, limit_s: float = 0.0, *, tells: bool = False) -> Answer:
        """Send one command, including AT. `tells`: its answer has a line with its own prefix.

        If the dialogue can't be brought into step, nothing is sent and `is_lost` is set. Raises: PortError if the
        port is gone.
        """
        if self._owed and not await self.fall_in():
            return Answer()
        prefix = prefix_of(command) if tells else ""
        return await self._exchange(command, max(limit_s, self.patience_s), prefix=prefix)

    async def dial(self, command: str, limit_s: float, doubt_s: float) -> Answer:
        """Send a command that dials, and read byte by byte, so that everything after CONNECT stays in the port.

        OK is not an answer to it, nor is a refusal after the dialogue was out of step: the real answer is waited
        for, at most `doubt_s`.
        """
        if self.was_late and not await self.fall_in():
            return Answer()
        doubted = {ResultKind.OK} | ({ResultKind.ERROR, ResultKind.NO_CARRIER} if self.was_late else set())
        return await self._exchange(command, limit_s, most=1, doubted=frozenset(doubted), doubt_s=doubt_s)

    async def wakes(self, tries: int = 2, limit_s: float = 1.0) -> bool:
        """Whether something answers AT. The first attempt may only teach the modem the speed.

        ATQ0V1E0 wakes a modem that was set not to answer (Q1).
        """
        for number in range(tries):
            if (await self._exchange("ATQ0V1E0" if number % 2 else "AT", limit_s)).is_ok:
                return not self.was_late or await self.only_one()
        return False

    async def once(self, command: str) -> Answer:
        """Send a command although the dialogue may be out of step; its answer proves nothing."""
        return await self._exchange(command, self.patience_s)

    async def fall_in(self) -> bool:
        """Get back into step; False if the modem does not answer, or each time once too often."""
        if self._owed:
            await self._hear(_Limit(_now() + max(OWED_S, 1.5 * self._slowest_s)), self._all_paid)
        return await self.only_one()

    async def only_one(self) -> bool:
        """Send AT until it brings exactly one answer, and nothing else for a while."""
        self._owed.clear()
        results: list[AtResult] = []

        def is_result(event: AtEvent) -> bool:
            if isinstance(event, AtResult):
                results.append(event)
            return isinstance(event, AtResult)

        def more(event: AtEvent) -> bool:
            is_result(event)
            return False

        for _ in range(_FALL_IN_TRIES):
            sent_s = _now()
            results.clear()
            await self.send(self._dialogue.command("AT"))
            await self._hear(_Limit(sent_s + self.patience_s), is_result)
            if not results:
                continue
            self._learn(_now() - sent_s)
            await self._hear(_Limit(_now() + max(QUIET_S, 1.2 * self._slowest_s)), more)
            if [result.kind for result in results] == [ResultKind.OK]:
                self.is_lost = False
                return True
        self._owed.append(_now())
        self.was_late = self.is_lost = True
        return False

    async def quiet(self, limit_s: float) -> None:
        """Read for this time and discard the input. An answer without a command makes the next ones doubtful."""

        def take(event: AtEvent) -> bool:
            if isinstance(event, AtResult):
                self.was_late |= not self._owed and event.kind in COMMAND_RESULTS
                self._all_paid(event)
            return False

        await self._hear(_Limit(_now() + limit_s), take)

    async def hear(self, data: bytes, limit_s: float, kinds: frozenset[ResultKind]) -> bool:
        """Send bytes, and read until a result of one of these kinds; False if none came within this time.

        It need not be an answer to these bytes: the dialogue counts as out of step afterwards.
        """
        await self.quiet(0.0)
        self.was_late = True
        self._dialogue.command("")
        await self.send(data)
        found: list[AtResult] = []

        def take(event: AtEvent) -> bool:
            found.extend([event] if isinstance(event, AtResult) and event.kind in kinds else [])
            return bool(found)

        await self._hear(_Limit(_now() + limit_s), take)
        return bool(found)

    async def send(self, data: bytes) -> None:
        """Send bytes that are not a command. A port blocked by flow control delays us no longer than an answer."""
        try:
            async with asyncio.timeout(self._answer_s):
                await self._port.write(data)
        except TimeoutError:
            return

    # -- inside ---------------------------------------------------------------------------------------

    async def _exchange(
        self,
        command: str,
        limit_s: float,
        *,
        prefix: str = "",
        most: int = _READ_BYTES,
        doubted: frozenset[ResultKind] = frozenset(),
        doubt_s: float = STALE_S,
    ) -> Answer:
        """Send, and read until the command's own answer or the limit."""
        await self.quiet(0.0)  # earlier input is not an answer to this command
        own, data = own_results_of(command), self._dialogue.command(command)
        sent_s = _now()
        limit = _Limit(sent_s + limit_s)
        lines: deque[str] = deque(maxlen=MOST_LINES)
        answer: list[AtResult] = []  # the last one counts; after a doubtful one reading continues
        is_sure = False

        def take(event: AtEvent) -> bool:
            nonlocal is_sure
            if isinstance(event, Said):
                lines.append(event.text)
            if is_sure or not isinstance(event, AtResult) or event.kind not in own:
                return is_sure
            answer.append(event)
            if self._owed and event.kind in COMMAND_RESULTS:
                self._all_paid(event)
                return False
            lacks = bool(prefix) and event.kind is ResultKind.OK and not values(lines, prefix)
            is_sure = event.kind not in doubted and not lacks
            if not is_sure:
                # The real answer follows soon if the doubtful one was late; if not, the doubtful one was it.
                limit.at_s = min(limit.at_s, _now() + doubt_s)
            return is_sure

        await self.send(data)
        await self._hear(limit, take, most)
        if is_sure:
            self._learn(_now() - sent_s if own is not DIAL_ANSWERS else 0.0)
        elif not answer or self._owed:
            self._owed.append(sent_s)
            self.was_late = True
        return Answer(tuple(lines), answer[-1] if answer else None)

    async def _hear(self, limit: _Limit, take: Callable[[AtEvent], bool], most: int = _READ_BYTES) -> None:
        """Pass events on until `take` returns True, or the limit.

        The event loop has its turn after each read, so an endless stream of bytes delays nobody.
        """
        while True:
            try:
                async with asyncio.timeout_at(limit.at_s):
                    data = await self._port.read(most)
            except TimeoutError:
                return
            enough = [take(event) for event in self._dialogue.receive(data)]  # all of them, not the first
            if any(enough):
                return
            await asyncio.sleep(0)
            if _now() >= limit.at_s:
                return

    def _all_paid(self, event: AtEvent) -> bool:
        """An outstanding result came; returns whether it was the last."""
        if isinstance(event, AtResult) and self._owed:
            self._learn(_now() - self._owed.popleft())
        return not self._owed

    def _learn(self, took_s: float) -> None:
        self._slowest_s = max(self._slowest_s, min(took_s, SLOWEST_S))


@dataclass(slots=True)
class _Limit:
    """The end of reading, in the event loop's time."""

    at_s: float


def _now() -> float:
    return asyncio.get_running_loop().time()
