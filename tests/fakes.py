"""The fakes the tests share: a clock that runs as fast as it can, and stand-ins for what a flow is given."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from dialpost.core.config.applied import ApplyResult
from dialpost.core.config.model import Config, LinkKind
from dialpost.core.control.queue import Message
from dialpost.core.control.serving import Asked, ServedMethods, whole
from dialpost.core.errors import DialpostError, TerminalGoneError
from dialpost.core.json_value import JsonObject, JsonValue
from dialpost.core.line.link import DialOutcome, DialResult, Traffic
from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.etrn import EtrnAnswer
from dialpost.core.mail.queue.hope import Hope
from dialpost.core.mail.queue.records import MessageRecord, Origin, QueueCounts, RecipientRecord, RecipientState
from virtual_time import VirtualTimeLoop as VirtualTimeLoop  # noqa: PLC0414  # for whoever imports it from here
from virtual_time import run_virtual as run_virtual  # noqa: PLC0414


def leap(seconds: float) -> None:
    """Set the running loop's clock ahead: in its next round every timer runs that is due by then."""
    loop = asyncio.get_running_loop()
    time = loop.time
    loop.time = lambda: time() + seconds  # type: ignore[method-assign]


def now() -> float:
    """The running loop's time."""
    return asyncio.get_running_loop().time()


UP = DialOutcome(DialResult.CONNECTED, "CONNECT 33600", 33_600)


class FakeLink:
    """Answers as scripted (CONNECTED when the script is over), after `dial_s`; `cut` loses the line."""

    kind = LinkKind.MODEM

    def __init__(self, outcomes: Iterable[DialOutcome] = (), *, dial_s: float = 10.0) -> None:
        self.outcomes = deque(outcomes)
        self.dial_s, self.negotiate_s, self.hang_up_s = dial_s, 2.0, 1.0
        self.negotiated = DialOutcome(DialResult.CONNECTED)
        self.dialled_at: list[float] = []
        self.hung_up_at: list[float] = []
        self.doubts: list[str] = []
        self.counted: Traffic | None = Traffic(0, 0)
        self._lost: asyncio.Event = asyncio.Event()
        self.why = "NO CARRIER"

    async def dial(self) -> DialOutcome:
        self._lost.clear()
        self.dialled_at.append(now())
        await asyncio.sleep(self.dial_s)
        return self.outcomes.popleft() if self.outcomes else UP

    async def negotiate(self) -> DialOutcome:
        await asyncio.sleep(self.negotiate_s)
        return self.negotiated

    async def lost(self) -> str:
        await self._lost.wait()
        return self.why

    async def hang_up(self) -> None:
        await asyncio.sleep(self.hang_up_s)
        self.hung_up_at.append(now())

    def cut(self) -> None:
        self._lost.set()

    def traffic(self) -> Traffic | None:
        return self.counted

    def doubt(self, why: str) -> None:
        self.doubts.append(why)


class FakeEtrn:
    """Gives each scripted set of answers in turn, the last one for ever, `takes_s` after being asked."""

    def __init__(self, *answers: tuple[EtrnAnswer, ...], takes_s: float = 1.0) -> None:
        self.script = deque(answers)
        self.takes_s = takes_s
        self.asked_at: list[float] = []

    async def ask(self, *, is_retry: bool = False) -> tuple[EtrnAnswer, ...]:
        self.asked_at.append(now())
        await asyncio.sleep(self.takes_s)
        return self.script.popleft() if len(self.script) > 1 else self.script[0]


@dataclass
class Flushed:
    """What one run of FakeFlush did."""

    sent: int = 0
    deferred: int = 0
    refused: int = 0
    notes: tuple[str, ...] = ()
    hope: Hope = Hope.NONE
    why_left: str = ""


class FakeFlush:
    """Sends what is in `waiting` (seconds each message takes), one after the other."""

    def __init__(self, *seconds: float) -> None:
        self.waiting = deque(seconds)
        self.deferred = 0
        self.calls = 0
        self.began_at: list[float] = []
        self._stop = self._abort = False
        self._poke: asyncio.Event = asyncio.Event()

    def begin_call(self) -> None:
        self.calls += 1

    def retry(self) -> None:
        raise AssertionError("nothing was deferred that may go")

    async def run(self) -> Flushed:
        self.began_at.append(now())
        self._stop = self._abort = False
        sent = 0
        while self.waiting and not self._stop:
            self._poke.clear()
            try:
                async with asyncio.timeout(self.waiting[0]):
                    while not self._abort:
                        await self._poke.wait()
                        self._poke.clear()
                break
            except TimeoutError:
                self.waiting.popleft()
                sent += 1
        return Flushed(sent=sent, deferred=self.deferred)

    def stop(self, after_current: bool) -> None:
        self._stop, self._abort = True, not after_current
        self._poke.set()

    patience_ends_s = inf

    def stop_waiting(self, why: str) -> None:
        raise AssertionError("nothing waits for ever here")

    @property
    def sending(self) -> tuple[float, ...]:
        return tuple(self.waiting)[:1]


class FakePace:
    """The pace of a line (flow/line/pace): `total` bytes may be in flight inbound; it keeps what it hears."""

    def __init__(self, total: int = 0) -> None:
        self.total = total
        self.given: list[int] = []
        self.round_trips: list[float] = []

    def inbound_bytes(self) -> int:
        return self.total

    def heard(self, round_trip_s: float) -> None:
        self.round_trips.append(round_trip_s)

    def given_inbound(self, given: int) -> None:
        self.given.append(given)


class FakeWire:
    """A client's TCP connection (core/mail/session.Wire): the windows it was given, in order."""

    def __init__(self, round_trip_s: float = 0.0) -> None:
        self.windows: list[int] = []
        self._round_trip_s = round_trip_s

    def set_window(self, window: int) -> None:
        self.windows.append(window)

    def round_trip_s(self) -> float:
        return self._round_trip_s


class FakeInbound:
    """The provider's side, played by the test: `deliver` takes some seconds and ends with a message."""

    def __init__(self) -> None:
        self.connections = 0
        self.last_activity_s: float | None = None
        self.messages = 0
        self.bytes = 0
        self._changed: asyncio.Event = asyncio.Event()

    def _touch(self) -> None:
        self.last_activity_s = now()
        self._changed.set()

    async def deliver(self, after_s: float, takes_s: float, size: int = 1000) -> None:
        await asyncio.sleep(after_s)
        self.connections += 1
        self._touch()
        await asyncio.sleep(takes_s)
        self.messages += 1
        self.bytes += size
        self.connections -= 1
        self._touch()

    async def changed(self) -> None:
        self._changed.clear()
        await self._changed.wait()


class MemoryCallStore:
    """Calls and small values, in memory."""

    def __init__(self) -> None:
        self.calls: list[dict[str, JsonValue]] = []
        self.values: dict[str, str] = {}
        self.waiting = QueueCounts()

    async def save_call(self, call: dict[str, JsonValue]) -> None:
        self.calls.append(call)

    async def remember(self, key: str, value: str) -> None:
        self.values[key] = value

    async def recall(self, key: str) -> str | None:
        return self.values.get(key)

    async def counts(self) -> QueueCounts:
        return self.waiting


def to_mailbox(account: str = "anna", **changes: Any) -> RecipientRecord:
    """A recipient here, waiting."""
    values: dict[str, Any] = {"number": 0, "address": f"{account}@clinic.example", "state": RecipientState.WAITING}
    return RecipientRecord(**(values | {"local_account": account} | changes))


def to_world(address: str = "bob@far.example", **changes: Any) -> RecipientRecord:
    """A recipient in the world, waiting."""
    values: dict[str, Any] = {"number": 0, "address": address, "state": RecipientState.WAITING}
    return RecipientRecord(**(values | changes))


def a_record(queue_id: str, *recipients: RecipientRecord, **changes: Any) -> MessageRecord:
    """A message with these recipients (one in the world if none), numbered in their order."""
    values: dict[str, Any] = {
        "queue_id": QueueId(queue_id),
        "sender": "eve@world.example",
        "size": 100,
        "wire_size": 80,
        "local_prefix": 20,
        "received_s": 1_820_000_000,
        "origin": Origin.OUTSIDE,
    }
    numbered = tuple(replace(r, number=number) for number, r in enumerate(recipients or (to_world(),)))
    return MessageRecord(**(values | {"recipients": numbered} | changes))


async def listed(pages: AsyncIterator[list[Message]]) -> list[Message]:
    """What `QueueControl.listing` lists, all its pages."""
    return [message async for page in pages for message in page]


@dataclass
class FakeClock:
    """A wall clock that stands still."""

    now_s: float = 1_820_100_000
    trusted: bool = True

    def wall_s(self) -> float:
        """Unix seconds."""
        return self.now_s

    def is_trusted(self) -> bool:
        """Whether it was set."""
        return self.trusted


class FakeTerminal:
    """An operator who answers each prompt with the next line of a script. `shown` is what was printed, prompts too.

    At the script's end the operator is gone. An exception in the script is raised instead of an answer.
    """

    def __init__(self, answers: Iterable[str | Exception]) -> None:
        self.answers = deque(answers)
        self.shown: list[str] = []

    def say(self, text: str = "") -> None:
        self.shown += text.split("\n")

    def ask(self, prompt: str, *, secret: bool = False) -> str:
        if not self.answers:
            asked_last = "\n".join([*self.shown[-12:], prompt])
            raise TerminalGoneError(f"The terminal is gone. The last that was shown:\n{asked_last}")
        answer = self.answers.popleft()
        if isinstance(answer, Exception):
            raise answer
        self.shown.append(prompt + ("" if secret else answer))
        return answer

    @property
    def text(self) -> str:
        return "\n".join(self.shown)


class FakeProcess:
    """The daemon's process, as far as the configuration is concerned: what it was given, and a call to wait for."""

    def __init__(self, config: Config | None) -> None:
        self.config = config
        self.taken: list[Config | None] = []
        self.problems: tuple[str, ...] = ()
        self.fails_with: DialpostError | None = None
        self._call_over = asyncio.Event()
        self._call_over.set()

    trouble = ""

    @property
    def call_is_up(self) -> bool:
        return not self._call_over.is_set()

    def call(self, up: bool) -> None:
        (self._call_over.clear if up else self._call_over.set)()

    async def call_ended(self) -> None:
        await self._call_over.wait()

    async def rehearse(self, config: Config) -> tuple[str, ...]:
        return self.problems

    async def take(self, config: Config | None) -> None:
        self.taken.append(config)
        if self.fails_with is not None:
            raise self.fails_with
        self.config = config


class FakeApply:
    """Notes which configurations were applied; `problems` is what it says of each."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.problems: tuple[str, ...] = ()

    async def run(self, number: int) -> ApplyResult:
        self.numbers.append(number)
        return ApplyResult(not self.problems, problems=self.problems)


class Asking:
    """A connection of a face to the control socket: who asks, and the events it was sent."""

    user = "root"

    def __init__(self, user: str = "root") -> None:
        self.user = user
        self.events: list[JsonValue] = []
        self.gone: Callable[[], None] = lambda: None

    def stay(self, when_gone: Callable[[], None]) -> None:
        """It may be silent."""
        self.gone = when_gone

    def emit(self, event: JsonValue) -> None:
        """Keep it."""
        self.events.append(event)


async def asked(methods: ServedMethods, name: str, params: JsonObject, asking: Asked | None = None) -> Any:
    """The answer of a method of the control API as it goes over the socket."""
    return json.loads(json.dumps(await whole(await methods[name].run(params, asking or Asking()))))
