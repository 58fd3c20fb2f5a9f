"""Which deferrals are worth another try in a moment."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dialpost.core.mail.outcomes import Deferred
from dialpost.core.mail.queue.hope import Hope, hope_of
from dialpost.core.mail.reply import Reply

GREYLISTED = Deferred(Reply(450, ("come back later",), "4.2.0"), "mail.provider.example")


@pytest.mark.parametrize(("attempts", "hope"), [(0, Hope.LATER), (1, Hope.LATER), (2, Hope.NONE), (9, Hope.NONE)])
def test_a_message_is_worth_a_call_of_its_own_twice(attempts: int, hope: Hope) -> None:
    assert hope_of(attempts, GREYLISTED) is hope


@pytest.mark.parametrize("attempts", [0, 9])
def test_what_met_no_service_may_go_in_seconds_however_often_it_was_tried(attempts: int) -> None:
    assert hope_of(attempts, replace(GREYLISTED, counts_as_attempt=False)) is Hope.SOON


@pytest.mark.parametrize(("attempts", "hope"), [(0, Hope.SOON), (1, Hope.SOON), (2, Hope.NONE)])
def test_a_host_that_closes_may_serve_in_seconds_but_not_for_days(attempts: int, hope: Hope) -> None:
    assert hope_of(attempts, Deferred(Reply(421, ("closing",), "4.3.2"), "mail.provider.example")) is hope


def test_what_another_try_would_double_or_can_t_help_has_none() -> None:
    lost = replace(GREYLISTED, counts_as_attempt=False)
    assert hope_of(0, replace(lost, answer_unknown=True)) is Hope.NONE
    assert hope_of(0, replace(lost, content_lost=True)) is Hope.NONE


def test_sooner_is_more() -> None:
    assert max(Hope) is Hope.SOON
    assert Hope.LATER > Hope.NONE
