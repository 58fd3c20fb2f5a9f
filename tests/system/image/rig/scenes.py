"""What a station is at when its power goes: each scene plays on a running machine up to its seeded moment, and
then the plug is out. What was heard until then is in the `Life`.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import struct
from collections.abc import Awaitable, Callable, Iterator
from enum import Enum

from image.rig.life import Life
from image.rig.machine import Machine

from rig.card.data_partition import DATA_OFFSET
from rig.card.invariants import LOCAL, REMOTE, Reset
from rig.load import Loader

_LONG_S = 600.0
_IMAGE_DISK_ID = 0x64706F73
_STEP_S = 0.02


class During(Enum):
    """What the power goes during, and how many of 30 times."""

    GROWTH = ("the first start of a card", 4)
    MAIL = ("mail load", 10)
    COMMIT = ("commits", 6)
    RESET = ("a factory reset", 4)
    UPDATE = ("an update", 4)
    START = ("a start", 2)

    @property
    def words(self) -> str:
        return self.value[0]

    @property
    def share(self) -> int:
        return self.value[1]


def plan(pulls: int, lanes: int, seed: int) -> list[list[During]]:
    """What each of the lanes is to do: all kinds, each by its share, in a random order.

    A lane's first card is fresh, so that it begins with a first start where one is left.
    """
    rng = random.Random(seed)
    by_share = [kind for kind in During for _ in range(kind.share)]
    rng.shuffle(by_share)
    pool = by_share if pulls >= len(by_share) else [*During, *by_share]
    chosen = [pool[number % len(pool)] for number in range(pulls)]
    rng.shuffle(chosen)
    chosen.sort(key=lambda kind: kind is not During.GROWTH)
    shares = [chosen[lane::lanes] for lane in range(lanes)]
    for share in shares:
        rest = share[1:]
        rng.shuffle(rest)
        share[1:] = rest
    return shares


_COMMITS = """cat >/run/commits.py <<'END'
import sys
from pathlib import Path
from dialpost.edge.control_socket import ControlConnection
n = int(sys.argv[1])
with ControlConnection(Path("/run/dialpost/control.sock")) as talk:
    talk.call("config.open", who="rig")
    while True:
        n += 1
        talk.call("config.set", key="smtp.max_commands", value=str(n))
        print("begun", n, flush=True)
        talk.call("config.commit", comment="", anyway=True)
        print("committed", n, flush=True)
END"""
RESET_SCRIPT = """cat >/run/reset.py <<'END'
import asyncio
from pathlib import Path
from dialpost.edge.system.factory_reset import FactoryReset
print("asking", flush=True)
print("answer:", asyncio.run(FactoryReset(Path("/var/lib/dialpost")).request("rig")), flush=True)
END"""
RESET = "setpriv --reuid=dialpost --regid=dialpost --init-groups env DIALPOST_STATION=1 python3 -P /run/reset.py"
"""What the button and the console do, as the station's user: it says `asking`, and `answer:` with the answer."""
_ERASING = (
    "until mountpoint -q /data; do sleep 0.2; done; "
    "while [ -e /data/config/dialpost.toml ]; do :; done; echo erasing"
)
_UPDATE = "mkdir -p /run/stick; mount -o ro /dev/vdb /run/stick; dialpost update /run/stick/dialpost.raucb"
INSTALLED = "Installed."


class Heard:
    """The lines of a command in the machine, taken by a thread until it ends or the machine is gone."""

    def __init__(self, lines: Iterator[str], hear: Callable[[str], None] = lambda line: None) -> None:
        self._lines, self._hear = lines, hear
        self._loop = asyncio.get_running_loop()
        self._words: asyncio.Queue[str] = asyncio.Queue()
        self.over = asyncio.create_task(asyncio.to_thread(self._take))

    async def word(self, wanted: str, within_s: float = _LONG_S) -> str:
        """The next line with that in it. Raises: TimeoutError."""
        async with asyncio.timeout(within_s):
            while wanted not in (line := await self._words.get()):
                pass
        return line

    def _take(self) -> None:
        for line in self._lines:
            self._hear(line)
            self._loop.call_soon_threadsafe(self._words.put_nowait, line)


class Scene:
    """One scene on one machine. `play` returns when the plug is out."""

    def __init__(self, machine: Machine, life: Life, rng: random.Random, name: str) -> None:
        self._machine, self._life, self._rng, self._name = machine, life, rng, name
        self._heard: list[Heard] = []
        self.moment = ""
        """Which moment it was, in words."""

    async def play(self, during: During) -> None:
        """Up to the moment, under mail load but in a first start."""
        scenes: dict[During, Callable[[], Awaitable[None]]] = {
            During.MAIL: self._mail,
            During.COMMIT: self._commit,
            During.GROWTH: self._growth,
            During.UPDATE: self._update,
            During.RESET: self._reset,
            During.START: self._start,
        }
        loader = None
        if during not in {During.GROWTH, During.START}:
            loader = Loader(
                self._machine.ports[25],
                self._life.ledger,
                recipients=(LOCAL, REMOTE),
                name=self._name,
                pause_s=0.2,
                sessions=6 if during is During.MAIL else 2,
                seed=self._rng.randrange(2**32),
            )
        try:
            await scenes[during]()
        finally:
            os.kill(self._machine.pid, signal.SIGKILL)
            for heard in self._heard:  # what it had said before counts
                await heard.over
            self._machine.pull_plug()
            if loader is not None:
                await loader.stop()

    async def _mail(self) -> None:
        before = len(self._life.ledger.acknowledged)
        await _until(lambda: len(self._life.ledger.acknowledged) > before, "the first message taken")
        await self._wait(15)

    async def _commit(self) -> None:
        self._machine.run(_COMMITS)
        heard = self._follow(f"python3 -P /run/commits.py {self._life.committed}", self._hear_commit)
        await heard.word("begun")
        await self._wait(20)

    def _hear_commit(self, line: str) -> None:
        if line.startswith("committed "):
            self._life.committed = int(line.split()[1])

    async def _growth(self) -> None:
        triggers: list[tuple[str, Callable[[], bool]]] = [
            ("the disk's id is new", lambda: self._number(440) != _IMAGE_DISK_ID),
            ("the partition is larger", self._has_changed(446 + 3 * 16 + 12)),
            ("the file system grows", self._has_changed(DATA_OFFSET + 1024 + 4)),
            ("the configuration is taken over", self._is_taken_over),
        ]
        self.moment, trigger = self._rng.choice(triggers)
        await _until(trigger, self.moment, 900)
        await self._wait(2.5)

    def _is_taken_over(self) -> bool:
        try:
            return "dialpost.toml" not in self._life.card.names()
        except OSError:  # looked at in the middle of a write
            return False

    async def _update(self) -> None:
        # One that still has to prove itself takes no other.
        await _until(self._is_proven, "the release that runs has proven itself")
        heard = self._follow(_UPDATE, self._hear_update)
        seconds = self._rng.uniform(0, 150)
        self.moment = f"after {seconds:.2f} s"
        try:
            await heard.word(INSTALLED, seconds)
        except TimeoutError:
            return
        self.moment = "it said that it is installed"
        await self._wait(3)

    def _is_proven(self) -> bool:
        state = self._life.card.boot_state()
        return state is not None and state.good is state.first

    def _hear_update(self, line: str) -> None:
        self._life.update_lines.append(line)

    async def _reset(self) -> None:
        self._machine.run(RESET_SCRIPT)
        heard = self._follow(RESET, self._hear_reset)
        await heard.word("asking")
        self.moment = self._rng.choice(("asked", "answered", "erasing", "erasing"))
        if self.moment == "asked":
            await self._wait(3)
            return
        await heard.word("answer:")
        if self.moment == "answered":
            await self._wait(30)
            return
        await heard.over
        await asyncio.to_thread(self._machine.shell.wait_ready, 900)
        await self._follow(_ERASING).word("erasing", 900)
        await self._wait(1.5)

    def _hear_reset(self, line: str) -> None:
        if line == "asking":
            self._life.reset = Reset.ASKED
        elif line.startswith("answer:"):
            assert "restarts" in line, line
            self._life.reset = Reset.ANSWERED

    async def _start(self) -> None:
        await self._wait(100)

    # -- small things ---------------------------------------------------------------------------------

    def _follow(self, command: str, hear: Callable[[str], None] = lambda line: None) -> Heard:
        heard = Heard(self._machine.shell.lines(command, 3600), hear)
        self._heard.append(heard)
        return heard

    async def _wait(self, most_s: float) -> None:
        """The random moment itself."""
        seconds = self._rng.uniform(0, most_s)
        self.moment += f" + {seconds:.2f} s"
        await asyncio.sleep(seconds)

    def _number(self, offset: int) -> int:
        with self._life.card.path.open("rb") as card:
            card.seek(offset)
            return int(struct.unpack("<I", card.read(4))[0])

    def _has_changed(self, offset: int) -> Callable[[], bool]:
        before = self._number(offset)
        return lambda: self._number(offset) != before


async def _until(look: Callable[[], bool], what: str, within_s: float = _LONG_S) -> None:
    """Look again and again. Raises: AssertionError."""
    try:
        async with asyncio.timeout(within_s):
            while not look():
                await asyncio.sleep(_STEP_S)
    except TimeoutError:
        raise AssertionError(f"not within {within_s:g} s: {what}") from None
