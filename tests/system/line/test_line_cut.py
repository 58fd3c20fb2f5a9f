"""The line is lost at any byte, or dies in any way, with Postfix and with Exim: the station redials, and every
message arrives.

Once, but for outbound messages whose answer was lost with the line: nobody can know whether those arrived (RFC
1047). Each test says how many came twice.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rig.line.exchange import Exchange
from rig.needs import needs_guests
from rig.processes import eventually

from dialpost.sim.telephone_line import TelephoneSettings

pytestmark = [pytest.mark.system, needs_guests("line", "line-exim")]

_LINE = TelephoneSettings(rate_bps=115_200, rtt_s=0.05, dial_s=0.3)
_SETTINGS: dict[str, dict[str, Any]] = {
    # So quick a redial finds connections of the lost call that still hang at the provider.
    "call": {"redial_attempts": 5, "redial_pause_s": 0.5, "grace_min_s": 3.0, "grace_max_s": 60.0},
    "ppp": {"echo_interval_s": 2, "echo_failures": 2},  # a guest's serial line has no DCD that would tell sooner
}
_MAIL = [(2000, 4), (20_000, 1)]
_SEED = int(os.environ.get("DIALPOST_CUT_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)


@pytest.fixture(scope="module", params=["postfix", "exim"])
def exchange(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """One pair of guests for all tests with this provider."""
    with Exchange(tmp_path_factory.mktemp("exchange"), line=_LINE, kind=request.param, settings=_SETTINGS) as both:
        yield both


def _lost_and_redialled(
    exchange: Exchange, told: str, lose: Callable[[], None], event: str, say: Callable[[str], None]
) -> None:
    """Mail waits at both ends; `lose` plans the loss of the line. The redials get everything across."""
    if exchange.is_spoilt:
        exchange.afresh(_SETTINGS)
    exchange.is_spoilt = True
    eventually(lambda: not exchange.line.is_up, what="the line of the call before down")
    exchange.load(_MAIL, _MAIL, prefix=f"-{told.replace(' ', '-')}")
    events = len(exchange.line.events)
    lose()
    status, said = exchange.station.call(timeout_s=900.0)
    happened = [what for _, what in exchange.line.events[events:]]
    calls = happened.count("CONNECT")
    assert event in happened, f"{told}: never reached\n{exchange.story()}"
    assert calls >= 2, f"{told}: no redial\n{exchange.story()}"
    assert status == 0, f"{told}\n{said}\n{exchange.story()}"
    twice = exchange.check_all_is_across()
    online_s = [round(record["online_s"], 1) for record in exchange.station.calls(calls)[::-1]]
    say(f"{exchange.provider.kind}, {told}: {calls} calls of {online_s} s; {twice} twice at the provider so far")
    exchange.line.check()
    exchange.is_spoilt = False


@pytest.mark.parametrize("number", range(20))
def test_a_carrier_cut_at_a_random_byte(exchange: Exchange, number: int, say: Callable[[str], None]) -> None:
    """The same cuts again: DIALPOST_CUT_SEED."""
    chance = random.Random(f"{_SEED}/{number}")
    way, count = chance.choice(["up", "down"]), int(chance.triangular(1, 9000, 2000))
    told = f"cut {number} of seed {_SEED} {way} after {count} bytes"
    _lost_and_redialled(exchange, told, lambda: exchange.line.cut_after(way, count), f"cut {way}", say)


@pytest.mark.parametrize("count", [900, 4000])
@pytest.mark.parametrize("dead", [("up", "down"), ("up",), ("down",)])
def test_a_line_that_dies(
    exchange: Exchange, dead: tuple[str, ...], count: int, say: Callable[[str], None]
) -> None:
    """The carrier stays, and all bytes one way or both vanish: while ETRN is asked, or amid the mail."""
    told = f"dead {' and '.join(dead)} after {count} bytes"
    _lost_and_redialled(exchange, told, lambda: exchange.line.die_after("down", count, dead), "dead", say)


def test_a_message_that_the_line_cuts_each_time_is_held_and_arrives_once_the_line_carries_it(
    exchange: Exchange,
) -> None:
    """The carrier is lost 60 kB into each call, and the message needs more than that."""
    exchange.afresh({**_SETTINGS, "call": {**_SETTINGS["call"], "redial_attempts": 0}})
    exchange.is_spoilt = True
    (big,) = exchange.station.submit([(150_000, 1)], prefix="big")
    small = exchange.station.submit([(2000, 3)], prefix="small")
    for _ in range(2):
        exchange.line.cut_after("up", 60_000)
        exchange.station.call()
        eventually(lambda: not exchange.line.is_up, what="the line is down")
    (held,) = json.loads(exchange.station.cli("queue", "list", "--json"))
    assert held["recipients"][0]["state"] == "held", f"{held}\n{exchange.story()}"
    eventually(lambda: exchange.outbound_arrived() == sorted(small), what="the small ones are across")
    exchange.station.cli("queue", "release", held["queue_id"])
    status, said = exchange.station.call()
    assert status == 0, f"{said}\n{exchange.story()}"
    eventually(lambda: exchange.outbound_arrived() == sorted([big, *small]), what="the big one is across, once")
