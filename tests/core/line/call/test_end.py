"""When to hang up: every kind of provider, every kind of quiet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf

import pytest

from dialpost.core.line.call.budget import HANG_UP_S
from dialpost.core.line.call.end import (
    AT_WORK_S,
    MOST_ASKS,
    STALL_S,
    AskAgain,
    Decision,
    Evidence,
    HangUp,
    Stop,
    StopWaiting,
    Wait,
    decide,
    may_hang,
)
from dialpost.core.line.call.habits import GraceRules, Promise
from dialpost.core.line.call.record import HangUpReason
from dialpost.core.line.call.worth import Price
from dialpost.core.mail.etrn import EtrnAnswer, classify
from dialpost.core.mail.reply import Reply

RULES = GraceRules(3.0, 60.0, 60.0)


@dataclass(frozen=True)
class Known:
    """How long each wait is worth, as the test says. `look_s`: for a gap, where it may look longer."""

    starts_s: Mapping[Promise, float] = field(default_factory=dict)
    gap_s: float = 15.0
    look_s: float = 15.0
    calls_since: int = 0

    def start_wait_s(
        self, promise: Promise, waited_s: float, rules: GraceRules, price: Price, *, carried: bool
    ) -> float:
        return self.starts_s.get(promise, 30.0) + (10.0 if carried else 0.0)

    def gap_wait_s(self, waited_s: float, rules: GraceRules, price: Price, *, look_after: float = 0) -> float:
        return self.look_s if self.calls_since >= look_after else self.gap_s


NO_HABITS = Known()
DONE = HangUp(HangUpReason.DONE)
SILENT = HangUp(HangUpReason.PROVIDER_SILENT)


def said(code: int, text: str = "ok") -> EtrnAnswer:
    return classify("clinic.example", Reply(code, (text,)))


STARTED, NOTHING, PENDING = said(250), said(251), said(252)
THREE = said(253, "3 pending messages for node clinic.example started")
LATER, NOT_DONE = said(458), said(502)
AT_WORK = said(458, "Already processing clinic.example")

# Line up at 100, asked at 100, answered at 101, nothing to send, nobody came.
QUIET = Evidence(
    now_s=101.0,
    outbound_drained=True,
    outbound_busy=False,
    etrn_under_way=False,
    asked_s=100.0,
    answered_s=101.0,
    answers=(),
    inbound_connections=0,
    inbound_last_s=None,
    inbound_messages=0,
    messages_since_ask=0,
    stop=None,
    asks=1,
    progress_s=0.0,
    paid_until_s=0.0,
)


def at(now_s: float, evidence: Evidence, habits: Known = NO_HABITS) -> Decision:
    return decide(replace(evidence, now_s=now_s), RULES, habits)


def ends_at(evidence: Evidence, habits: Known = NO_HABITS) -> tuple[float, Decision]:
    """When a call with no further events stops waiting, and how; follows the rule's own wake-ups."""
    now_s = evidence.now_s
    while isinstance(found := at(now_s, evidence, habits), Wait):
        assert found.until_s > now_s, "it would spin"
        now_s = found.until_s
    return now_s, found


def test_it_stays_while_mail_goes_out() -> None:
    found = at(1e6, replace(QUIET, outbound_drained=False, outbound_busy=True))
    assert isinstance(found, Wait)
    assert found.until_s == inf


def test_it_stays_while_etrn_is_under_way() -> None:
    assert isinstance(at(1e6, replace(QUIET, etrn_under_way=True)), Wait)


@pytest.mark.parametrize("answers", [(), (LATER,), (NOT_DONE,), (NOTHING, LATER)])
def test_nothing_promised_ends_after_the_shortest_grace(answers: tuple[EtrnAnswer, ...]) -> None:
    assert ends_at(replace(QUIET, answers=answers)) == (104.0, DONE)


def test_nothing_waits_ends_at_once() -> None:
    assert ends_at(replace(QUIET, answers=(NOTHING,))) == (101.0, DONE)
    assert ends_at(replace(QUIET, answers=(NOTHING, NOTHING))) == (101.0, DONE)


@pytest.mark.parametrize(
    ("answers", "promise", "reason"),
    [
        ((STARTED,), Promise.MAYBE, HangUpReason.DONE),
        ((PENDING,), Promise.CERTAIN, HangUpReason.PROVIDER_SILENT),
        ((THREE,), Promise.CERTAIN, HangUpReason.PROVIDER_SILENT),
        ((NOTHING, THREE), Promise.CERTAIN, HangUpReason.PROVIDER_SILENT),
        ((STARTED, PENDING), Promise.CERTAIN, HangUpReason.PROVIDER_SILENT),
    ],
)
def test_a_promise_is_waited_for_as_long_as_it_is_worth(
    answers: tuple[EtrnAnswer, ...], promise: Promise, reason: HangUpReason
) -> None:
    known = Known({promise: 42.0})
    assert ends_at(replace(QUIET, answers=answers), known) == (143.0, HangUp(reason))
    assert ends_at(replace(QUIET, answers=answers, sent=1), known) == (153.0, HangUp(reason))


def test_a_provider_that_is_at_work_is_asked_once_more() -> None:
    at_work = replace(QUIET, answers=(AT_WORK,))
    assert ends_at(at_work) == (101.0 + AT_WORK_S, AskAgain())
    assert ends_at(at_work, Known({Promise.CERTAIN: 7.0})) == (108.0, AskAgain())
    again = replace(at_work, asks=2, asked_s=122.0, answered_s=123.0, now_s=123.0)
    assert ends_at(again) == (153.0, HangUp(HangUpReason.NOT_SERVED))
    assert ends_at(replace(again, answers=(STARTED,))) == (153.0, DONE)


def test_what_hangs_at_the_provider_since_a_cut_is_asked_for_once_more() -> None:
    known = Known({Promise.MAYBE: 2.0, Promise.AGAIN: 2.0, Promise.CERTAIN: 7.0})
    cut = replace(QUIET, answers=(STARTED,), hanging_until_s=135.0)
    assert ends_at(cut, known) == (135.0, AskAgain())
    asked = replace(cut, asks=2, asked_s=135.0, answered_s=135.5, now_s=135.5)
    assert ends_at(asked, known) == (137.5, DONE)
    assert ends_at(replace(ASKED_AGAIN, hanging_until_s=135.0), known) == (135.0, AskAgain()), "some came, not all"
    assert ends_at(replace(cut, answers=(NOTHING,)), known) == (101.0, DONE), "it knows"
    silent = HangUp(HangUpReason.PROVIDER_SILENT)
    assert ends_at(replace(cut, answers=(THREE,)), known) == (108.0, silent), "this one is waited for anyway"


def test_connections_of_a_lost_line_may_hang_where_mail_was_asked_for_a_moment_ago() -> None:
    asked = replace(QUIET, answers=(STARTED,), now_s=QUIET.answered_s + 34.9)
    assert may_hang(asked)
    assert may_hang(replace(asked, answers=(), etrn_under_way=True)), "its answer may have been lost"
    assert not may_hang(replace(asked, answers=())), "it was not asked"
    assert not may_hang(replace(asked, answers=(NOTHING,)))
    quiet = replace(asked, now_s=QUIET.answered_s + 35.0)
    assert not may_hang(quiet), "it would have connected while the line was up"
    assert may_hang(replace(quiet, inbound_connections=1))
    assert may_hang(replace(quiet, inbound_last_s=quiet.now_s - 1))
    assert may_hang(replace(quiet, asked_s=quiet.now_s - 1, etrn_under_way=True)), "asked again"


CAME = replace(QUIET, inbound_last_s=120.0, inbound_messages=2, messages_since_ask=2, now_s=120.0)


ASKED_AGAIN = replace(
    CAME, answers=(STARTED,), asks=2, asked_s=121.0, answered_s=121.5, messages_since_ask=0, now_s=121.5
)


def test_after_mail_came_it_waits_as_long_as_another_message_is_worth() -> None:
    restart = {Promise.AGAIN: 3.0}
    assert ends_at(ASKED_AGAIN, Known(restart)) == (135.0, DONE)
    assert ends_at(ASKED_AGAIN, Known(restart, look_s=40.0)) == (160.0, DONE)
    assert ends_at(ASKED_AGAIN, Known({Promise.AGAIN: 20.0})) == (141.5, DONE), "or to begin again"


def test_what_a_250_says_nothing_about_is_asked_for_again_while_the_grace_runs() -> None:
    came = replace(CAME, answers=(STARTED,))
    assert ends_at(came) == (121.0, AskAgain())
    assert at(130.0, replace(came, outbound_drained=False)) == AskAgain()  # it costs nothing then
    assert isinstance(at(130.0, replace(came, inbound_connections=1)), Wait)
    assert ends_at(replace(came, asks=MOST_ASKS)) == (135.0, DONE)  # what we deferred is not asked for for ever
    assert ends_at(replace(came, messages_since_ask=0)) == (135.0, DONE)


def test_a_provider_that_tells_is_asked_once_more() -> None:
    assert ends_at(replace(CAME, answers=(THREE,))) == (135.0, AskAgain())
    assert ends_at(replace(CAME, answers=(THREE,), messages_since_ask=3)) == (123.0, AskAgain())
    assert ends_at(replace(CAME, answers=(THREE, PENDING), messages_since_ask=3)) == (135.0, AskAgain())


@pytest.mark.parametrize("answer", [PENDING, THREE])
def test_what_the_station_deferred_is_not_asked_for_again_and_again(answer: EtrnAnswer) -> None:
    deferred = replace(CAME, answers=(answer,), inbound_messages=0, messages_since_ask=0)
    assert ends_at(replace(deferred, asks=MOST_ASKS - 1)) == (135.0, AskAgain())
    assert ends_at(replace(deferred, asks=MOST_ASKS)) == (135.0, SILENT)
    assert ends_at(replace(deferred, asks=MOST_ASKS, messages_since_ask=1)) == (135.0, AskAgain())


ONCE_MORE = replace(CAME, asked_s=124.0, answered_s=125.0, now_s=125.0, messages_since_ask=0, asks=2)


def test_a_provider_that_tells_is_asked_rather_than_waited_for() -> None:
    assert ends_at(replace(CAME, answers=(PENDING,)), Known(look_s=60.0)) == (135.0, AskAgain())


def test_the_answer_to_the_last_question_decides() -> None:
    assert ends_at(replace(ONCE_MORE, answers=(NOTHING,))) == (125.0, DONE)
    assert ends_at(replace(ONCE_MORE, answers=(THREE,)), Known({Promise.CERTAIN: 42.0})) == (167.0, SILENT)
    assert ends_at(replace(ONCE_MORE, answers=(LATER,))) == (128.0, DONE)


def test_a_number_that_does_not_fall_holds_the_line_no_longer_than_mail_that_may_come() -> None:
    too_high = replace(ONCE_MORE, answers=(THREE,), is_believed=False)
    known = Known({Promise.CERTAIN: 42.0, Promise.AGAIN: 5.0}, gap_s=8.0, look_s=60.0)
    assert ends_at(too_high, known) == (130.0, SILENT)
    assert ends_at(replace(too_high, is_believed=True), known) == (180.0, SILENT)
    assert ends_at(too_high, replace(known, calls_since=2)) == (180.0, SILENT), "the third call looks once"


def test_what_came_while_it_was_asked_is_seen() -> None:
    crossed = replace(CAME, asked_s=119.0, answered_s=121.0, now_s=121.0, answers=(NOTHING,))
    assert ends_at(crossed) == (136.0, DONE)


def test_mail_that_comes_unasked_is_waited_for_too() -> None:
    assert ends_at(replace(CAME, answers=(NOT_DONE,))) == (135.0, DONE)


def test_a_connected_provider_holds_the_call_while_it_is_alive() -> None:
    evidence = replace(CAME, inbound_connections=1, answers=(STARTED,))
    assert ends_at(evidence) == (150.0, SILENT)
    assert isinstance(at(1000.0, replace(evidence, inbound_last_s=995.0)), Wait)


@dataclass(frozen=True)
class Noting(Known):
    """It notes how much of each wait is over."""

    waited_s: list[float] = field(default_factory=list)

    def start_wait_s(
        self, promise: Promise, waited_s: float, rules: GraceRules, price: Price, *, carried: bool
    ) -> float:
        self.waited_s.append(waited_s)
        return super().start_wait_s(promise, waited_s, rules, price, carried=carried)

    def gap_wait_s(self, waited_s: float, rules: GraceRules, price: Price, *, look_after: float = 0) -> float:
        self.waited_s.append(waited_s)
        return super().gap_wait_s(waited_s, rules, price, look_after=look_after)


@pytest.mark.parametrize(
    ("evidence", "waited_s"),
    [
        (replace(CAME, inbound_connections=1, answers=(STARTED,)), [7.0]),
        (replace(QUIET, inbound_connections=1, answers=(STARTED,)), [26.0]),
        (replace(QUIET, answers=(STARTED,)), [26.0]),
        (replace(CAME, answers=(NOT_DONE,)), [7.0]),
    ],
    ids=["connected", "connected, nothing yet", "asked", "came"],
)
def test_each_wait_knows_how_much_of_it_is_over(evidence: Evidence, waited_s: list[float]) -> None:
    noting = Noting()
    at(127.0, evidence, noting)
    assert noting.waited_s == waited_s


def test_a_connected_provider_is_waited_for_from_its_last_sign_or_the_answer_whichever_is_later() -> None:
    evidence = replace(QUIET, inbound_connections=1, answers=(STARTED,), answered_s=150.0, now_s=150.0)
    assert ends_at(replace(evidence, inbound_last_s=100.0)) == (180.0, SILENT)
    assert ends_at(replace(evidence, inbound_last_s=None)) == (180.0, SILENT)


@pytest.mark.parametrize("last_s, until_s", [(149.0, 152.0), (120.0, 133.0), (None, 133.0)])
def test_a_stop_waits_for_the_incoming_message_from_its_last_byte_or_the_stop(
    last_s: float | None, until_s: float
) -> None:
    receiving = replace(CAME, stop=STOP, inbound_connections=1, inbound_last_s=last_s, progress_s=149.0)
    assert ends_at(replace(receiving, now_s=131.0)) == (until_s, HangUp(HangUpReason.STOPPED))


STOP = Stop(130.0, HangUpReason.STOPPED, inbound_messages=2)


def test_a_stop_lets_the_message_being_sent_end() -> None:
    sending = replace(CAME, stop=STOP, outbound_drained=False, outbound_busy=True, progress_s=150.0)
    assert isinstance(at(151.0, sending), Wait)
    assert at(151.0, replace(sending, outbound_busy=False)) == HangUp(HangUpReason.STOPPED)


def test_a_stop_lets_the_message_being_received_end() -> None:
    receiving = replace(CAME, stop=STOP, inbound_connections=1, inbound_last_s=149.0, progress_s=149.0)
    assert isinstance(at(150.0, receiving), Wait)
    assert at(150.0, replace(receiving, inbound_messages=3)) == HangUp(HangUpReason.STOPPED)
    assert at(153.0, receiving) == HangUp(HangUpReason.STOPPED)


def test_a_stop_does_not_wait_for_a_line_that_stands_still() -> None:
    sending = replace(CAME, stop=STOP, outbound_drained=False, outbound_busy=True, progress_s=120.0)
    assert ends_at(replace(sending, now_s=131.0)) == (130.0 + STALL_S, HangUp(HangUpReason.STOPPED))


def test_a_stop_ends_a_wait_for_more() -> None:
    assert at(131.0, replace(CAME, stop=STOP, answers=(THREE,))) == HangUp(HangUpReason.STOPPED)


def test_a_line_that_moved_nothing_is_dropped_that_long_after_the_end_was_asked_for() -> None:
    early = replace(QUIET, stop=replace(STOP, since_s=0.5), outbound_drained=False, outbound_busy=True, now_s=1.0)
    assert ends_at(early)[0] == 0.5 + STALL_S


STUCK = replace(QUIET, outbound_drained=False, outbound_busy=True, patience_ends_s=131.0, answers=(NOTHING,))


def test_a_session_that_only_waits_is_not_worth_another_billing_unit() -> None:
    assert at(130.0, STUCK) == Wait(131.0, "mail is being sent")
    assert at(131.0, STUCK) == StopWaiting()
    assert at(131.0, replace(STUCK, paid_until_s=150.0)) == Wait(145.0, "mail is being sent")
    assert at(145.0, replace(STUCK, paid_until_s=150.0)) == StopWaiting()
    asking = replace(STUCK, outbound_drained=True, etrn_under_way=True)
    assert at(130.0, asking) == Wait(131.0, "the provider is being asked for mail")
    assert at(131.0, asking) == StopWaiting()


def test_but_it_may_wait_while_the_line_is_needed_for_something_else() -> None:
    known = Known({Promise.MAYBE: 42.0})
    assert at(131.0, replace(STUCK, answers=(STARTED,)), known) == Wait(inf, "mail is being sent")
    assert at(131.0, replace(STUCK, inbound_connections=1, inbound_last_s=130.0)) == Wait(inf, "mail is being sent")


def test_a_session_that_only_waits_ends_where_the_next_step_would_be_to_ask_again() -> None:
    came = replace(STUCK, inbound_last_s=110.0, inbound_messages=1, messages_since_ask=1)
    assert at(132.0, replace(came, answers=(PENDING,))) == StopWaiting()
    asking = replace(came, answers=(STARTED,), outbound_drained=True, etrn_under_way=True)
    assert at(132.0, asking) == StopWaiting()


def test_an_idle_connection_gets_what_is_paid_and_at_most_a_minute() -> None:
    idle = replace(CAME, inbound_connections=1, answers=(STARTED,))
    assert ends_at(replace(idle, paid_until_s=165.0)) == (160.0, SILENT)
    assert ends_at(replace(idle, paid_until_s=400.0)) == (180.0, SILENT)


def test_or_as_long_as_its_next_message_is_worth() -> None:
    assert ends_at(replace(CAME, inbound_connections=1, answers=(STARTED,)), Known(look_s=45.0)) == (165.0, SILENT)


def test_a_wait_that_only_a_rounding_prolongs_is_over() -> None:
    @dataclass(frozen=True)
    class Enough(Known):
        def gap_wait_s(self, waited_s: float, rules: GraceRules, price: Price, *, look_after: float = 0) -> float:
            return waited_s

    last_s = 9.026307160462421
    now_s = next(now for now in (25 + step / 7 for step in range(99)) if last_s + (now - last_s) > now)
    came = replace(CAME, asked_s=1.0, answered_s=2.0, inbound_last_s=last_s, messages_since_ask=0)
    assert isinstance(at(now_s, replace(came, answers=(STARTED,)), Enough()), HangUp)


def test_more_messages_than_were_counted_are_enough() -> None:
    for came in (3, 4):
        after = replace(
            QUIET, answers=(THREE,), inbound_last_s=110.0, inbound_messages=came, messages_since_ask=came
        )
        assert ends_at(replace(after, asks=MOST_ASKS))[0] == 110.0 + RULES.min_s, came


def test_a_wait_counts_from_the_answer() -> None:
    @dataclass(frozen=True)
    class Noting(Known):
        waited_s: list[float] = field(default_factory=list)
        prices: list[Price] = field(default_factory=list)

        def start_wait_s(
            self, promise: Promise, waited_s: float, rules: GraceRules, price: Price, *, carried: bool
        ) -> float:
            self.waited_s.append(waited_s)
            self.prices.append(price)
            return 30.0

    asked_again = replace(QUIET, answers=(STARTED,), asks=2, inbound_last_s=90.0, inbound_messages=1)
    for evidence in (replace(QUIET, answers=(STARTED,)), asked_again):
        noting = Noting()
        at(108.0, replace(evidence, paid_until_s=150.0), noting)
        assert (noting.waited_s, noting.prices) == ([7.0], [Price(150.0 - HANG_UP_S - 101.0, 60.0)])


def test_mail_that_came_before_it_was_asked_is_no_answer_to_it() -> None:
    habits = Known({Promise.MAYBE: 40.0, Promise.AGAIN: 20.0}, gap_s=1.0, look_s=1.0)
    for asks, end_s in ((1, 141.0), (2, 121.0)):
        before = replace(QUIET, answers=(STARTED,), inbound_last_s=99.0, inbound_messages=1, asks=asks)
        assert ends_at(before, habits)[0] == end_s


def test_nobody_is_asked_too_often_whatever_the_count() -> None:
    came = replace(QUIET, answers=(STARTED,), inbound_last_s=110.0, messages_since_ask=1)
    for asks, is_asked in ((MOST_ASKS - 1, True), (MOST_ASKS, False), (MOST_ASKS + 1, False)):
        assert (ends_at(replace(came, asks=asks))[1] == AskAgain()) is is_asked


FETCHED = replace(QUIET, asks=0, has_collected=True, inbound_last_s=100.5, inbound_messages=3)


def test_a_call_that_fetched_its_mail_ends_at_once() -> None:
    assert at(101.0, FETCHED) == DONE
    assert at(101.0, replace(FETCHED, answers=(NOT_DONE,), asks=1)) == DONE
    assert isinstance(at(101.0, replace(FETCHED, outbound_drained=False, outbound_busy=True)), Wait)
    assert isinstance(at(101.0, replace(FETCHED, answers=(STARTED,), asks=1)), Wait), "ETRN's mail may still come"


def test_it_stays_while_mail_is_fetched() -> None:
    busy = replace(FETCHED, collecting=1, has_collected=False)
    assert at(1e6, busy) == Wait(inf, "mail is being fetched from the provider")
    assert at(1e6, replace(busy, outbound_drained=False)) == Wait(inf, "mail is being sent")
    assert at(1e6, replace(busy, etrn_under_way=True)) == Wait(inf, "the provider is being asked for mail")
    assert at(131.0, replace(busy, patience_ends_s=130.0)) == StopWaiting()


def test_a_stop_lets_the_current_message_be_fetched() -> None:
    stop = Stop(100.0, HangUpReason.STOPPED, inbound_messages=3)
    busy = replace(FETCHED, collecting=1, stop=stop, progress_s=110.0)
    assert at(111.0, busy) == Wait(110.0 + STALL_S, "the current message is being fetched")
    assert at(110.0 + STALL_S, busy) == HangUp(HangUpReason.STOPPED)
    turned = replace(busy, inbound_connections=1, inbound_messages=4)
    assert at(111.0, turned) == HangUp(HangUpReason.STOPPED), "ATRN's connection ends between two messages"
