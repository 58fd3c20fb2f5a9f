"""What one call teaches, from what is seen of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dialpost.core.line.call.habits import GraceRules, Looks, Promise, ProviderHabits
from dialpost.core.line.call.learning import Learning, promise_of
from dialpost.core.mail.etrn import EtrnAnswer, classify
from dialpost.core.mail.reply import Reply

RULES = GraceRules(3.0, 60.0, 60.0)
NEW = ProviderHabits()


def said(code: int, text: str = "ok") -> EtrnAnswer:
    return classify("clinic.example", Reply(code, (text,)))


def asked(code: int = 250) -> Learning:
    """A call whose ETRN was answered at 101."""
    learning = Learning(NEW)
    learning.asked(100.0, 101.0, (said(code),), 0)
    return learning


@pytest.mark.parametrize(
    ("answers", "promise"),
    [
        ((), None),
        ((said(251), said(502)), None),
        ((said(251), said(250)), Promise.MAYBE),
        ((said(250), said(252)), Promise.CERTAIN),
        ((said(458, "Already processing"),), Promise.CERTAIN),
        ((said(458, "Unable to queue"),), None),
    ],
)
def test_the_strongest_promise_counts(answers: tuple[EtrnAnswer, ...], promise: Promise | None) -> None:
    assert promise_of(answers) is promise


def test_a_start_is_counted_from_the_answer_to_the_first_activity() -> None:
    learning = asked()
    learning.seen(None, 0)
    learning.seen(99.0, 0)
    assert learning.habits.starts.weight == 0, "that was before it was asked"
    learning.seen(126.0, 0)
    learning.seen(127.0, 1)
    assert learning.habits.starts.usual_s == pytest.approx(25.0, rel=0.1)
    assert learning.habits.starts.weight == 1
    assert learning.habits.chance(Promise.MAYBE) > NEW.chance(Promise.MAYBE)


def test_what_crossed_the_answer_began_at_once() -> None:
    learning = asked()
    learning.seen(100.5, 0)
    assert learning.habits.starts.usual_s == 0.5


def test_between_two_messages_lies_one_quiet_time_the_longest() -> None:
    learning = asked()
    learning.seen(103.0, 1)
    learning.seen(103.2, 1)  # its last reply
    learning.seen(123.2, 1)  # the next connection
    learning.seen(124.0, 2)
    assert learning.habits.gaps.weight == 1
    assert learning.habits.gaps.usual_s == pytest.approx(20.0, rel=0.1)


def test_what_stalled_before_the_first_message_is_no_gap() -> None:
    learning = asked()
    learning.seen(103.0, 0)
    learning.seen(113.0, 1)
    learning.seen(113.5, 2)
    assert learning.habits.gaps.longest_s == 0.5


def test_nothing_is_known_of_a_call_in_which_no_message_came() -> None:
    learning = asked()
    learning.seen(103.0, 0)
    learning.ended(160.0, RULES)
    assert learning.habits.chance(Promise.MORE) == NEW.chance(Promise.MORE)


def test_two_messages_at_first_sight_came_at_once() -> None:
    learning = asked()
    learning.seen(103.0, 1)
    assert learning.habits.gaps.weight == 0.0
    learning = asked()
    learning.seen(103.0, 2)
    assert (learning.habits.gaps.weight, learning.habits.gaps.usual_s) == (1.0, 0.5)


def test_messages_that_come_together_have_no_quiet_time_between_them() -> None:
    learning = asked()
    learning.seen(103.0, 1)
    learning.seen(113.0, 3)
    assert learning.habits.gaps.weight == pytest.approx(2.0, abs=0.05)
    assert learning.habits.gaps.longest_s == pytest.approx(10.0, rel=0.1)
    assert learning.habits.gaps.usual_s == 0.5


@pytest.mark.parametrize(
    ("asked_s", "came_s", "gap_s"),
    [
        (123.0, 126.0, None),  # 20 s of our own wait, then at once
        (123.0, 124.5, None),  # half a second after the answer
        (123.0, 123.5, 20.5),  # before the answer: it was under way
        (123.0, 130.0, None),  # as soon as it usually begins, which is 4 s
        (123.0, 134.0, 31.0),  # so late that it may have come unasked
        (105.0, 109.0, 6.0),  # we had waited a shorter time than it took after that
    ],
)
def test_a_wait_that_another_ask_ended_is_no_gap_of_the_provider(
    asked_s: float, came_s: float, gap_s: float | None
) -> None:
    """Each would make the next wait longer: a provider that sends one batch for each ETRN got the longest soon."""
    learning = Learning(NEW.began(Promise.MAYBE, 4.0).began(Promise.MAYBE, 4.0))
    learning.asked(100.0, 101.0, (said(252),), 0)
    learning.seen(103.0, 1)
    learning.asked(asked_s, asked_s + 1.0, (said(252),), 1)
    learning.seen(came_s, 2)
    gaps = learning.habits.gaps
    assert gaps.usual_s == pytest.approx(gap_s or 0.0, rel=0.1)
    learning.seen(came_s + 6.0, 3)
    assert learning.habits.gaps.weight == pytest.approx(gaps.weight + 1.0, abs=0.03), "the next one counts again"


def test_an_empty_call_lowers_the_chance_by_what_it_could_see() -> None:
    short, long = asked(), asked()
    short.ended(101.2, RULES)
    long.ended(161.0, RULES)
    before = NEW.chance(Promise.MAYBE)
    assert long.habits.chance(Promise.MAYBE) < short.habits.chance(Promise.MAYBE) < before
    assert short.habits.chance(Promise.MAYBE) == pytest.approx(before, rel=0.1)
    assert long.habits.start_looks == Looks(1, 0)
    assert short.habits.start_looks == Looks(0, 1)
    assert long.habits.gap_looks == Looks(), "no message came, so the question did not arise"


@pytest.mark.parametrize(
    ("looks", "ended_s", "carried", "after"),
    [
        (Looks(), 121.0, False, Looks(1, 0)),
        (Looks(), 103.9, False, Looks(0, 1)),  # it had no time to look
        (Looks(2, 2), 121.0, True, Looks(2, 3)),  # none was due
        (Looks(2, 3), 121.0, True, Looks(3, 0)),
        (Looks(2, 3), 121.0, False, Looks(2, 4)),
    ],
)
def test_a_long_look_that_is_cut_counts(looks: Looks, ended_s: float, carried: bool, after: Looks) -> None:
    """Or each call would last as long as its limit, or the provider's patience with an idle line, allows."""
    learning = Learning(replace(NEW, start_looks=looks, gap_looks=looks))
    learning.asked(100.0, 101.0, (said(250),), 0)
    learning.ended(ended_s, RULES, is_cut=True, carried=carried)
    assert (learning.habits.start_looks, learning.habits.gap_looks) == (after, looks)


@pytest.mark.parametrize(
    ("looks", "ended_s", "after"),
    [
        (Looks(), 123.0, Looks(1, 0)),
        (Looks(), 105.9, Looks(0, 1)),
        (Looks(2, 2), 123.0, Looks(2, 3)),
        (Looks(2, 3), 123.0, Looks(3, 0)),
    ],
)
def test_and_so_does_one_for_the_next_message(looks: Looks, ended_s: float, after: Looks) -> None:
    learning = Learning(replace(NEW, gap_looks=looks))
    learning.asked(100.0, 101.0, (said(250),), 0)
    learning.seen(103.0, 1)
    learning.ended(ended_s, RULES, is_cut=True)
    assert learning.habits.gap_looks == after


def test_a_connection_that_brought_no_message_uses_a_long_look_up_as_well() -> None:
    """Or a station that defers all its mail would look that long in each call."""
    learning = asked()
    learning.seen(103.0, 0)
    learning.ended(163.0, RULES)
    assert learning.habits.gap_looks == Looks(1, 0)
    assert learning.habits.chance(Promise.MORE) == NEW.chance(Promise.MORE), "none came"


def test_a_call_with_mail_ends_with_a_wait_in_vain_for_more() -> None:
    learning = asked()
    learning.seen(103.0, 1)
    before = learning.habits.chance(Promise.MORE)
    learning.ended(163.0, RULES)
    assert learning.habits.chance(Promise.MORE) < before
    assert (learning.habits.start_looks, learning.habits.gap_looks) == (Looks(0, 1), Looks(1, 0))


def test_asked_again_after_mail_it_has_a_chance_of_its_own() -> None:
    learning = asked()
    learning.seen(103.0, 1)
    learning.asked(104.0, 105.0, (said(250),), 1)
    learning.asked(110.0, 111.0, (said(250),), 1)
    again = learning.habits.chance(Promise.AGAIN)
    assert again < NEW.chance(Promise.AGAIN), "the first time was in vain"
    learning.seen(112.0, 2)
    assert learning.habits.chance(Promise.AGAIN) > again
    assert learning.habits.starts.weight == 1
    learning.ended(120.0, RULES)
    assert learning.habits.start_looks == Looks(0, 1)


def test_a_long_wait_after_mail_is_no_long_look_for_a_start() -> None:
    learning = asked()
    learning.seen(103.0, 1)
    learning.asked(104.0, 105.0, (said(250),), 1)
    learning.ended(170.0, RULES)
    assert (learning.habits.start_looks, learning.habits.gap_looks) == (Looks(0, 1), Looks(1, 0))


def test_asked_again_because_nothing_came_it_begins_from_there() -> None:
    learning = asked(458)
    learning.asked(121.0, 122.0, (said(250),), 0)
    learning.seen(124.0, 1)
    assert learning.habits.starts.usual_s == pytest.approx(2.0, rel=0.1)


def test_where_nothing_was_promised_nothing_is_learnt_of_starts() -> None:
    learning = asked(251)
    learning.ended(101.0, RULES)
    assert learning.habits == NEW


def test_another_ask_is_in_vain_only_where_mail_had_come_and_no_more_began() -> None:
    unanswered = asked(252)
    unanswered.asked(130.0, 131.0, (said(252),), 0)
    assert unanswered.habits == NEW, "it may still begin"
    learning = asked(252)
    learning.seen(102.0, 1)
    learning.asked(120.0, 121.0, (said(252),), 1)
    learning.seen(122.0, 2)
    began = learning.habits
    learning.asked(130.0, 131.0, (said(252),), 2)
    assert learning.habits == began
    learning.asked(140.0, 141.0, (said(252),), 2)
    assert learning.habits.chance(Promise.AGAIN) < began.chance(Promise.AGAIN)
