"""The plan of a call's ways over several calls: what follows, what is remembered, what the log says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

import pytest

from dialpost.core.config.model import Config
from dialpost.core.config.text import parse_config
from dialpost.core.errors import StorageError
from dialpost.core.mail.etrn import EtrnAnswer, classify
from dialpost.core.mail.inbound.collected import Collected, CollectFate, Way
from dialpost.core.mail.inbound.plan import Learnt
from dialpost.core.mail.mx import AddressAnswer, NoSuchName
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.smtp_target import AtrnDialogue, ConnectSettings, HostTarget, SessionFate
from dialpost.flow.line.call.inbound_plan import MOST_PROVIDERS, InboundPlan
from dialpost.flow.line.call.mail_needs import Start
from dialpost.flow.mail.inbound.atrn import AtrnCollector
from dialpost.flow.mail.outgoing.host_troubles import HostTroubles
from fakes import MemoryCallStore

BOXES = "".join(
    f'[[inbound.mailbox]]\nname = "{kind}"\nkind = "{kind}"\nhost = "m.example"\nuser = "u"\npassword = "p"\n'
    for kind in ("imap", "pop3")
)
ATRN = '[atrn]\nuser = "u"\npassword = "p"\n'


def config(text: str, smarthost: str = "smtp.example") -> Config:
    head = '[station]\nhostname = "mail.a.example"\ndomains = ["a.example"]\n'
    return parse_config(f'{head}[outbound]\nsmarthost = "{smarthost}"\n{text}')


class One(AtrnCollector):
    """A collector that is only told from others."""

    def __init__(self, name: str) -> None:
        self.name = name


NAMES = {way: One(way.value) for way in (Way.ATRN, Way.IMAP, Way.POP3)}
BESIDE = One("anna's")


def plan_of(text: str, store: MemoryCallStore | None = None, smarthost: str = "smtp.example") -> InboundPlan:
    def make(way: Way) -> Callable[[], tuple[One, ...]]:
        return lambda: (NAMES[way],)

    def soon(work: Callable[[], Awaitable[None]]) -> None:
        asyncio.run(_awaited(work))

    kept = store or MemoryCallStore()
    return InboundPlan(
        config(text, smarthost), kept, {way: make(way) for way in NAMES}, beside=lambda: (BESIDE,), soon=soon
    )


async def _awaited(work: Callable[[], Awaitable[None]]) -> None:
    await work()


def names(start: Start) -> list[str]:
    found = [one.name for one in start.collectors if isinstance(one, One)]
    return (["etrn"] if start.etrn else []) + found


def said(code: int) -> tuple[EtrnAnswer, ...]:
    return (classify("a.example", Reply(code, ("so be it",))),)


def came(way: Way, fate: CollectFate = CollectFate.DONE, messages: int = 0) -> Collected:
    return Collected(way, "", fate, "502 no" if fate is CollectFate.NOT_SUPPORTED else "", messages=messages)


def test_each_way_that_is_not_supported_makes_room_for_the_next(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    plan = plan_of(ATRN + BOXES)
    assert names(plan.begin_call()) == ["atrn", "anna's"]
    assert names(plan.collected(came(Way.ATRN, CollectFate.NOT_SUPPORTED))) == ["etrn"]
    assert names(plan.answered(said(502))) == ["imap"]
    assert names(plan.answered(said(502))) == [], "once"
    assert names(plan.collected(came(Way.IMAP))) == []
    plan.end_call(received=0, is_cut=False)
    assert plan.learnt == Learnt(Way.IMAP)
    assert "inbound: The provider does not support ETRN (502 so be it): IMAP is used instead." in caplog.messages
    assert names(plan.begin_call()) == ["imap", "anna's"]
    assert names(plan.collected(came(Way.IMAP, CollectFate.NOT_SUPPORTED))) == ["pop3"]
    assert names(plan.collected(came(Way.POP3, CollectFate.NOT_SUPPORTED))) == [], "there is no other"


@pytest.mark.parametrize(
    "fate",
    [CollectFate.NOT_NOW, CollectFate.LOGIN_REFUSED, CollectFate.UNREACHABLE, CollectFate.CUT, CollectFate.NOTHING],
)
def test_anything_else_changes_nothing(fate: CollectFate) -> None:
    plan = plan_of(ATRN + BOXES)
    plan.begin_call()
    assert names(plan.collected(came(Way.ATRN, fate))) == []
    plan.end_call(received=0, is_cut=False)
    assert names(plan.begin_call()) == ["atrn", "anna's"]


def test_etrn_that_is_refused_for_now_is_asked_again() -> None:
    plan = plan_of(BOXES)
    for code in (458, 459, 530, 251):
        assert names(plan.begin_call()) == ["etrn", "anna's"]
        assert names(plan.answered(said(code))) == []
        plan.end_call(received=0, is_cut=False)


def test_a_promise_that_is_not_kept_three_times_brings_the_next_way(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    plan = plan_of(BOXES)
    for _ in range(3):
        assert names(plan.begin_call()) == ["etrn", "anna's"]
        plan.answered(said(250))
        plan.end_call(received=0, is_cut=False)
    assert names(plan.begin_call()) == ["etrn", "imap", "anna's"]
    assert any("nobody came" in message for message in caplog.messages)
    plan.answered(said(250))
    plan.end_call(received=2, is_cut=False)
    assert names(plan.begin_call()) == ["etrn", "anna's"], "somebody came"


@pytest.mark.parametrize(
    ("way", "more"),
    [(Way.ATRN, '[etrn]\nhost = "etrn.example"\n' + ATRN + 'host = "atrn.example"\n'), (Way.IMAP, BOXES)],
)
def test_what_another_way_brought_does_not_count_for_etrn(way: Way, more: str) -> None:
    plan = plan_of(more)
    for _ in range(3):
        plan.begin_call()
        plan.answered(said(250))
        plan.end_call(received=0, is_cut=False)
    plan.begin_call()
    plan.answered(said(250))
    plan.collected(came(way, messages=4))
    plan.end_call(received=4, is_cut=False)
    assert plan.learnt.silent_calls == 4


async def test_it_is_remembered_for_each_provider_over_a_restart() -> None:
    store = MemoryCallStore()

    async def call(smarthost: str) -> InboundPlan:
        plan = plan_of(ATRN + BOXES, store, smarthost)
        await plan.recall()
        plan.begin_call()
        plan.collected(came(Way.ATRN, CollectFate.NOT_SUPPORTED))
        plan.answered(said(502))
        plan.collected(came(Way.IMAP))
        await asyncio.to_thread(plan.end_call, received=0, is_cut=False)
        return plan

    for number in range(MOST_PROVIDERS + 1):
        await call(f"smtp{number}.example")
    first, last = plan_of(ATRN, store, "smtp0.example"), plan_of(ATRN, store, "smtp8.example")
    for plan in (first, last):
        await plan.recall()
    assert (first.learnt, last.learnt) == (Learnt(), Learnt(Way.IMAP))
    store.values["inbound.ways"] = "broken"
    await first.recall()
    assert first.learnt == Learnt()


async def test_a_card_that_can_not_be_written_is_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(key: str, value: str) -> None:
        raise StorageError("the card is full")

    store = MemoryCallStore()
    monkeypatch.setattr(store, "remember", fail)
    await plan_of(ATRN, store).keep()
    assert "what worked could not be recorded" in caplog.text


async def test_a_refused_login_is_not_repeated() -> None:
    asked: list[object] = []

    class Speaker:
        atrn_patience_ends_s = 0.0

        async def atrn(self, target: HostTarget, settings: ConnectSettings, domains: Sequence[str]) -> AtrnDialogue:
            asked.append((target, settings.user, tuple(domains)))
            return AtrnDialogue(None, "the server refused the login: 535 no", fate=SessionFate.LOGIN_REFUSED)

        def stop_atrn(self, why: str) -> None:
            asked.append(why)

    class Names:
        def __init__(self) -> None:
            self.answers: list[AddressAnswer] = [("192.0.2.1",), NoSuchName("smtp.example")]

        async def addresses(self, host: str) -> AddressAnswer:
            return self.answers.pop(0)

    names = Names()
    collector = AtrnCollector(config(ATRN + 'domains = ["a.example"]'), Speaker(), names, HostTroubles())
    first, second = await collector.collect(), await collector.collect()
    assert [one.fate for one in (first, second)] == [CollectFate.LOGIN_REFUSED] * 2
    assert asked == [(HostTarget("smtp.example", ("192.0.2.1",), 366), "u", ("a.example",))]
    collector.stop()
    collector.stop_waiting("why")
    assert (asked[1:], collector.patience_ends_s) == (["why"], 0.0)
    other = AtrnCollector(config(ATRN), Speaker(), names, HostTroubles())
    assert (await other.collect()).fate is CollectFate.UNREACHABLE


async def test_a_provider_that_gives_one_message_a_session_is_asked_again() -> None:
    for sessions, asked, brought in (
        ([1, 1, 1, 0], 4, 3),  # one a session, until nothing waits
        ([3], 1, 3),
        ([1, 2], 2, 3),
        ([0], 1, 0),
        ([1, -1], 2, 1),  # "too frequent"
    ):
        speaker = OneByOne(sessions)
        found = await AtrnCollector(config(ATRN), speaker, Known(), HostTroubles()).collect()
        assert (speaker.asked, found.messages) == (asked, brought), sessions
        assert found.fate is (CollectFate.DONE if brought else CollectFate.NOTHING)


async def test_nobody_is_asked_again_who_gave_several_once_or_after_a_stop() -> None:
    speaker = OneByOne([2, 1, 1])
    collector = AtrnCollector(config(ATRN), speaker, Known(), HostTroubles())
    assert [(await collector.collect()).messages for _ in range(2)] == [2, 1]
    speaker = OneByOne([1, 1])
    collector = AtrnCollector(config(ATRN), speaker, Known(), HostTroubles())
    speaker.meanwhile = collector.stop
    assert ((await collector.collect()).messages, speaker.asked) == (1, 1)


class Known:
    async def addresses(self, host: str) -> AddressAnswer:
        return ("192.0.2.1",)


class OneByOne:
    """A provider; `sessions` says how many messages each brings (0: it answers 453, below 0: 450)."""

    def __init__(self, sessions: list[int]) -> None:
        self._sessions, self.asked = sessions, 0
        self.meanwhile: Callable[[], None] = lambda: None
        self.atrn_patience_ends_s = 0.0

    async def atrn(self, target: HostTarget, settings: ConnectSettings, domains: Sequence[str]) -> AtrnDialogue:
        count = self._sessions[self.asked]
        self.asked += 1
        self.meanwhile()
        code = 250 if count > 0 else 453 if count == 0 else 450
        return AtrnDialogue(Reply(code, ("words",)), offered=True, is_whole=count > 0, messages=max(count, 0))

    def stop_atrn(self, why: str) -> None:
        raise AssertionError(why)
