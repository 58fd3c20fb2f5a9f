"""Every answer to ETRN: what it means, and the advice for the operator."""

from __future__ import annotations

import pytest

from cases import cases
from dialpost.core.mail.etrn import EtrnAnswer, EtrnOutcome, classify, classify_dialogue, waiting_in_all
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.smtp_target import EtrnDialogue, SessionFate

NAME = "clinic.example"


def answer(code: int, text: str = "words of the server") -> EtrnAnswer:
    return classify(NAME, Reply.from_lines(code, (text,)))


@cases(
    ("code", "outcome"),
    [
        (250, EtrnOutcome.STARTED),
        (254, EtrnOutcome.STARTED),
        (251, EtrnOutcome.NOTHING_WAITS),
        (252, EtrnOutcome.PENDING),
        (253, EtrnOutcome.PENDING),
        (220, EtrnOutcome.STARTED),
        (421, EtrnOutcome.TRY_LATER),
        (450, EtrnOutcome.TRY_LATER),
        (451, EtrnOutcome.TRY_LATER),
        (458, EtrnOutcome.TRY_LATER),
        (459, EtrnOutcome.NOT_ALLOWED),
        (500, EtrnOutcome.NOT_DONE),
        (501, EtrnOutcome.BAD_NAME),
        (502, EtrnOutcome.NOT_DONE),
        (503, EtrnOutcome.NOT_DONE),
        (504, EtrnOutcome.NOT_DONE),
        (530, EtrnOutcome.LOGIN_NEEDED),
        (534, EtrnOutcome.LOGIN_NEEDED),
        (535, EtrnOutcome.LOGIN_NEEDED),
        (538, EtrnOutcome.LOGIN_NEEDED),
        (550, EtrnOutcome.NOT_DONE),
        (553, EtrnOutcome.BAD_NAME),
        (554, EtrnOutcome.NOT_DONE),
    ],
)
def test_each_code(code: int, outcome: EtrnOutcome) -> None:
    found = answer(code)
    assert (found.outcome, found.code, found.text) == (outcome, code, "words of the server")
    assert found.words() == f"{code} words of the server"
    assert found.is_fault is (code >= 400)
    assert bool(found.advice) is (code >= 400)


@cases("code", [500, 501, 502, 503, 504, 530, 550, 554])
def test_a_5xx_says_that_the_provider_does_not_do_etrn(code: int) -> None:
    assert "provider does not support ETRN" in answer(code).advice


@pytest.mark.parametrize("code", [421, 450, 458, 459])
def test_a_4xx_says_that_it_is_asked_again(code: int) -> None:
    assert "asks again at the next connection" in answer(code).advice


@pytest.mark.parametrize(
    ("code", "text", "waiting"),
    [
        (253, "14 pending messages for node clinic.example started", 14),
        (253, "2.0.0 3 pending messages", 3),
        (253, "OK, pending messages for node clinic.example started", None),
        (251, "OK, no messages waiting for node clinic.example", 0),
        (252, "OK, pending messages for node 7.example started", None),
        (250, "Queuing started", None),
    ],
)
def test_how_many_wait(code: int, text: str, waiting: int | None) -> None:
    assert answer(code, text).waiting == waiting


def test_the_enhanced_code_stays_in_the_servers_words() -> None:
    assert classify(NAME, Reply(459, ("Not for you",), "4.7.1")).words() == "459 4.7.1 Not for you"


@pytest.mark.parametrize("code", [250, 251, 253, 458, 502])
def test_back_from_json(code: int) -> None:
    found = answer(code, "7 of them")
    assert EtrnAnswer.from_json(found.to_json()) == found
    assert {"domain", "code", "text"} <= set(found.to_json())


def reply(code: int) -> Reply:
    return Reply(code, ("x",))


def test_the_answers_of_a_dialogue_in_the_order_asked() -> None:
    dialogue = EtrnDialogue((("a", reply(250)), ("b", reply(458))), None, offered=True)
    assert [(a.name, a.code) for a in classify_dialogue(("a", "b"), dialogue)] == [("a", 250), ("b", 458)]


def test_names_not_asked_after_a_5xx_are_left_out() -> None:
    dialogue = EtrnDialogue((("a", reply(502)),), None, offered=False)
    assert [(a.name, a.code) for a in classify_dialogue(("a", "b"), dialogue)] == [("a", 502)]


@pytest.mark.parametrize(("code", "told"), [(499, ["a", "b"]), (500, ["a"]), (554, ["a"])])
def test_a_dialogue_that_broke_off_after_a_5xx_was_over(code: int, told: list[str]) -> None:
    dialogue = EtrnDialogue((("a", reply(code)),), "the connection was lost", offered=True)
    assert [a.name for a in classify_dialogue(("a", "b"), dialogue)] == told


@pytest.mark.parametrize(("codes", "told"), [((250, 500), ["a", "b"]), ((500, 250), ["a", "b", "c"])])
def test_only_the_last_answer_says_whether_the_dialogue_was_over(codes: tuple[int, ...], told: list[str]) -> None:
    answers = tuple(zip("abc", map(reply, codes), strict=False))
    dialogue = EtrnDialogue(answers, "the connection was lost", offered=True)
    assert [a.name for a in classify_dialogue(("a", "b", "c"), dialogue)] == told


def test_a_dialogue_that_broke_off() -> None:
    dialogue = EtrnDialogue((("a", reply(250)),), "the connection was lost", offered=True)
    found = classify_dialogue(("a", "b", "c"), dialogue)
    assert [(a.name, a.outcome) for a in found] == [
        ("a", EtrnOutcome.STARTED),
        ("b", EtrnOutcome.UNREACHABLE),
        ("c", EtrnOutcome.UNREACHABLE),
    ]
    assert found[1].words() == "the connection was lost"
    assert "could not be reached" in found[1].advice


def test_a_login_that_failed_is_for_an_operator() -> None:
    dialogue = EtrnDialogue((), "535 no", offered=True, fate=SessionFate.NEEDS_OPERATOR)
    (found,) = classify_dialogue(("a",), dialogue)
    assert found.outcome is EtrnOutcome.NEEDS_OPERATOR
    assert "etrn.user" in found.advice


def test_no_answer_and_not_offered() -> None:
    found = classify_dialogue(("a", "b"), EtrnDialogue((), None, offered=False))
    assert [a.outcome for a in found] == [EtrnOutcome.NOT_DONE] * 2
    assert "does not support ETRN" in found[0].advice


@pytest.mark.parametrize("text", ["Already processing clinic.example", "queue run in progress"])
def test_a_458_of_a_provider_at_work_promises_mail(text: str) -> None:
    found = classify("clinic.example", Reply(458, (text,)))
    assert found.outcome is EtrnOutcome.AT_WORK
    assert found.promises_mail
    assert not found.is_fault
    assert not found.tells_what_waits
    assert "asks again" in found.advice
    for code, outcome in ((450, EtrnOutcome.TRY_LATER), (459, EtrnOutcome.NOT_ALLOWED), (250, EtrnOutcome.STARTED)):
        assert classify("clinic.example", Reply(code, (text,))).outcome is outcome


def test_numbers_are_added_where_every_promise_names_one() -> None:
    def said(code: int, text: str) -> EtrnAnswer:
        return classify("clinic.example", Reply(code, (text,)))

    three, nothing, pending = said(253, "3 pending messages"), said(251, "none"), said(252, "pending")
    assert waiting_in_all((three, nothing, three)) == 6
    assert waiting_in_all((three, pending)) is None
    assert waiting_in_all((nothing,)) == 0


@pytest.mark.parametrize("code", [250, 252, 254])
def test_only_a_253_counts(code: int) -> None:
    assert classify("x.example", Reply(code, ("14 pending messages",))).waiting is None
