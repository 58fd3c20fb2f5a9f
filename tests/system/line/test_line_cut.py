"""The carrier is lost at any byte: the station redials, and every message arrives exactly once."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from typing import Any

import pytest
from rig.line.exchange import Exchange
from rig.needs import needs_guests
from rig.processes import eventually

from dialpost.sim.telephone_line import TelephoneSettings

pytestmark = [pytest.mark.system, needs_guests("line")]

_LINE = TelephoneSettings(rate_bps=115_200, rtt_s=0.05, dial_s=0.3)
_SETTINGS: dict[str, dict[str, Any]] = {
    # What Postfix was just connecting for when the line went it tries for 30 s more: the grace is that of service.
    "call": {"redial_attempts": 5, "redial_pause_s": 0.5, "grace_min_s": 3.0, "grace_max_s": 60.0},
    "ppp": {"echo_interval_s": 2, "echo_failures": 2},  # a guest's serial line has no DCD that would tell sooner
}


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """One pair of guests for all cuts."""
    with Exchange(tmp_path_factory.mktemp("exchange"), line=_LINE, settings=_SETTINGS) as both:
        yield both


_SEED = int(os.environ.get("DIALPOST_CUT_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)


@pytest.mark.parametrize("number", range(20))
def test_a_carrier_cut_at_a_random_byte(exchange: Exchange, number: int) -> None:
    """Redialled by itself, and everything is across exactly once. The same cuts again: DIALPOST_CUT_SEED."""
    chance = random.Random(f"{_SEED}/{number}")
    way, count = chance.choice(["up", "down"]), int(chance.triangular(1, 9000, 2000))
    told = f"cut {number}: seed {_SEED}, {way} after {count} bytes"
    if exchange.is_spoilt:
        exchange.afresh(_SETTINGS)
    exchange.is_spoilt = True
    eventually(lambda: not exchange.line.is_up, what="the line of the cut before down")
    exchange.load([(2000, 4), (20_000, 1)], [(2000, 4), (20_000, 1)], prefix=f"-cut{number}")
    calls = len(exchange.line.events)
    exchange.line.cut_after(way, count)
    status, said = exchange.station.call()
    events = [what for _, what in exchange.line.events[calls:]]
    assert f"cut {way}" in events, f"{told}: never reached\n{exchange.story()}"
    assert events.count("CONNECT") >= 2, f"{told}: no redial\n{exchange.story()}"
    assert status == 0, f"{told}\n{said}\n{exchange.story()}"
    more = exchange.finish()
    print(f"{told}: {events.count('CONNECT')} calls by itself, {more} by command")  # noqa: T201
    exchange.line.check()
    exchange.is_spoilt = False


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
