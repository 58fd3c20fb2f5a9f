"""What ATRN or a mailbox brought: in words, to the store and back."""

from __future__ import annotations

from dataclasses import replace

from dialpost.core.mail.inbound.collected import Collected, CollectFate, Way

ATRN = Collected(Way.ATRN, "", CollectFate.DONE, messages=2, bytes=900)
BOX = Collected(Way.IMAP, "office", CollectFate.DONE)


def test_what_it_brought_is_one_sentence() -> None:
    assert ATRN.sentence() == "ATRN: 2 messages"
    assert replace(BOX, messages=1, held=3, left=4).sentence() == (
        "IMAP office: 1 message; 3 held there; 4 left there"
    )
    assert BOX.sentence() == "IMAP office: 0 messages"
    nothing = replace(ATRN, messages=0, fate=CollectFate.NOTHING)
    assert nothing.sentence() == "ATRN: nothing waits"
    assert replace(nothing, words="453 You have no mail").sentence() == "ATRN: 453 You have no mail"
    assert replace(nothing, fate=CollectFate.NOT_SUPPORTED).sentence() == "ATRN: not supported"


def test_what_the_operator_should_know() -> None:
    faults = {fate for fate in CollectFate if replace(ATRN, fate=fate).is_fault}
    assert faults == set(CollectFate) - {CollectFate.DONE, CollectFate.NOTHING, CollectFate.CUT}
    retried = {fate for fate in CollectFate if replace(ATRN, fate=fate).is_worth_retrying}
    assert retried == {CollectFate.UNREACHABLE, CollectFate.CUT}


def test_two_attempts_are_one_result() -> None:
    cut = replace(ATRN, fate=CollectFate.CUT, left=7)
    assert ATRN.after(None) == ATRN
    assert ATRN.after(cut) == replace(ATRN, messages=4, bytes=1800)


def test_through_json_and_back() -> None:
    for one in (ATRN, replace(BOX, words="* BAD", advice="Look.", messages=1, bytes=2, held=3, left=4)):
        assert Collected.from_json(one.to_json()) == one
    assert Collected.from_json(ATRN.to_json() | {"messages": "many"}) == replace(ATRN, messages=0)
