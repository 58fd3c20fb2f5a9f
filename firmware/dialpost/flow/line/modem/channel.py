"""Commands and answers with a modem on an open port, kept in step: no answer is taken for that to another command.

V.250 numbers nothing: an answer that comes after its time-out looks like the answer to the next command. So what is
owed is counted. Before the next command goes out, the owed answers are waited for; where they do not come, `AT` is
sent until it brings one answer and nothing besides (`fall_in`). How long a modem takes is learnt on the way.
Runs in the event loop of who asks, one command at a time. Everything takes bounded time, whatever comes.
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
"""How long to wait for a late answer before a new command is sent."""
QUIET_S = 0.7
"""How long nothing may follow an answer for it to be the only one."""
SLOWEST_S = 12.0
"""The longest wait for an answer, however slow the modem."""
STALE_S = 1.5
"""How long to wait for the command's own answer after an OK without the line asked for: that OK may be late."""
MOST_LINES = 200
_FALL_IN_TRIES = 4
_READ_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command brought: lines of information, and the final result (None where none came in time)."""

    lines: tuple[str, ...] = ()
    result: AtResult | None = None

    @property
    def is_ok(self) -> bool:
        """Whether the modem took the command."""
        return self.result is not None and self.result.kind is ResultKind.OK

    @property
    def words(self) -> str:
        """The modem's own, "" where it is silent."""
        return " ".join((*self.lines, *([self.result.words] if self.result is not None else [])))

    @property
    def final_words(self) -> str:
        """Those of the result, "" where none came."""
        return self.result.words if self.result is not None else ""


class ModemChannel:
    """The talk on an open port.

    `was_late`: an answer came late or not at all, so that an odd one proves nothing. `is_lost`: the modem could not
    be brought into step again.
    """

    def __init__(
        self, port: Port, own_results: Mapping[str, ResultKind] | None = None, answer_s: float = ANSWER_S
    ) -> None:
        self._port, self._dialogue, self._answer_s = port, AtDialogue(own_results), answer_s
        self._owed: deque[float] = deque()  # when the commands were sent whose answers did not come yet
        self._slowest_s = 0.0
        self.was_late = self.is_lost = False

    @property
    def garbage(self) -> bool:
        """Whether what came last was mostly no text."""
        return self._dialogue.garbage > self._dialogue.received // 4

    @property
    def carrier_bps(self) -> int | None:
        """The line's own rate, where the modem told it before CONNECT."""
        return self._dialogue.carrier_bps

    @property
    def patience_s(self) -> float:
        """How long an answer is waited for: as the profile says, longer where the modem was seen to be slow."""
        return max(self._answer_s, 2 * self._slowest_s)

    async def ask(self, command: str, limit_s: float = 0.0, *, tells: bool = False) -> Answer:
        """One command, AT and all. `tells`: its answer has a line with its own prefix.

        Where the talk can't be brought into step nothing is sent, and `is_lost` is set.
        Raises: PortError when the port is gone.
        """
        if self._owed and not await self.fall_in():
            return Answer()
        prefix = prefix_of(command) if tells else ""
        return await self._exchange(command, max(limit_s, self.patience_s), prefix=prefix)

    async def dial(self, command: str, limit_s: float, doubt_s: float) -> Answer:
        """A command that dials, read byte by byte: what follows CONNECT stays in the port.

        OK is no answer to it, nor a refusal where the talk was out of step before: the real one is waited for,
        `doubt_s` at most.
        """
        if self.was_late and not await self.fall_in():
            return Answer()
        doubted = {ResultKind.OK} | ({ResultKind.ERROR, ResultKind.NO_CARRIER} if self.was_late else set())
        return await self._exchange(command, limit_s, most=1, doubted=frozenset(doubted), doubt_s=doubt_s)

    async def wakes(self, tries: int = 2, limit_s: float = 1.0) -> bool:
        """Whether something answers AT. The first try may only teach the modem the speed.

        ATQ0V1E0 wakes one that was set to answer nothing (Q1).
        """
        for number in range(tries):
            if (await self._exchange("ATQ0V1E0" if number % 2 else "AT", limit_s)).is_ok:
                return not self.was_late or await self.only_one()
        return False

    async def once(self, command: str) -> Answer:
        """A command sent though the talk may be out of step; its answer proves nothing."""
        return await self._exchange(command, self.patience_s)

    async def fall_in(self) -> bool:
        """Get into step again; False where the modem does not answer, or one answer too many each time."""
        if self._owed:
            await self._hear(_Limit(_now() + max(OWED_S, 1.5 * self._slowest_s)), self._all_paid)
        return await self.only_one()

    async def only_one(self) -> bool:
        """Send AT until it brings its own answer: one, and nothing besides for a while."""
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
        """Hear what comes in this time, and forget it. An answer nobody asked for makes the next ones doubtful."""

        def take(event: AtEvent) -> bool:
            if isinstance(event, AtResult):
                self.was_late |= not self._owed and event.kind in COMMAND_RESULTS
                self._all_paid(event)
            return False

        await self._hear(_Limit(_now() + limit_s), take)

    async def send(self, data: bytes) -> None:
        """Bytes that are no command. A port that takes nothing more (its other side says stop) holds nobody up."""
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
        """Send, and hear until the command's own answer or the limit."""
        await self.quiet(0.0)  # what came unasked answers nothing
        own, data = own_results_of(command), self._dialogue.command(command)
        sent_s = _now()
        limit = _Limit(sent_s + limit_s)
        lines: deque[str] = deque(maxlen=MOST_LINES)
        answer: list[AtResult] = []  # the last is the best; one that is doubted is heard out
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
        """Hand events on until `take` says that it is enough, or the limit.

        The loop has its turn after each read: bytes without end hold nobody up.
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
        """A result came that was owed; whether it was the last."""
        if isinstance(event, AtResult) and self._owed:
            self._learn(_now() - self._owed.popleft())
        return not self._owed

    def _learn(self, took_s: float) -> None:
        self._slowest_s = max(self._slowest_s, min(took_s, SLOWEST_S))


@dataclass(slots=True)
class _Limit:
    """Until when is heard, in the event loop's time."""

    at_s: float


def _now() -> float:
    return asyncio.get_running_loop().time()
