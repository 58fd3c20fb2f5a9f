"""When it is retried, when the sender gets a delay notice, when it bounces."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cases import cases
from dialpost.core.config.model import OutboundConfig
from dialpost.core.mail.envelope import Notify
from dialpost.core.mail.outcomes import Deferred, Delivered, Refused
from dialpost.core.mail.queue.records import BY_STATION, RecipientState
from dialpost.core.mail.queue.retry import after_try, delay_notice_is_due, give_up_is_due, held_by_station, pause_s
from dialpost.core.mail.reply import Reply
from fakes import to_world

CONFIG = OutboundConfig()  # 30 min to 4 h; 120 h and 5 tries; notice after 24 h
NOW = 1_820_000_000
HOUR = 3600
BUSY = Deferred(Reply(450, ("busy",), "4.2.1"), "mx.far.example")


@pytest.mark.parametrize(
    ("attempts", "expected"), [(0, 1800), (1, 1800), (2, 3600), (3, 7200), (4, 14_400), (5, 14_400), (5000, 14_400)]
)
def test_waits_double_between_their_bounds(attempts: int, expected: int) -> None:
    assert pause_s(attempts, CONFIG) == expected


def test_a_real_try_counts_and_waits() -> None:
    before = to_world(attempts=1, next_try_s=5)
    assert after_try(before, BUSY, NOW, CONFIG, is_dialled=False) == replace(
        before,
        attempts=2,
        next_try_s=NOW + 3600,
        last_try_s=NOW,
        last_reply="450 4.2.1 busy",
        last_by="mx.far.example",
    )


def test_what_the_station_holds_says_why_and_needs_no_further_notice() -> None:
    before = to_world(attempts=2, next_try_s=5)
    assert held_by_station(before, "cut twice") == replace(
        before,
        state=RecipientState.HELD,
        last_reply="cut twice",
        last_by=BY_STATION,
        next_try_s=0,
        delay_notified=True,
    )


def test_on_a_dialled_line_the_next_call_is_the_next_try() -> None:
    assert after_try(to_world(next_try_s=99), BUSY, NOW, CONFIG, is_dialled=True).next_try_s == 0


def test_what_reached_nobody_uses_up_nothing() -> None:
    before = to_world(attempts=3, next_try_s=7)
    after = after_try(before, replace(BUSY, counts_as_attempt=False), NOW, CONFIG, is_dialled=False)
    assert (after.attempts, after.next_try_s, after.last_reply) == (3, 7, "450 4.2.1 busy")


def test_sent_and_no_answer_seen_stays_visible_until_somebody_takes_it() -> None:
    doubtful = after_try(to_world(), replace(BUSY, answer_unknown=True), NOW, CONFIG, is_dialled=True)
    deferred = after_try(doubtful, BUSY, NOW, CONFIG, is_dialled=True)
    refused = after_try(deferred, Refused(Reply(550, ("no",)), "x"), NOW, CONFIG, is_dialled=True)
    taken = after_try(deferred, Delivered(Reply(250, ("ok",)), "x"), NOW, CONFIG, is_dialled=True)
    assert [one.answer_unknown for one in (doubtful, deferred, refused, taken)] == [True, True, True, False]
    assert [refused.state, taken.state] == [RecipientState.BOUNCED, RecipientState.RELAYED]


@cases(
    ("attempts", "received_s", "trusted", "expected"),
    [
        (5, NOW - 120 * HOUR, True, True),
        (4, NOW - 1000 * HOUR, True, False),  # weeks off line give up nothing
        (0, NOW - 1000 * HOUR, True, False),
        (99, NOW - 119 * HOUR, True, False),
        (99, NOW - 1000 * HOUR, False, False),
        (99, NOW + 1000 * HOUR, True, False),  # the clock went back
        (34, 50_000, True, False),  # dated by an unset clock: 5 + 120 h / 4 h tries
        (35, 50_000, True, True),
    ],
)
def test_giving_up_needs_days_and_tries(attempts: int, received_s: int, trusted: bool, expected: bool) -> None:
    recipient = to_world(attempts=attempts)
    assert give_up_is_due(recipient, received_s, NOW, CONFIG, clock_trusted=trusted) is expected


@cases(
    ("changes", "received_s", "trusted", "expected"),
    [
        ({}, NOW - 24 * HOUR, True, True),
        ({}, NOW - 23 * HOUR, True, False),
        ({}, NOW - 24 * HOUR, False, False),
        ({}, 50_000, True, False),
        ({"delay_notified": True}, NOW - 24 * HOUR, True, False),
        ({"notify": frozenset({Notify.FAILURE})}, NOW - 24 * HOUR, True, False),
        ({"notify": frozenset({Notify.NEVER})}, NOW - 24 * HOUR, True, False),
        ({"notify": frozenset({Notify.DELAY})}, NOW - 24 * HOUR, True, True),
    ],
)
def test_the_delay_notice(changes: dict[str, Any], received_s: int, trusted: bool, expected: bool) -> None:
    recipient = to_world(**changes)
    assert delay_notice_is_due(recipient, received_s, NOW, CONFIG, clock_trusted=trusted) is expected


def test_a_notice_that_was_due_long_ago_is_due() -> None:
    assert delay_notice_is_due(to_world(), NOW - 25 * HOUR - 1, NOW, CONFIG, clock_trusted=True)


def test_no_delay_notice_where_none_is_wanted() -> None:
    config = replace(CONFIG, delay_notice_hours=0)
    assert not delay_notice_is_due(to_world(), NOW - 999 * HOUR, NOW, config, clock_trusted=True)


def test_content_that_is_lost_is_held() -> None:
    lost = Deferred(Reply(451, ("The message's content can't be read",), "4.3.0"), "x", content_lost=True)
    held = after_try(to_world(), lost, NOW, CONFIG, is_dialled=False)
    assert (held.state, held.last_reply, held.last_by) == (
        RecipientState.HELD,
        "The message's content can't be read",
        BY_STATION,
    )


def test_more_tries_than_are_needed_without_a_clock_are_enough() -> None:
    enough = CONFIG.give_up_attempts + CONFIG.give_up_hours * HOUR // CONFIG.retry_max_s
    for attempts, is_due in ((enough - 1, False), (enough, True), (enough + 1, True)):
        assert give_up_is_due(to_world(attempts=attempts), 0, NOW, CONFIG, clock_trusted=True) is is_due
