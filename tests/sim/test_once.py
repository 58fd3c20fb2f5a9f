"""The whole station in the simulated world: everything arrives exactly once, whatever the line does."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from dialpost.core.line.link import DialResult
from dialpost.core.mail.outcomes import Outcome
from dialpost.sim.line import LineSettings
from dialpost.sim.once import Load, Once
from dialpost.sim.provider.provider import Provider, ProviderSettings
from dialpost.sim.provider.session import Received
from dialpost.sim.provider.turned import Held
from dialpost.sim.report import Report
from dialpost.sim.world import World, WorldSettings
from fuzzing import ARE_ALL_WANTED, inputs
from known import is_a

FAST = {"rate_bps": 1_000_000, "rtt_s": 0.005, "dial_s": 0.05}


async def run(
    folder: Path, load: Load, provider: ProviderSettings | None = None, *, redials: int = 5, **line: Any
) -> Report:
    settings = WorldSettings(
        LineSettings(**(FAST | line)),
        provider or ProviderSettings(),
        grace_min_s=0.2,
        grace_max_s=5.0,
        pause_s=0.1,
        redials=redials,
    )
    folder.mkdir(exist_ok=True)
    world = World(settings, folder)
    try:
        await world.start()
        return await Once(world, load, lambda words: None).run()
    finally:
        await world.stop()


def hung_up(report: Report) -> list[object]:
    return [call["hangup_reason"] for call in report.calls]


async def test_one_call_carries_everything_both_ways(tmp_path: Path) -> None:
    report = await run(tmp_path, Load(10, 10))
    assert (report.exit_status, hung_up(report)) == (0, ["done"]), report.words
    (call,) = report.calls
    assert (call["result"], call["sent"], call["received"]) == ("connected", 10, 10)
    assert (report.outbound.is_exact, report.inbound.is_exact, report.queue_waiting) == (True, True, 0)
    etrn = call["etrn"]
    assert isinstance(etrn, list)
    assert [(answer["domain"], answer["code"]) for answer in etrn] == [
        ("clinic.example", 253),
        ("clinic.example", 251),
    ]
    assert call["bytes_up"] == report.extra["bytes_up"]
    shown = [entry["line"] for entry in report.led_history]
    lights = [light for light, before in zip(shown, [None, *shown], strict=False) if light != before]
    assert lights[:5] == ["off", "fast", "double", "on", "slow"]
    assert lights[5:] in ([], ["off"])  # the pause after the call may be over


async def test_up_and_down_run_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call costs max(up, down), not their sum: each direction begins before the other ends."""
    order: list[str] = []
    took, settled = Provider.take, Provider.settled

    def take(self: Provider, message: Received) -> str:
        order.append("up")
        return took(self, message)

    def settle(self: Provider, message: Held, outcomes: tuple[Outcome, ...]) -> None:
        order.append("down")
        settled(self, message, outcomes)

    monkeypatch.setattr(Provider, "take", take)
    monkeypatch.setattr(Provider, "settled", settle)
    report = await run(tmp_path, Load(6, 6, size=20_000), rate_bps=500_000)
    assert report.exit_status == 0, report.words
    assert (len(report.calls), order.count("up"), order.count("down")) == (1, 6, 6)
    assert "".join(order).find("down") < "".join(order).rfind("up")
    assert "".join(order).find("up") < "".join(order).rfind("down")


@pytest.mark.parametrize("load", [Load(0, 0), Load(0, 3), Load(3, 0)])
async def test_one_side_only(load: Load, tmp_path: Path) -> None:
    report = await run(tmp_path, load)
    assert (report.exit_status, len(report.calls)) == (0, 1), report.words


@pytest.mark.parametrize(
    "provider",
    [
        ProviderSettings(pipelining=False, chunking=False),
        ProviderSettings(pipelining=True, chunking=False),
        ProviderSettings(gap_s=0.5),
        ProviderSettings(start_s=1.5),
        ProviderSettings(connections=4),
        ProviderSettings(etrn_code=250),
        ProviderSettings(etrn_code=252),
    ],
    ids=str,
)
async def test_providers_of_every_kind(provider: ProviderSettings, tmp_path: Path) -> None:
    report = await run(tmp_path, Load(3, 4), provider)
    assert (report.exit_status, len(report.calls)) == (0, 1), report.words


@pytest.mark.parametrize("code", [458, 459, 500, 501, 502, 504, 530])
async def test_a_refused_etrn_is_reported_and_the_rest_goes(
    code: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    report = await run(tmp_path, Load(3, 3), ProviderSettings(etrn_code=code))
    assert report.exit_status == 3
    assert (report.outbound.is_exact, report.inbound.delivered) == (True, 0)
    assert (report.inbound.lost, report.inbound.waiting) == (0, 3)
    words = " ".join(report.words)
    advice = "asks again at the next connection" if code < 500 else "provider does not support ETRN"
    assert f"{code} " in words
    assert advice in words
    assert any(line.startswith("etrn:") and str(code) in line and advice in line for line in caplog.messages)
    (told,) = [text for text in report.extra["attention"] if "ETRN" in text]  # type: ignore[attr-defined]
    assert f"{code} " in told
    assert advice in told
    assert str(report.led_history[-1]["fault"]) == "flash-4"


async def test_a_provider_that_denies_what_it_holds(tmp_path: Path) -> None:
    report = await run(tmp_path, Load(1, 2), ProviderSettings(etrn_code=251))
    assert report.exit_status == 3
    assert "waiting at the provider" in " ".join(report.words)


@pytest.mark.parametrize(
    "result",
    [result for result in DialResult if result not in {DialResult.CONNECTED, DialResult.CANCELLED}],
)
async def test_every_result_of_dialling_leads_to_a_redial(result: DialResult, tmp_path: Path) -> None:
    report = await run(tmp_path, Load(1, 1), results=(result,))
    assert report.exit_status == 0, report.words
    assert [call["result"] for call in report.calls] == [result.value, "connected"]


async def test_a_line_that_never_comes_up(tmp_path: Path) -> None:
    report = await run(tmp_path, Load(2, 2), redials=1, results=(DialResult.NO_DIALTONE,) * 50)
    assert report.exit_status == 1
    assert (report.outbound.waiting, report.outbound.lost, report.queue_waiting) == (2, 0, 2)
    assert "no-dialtone" in " ".join(report.words)


async def test_a_run_ends_in_bounded_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Once, "limit_s", lambda self: 5.0
    )  # time to take the mail on a busy machine, far too little to send it
    report = await run(tmp_path, Load(20, 20), rate_bps=1200)
    assert report.exit_status == 1
    assert "Gave up" in report.words[0]
    assert (report.outbound.lost, report.inbound.lost) == (0, 0)


# -- cuts -----------------------------------------------------------------------------------------------


def cut_somewhere(seed: int) -> tuple[dict[str, int], ProviderSettings]:
    """A random place to cut, up, down or both, and a random provider."""
    chance = random.Random(seed)
    places = {"cut_up": chance.randrange(60_000), "cut_down": chance.randrange(60_000)}
    for direction in chance.choice(((), ("cut_up",), ("cut_down",))):
        del places[direction]
    provider = ProviderSettings(
        pipelining=chance.random() < 0.8, chunking=chance.random() < 0.5, connections=chance.choice((1, 1, 2))
    )
    return dict(places), provider


async def exactly_once(folder: Path, seed: int, limit: asyncio.Semaphore) -> str | None:
    """None if everything arrived exactly once over the cuts; else what is needed to see it again."""
    places, provider = cut_somewhere(seed)
    async with limit:
        report = await run(folder / str(seed), Load(10, 10, seed), provider, **is_a(dict, places))
    reached = report.extra["cuts"]
    # A busy machine may make the provider slower than it was before: then one call more fetches the rest.
    ends = sorted(str(reason) for reason in hung_up(report))
    wanted = ["carrier-lost"] * int(str(reached)) + ["done"]
    if report.exit_status == 0 and ends in (wanted, [*wanted, "provider-silent"]):
        return None
    return f"seed {seed}, {places}, {provider}: {report.words}, {hung_up(report)}, {reached} cuts"


@pytest.mark.parametrize("seed", range(1000, 1006))
async def test_a_cut_anywhere_loses_and_doubles_nothing(seed: int, tmp_path: Path) -> None:
    assert await exactly_once(tmp_path, seed, asyncio.Semaphore(1)) is None


@pytest.mark.slow
@pytest.mark.parametrize("part", range(inputs(5)))
async def test_ten_cuts_at_random_places(part: int, tmp_path: Path) -> None:
    first = random.SystemRandom().randrange(1_000_000)
    limit = asyncio.Semaphore(4)
    found = await asyncio.gather(*(exactly_once(tmp_path, first + n, limit) for n in range(10)))
    assert [words for words in found if words is not None] == [], f"seeds {first} to {first + 9}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("direction", "load"),
    [
        ("cut_down", Load(1, 0, size=500)),  # the provider's answer to our dot comes down
        ("cut_up", Load(0, 1, size=500)),  # our answer to its dot goes up
        ("cut_up", Load(1, 0, size=500)),
        ("cut_down", Load(0, 1, size=500)),
    ],
)
async def test_a_cut_at_each_byte_around_the_end_of_a_message(direction: str, load: Load, tmp_path: Path) -> None:
    """The final dot, its answer, and what follows: the window of RFC 1047."""
    limit, step = asyncio.Semaphore(4), 4 if ARE_ALL_WANTED else 8
    whole = await run(tmp_path / "whole", load)
    last = int(str(whole.extra["bytes_up" if direction == "cut_up" else "bytes_down"]))

    async def cut_at(place: int) -> tuple[int, list[str]] | None:
        async with limit:
            report = await run(tmp_path / f"{place}", load, **is_a(dict, {direction: place}))
        return None if report.exit_status == 0 else (place, list(report.words))

    found = await asyncio.gather(*(cut_at(place) for place in range(last - 240, last + 1, step)))
    assert [words for words in found if words is not None] == []


async def test_its_folder_may_have_a_long_name(tmp_path: Path) -> None:
    """A UNIX socket's path has 107 octets at most; people's folders have more."""
    folder = tmp_path / ("x" * 120)
    report = await run(folder, Load(1, 1))
    assert report.exit_status == 0, report.words
