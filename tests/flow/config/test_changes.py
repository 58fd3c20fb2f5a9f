"""Activating configurations and rolling them back, with the process, the clock and the system as fakes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Never

import pytest

from dialpost.core.config.history import Unproven
from dialpost.core.errors import ConfigError, ControlError, StaleError, StorageError
from dialpost.edge.config.file import ConfigFile
from dialpost.edge.config.history import ConfigHistory
from dialpost.flow.config.changes import ConfigChanges, Done
from fakes import FakeApply, FakeProcess
from known import known

TEXT = '[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example"]\n'
LINE = TEXT + '[modem]\nnumbers = ["0961"]\n'
BOTH = LINE + "[smtp]\nmax_errors = 30\n"
OWNER, OTHER = object(), object()


class WallClock:
    now_s, trusted = 1_800_000_000.0, True

    def wall_s(self) -> float:
        return self.now_s

    def is_trusted(self) -> bool:
        return self.trusted


class Rig:
    def __init__(self, path: Path) -> None:
        path.write_text(TEXT)
        self.path, self.history, self.clock = path, ConfigHistory(path), WallClock()
        self.process, self.apply = FakeProcess(ConfigFile(path).load()), FakeApply()
        self.told: list[str] = []
        self.changes = ConfigChanges(
            self.history, ConfigFile(path), self.process, self.apply, self.clock, self._tell
        )
        self._heard = asyncio.Event()

    def _tell(self, words: str) -> None:
        self.told.append(words)
        self._heard.set()

    async def commit(self, text: str, *, owner: object = OWNER, **options: float) -> Done:
        return await self.changes.commit(text, self.history.current(), "anna", "", owner=owner, **options)

    async def hears(self, words: str) -> None:
        async with asyncio.timeout(60):
            while not any(words in one for one in self.told):
                self._heard.clear()
                await self._heard.wait()

    def text(self) -> str:
        return self.history.text_of(known(self.history.current()).number)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path / "dialpost.toml")
    yield made
    await made.changes.close()


async def test_a_commit_is_taken_and_applied(rig: Rig) -> None:
    rig.apply.problems = ("The firewall could not be set.",)
    done = await rig.commit(LINE)
    assert (done.commit.number, done.words, done.needs_confirm_s) == (2, ("The firewall could not be set.",), None)
    assert known(rig.process.config).modem.numbers == ("0961",)
    assert (rig.apply.numbers, rig.history.unproven(), rig.told) == (
        [2],
        None,
        ["Configuration 2 was committed by anna."],
    )


async def test_what_is_not_applied_is_reported_as_such_until_it_is(rig: Rig) -> None:
    """A wizard that hears of it must not say that the station works; `status` shows it as long as it is so."""
    rig.apply.problems = ("The network could not be set: it took too long.",)
    done = await rig.commit(LINE)
    assert done.problems == rig.apply.problems
    assert rig.changes.attention() == ["Not applied:  The network could not be set: it took too long."]
    rig.apply.problems = ()
    done = await rig.commit(TEXT)
    assert (done.problems, rig.changes.attention()) == ((), [])


async def test_what_means_the_same_restarts_nothing(rig: Rig) -> None:
    await rig.commit("# a remark\n" + TEXT)
    assert (rig.process.taken, known(rig.history.current()).number) == ([], 2)


async def test_a_base_that_is_not_the_newest(rig: Rig) -> None:
    base = rig.history.current()
    await rig.commit(LINE)
    with pytest.raises(StaleError, match="anna committed configuration 2 meanwhile"):
        await rig.changes.commit(BOTH, base, "bruno", "", owner=OTHER)
    rig.path.unlink()
    with pytest.raises(StaleError, match="removed meanwhile"):
        await rig.changes.commit(BOTH, base, "bruno", "", owner=OTHER)


async def test_what_the_rehearsal_finds_changes_nothing(rig: Rig) -> None:
    rig.process.problems = ("Port 25 is taken.",)
    with pytest.raises(ConfigError) as caught:
        await rig.commit(LINE)
    assert caught.value.problems == ("Port 25 is taken.", "Nothing was changed.")
    assert (rig.process.taken, rig.apply.numbers, rig.path.read_text()) == ([], [], TEXT)


async def test_a_station_that_does_not_start(rig: Rig) -> None:
    rig.process.fails_with = StorageError("The card is gone.")
    with pytest.raises(ConfigError, match=r"rolled back.*The card is gone\.\nConfiguration 1 is active again"):
        await rig.commit(LINE)
    assert (rig.text(), known(rig.history.current()).number, rig.apply.numbers) == (TEXT, 3, [])
    assert "did not start with configuration 2" in rig.changes.attention()[0]


async def test_the_first_that_does_not_start_leaves_none(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "dialpost.toml")
    rig.path.unlink()
    rig.process.config, rig.process.fails_with = None, StorageError("The card is gone.")
    with pytest.raises(ConfigError, match="The station has no configuration again"):
        await rig.commit(TEXT)
    assert not rig.path.exists() and rig.history.current() is None


async def test_while_a_call_is_up_all_waits_for_its_end_and_the_answer_says_so(rig: Rig) -> None:
    rig.process.call(True)
    done = await rig.commit(BOTH)
    assert done.words == (
        "Takes effect on the next call: modem.numbers.",
        "Takes effect when the current call ends: smtp.max_errors.",
    )
    assert (rig.process.taken, known(rig.history.current()).number) == ([], 2)
    assert known(rig.history.unproven()).number == 2  # until the station started with it
    rig.process.call(False)
    await known(rig.changes._later)
    assert (len(rig.process.taken), known(rig.process.config).smtp.max_errors, rig.history.unproven()) == (
        1,
        30,
        None,
    )


async def test_a_second_commit_in_a_call_takes_the_place_of_the_first(rig: Rig) -> None:
    rig.process.call(True)
    await rig.commit(BOTH)
    await rig.commit(LINE)
    rig.process.call(False)
    await known(rig.changes._later)
    assert [known(config).smtp.max_errors for config in rig.process.taken] == [5]


async def test_what_never_started_is_nothing_to_go_back_to(rig: Rig) -> None:
    rig.process.call(True)
    rig.process.fails_with = StorageError("The card is gone.")
    await rig.commit(LINE)
    await rig.commit(BOTH)
    rig.process.call(False)
    await known(rig.changes._later)
    assert (rig.text(), known(rig.history.current()).number) == (TEXT, 4)


async def test_one_that_does_not_start_after_the_call_is_rolled_back(rig: Rig) -> None:
    rig.process.call(True)
    rig.process.fails_with = StorageError("The card is gone.")
    await rig.commit(BOTH)
    rig.process.call(False)
    await known(rig.changes._later)
    assert (rig.text(), known(rig.history.current()).number, rig.apply.numbers) == (TEXT, 3, [2, 3])
    assert any("The card is gone" in words for words in rig.changes.attention())


async def test_confirmed_in_time(rig: Rig) -> None:
    done = await rig.commit(LINE, confirm_s=60)
    assert done.needs_confirm_s == 60 and 59 < known(rig.changes.pending_left_s) <= 60
    assert "rolled back in 60 s unless" in rig.changes.attention()[0]
    for attempt in (rig.commit(BOTH), rig.changes.reload(BOTH)):
        with pytest.raises(ControlError, match=r"is waiting for confirmation \(60 s left\)"):
            await attempt
    with pytest.raises(ControlError, match="only in the session"):
        await rig.changes.confirm(OTHER)
    assert await rig.changes.confirm(OWNER) == 2
    assert (rig.history.unproven(), rig.changes.pending, rig.changes.attention()) == (None, None, [])
    rig.changes.owner_gone(OWNER)  # harmless now
    with pytest.raises(ControlError, match="No commit is waiting"):
        await rig.changes.confirm(OWNER)
    assert rig.text() == LINE


async def test_not_confirmed_in_time(rig: Rig) -> None:
    await rig.commit(LINE, confirm_s=0.05)
    await rig.hears("rolled back: it was not confirmed in time")
    assert (rig.text(), known(rig.history.current()).number, known(rig.process.config).modem.numbers) == (
        TEXT,
        3,
        (),
    )
    assert (rig.apply.numbers, rig.history.unproven()) == ([2, 3], None)
    assert rig.changes.attention() != []
    await rig.commit(LINE)  # and all is as before
    assert rig.changes.attention() == []


async def test_its_session_ended(rig: Rig) -> None:
    await rig.commit(LINE, confirm_s=60)
    rig.changes.owner_gone(OTHER)
    assert rig.changes.pending is not None
    rig.changes.owner_gone(OWNER)
    await rig.hears("rolled back: its session ended")
    assert (rig.text(), known(rig.process.config).modem.numbers) == (TEXT, ())


async def test_rolled_back_during_a_call_it_never_counts(rig: Rig) -> None:
    rig.process.call(True)
    await rig.commit(LINE, confirm_s=60)
    rig.changes.owner_gone(OWNER)
    await rig.hears("rolled back")
    rig.process.call(False)
    await known(rig.changes._later)
    assert (rig.process.taken, rig.text()) == ([], TEXT)


async def test_the_first_of_all_rolled_back_leaves_set_up(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "dialpost.toml")
    rig.path.unlink()
    rig.process.config = None
    await rig.commit(TEXT, confirm_s=0.05)
    await rig.hears("The station has no configuration again")
    assert rig.process.config is None and not rig.path.exists()


async def test_a_card_that_fails_when_it_is_to_be_rolled_back_is_reported(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.commit(LINE, confirm_s=60)

    def fails(*args: Unproven | int | str, **kwargs: bool) -> Never:
        raise StorageError("The card is gone.")

    monkeypatch.setattr(rig.history, "revert", fails)
    rig.changes.owner_gone(OWNER)
    async with asyncio.timeout(60):
        while not rig.changes.remarks:
            await asyncio.sleep(0)
    assert "could not be rolled back: The card is gone." in rig.changes.remarks[0]
    assert known(rig.history.unproven()).number == 2  # so the next start does it


async def test_the_wall_clock_may_jump_and_only_dates(rig: Rig) -> None:
    rig.clock.now_s, rig.clock.trusted = 3.0, False
    await rig.commit(LINE, confirm_s=0.05)
    rig.clock.now_s = 4_000_000_000.0
    await rig.hears("not confirmed in time")
    assert "the clock was wrong" in rig.history.commits()[1].when


async def test_at_the_start_what_was_not_confirmed_is_rolled_back_first(rig: Rig) -> None:
    await rig.commit(LINE, confirm_s=60)
    await rig.changes.close()
    rig.changes.owner_gone(OWNER)  # the connections go when the daemon does
    assert rig.text() == LINE
    again = ConfigChanges(rig.history, ConfigFile(rig.path), rig.process, rig.apply, rig.clock)
    await again.before_start()
    assert rig.text() == TEXT and "Configuration 2 was not confirmed" in again.attention()[0]
    await again.started()
    await asyncio.gather(*again._tasks)
    assert rig.apply.numbers == [2, 3]  # the system, which came up with number 2, follows
    assert not await again.start_failed()  # nothing else to go back to


async def test_a_station_that_can_not_go_back_starts_all_the_same_and_says_so(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.commit(LINE, confirm_s=60)
    await rig.changes.close()
    again = ConfigChanges(rig.history, ConfigFile(rig.path), rig.process, rig.apply, rig.clock)
    (rig.path.with_name("dialpost.toml.history") / "0001.toml").unlink()
    await again.before_start()
    assert "2 was not confirmed, and could not be rolled back: There is no configuration 1" in again.attention()[0]
    assert rig.text() == LINE


async def test_at_the_start_one_that_was_never_seen_to_start_goes_back(rig: Rig) -> None:
    rig.process.call(True)
    await rig.commit(LINE)  # the power goes before the call ends
    await rig.changes.close()
    again = ConfigChanges(rig.history, ConfigFile(rig.path), rig.process, rig.apply, rig.clock)
    await again.before_start()
    assert rig.text() == LINE
    assert await again.start_failed() and rig.text() == TEXT


async def test_the_file_read_again(rig: Rig) -> None:
    await rig.changes.started()
    rig.path.write_text(LINE)
    assert await rig.changes.reload(LINE) == ()
    assert (known(rig.process.config).modem.numbers, rig.apply.numbers) == (("0961",), [2])
    rig.process.fails_with = StorageError("The card is gone.")
    rig.path.write_text(BOTH)
    with pytest.raises(ConfigError, match=r"3 was rolled back.*card is gone\.\nConfiguration 2 is active again"):
        await rig.changes.reload(BOTH)
    assert (rig.text(), rig.history.text_of(3)) == (LINE, BOTH)
    rig.process.problems = ("Port 25 is taken.",)
    with pytest.raises(ConfigError, match="Port 25"):
        await rig.changes.reload(BOTH)
