"""Tasks beside the mail: started over after a bug, ended with the station."""

import asyncio

import pytest

from dialpost.flow.background import Background


@pytest.fixture(autouse=True)
def _short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialpost.flow.background.RESTART_PAUSE_S", 0.01)


async def test_a_task_that_fails_is_started_again() -> None:
    background, runs, again = Background(), 0, asyncio.Event()

    async def buggy() -> None:
        nonlocal runs
        runs += 1
        if runs == 2:
            again.set()
        raise RuntimeError("a bug")

    background.keep("buggy", buggy)
    async with asyncio.timeout(60):
        await again.wait()
    await background.end()
    ended_with = runs
    await asyncio.sleep(0.05)  # nothing must happen: there is no event to wait for
    assert runs == ended_with


async def test_once_is_once_and_its_bug_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    background, runs, ran = Background(), 0, asyncio.Event()

    async def buggy() -> None:
        nonlocal runs
        runs += 1
        ran.set()
        raise RuntimeError("a bug")

    background.once("buggy", buggy)
    await asyncio.wait_for(ran.wait(), 60)
    await background.end()
    assert (runs, caplog.messages) == (1, ["buggy failed; it does not restart"])


async def test_the_end_cancels_and_waits() -> None:
    background, ended, begun = Background(), asyncio.Event(), asyncio.Event()

    async def long() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.set()

    background.once("long", long)
    await asyncio.wait_for(begun.wait(), 60)
    await background.end()
    assert ended.is_set()


async def test_a_task_that_fails_while_it_is_ended_is_not_started_again(caplog: pytest.LogCaptureFixture) -> None:
    """Else the station would never stop: nobody ends it a second time."""
    background, runs, ran = Background(), 0, asyncio.Event()

    async def buggy_end() -> None:
        nonlocal runs
        runs += 1
        ran.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("the terminal is gone")

    background.keep("buggy end", buggy_end)
    async with asyncio.timeout(60):
        await ran.wait()
        await background.end()
    assert runs == 1 and "buggy end failed" in caplog.text
