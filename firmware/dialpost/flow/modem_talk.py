"""Asking a modem one command after the other, for the commands that look at it (`dialpost modem probe`, `test`).

Runs in the event loop of such a command; `flow/modem` is the one that makes calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from dialpost.core.at.dialogue import AtDialogue, Said
from dialpost.core.at.results import AtResult
from dialpost.core.modem_profile import ResultKind
from dialpost.flow.modem import Port

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


class ModemTalk:
    """The talk on an open port. `garbage`: whether the last answer can't have been at the right speed."""

    def __init__(self, port: Port, own_results: Mapping[str, ResultKind] | None = None) -> None:
        self._port, self._dialogue = port, AtDialogue(own_results)

    @property
    def garbage(self) -> bool:
        """Whether what came last was mostly no text."""
        return self._dialogue.garbage > self._dialogue.received // 4

    async def ask(self, command: str, limit_s: float) -> Answer:
        """One command, AT and all. Raises: PortError when the port is gone."""
        lines: list[str] = []
        data = self._dialogue.command(command)
        try:
            async with asyncio.timeout(limit_s):
                await self._port.write(data)
                while True:
                    for event in self._dialogue.receive(await self._port.read(_READ_BYTES)):
                        if isinstance(event, AtResult):
                            return Answer(tuple(lines), event)
                        if isinstance(event, Said):
                            lines.append(event.text)
        except TimeoutError:
            return Answer(tuple(lines))

    async def wakes(self, tries: int = 3, limit_s: float = 1.0) -> bool:
        """Whether something answers AT. The first try may only teach the modem the speed."""
        for _ in range(tries):
            if (await self.ask("AT", limit_s)).is_ok:
                return True
        return False
