"""News of updates: told once, shown until somebody has seen them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dialpost.core.errors import StorageError
from dialpost.core.faults import Fault
from dialpost.core.system.boot.state import Slot
from dialpost.core.system.update.record import UpdateRecord, UpdateState
from dialpost.flow.panel.state import Panel
from dialpost.flow.system.update_news import UpdateNews
from fakes import asked

RECORD = UpdateRecord("1", UpdateState.INSTALLED, "0.3.0", "0.2.0", Slot.B, "boot-1")
BACK = replace(RECORD, state=UpdateState.ROLLED_BACK)


class World:
    """The card, and the postmaster."""

    def __init__(self) -> None:
        self.record: UpdateRecord | None = None
        self.notes: dict[str, str] = {}
        self.letters: list[str] = []
        self.fails = False
        self.panel = Panel()
        self.news = self.restarted()

    def restarted(self) -> UpdateNews:
        return UpdateNews(self, self, self.panel, self.tell)

    def now(self) -> UpdateRecord | None:
        return self.record

    def get(self, name: str) -> str:
        return self.notes.get(name, "")

    def note(self, name: str, value: str) -> None:
        self.notes[name] = value

    async def tell(self, subject: str, text: str) -> None:
        if self.fails:
            raise StorageError("The card is full.")
        self.letters.append(subject)

    @property
    def faults(self) -> frozenset[Fault]:
        return self.panel.state.faults


async def test_without_an_update_there_is_no_news() -> None:
    world = World()
    await world.news.look()
    assert (world.letters, world.news.attention(), world.faults) == ([], [], frozenset())
    assert await asked(world.news.methods(), "update.status", {}) == {"words": ""}


async def test_an_installed_one_waits_for_the_next_start() -> None:
    world = World()
    world.record = RECORD
    await world.news.look()
    assert (world.letters, world.news.attention(), world.faults) == ([], [RECORD.words], frozenset())


async def test_a_proven_one_is_told_once() -> None:
    world = World()
    world.record = replace(RECORD, state=UpdateState.PROVEN)
    for _ in range(2):
        await world.news.look()
        await world.restarted().look()
    assert world.letters == ["The station runs a new release"]
    assert (world.news.attention(), world.faults) == ([], frozenset())


async def test_one_that_was_rolled_back_is_shown_until_it_is_seen() -> None:
    world = World()
    world.record = BACK
    await world.news.look()
    again = world.restarted()
    await again.look()
    assert world.letters == ["The station's update was rolled back"]
    assert (again.attention(), world.faults) == ([BACK.words], frozenset({Fault.UPDATE}))
    assert await asked(again.methods(), "update.status", {}) == {"words": BACK.words}
    await asked(again.methods(), "update.seen", {})
    assert (again.attention(), world.faults) == ([], frozenset())
    world.record = replace(BACK, id="2")  # the next one
    await asked(again.methods(), "update.look", {})
    assert (len(world.letters), world.faults) == (2, frozenset({Fault.UPDATE}))


async def test_a_letter_that_could_not_be_written_is_tried_again() -> None:
    world = World()
    world.record, world.fails = BACK, True
    with pytest.raises(StorageError):
        await world.news.look()
    assert world.faults == {Fault.UPDATE}
    world.fails = False
    await world.news.look()
    assert len(world.letters) == 1
