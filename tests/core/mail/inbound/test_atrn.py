"""Each reply to ATRN, and each way to get none: what it achieved, and the operator's next step."""

from __future__ import annotations

from dataclasses import replace

from cases import cases
from dialpost.core.mail.inbound.atrn import ADVICE, atrn_result, with_next_session
from dialpost.core.mail.inbound.collected import Collected, CollectFate, Way
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.smtp_target import AtrnDialogue, SessionFate


def said(code: int, text: str = "no") -> Collected:
    return atrn_result(AtrnDialogue(Reply(code, (text,), f"{code // 100}.0.0"), offered=True))


@cases(
    ("code", "fate", "advice"),
    [
        (450, CollectFate.NOT_NOW, ADVICE[450]),
        (451, CollectFate.NOT_NOW, ADVICE[451]),
        (453, CollectFate.NOTHING, ""),
        (454, CollectFate.NOT_NOW, ADVICE[451]),
        (500, CollectFate.NOT_SUPPORTED, ADVICE[502]),
        (501, CollectFate.NEEDS_OPERATOR, ADVICE[501]),
        (502, CollectFate.NOT_SUPPORTED, ADVICE[502]),
        (503, CollectFate.NOT_NOW, ADVICE[503]),
        (504, CollectFate.NOT_SUPPORTED, ADVICE[502]),
        (530, CollectFate.LOGIN_REFUSED, ADVICE[530]),
        (535, CollectFate.LOGIN_REFUSED, ADVICE[530]),
        (538, CollectFate.LOGIN_REFUSED, ADVICE[530]),
        (550, CollectFate.NEEDS_OPERATOR, ADVICE[550]),
        (553, CollectFate.NEEDS_OPERATOR, ADVICE[550]),
        (554, CollectFate.NOT_SUPPORTED, ADVICE[502]),
        (251, CollectFate.NOT_SUPPORTED, ADVICE[502]),
    ],
)
def test_each_reply_has_its_sentence(code: int, fate: CollectFate, advice: str) -> None:
    assert said(code) == Collected(Way.ATRN, "", fate, f"{code} {code // 100}.0.0 no", advice)


def test_only_what_is_wrong_has_a_next_step() -> None:
    for code in (450, 451, 453, 500, 501, 502, 503, 530, 535, 550):
        assert said(code).is_fault is bool(said(code).advice), code


def test_what_a_second_session_makes_of_the_first() -> None:
    first = Collected(Way.ATRN, "", CollectFate.DONE, messages=1, bytes=10)
    assert with_next_session(first, said(453)) == with_next_session(first, said(450)) == first
    more = with_next_session(first, replace(first, fate=CollectFate.CUT, words="gone"))
    assert (more.fate, more.words, more.messages, more.bytes) == (CollectFate.CUT, "gone", 2, 20)


@cases(
    ("session", "fate"),
    [
        (SessionFate.UNREACHABLE, CollectFate.UNREACHABLE),
        (SessionFate.NOT_SERVED, CollectFate.NOT_NOW),
        (SessionFate.LOGIN_REFUSED, CollectFate.LOGIN_REFUSED),
        (SessionFate.NEEDS_OPERATOR, CollectFate.NEEDS_OPERATOR),
        (SessionFate.LOST, CollectFate.CUT),
        (SessionFate.CLOSED, CollectFate.CUT),
    ],
)
def test_a_session_that_failed_before_the_answer(session: SessionFate, fate: CollectFate) -> None:
    found = atrn_result(AtrnDialogue(None, "why: 535 no", fate=session))
    assert (found.fate, found.words) == (fate, "why: 535 no")
    assert found.advice
    assert atrn_result(AtrnDialogue(None, fate=session)).words == "no answer"


def test_a_turned_session() -> None:
    reply = Reply(250, ("OK now reversing the connection",))
    whole = atrn_result(AtrnDialogue(reply, is_whole=True, messages=3, bytes=900))
    assert whole == Collected(Way.ATRN, "", CollectFate.DONE, messages=3, bytes=900)
    cut = atrn_result(AtrnDialogue(reply, messages=1, bytes=300))
    assert (cut.fate, cut.words, cut.messages) == (CollectFate.CUT, "the provider left without QUIT", 1)
    assert atrn_result(AtrnDialogue(reply, "reset")).words == "reset"
