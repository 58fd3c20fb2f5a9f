"""The whole station with a provider that does ATRN: one connection of ours, both ways at once, exactly once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dialpost.core.line.call.record import CallRecord
from dialpost.core.mail.inbound.collected import CollectFate, Way
from dialpost.sim.line import LineSettings
from dialpost.sim.once import Load, Once
from dialpost.sim.provider.provider import ProviderSettings
from dialpost.sim.report import Report
from dialpost.sim.world import World, WorldSettings
from fuzzing import ARE_ALL_WANTED
from known import is_a

ATRN = ProviderSettings(atrn_user="clinic", atrn_password="geheim")
FAST = {"rate_bps": 1_000_000, "rtt_s": 0.005, "dial_s": 0.05}
FIVE = Load(5, 5, size=400)


async def run(folder: Path, load: Load, provider: ProviderSettings = ATRN, **line: Any) -> Report:
    settings = WorldSettings(
        LineSettings(**(FAST | line)), provider, grace_min_s=0.2, grace_max_s=5.0, pause_s=0.1, redials=5
    )
    folder.mkdir(exist_ok=True)
    world = World(settings, folder)
    try:
        await world.start()
        return await Once(world, load, lambda words: None).run()
    finally:
        await world.stop()


def records(report: Report) -> list[CallRecord]:
    return [CallRecord.from_json(is_a(dict, call)) for call in report.calls]


@pytest.mark.parametrize(
    "provider", [ATRN, replace(ATRN, chunking=False), replace(ATRN, pipelining=False)], ids=str
)
async def test_one_call_carries_everything_both_ways(provider: ProviderSettings, tmp_path: Path) -> None:
    report = await run(tmp_path, FIVE, provider)
    assert report.exit_status == 0, report.words
    [call] = records(report)
    [atrn] = call.inbound
    assert (atrn.way, atrn.fate, atrn.messages, call.received, call.sent) == (Way.ATRN, CollectFate.DONE, 5, 5, 5)
    assert (call.etrn, call.inbound_why) == ((), ("ATRN, as configured.",))


async def test_without_mail_the_call_ends_with_the_answer(tmp_path: Path) -> None:
    report = await run(tmp_path, Load(0, 0))
    assert report.exit_status == 0, report.words
    [call] = records(report)
    assert [(one.fate, one.words) for one in call.inbound] == [
        (CollectFate.NOTHING, "453 4.3.0 You have no mail"),
    ]


async def test_where_atrn_is_not_supported_etrn_follows_in_the_same_call(tmp_path: Path) -> None:
    report = await run(tmp_path, Load(1, 3), replace(ATRN, atrn_code=502))
    assert report.exit_status == 0, report.words
    [call] = records(report)
    assert [one.fate for one in call.inbound] == [CollectFate.NOT_SUPPORTED]
    assert [answer.code for answer in call.etrn][:1] == [253]
    assert call.inbound_why[-1] == (
        "The provider does not support ATRN (502 5.5.1 ATRN is not implemented here): ETRN is used instead."
    )


@pytest.mark.parametrize(("code", "advice"), [(450, "how often it allows ATRN"), (451, "asks again")])
async def test_not_now_is_told_and_nothing_follows(code: int, advice: str, tmp_path: Path) -> None:
    report = await run(tmp_path, Load(1, 2), replace(ATRN, atrn_code=code))
    assert (report.inbound.lost, report.inbound.waiting, report.outbound.is_exact) == (0, 2, True)
    call = records(report)[0]
    assert ([one.fate for one in call.inbound], call.etrn) == ([CollectFate.NOT_NOW], ())
    assert any(advice in text for text in is_a(list, report.extra["attention"]))


async def cut_at(folder: Path, direction: str, place: int, limit: asyncio.Semaphore) -> str | None:
    """None if everything arrived exactly once though the carrier was cut there."""
    async with limit:
        report = await run(folder / f"{direction}-{place}", FIVE, **is_a(dict, {direction: place}))
    return None if report.exit_status == 0 else f"{direction} {place}: {report.words}"


async def cut_places(folder: Path, step: int, first: int) -> list[str]:
    whole = await run(folder / "whole", FIVE)
    limit = asyncio.Semaphore(4)
    places = [
        (direction, place)
        for direction, total in (("cut_up", "bytes_up"), ("cut_down", "bytes_down"))
        for place in range(first, int(str(whole.extra[total])) + 1, step)
    ]
    found = await asyncio.gather(*(cut_at(folder, direction, place, limit) for direction, place in places))
    assert len(places) > 3
    return [words for words in found if words is not None]


async def test_a_cut_loses_and_doubles_nothing(tmp_path: Path) -> None:
    assert await cut_places(tmp_path, 1500, 700) == []


@pytest.mark.slow
async def test_a_cut_at_every_fiftieth_byte_loses_and_doubles_nothing(tmp_path: Path) -> None:
    assert await cut_places(tmp_path, 50 if ARE_ALL_WANTED else 250, 50) == []
