"""Whether a card in some state keeps the promise: it is mounted, and the station is started on it twice."""

from __future__ import annotations

import asyncio
import json
import os
import traceback
from collections.abc import Hashable
from pathlib import Path
from typing import Any

from rig.card.loop_device import LoopDevice
from rig.crash.image import Image
from rig.crash.journal import Journal
from rig.crash.life import ANNA, FRIEND, Life, digest, number_of_config
from rig.crash.mounts import mount, umount
from rig.crash.operations import Fate, Promise
from rig.crash.recording import MEGABYTES, OPTIONS
from rig.crash.states import Write
from rig.crash.sync_sites import ALL, watch

_FATES = {"waiting": Fate.WAITING, "delivered": Fate.DELIVERED, "deleted": Fate.DELETED}


class Judge:
    """Looks at states, on a disk of its own below `work`, from `__enter__` to `__exit__`."""

    def __init__(self, work: Path, journal: tuple[int, ...]) -> None:
        self._image, self._place = Image(work / "judged.img", MEGABYTES << 20), work / "judged"
        self._seen: dict[tuple[bytes, int], list[str]] = {}
        self._forgotten = 0
        self._blocks, self._base = journal, b""
        self._same: dict[tuple[Hashable, int], list[str]] = {}
        self.looked = self.mounted = 0

    @property
    def different(self) -> int:
        """How many of the states were different, as files and as promises."""
        return len(self._seen) + self._forgotten

    def __enter__(self) -> Judge:
        self._place.mkdir()
        self._device = LoopDevice(self._image.path)
        return self

    def __exit__(self, *exc: object) -> None:
        self._device.close()
        self._image.close()

    def forget(self) -> None:
        """What follows is another recording."""
        self._forgotten += len(self._seen)
        self._seen.clear()
        self._same.clear()

    def look(self, base: bytes, writes: tuple[Write, ...], number: int, promise: Promise) -> list[str]:
        """What is wrong with that disk, if this is promised; `number` is the promise's own."""
        self.looked += 1
        if base is not self._base:
            self._base, self._journal = base, Journal(self._blocks, base)
            self._same.clear()
        key = self._journal.key(writes), number
        if key[0] is not None and key in self._same:
            return self._same[key]
        self._same[key] = self._look(base, writes, number, promise)
        return self._same[key]

    def _look(self, base: bytes, writes: tuple[Write, ...], number: int, promise: Promise) -> list[str]:
        self.mounted += 1
        self._image.write(base, writes)
        try:
            mount(self._device.path, self._place, "ext4", options=OPTIONS)
        except OSError as error:
            return [str(error)]
        try:
            key = digest(self._place), number
            if key not in self._seen:
                self._seen[key] = judge(self._place, promise)
            return self._seen[key]
        finally:
            umount(self._place)


def judge(place: Path, promise: Promise) -> list[str]:
    """What is wrong with the station whose files are there, once it was started twice."""
    first = _start(place)
    if isinstance(first, str):
        return [f"the start failed: {first}"]
    again = _start(place)
    if first != again:
        return [f"a second start changed something: {first} became {again}"]
    return faults(first, promise)


def _start(place: Path) -> dict[str, Any] | str:
    """A start in a process of its own, which ends without a word: all that is there then."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        with os.fdopen(writing, "w") as said:
            try:
                watch(place, ALL)  # nobody cuts this one off
                said.write(json.dumps(asyncio.run(_settled(place))))
            except BaseException:
                said.write(json.dumps(traceback.format_exc()))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as said:
        found = said.read()
    os.waitpid(child, 0)
    return json.loads(found)  # type: ignore[no-any-return]


async def _settled(place: Path) -> dict[str, Any]:
    life = Life(place)
    wrong = await life.start()
    await life.settle()
    return {"wrong": wrong, **await life.facts()}


def faults(facts: dict[str, Any], promise: Promise) -> list[str]:
    """What of the promise the facts do not keep, a sentence each."""
    return [*facts["wrong"], *_message_faults(facts, promise), *_config_faults(facts, promise)]


def _message_faults(facts: dict[str, Any], promise: Promise) -> list[str]:
    found = []
    mails = [(name.split(".")[1], whole) for name, whole in facts["mails"]]
    for name in sorted({*promise.names, *facts["rows"], *(name for name, _ in mails)}):
        copies = [whole for mail, whole in mails if mail == name]
        states = {address: _FATES.get(state) for address, state in facts["rows"].get(name, ())}
        fates = (states.get(ANNA), states.get(FRIEND)) if states else None
        if fates not in promise.fates(name):
            found.append(f"{name} is {_words(fates)} instead of {' or '.join(map(_words, promise.fates(name)))}")
        wanted = 1 if fates is not None and fates[0] is Fate.DELIVERED else 0
        if copies != [True] * wanted:
            found.append(f"{name} is {_words(fates)} and in the mailbox {len(copies)} times, whole: {copies}")
        if states and Fate.WAITING in states.values() and name not in facts["sound"]:
            found.append(f"{name} waits for the world without its body")
    unfinished = sorted(name for name, rows in facts["rows"].items() if "waiting" in (state for _, state in rows))
    if facts["bodies"] != unfinished:
        found.append(f"there are bodies of {facts['bodies']}, and {unfinished} wait")
    return found


def _config_faults(facts: dict[str, Any], promise: Promise) -> list[str]:
    found = []
    active = number_of_config(facts["config"])
    if active not in promise.configs:
        found.append(f"configuration {active} is active instead of {promise.configs}: {facts['config']!r}")
    if sorted(map(int, facts["history"])) != list(range(1, active + 1)):
        found.append(f"configuration {active} is active, its history has {sorted(facts['history'])}")
    return found


def _words(fates: object) -> str:
    return "absent" if fates is None else " and ".join(str(getattr(fate, "value", fate)) for fate in fates)  # type: ignore[attr-defined]
