"""A refusal that lasts is not dialled again, nor paid for again, before something changed; in virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from call_rig import CONFIG, Rig
from cases import cases
from dialpost.core.call_reason import CallReason
from dialpost.core.config.digest import digest
from dialpost.core.config.model import ModemConfig, PppConfig
from dialpost.core.faults import Fault
from dialpost.core.line.call.states import CallState
from dialpost.core.line.country import Country
from dialpost.core.line.dial_plan import DialPlan
from dialpost.core.line.link import Again, DialOutcome, DialResult
from dialpost.core.line.ppp.log import LOG_REASONS
from dialpost.core.line.reasons import AGAIN, PPP_REASONS
from dialpost.core.line.redial_rules import vain_call
from fakes import FakeLink, MemoryCallStore

REFUSED = DialOutcome(
    DialResult.ERROR, "The provider refused the login. Correct ppp.user.", again=Again.AFTER_CHANGE
)
AUTOMATIC = [CallReason.SCHEDULE, CallReason.QUEUE, CallReason.URGENT]

RESULTS = {
    DialResult.CONNECTED: Again.SOON,
    DialResult.BUSY: Again.SOON,
    DialResult.NO_ANSWER: Again.SOON,
    DialResult.NO_CARRIER: Again.SOON,
    DialResult.NO_DIALTONE: Again.SOON,
    DialResult.DELAYED: Again.SOON,
    DialResult.BLACKLISTED: Again.AFTER_CHANGE,
    DialResult.VOICE: Again.NEXT_TIME,
    DialResult.ERROR: Again.SOON,
    DialResult.TIMEOUT: Again.SOON,
    DialResult.CANCELLED: Again.SOON,
}
PPP_CODES = {
    0: Again.SOON,
    1: Again.NEXT_TIME,
    2: Again.AFTER_CHANGE,
    3: Again.AFTER_CHANGE,
    4: Again.AFTER_CHANGE,
    5: Again.SOON,
    6: Again.SOON,
    7: Again.SOON,
    8: Again.AFTER_CHANGE,
    9: Again.AFTER_CHANGE,
    10: Again.SOON,
    11: Again.AFTER_CHANGE,
    12: Again.SOON,
    13: Again.SOON,
    14: Again.AFTER_CHANGE,
    15: Again.SOON,
    16: Again.SOON,
    17: Again.NEXT_TIME,
    18: Again.AFTER_CHANGE,
    19: Again.AFTER_CHANGE,
    20: Again.SOON,
    21: Again.AFTER_CHANGE,
}
PPP_LOG = {
    "ppp-password-expired": Again.AFTER_CHANGE,
    "ppp-account-closed": Again.AFTER_CHANGE,
    "ppp-hours": Again.NEXT_TIME,
    "ppp-auth-kind": Again.AFTER_CHANGE,
    "ppp-proof": Again.AFTER_CHANGE,
    "ppp-no-login": Again.AFTER_CHANGE,
    "ppp-no-secret": Again.AFTER_CHANGE,
    "ppp-refused": Again.AFTER_CHANGE,
    "ppp-auth-silent": Again.SOON,
    "ppp-echo": Again.NEXT_TIME,
    "ppp-encryption": Again.AFTER_CHANGE,
    "ppp-callback-wanted": Again.AFTER_CHANGE,
    "ppp-time-over": Again.SOON,
    "ppp-inactive": Again.SOON,
    "ppp-silent-peer": Again.SOON,
    "ppp-no-ip": Again.NEXT_TIME,
    "ppp-address": Again.NEXT_TIME,
    "ppp-no-answer": Again.SOON,
    "ppp-port-locked": Again.SOON,
    "ppp-no-module": Again.AFTER_CHANGE,
    "ppp-peer-ended": Again.SOON,
}


def test_every_reason_says_whether_it_is_dialled_again() -> None:
    assert AGAIN == RESULTS
    assert {code: reason.again for code, reason in PPP_REASONS.items()} == PPP_CODES
    assert {row.reason.log: row.reason.again for row in LOG_REASONS} == PPP_LOG


@pytest.mark.parametrize("again", list(Again))
@pytest.mark.parametrize(
    "result",
    [result for result in DialResult if result not in {DialResult.CONNECTED, DialResult.CANCELLED}],
)
def test_what_is_dialled_again_and_when(result: DialResult, again: Again) -> None:
    async def scene(rig: Rig) -> None:
        await rig.call(CallReason.SCHEDULE)
        await asyncio.sleep(3600)
        assert len(rig.records) == (3 if again is Again.SOON else 1)
        held = [rig.calls.request(reason) for reason in AUTOMATIC]
        await asyncio.sleep(3600)
        assert len(rig.link.dialled_at) > len(rig.records[:1]) or again is Again.AFTER_CHANGE
        assert all(words.startswith("No call now.") for words in held) is (again is Again.AFTER_CHANGE)

    outcome = DialOutcome(result, "as it is said", again=again)
    Rig(link=FakeLink([outcome] * 3)).play(scene)


def test_a_refused_login_is_paid_for_once_and_says_what_to_do() -> None:
    async def scene(rig: Rig) -> None:
        rig.link.negotiated = REFUSED
        await rig.call(CallReason.SCHEDULE)
        await rig.reach(CallState.IDLE)
        for reason in AUTOMATIC * 3:
            assert "No automatic calls until a commit" in rig.calls.request(reason)
            await asyncio.sleep(100)
        assert len(rig.link.dialled_at) == 1
        [told] = rig.calls.attention()
        assert told.count("refused the login") == told.count("Correct ppp.user") == 1
        assert "`dialpost call now`" in told
        assert "until something changes" in rig.calls.state_words
        assert [record.result for record, _ in rig.given_up] == [DialResult.ERROR]

    Rig().play(scene)


@pytest.mark.parametrize("by_hand", [CallReason.COMMAND, CallReason.BUTTON])
def test_who_asks_by_hand_is_tried_and_a_good_call_lifts_it(by_hand: CallReason) -> None:
    async def scene(rig: Rig) -> None:
        rig.link.negotiated = REFUSED
        await rig.call(CallReason.SCHEDULE)
        assert (await rig.call(by_hand)).result is DialResult.ERROR
        await rig.reach(CallState.IDLE)
        assert rig.calls.request(CallReason.SCHEDULE).startswith("No call now.")
        rig.link.negotiated = DialOutcome(DialResult.CONNECTED)
        assert (await rig.call(by_hand)).result is DialResult.CONNECTED
        await rig.reach(CallState.IDLE)
        assert (await rig.call(CallReason.SCHEDULE)).result is DialResult.CONNECTED
        assert rig.calls.attention() == []

    Rig().play(scene)


def test_a_call_called_off_by_hand_lifts_nothing() -> None:
    async def scene(rig: Rig) -> None:
        rig.link.negotiated = REFUSED
        await rig.call(CallReason.SCHEDULE)
        await rig.reach(CallState.IDLE)
        rig.calls.request(CallReason.BUTTON)
        await rig.reach(CallState.DIALING)
        rig.calls.cancel(at_once=True)
        await rig.calls.finished()
        await rig.reach(CallState.IDLE)
        assert rig.calls.request(CallReason.SCHEDULE).startswith("No call now.")
        assert any("refused the login" in told for told in rig.calls.attention())

    Rig().play(scene)


@pytest.mark.parametrize("changed", [False, True])
def test_it_outlives_a_restart_but_not_a_commit_of_what_it_is_about(changed: bool) -> None:
    store = MemoryCallStore()
    ppp = PppConfig(user="clinic", password="wrong")
    after = replace(ppp, password="right") if changed else ppp

    async def before(rig: Rig) -> None:
        rig.link.negotiated = REFUSED
        await rig.call(CallReason.SCHEDULE)
        await rig.reach(CallState.IDLE)

    async def then(rig: Rig) -> None:
        await asyncio.sleep(1)
        assert (Fault.LINE in rig.panel.state.faults) is not changed
        assert any("refused the login" in told for told in rig.calls.attention()) is not changed
        rig.calls.request(CallReason.SCHEDULE)
        await asyncio.sleep(100)
        assert bool(rig.link.dialled_at) is changed

    Rig(store=store, line_settings=digest(ppp)).play(before)
    Rig(store=store, line_settings=digest(after)).play(then)


def test_what_cost_nothing_is_tried_again_after_a_restart() -> None:
    """A wrong PIN: the SIM is changed with the power off."""
    store = MemoryCallStore()

    async def before(rig: Rig) -> None:
        await rig.call(CallReason.SCHEDULE)
        await rig.reach(CallState.IDLE)
        assert rig.calls.request(CallReason.SCHEDULE).startswith("No call now.")

    async def then(rig: Rig) -> None:
        assert (await rig.call(CallReason.SCHEDULE)).result is DialResult.CONNECTED

    Rig(link=FakeLink([replace(REFUSED, detail="The SIM refused the PIN.")]), store=store).play(before)
    Rig(store=store).play(then)


def test_allowing_the_pin_lifts_it() -> None:
    async def scene(rig: Rig) -> None:
        await rig.call(CallReason.SCHEDULE)
        await rig.reach(CallState.IDLE)
        rig.calls.lift_bar()
        assert (await rig.call(CallReason.SCHEDULE)).result is DialResult.CONNECTED

    Rig(link=FakeLink([REFUSED])).play(scene)


@pytest.mark.parametrize(("numbers", "calls"), [(("111",), 1), (("111", "222"), 2), (("111", "222", "333"), 3)])
def test_a_number_that_the_modem_bars_leaves_the_others(numbers: tuple[str, ...], calls: int) -> None:
    plan = DialPlan(ModemConfig(numbers=numbers), Country("anywhere", "Anywhere", "a test"))

    async def scene(rig: Rig) -> None:
        rig.calls.request(CallReason.SCHEDULE)
        await asyncio.sleep(3600)
        assert [record.dialled for record in rig.records] == list(numbers)[:calls]
        assert rig.calls.request(CallReason.SCHEDULE).startswith("No call now.")

    barred = [DialOutcome(DialResult.BLACKLISTED, number=number) for number in numbers]
    Rig(replace(CONFIG, redial_attempts=5), link=FakeLink(barred), dial_plan=plan).play(scene)


def test_the_letter_is_written_once_also_over_a_commit() -> None:
    store = MemoryCallStore()

    async def fail(rig: Rig) -> None:
        await rig.call(CallReason.COMMAND)
        await rig.reach(CallState.IDLE)

    busy = [DialOutcome(DialResult.BUSY)]
    first = Rig(replace(CONFIG, redial_attempts=0), link=FakeLink(busy), store=store)
    first.play(fail)
    second = Rig(replace(CONFIG, redial_attempts=0), link=FakeLink(busy), store=store)
    second.play(fail)
    assert (len(first.given_up), len(second.given_up)) == (1, 0)
    third = Rig(store=store)
    third.play(fail)
    fourth = Rig(replace(CONFIG, redial_attempts=0), link=FakeLink(busy), store=store)
    fourth.play(fail)
    assert len(fourth.given_up) == 1, "a call has gone well in between"


VAIN = [
    # (way out barred, ETRN barred, mail waits) -> which automatic reasons are in vain
    ((False, False, False), set()),
    ((False, False, True), set()),
    ((True, False, True), {CallReason.QUEUE, CallReason.URGENT}),
    ((True, False, False), {CallReason.QUEUE, CallReason.URGENT}),
    ((False, True, True), set()),
    ((False, True, False), {CallReason.SCHEDULE, CallReason.REDIAL}),
    ((True, True, True), {*AUTOMATIC, CallReason.REDIAL}),
    ((True, True, False), {*AUTOMATIC, CallReason.REDIAL}),
]


@cases(("facts", "expected"), VAIN)
def test_a_refused_login_at_a_mail_host_stops_the_calls_that_are_for_it_alone(
    facts: tuple[bool, bool, bool], expected: set[CallReason]
) -> None:
    out, etrn, waits = facts
    told = {
        reason: vain_call(reason, is_way_out_barred=out, is_etrn_barred=etrn, waits=waits)
        for reason in (*AUTOMATIC, CallReason.REDIAL)
    }
    assert {reason for reason, words in told.items() if words} == expected
    assert all("user" in words for words in told.values() if words)


def test_a_call_in_vain_is_not_made_unless_by_hand() -> None:
    async def scene(rig: Rig) -> None:
        rig.vain[CallReason.QUEUE] = "The login was refused."
        assert rig.calls.request(CallReason.QUEUE) == "No call now. The login was refused."
        await asyncio.sleep(100)
        assert rig.link.dialled_at == []
        assert (await rig.call(CallReason.SCHEDULE)).result is DialResult.CONNECTED
        rig.vain[CallReason.COMMAND] = "is not asked"
        assert (await rig.call(CallReason.COMMAND)).result is DialResult.CONNECTED

    Rig().play(scene)
