"""What calls taught: kept for each host, set and forgotten by the operator, also in the middle of a call."""

from __future__ import annotations

import asyncio
import json

import pytest

from dialpost.core.config.model import (
    BudgetConfig,
    CallConfig,
    Config,
    EtrnConfig,
    EtrnUse,
    LinkConfig,
    LinkKind,
    StationConfig,
)
from dialpost.core.errors import ControlError
from dialpost.core.line.call.delays import Delays
from dialpost.core.line.call.habits import Promise, ProviderHabits
from dialpost.flow.line.call.learnt import MOST_HOSTS, LearntHabits, learned, learnt_methods
from fakes import MemoryCallStore, asked

KEY = "call.habits"
LATE = ProviderHabits().began(Promise.MAYBE, 25.0).followed(8.0)


def recalled(store: MemoryCallStore, host: str) -> LearntHabits:
    learnt = LearntHabits(store, host)
    asyncio.run(learnt.recall())
    return learnt


def kept(learnt: LearntHabits) -> None:
    asyncio.run(learnt.keep())


def test_each_host_has_habits_of_its_own() -> None:
    store = MemoryCallStore()
    first = recalled(store, "a.example")
    first.add(LATE)
    kept(first)
    second = recalled(store, "b.example")
    assert second.habits == ProviderHabits()
    second.add(ProviderHabits().began(Promise.MAYBE, 1.0))
    kept(second)
    again = recalled(store, "a.example").habits
    assert (again.starts, again.gaps) == (LATE.starts, LATE.gaps)


def test_only_the_last_hosts_are_kept() -> None:
    store = MemoryCallStore()
    for number in range(MOST_HOSTS + 2):
        learnt = recalled(store, f"{number}.example")
        learnt.add(LATE)
        kept(learnt)
    hosts = json.loads(store.values[KEY])["hosts"]
    assert list(hosts) == [f"{number}.example" for number in range(2, MOST_HOSTS + 2)]


def test_what_an_earlier_release_kept_is_the_present_hosts() -> None:
    store = MemoryCallStore()
    store.values[KEY] = json.dumps({"gaps_s": [1.0, 20.0], "starts_s": [25.0]})
    habits = recalled(store, "a.example").habits
    assert (habits.gaps.weight, habits.starts.weight) == (2.0, 1.0)


@pytest.mark.parametrize("value", ["", "x", "[]", '{"hosts": 7}', '{"hosts": {"a.example": 7}}'])
def test_what_can_not_be_read_starts_from_nothing(value: str) -> None:
    store = MemoryCallStore()
    store.values[KEY] = value
    assert recalled(store, "a.example").habits == ProviderHabits()


def test_what_is_set_or_forgotten_during_a_call_holds_after_it() -> None:
    async def scene() -> None:
        learnt = LearntHabits(MemoryCallStore(), "a.example")
        learnt.begin_call()
        await learnt.set_waits(45.0, None)
        learnt.add(LATE)
        assert (learnt.habits.set_start_s, learnt.habits.starts) == (45.0, LATE.starts)
        learnt.begin_call()
        await learnt.forget()
        learnt.add(LATE)
        assert learnt.habits == ProviderHabits()
        learnt.begin_call()
        learnt.add(LATE)
        assert learnt.habits == LATE

    asyncio.run(scene())


def test_the_words_say_what_was_seen_and_what_follows() -> None:
    learnt = LearntHabits(MemoryCallStore(), "mail.provider.example")
    config = Config(StationConfig("mail.clinic.example", ("clinic.example",)))
    new = learned(learnt, config)
    assert (new.starts, new.start_wait_s, new.gap_wait_s, new.empty_call_cost) == (0, 60.0, 60.0, 0.0)
    assert all("cost" not in sentence for sentence in new.words)
    assert new.words[:2] == (
        "No call has shown yet how soon mail.provider.example begins to send after its answer to ETRN.",
        "No call has shown yet how far apart its messages come.",
    )
    learnt.add(LATE)
    found = learned(learnt, config)
    assert (found.starts, found.gaps) == (1, 1)
    assert found.start_wait_s > found.start_longest_s
    assert found.words[0].startswith(
        "mail.provider.example begins to send 27 s after its answer to ETRN (seen 1 time;"
    )


def test_where_the_provider_is_not_asked_nothing_is_said_of_its_answers() -> None:
    learnt = LearntHabits(MemoryCallStore(), "mail.provider.example")
    learnt.add(LATE)
    config = Config(
        StationConfig("mail.clinic.example", ("clinic.example",)),
        etrn=EtrnConfig(use=EtrnUse.NEVER),
        budget=BudgetConfig(cost_per_minute=0.1, currency="EUR"),
    )
    found = learned(learnt, config)
    assert (found.start_wait_s, found.empty_call_cost) == (config.call.grace_min_s, 0.1)
    assert found.words[:3] == (
        "The provider is not asked for mail (etrn.use).",
        "Its messages follow each other 8 s apart (seen 1 time; longest 8 s).",
        "A call that finds nothing waits 3 s, and the call costs 0.10 EUR.",
    )
    assert found.words[3].startswith("After a message, a call waits ") and len(found.words) == 4


def test_the_words_say_how_the_limits_change_what_was_set_by_hand() -> None:
    async def scene() -> tuple[str, ...]:
        learnt = LearntHabits(MemoryCallStore(), "")
        learnt.add(ProviderHabits(starts=Delays().with_one(0.5)))
        await learnt.set_waits(45.0, 3.5)
        station = StationConfig("mail.clinic.example", ("clinic.example",))
        return learned(learnt, Config(station, call=CallConfig(grace_min_s=5, grace_max_s=10))).words

    words = asyncio.run(scene())
    assert words[0] == "The provider begins to send 0.5 s after its answer to ETRN (seen 1 time; longest 0.5 s)."
    assert "waits 10 s after a 250 (set by hand to 45 s, which call.grace_max_s limits)" in words[3]
    assert "waits 5 s for the next one (set by hand to 3.5 s, which call.grace_min_s limits)" in words[4]


def test_a_dedicated_line_learns_nothing() -> None:
    config = Config(
        StationConfig("mail.clinic.example", ("clinic.example",)),
        link=LinkConfig(kind=LinkKind.GATEWAY),
        etrn=EtrnConfig(host="mail.provider.example"),
    )
    methods = learnt_methods(LearntHabits(MemoryCallStore()), config)
    assert len(methods) == 3
    for name, params in (("call.learned", {}), ("call.set_waits", {"gap_s": 3.0}), ("call.forget_learned", {})):
        with pytest.raises(ControlError, match="The line is dedicated"):
            asyncio.run(asked(methods, name, params))


def test_setting_nothing_is_an_error() -> None:
    config = Config(StationConfig("mail.clinic.example", ("clinic.example",)))
    methods = learnt_methods(LearntHabits(MemoryCallStore()), config)
    with pytest.raises(ControlError, match="Give start_s, gap_s or both"):
        asyncio.run(asked(methods, "call.set_waits", {}))
