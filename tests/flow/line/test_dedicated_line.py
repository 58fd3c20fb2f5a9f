"""A dedicated line: no calls; mail goes out when it is accepted, when its time comes, when asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dialpost.core.call_reason import CallReason
from dialpost.core.faults import Fault
from dialpost.core.line.call.states import CallState
from dialpost.core.mail.etrn import classify
from dialpost.core.mail.reply import Reply
from dialpost.flow.line.dedicated_line import LOOK_S, DedicatedLine
from dialpost.flow.panel.state import Panel
from fakes import FakeEtrn, FakeFlush, FakeInbound, MemoryCallStore, run_virtual

REFUSED = (classify("clinic.example", Reply(459, ("not you",))),)


class Rig:
    """A dedicated line in virtual time."""

    def __init__(self, flush: FakeFlush, etrn: FakeEtrn | None = None) -> None:
        self.flush, self.etrn, self.store = flush, etrn, MemoryCallStore()

    def play(self, story: Callable[[Rig], Awaitable[None]]) -> None:
        run_virtual(self._play(story))

    async def _play(self, story: Callable[[Rig], Awaitable[None]]) -> None:
        self.panel = Panel(self.store)
        self.line = DedicatedLine(
            etrn=self.etrn, flush=self.flush, inbound=FakeInbound(), store=self.store, panel=self.panel
        )
        task = asyncio.create_task(self.line.run())
        try:
            await story(self)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def test_mail_accepted_goes_out_at_once() -> None:
    async def story(rig: Rig) -> None:
        await asyncio.sleep(5)
        rig.flush.waiting.append(1.0)
        rig.line.mail_accepted()
        assert rig.panel.state.call is CallState.ONLINE
        await asyncio.sleep(2)
        assert not rig.flush.waiting
        assert rig.store.calls == [], "mail that goes out by itself is no call"

    Rig(FakeFlush()).play(story)


def test_what_was_deferred_is_looked_at_again() -> None:
    async def story(rig: Rig) -> None:
        await asyncio.sleep(LOOK_S * 2 + 1)
        assert rig.flush.began_at == [0.0, LOOK_S, 2 * LOOK_S]

    Rig(FakeFlush()).play(story)


def test_asked_for_it_flushes_asks_by_etrn_and_is_kept() -> None:
    async def story(rig: Rig) -> None:
        await asyncio.sleep(1)
        rig.flush.waiting.append(1.0)
        assert "dedicated" in rig.line.request(CallReason.COMMAND)
        record = await rig.line.finished()
        assert (record.link, record.sent, record.etrn) == ("gateway", 1, REFUSED)
        assert [call["reason"] for call in rig.store.calls] == ["command"]
        assert rig.panel.state.faults == {Fault.ETRN}
        assert "not you" in rig.line.attention()[0]
        assert rig.line.status()["last"] == record.to_json()

    Rig(FakeFlush(), FakeEtrn(REFUSED)).play(story)


def test_a_stop_ends_the_run_and_the_line_goes_on() -> None:
    async def story(rig: Rig) -> None:
        await asyncio.sleep(1)
        assert "after the current" in rig.line.cancel(at_once=False)
        await asyncio.sleep(10)
        assert len(rig.flush.waiting) == 1
        assert "no calls" in rig.line.cancel(at_once=False)
        rig.line.mail_accepted()
        await asyncio.sleep(10)
        assert not rig.flush.waiting

    Rig(FakeFlush(5.0, 5.0)).play(story)


def test_a_bug_in_the_flush_does_not_stop_the_line(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(FakeFlush):
        async def run(self) -> Any:
            if len(self.began_at) == 0:
                self.began_at.append(0.0)
                raise RuntimeError("a bug")
            return await super().run()

    async def story(rig: Rig) -> None:
        await asyncio.sleep(1)
        assert "a bug" in caplog.text
        rig.flush.waiting.append(1.0)
        rig.line.mail_accepted()
        await asyncio.sleep(5)
        assert not rig.flush.waiting

    Rig(Broken()).play(story)
