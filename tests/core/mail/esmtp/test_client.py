"""The ESMTP client's dialogues, from transcripts and against a model server, whole and byte by byte."""

import base64
import dataclasses
import hmac
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases import cases
from dialpost.core.config.model import AuthMechanism, TlsMode
from dialpost.core.mail.envelope import Envelope, Notify, Recipient, Return
from dialpost.core.mail.esmtp.client import EsmtpClient
from dialpost.core.mail.esmtp.expected import GROUP_WAIT_S, LEAST_FINAL_WAIT_S, LEAST_WAIT_S, WAIT_S, Ask
from dialpost.core.mail.esmtp.extensions import Extensions
from dialpost.core.mail.esmtp.lessons import Lesson
from dialpost.core.mail.esmtp.phases import Phase
from dialpost.core.mail.esmtp.transaction import Mail, Transaction
from dialpost.core.mail.esmtp.wire import Ended, EtrnAnswered, Event, Finished, Ready, StartTls
from dialpost.core.mail.outcomes import Deferred, Delivered, Outcome, Refused
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.smtp_target import ConnectSettings, OutgoingMessage, SessionFate, Trust
from esmtp_talk import BODY, BODY_WIRE, SETTINGS, CoreTalk, facts_of, make_message
from fuzzing import inputs
from known import is_a, known
from smtp_model import ALL, WITHOUT_CHUNKING, ModelServer

THREE = ("a@x.example", "b@x.example", "c@x.example")
SERVERS = {
    "chunking": ALL,
    "pipelining": WITHOUT_CHUNKING,
    "lock-step": ("SIZE", "DSN"),
    "chunks only": ("CHUNKING",),
}
EVERY_SERVER = pytest.mark.parametrize("offers", SERVERS.values(), ids=SERVERS)


def kinds(outcomes: tuple[Outcome, ...]) -> list[tuple[str, int]]:
    """Each outcome as a letter and its code, for whole comparison."""
    return [(type(outcome).__name__[:3], outcome.reply.code) for outcome in outcomes]


def always(verb: str, reply: str) -> Callable[..., Any]:
    """The same answer to every command of that verb."""
    return lambda said, argument, before: reply if said == verb else None


def without_quotes(what: dict[str, tuple[Outcome, ...]] | Ended) -> str:
    """What is quoted of an answer that is not SMTP is as much as had come."""
    return re.sub(r"not SMTP: '[^']*'", "not SMTP", repr(what))


def talk(
    offers: tuple[str, ...], messages: list[OutgoingMessage], answers: Callable[..., Any] | None = None, **more: Any
) -> CoreTalk:
    """One session, run twice: replies whole and byte by byte must come to the same."""
    results = []
    for bytewise in (False, True):
        server = ModelServer(offers)
        if answers is not None:
            server.answers = answers
        one = CoreTalk(server, bytewise=bytewise, **more)
        one.run(list(messages))
        assert server.violations == []
        results.append(one)
    assert without_quotes(results[0].outcomes) == without_quotes(results[1].outcomes)
    assert without_quotes(results[0].ended) == without_quotes(results[1].ended)
    return results[0]


# Groups


def test_content_and_the_next_envelope_go_in_one_group() -> None:
    one = talk(WITHOUT_CHUNKING, [make_message(1), make_message(2)])
    mail = b"MAIL FROM:<anna@clinic.example> SIZE=30\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"
    content = BODY_WIRE.replace(b"\n.", b"\n..") + b".\r\n"
    assert one.groups == [b"EHLO station.example\r\n", mail, content + mail, content, b"QUIT\r\n"]


def test_with_chunking_there_is_no_wait_and_an_rset_parts_the_messages() -> None:
    one = talk(ALL, [make_message(1), make_message(2)])
    mail = b"MAIL FROM:<anna@clinic.example> SIZE=30\r\nRCPT TO:<bob@example.org>\r\nBDAT 30 LAST\r\n" + BODY_WIRE
    assert one.groups == [b"EHLO station.example\r\n", mail + b"RSET\r\n" + mail, b"QUIT\r\n"]


def test_without_pipelining_every_command_waits() -> None:
    one = talk((), [make_message(1)])
    assert one.groups == [
        b"EHLO station.example\r\n",
        b"MAIL FROM:<anna@clinic.example>\r\n",
        b"RCPT TO:<bob@example.org>\r\n",
        b"DATA\r\n",
        BODY_WIRE.replace(b"\n.", b"\n..") + b".\r\n",
        b"QUIT\r\n",
    ]


def test_the_configuration_can_forbid_both() -> None:
    forbidden = dataclasses.replace(SETTINGS, pipelining=False, chunking=False)
    one = talk(ALL, [make_message(1)], settings=forbidden)
    assert [group.split(b" ")[0].split(b"\r")[0] for group in one.groups] == [
        b"EHLO",
        b"MAIL",
        b"RCPT",
        b"DATA",
        b"Subject:",
        b"QUIT",
    ]


@EVERY_SERVER
def test_many_messages_arrive_once_in_order(offers: tuple[str, ...]) -> None:
    messages = [make_message(number, recipients=THREE) for number in range(12)]
    one = talk(offers, messages)
    assert [taken.content for taken in one.server.delivered] == [BODY_WIRE] * 12
    assert list(one.outcomes) == [f"q{number}" for number in range(12)]
    assert {kind for outcomes in one.outcomes.values() for kind in kinds(outcomes)} == {("Del", 250)}
    assert one.ended.fate is SessionFate.DONE


def test_the_look_ahead_is_bounded() -> None:
    """With a server that answers nothing, few messages are sent, and few bytes."""
    for body, most in ((BODY, 8), (b"x" * 4000, 8), (b"x" * 20_000, 1)):
        core = EsmtpClient(SETTINGS, "mail.example")
        core.receive(b"220 x\r\n")
        core.data_to_send()
        core.receive(b"250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n")
        core.data_to_send()
        number = 0
        for _ in range(100):
            if core.can_submit:
                number += 1
                core.submit(make_message(number), facts_of(body))
            if (wanted := core.content_wanted) is not None:
                rest = body[wanted.offset :]
                core.feed(rest[: wanted.max_bytes], last=len(rest) <= wanted.max_bytes)
        sent = core.data_to_send()
        assert sent.count(b"MAIL FROM") == most
        assert len(sent) < 34_000


def test_large_content_is_sent_on_only_once_a_recipient_is_taken() -> None:
    body = b"x" * 50_000
    refused = talk(ALL, [make_message(1), make_message(2)], always("RCPT", "550 no"), body=body)
    assert sum(map(len, refused.groups)) < 10_000
    assert kinds(refused.outcomes["q1"]) == kinds(refused.outcomes["q2"]) == [("Ref", 550)]
    taken = talk(ALL, [make_message(1)], body=body)
    assert taken.server.delivered[0].content == body + b"\r\n"


# Refusals

ALL_OR_NOTHING = {"chunking": ALL, "pipelining": WITHOUT_CHUNKING, "lock-step": ("SIZE",)}


def at(verb: str, number: int, reply: str) -> Callable[..., Any]:
    """The usual answers but for one command."""
    return lambda said, argument, before: reply if (said, before) == (verb, number) else None


@EVERY_SERVER
def test_a_refused_sender_is_the_messages_matter_and_the_next_goes_through(offers: tuple[str, ...]) -> None:
    one = talk(offers, [make_message(1, recipients=THREE), make_message(2)], at("MAIL", 0, "550 5.1.7 bad sender"))
    assert one.outcomes["q1"] == (Refused(Reply(550, ("bad sender",), "5.1.7"), "mail.example"),) * 3
    assert kinds(one.outcomes["q2"]) == [("Del", 250)]
    assert len(one.server.delivered) == 1


@EVERY_SERVER
def test_each_recipient_has_its_own_answer(offers: tuple[str, ...]) -> None:
    def answers(verb: str, argument: str, before: int) -> str | None:
        if verb == "RCPT":
            return {"<a": "550 5.1.1 unknown", "<b": None, "<c": "450 4.2.0 later"}[argument[3:5]]
        return None

    one = talk(offers, [make_message(1, recipients=THREE)], answers)
    assert kinds(one.outcomes["q1"]) == [("Ref", 550), ("Del", 250), ("Def", 450)]
    assert one.server.delivered[0].recipients == ("b@x.example",)


@EVERY_SERVER
def test_no_recipient_taken_and_the_next_message_goes_through(offers: tuple[str, ...]) -> None:
    def answers(verb: str, argument: str, before: int) -> str | None:
        return "550 5.1.1 unknown" if verb == "RCPT" and before < 3 else None

    one = talk(offers, [make_message(1, recipients=THREE), make_message(2)], answers)
    assert kinds(one.outcomes["q1"]) == [("Ref", 550)] * 3
    assert kinds(one.outcomes["q2"]) == [("Del", 250)]


def test_354_though_no_recipient_was_taken_is_answered_with_a_lone_dot() -> None:
    def answers(verb: str, argument: str, before: int) -> str | None:
        usual = {"RCPT": "550 5.1.1 unknown", "DATA": "354 go on", "DOT": "554 5.5.1 no recipients"}
        return usual.get(verb) if before == 0 else None

    one = talk(WITHOUT_CHUNKING, [make_message(1), make_message(2)], answers)
    assert b"\r\n".join(one.groups[2].split(b"\r\n")[:2]) == b".\r\nMAIL FROM:<anna@clinic.example> SIZE=30"
    assert kinds(one.outcomes["q1"]) == [("Ref", 550)]
    assert kinds(one.outcomes["q2"]) == [("Del", 250)]


@pytest.mark.parametrize("reply, kind", [("451 4.3.0 later", "Def"), ("554 5.7.1 no", "Ref")])
def test_data_refused(reply: str, kind: str) -> None:
    one = talk(WITHOUT_CHUNKING, [make_message(1), make_message(2)], at("DATA", 0, reply))
    assert kinds(one.outcomes["q1"]) == [(kind, int(reply[:3]))]
    assert kinds(one.outcomes["q2"]) == [("Del", 250)]
    assert b"RSET" in one.groups[2]


# 552 means "too many recipients, try again" of a recipient only (RFC 5321 §4.5.3.1.10): of content it is a refusal.
@pytest.mark.parametrize(
    "reply, kind", [("451 4.3.0 later", "Def"), ("552 5.2.2 full", "Ref"), ("552 too much mail data", "Ref")]
)
@EVERY_SERVER
def test_content_refused(offers: tuple[str, ...], reply: str, kind: str) -> None:
    verb = "LAST" if "CHUNKING" in offers else "DOT"
    one = talk(offers, [make_message(1, recipients=THREE), make_message(2)], at(verb, 0, reply))
    assert kinds(one.outcomes["q1"]) == [(kind, int(reply[:3]))] * 3
    assert kinds(one.outcomes["q2"]) == [("Del", 250)]


def test_a_refused_chunk_ends_the_content_and_the_next_message_goes_through() -> None:
    one = talk(ALL, [make_message(1), make_message(2)], at("BDAT", 0, "452 4.3.1 full"), body=b"y" * 60_000)
    assert kinds(one.outcomes["q1"]) == [("Def", 452)]
    assert kinds(one.outcomes["q2"]) == [("Del", 250)]
    assert [len(taken.content) for taken in one.server.delivered] == [60_002]


@pytest.mark.parametrize("code", [530, 534, 535, 538])
@EVERY_SERVER
def test_log_in_first_is_about_the_session_and_bounces_nothing(offers: tuple[str, ...], code: int) -> None:
    one = talk(offers, [make_message(n) for n in range(5)], always("MAIL", f"{code} 5.7.0 log in"))
    assert {kind for outcomes in one.outcomes.values() for kind in kinds(outcomes)} == {("Def", code)}
    assert one.ended.fate is SessionFate.NEEDS_OPERATOR
    assert len(one.outcomes) + len(one.not_offered) == 5


# Too many recipients


@pytest.mark.parametrize("reply", ["452 4.5.3 too many", "452 too many", "552 too many"])
@EVERY_SERVER
def test_more_recipients_than_the_server_takes_at_once(offers: tuple[str, ...], reply: str) -> None:
    def answers(verb: str, argument: str, before: int) -> str | None:
        return reply if verb == "RCPT" and len(server.open_recipients) >= 4 else None

    class Limited(ModelServer):
        @property
        def open_recipients(self) -> list[str]:
            return self._recipients

    server = Limited(offers, answers)
    everyone = [f"r{number}@x.example" for number in range(11)]
    one = CoreTalk(server)
    one.run([make_message(1, recipients=everyone), make_message(2)])
    assert kinds(one.outcomes["q1"]) == [("Del", 250)] * 11
    in_order = [tuple(everyone[:4]), tuple(everyone[4:8]), tuple(everyone[8:])]
    assert [taken.recipients for taken in server.delivered if len(taken.recipients) > 1] == in_order
    assert len(server.delivered) == 4
    assert sum(command.startswith("RCPT") for command in server.commands) == 11 + 7 + 1
    assert server.violations == []


def test_a_full_mailbox_is_no_limit_of_recipients() -> None:
    answers = lambda *a: "552 5.2.2 mailbox full" if a[:2] == ("RCPT", "TO:<b@x.example>") else None  # noqa: E731
    one = talk(ALL, [make_message(1, recipients=THREE)], answers)
    assert kinds(one.outcomes["q1"]) == [("Del", 250), ("Ref", 552), ("Del", 250)]


@pytest.mark.parametrize("reply", ["452 4.5.3 no", "552 no"])
def test_too_many_though_none_was_taken_is_deferred(reply: str) -> None:
    none_taken = talk(ALL, [make_message(1, recipients=THREE)], always("RCPT", reply))
    assert kinds(none_taken.outcomes["q1"]) == [("Def", int(reply[:3]))] * 3


def test_ten_thousand_recipients_cost_no_more_than_their_lines() -> None:
    server = ModelServer(ALL)
    server.answers = lambda verb, *_: (
        "452 4.5.3 too many" if verb == "RCPT" and len(server._recipients) >= 100 else None
    )
    one = CoreTalk(server)
    one.run([make_message(1, recipients=[f"r{number}@x.example" for number in range(10_000)])])
    assert kinds(one.outcomes["q1"]) == [("Del", 250)] * 10_000
    assert len(server.delivered) == 100
    assert sum(command.startswith("RCPT") for command in server.commands) == 10_900


# What is refused without asking


def test_a_message_over_the_servers_limit_is_not_offered() -> None:
    one = talk(("PIPELINING", "SIZE 29"), [make_message(1, recipients=THREE)])
    [reply] = {outcome.reply for outcome in one.outcomes["q1"]}
    assert (reply.code, reply.enhanced) == (552, "5.3.4")
    assert all(isinstance(outcome, Refused) and outcome.by == "station.example" for outcome in one.outcomes["q1"])
    assert one.server.commands == ["EHLO station.example", "QUIT"]
    assert kinds(talk(("SIZE 30",), [make_message(1)]).outcomes["q1"]) == [("Del", 250)]


def test_without_smtputf8_only_who_needs_it_is_refused() -> None:
    one = talk(("PIPELINING", "8BITMIME"), [make_message(1, recipients=("jörg@x.example", "joe@köln.example"))])
    assert [(outcome.reply.code, outcome.reply.enhanced) for outcome in one.outcomes["q1"]] == [
        (553, "5.6.7"),
        (250, "2.0.0"),
    ]
    assert one.server.delivered[0].recipients == ("joe@xn--kln-sna.example",)
    sender = talk(("8BITMIME",), [make_message(1, sender="jörg@x.example", recipients=THREE)])
    assert kinds(sender.outcomes["q1"]) == [("Ref", 553)] * 3


def test_smtputf8_is_said_where_it_is_needed() -> None:
    body = "Subject: Grüße\n\nx\n".encode()
    one = talk(ALL, [make_message(1, smtputf8=True)], body=body)
    assert "SMTPUTF8" in one.server.commands[1] and "BODY=8BITMIME" in one.server.commands[1]
    other = talk(ALL, [make_message(1, smtputf8=True)])
    assert "SMTPUTF8" not in other.server.commands[1]
    missing = talk(("8BITMIME",), [make_message(1, smtputf8=True)], body=body)
    assert [(outcome.reply.code, outcome.reply.enhanced) for outcome in missing.outcomes["q1"]] == [(550, "5.6.9")]


def test_dsn_is_passed_on_only_where_offered() -> None:
    [passed] = talk(ALL, [make_message(1)]).outcomes["q1"]
    [kept] = talk(("PIPELINING",), [make_message(1)]).outcomes["q1"]
    assert isinstance(passed, Delivered)
    assert isinstance(kept, Delivered)
    assert (passed.dsn_passed_on, kept.dsn_passed_on) == (True, False)


def test_a_message_without_recipients_is_finished_at_once() -> None:
    assert talk(ALL, [make_message(1, recipients=())]).outcomes == {"q1": ()}


# The end of a session, at every place


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "DOT", "LAST", "RSET", "BDAT"])
@pytest.mark.parametrize("number", [0, 1])
@EVERY_SERVER
def test_421_anywhere_defers_and_closes(offers: tuple[str, ...], verb: str, number: int) -> None:
    messages = [make_message(n, recipients=THREE) for n in range(4)]
    one = talk(offers, messages, at(verb, number, "421 4.3.2 going down"), body=b"z" * 9000)
    if one.ended.fate is SessionFate.DONE:
        return  # that server never gets there
    assert one.ended == Ended(
        SessionFate.CLOSED, "the server closes the connection", Reply(421, ("going down",), "4.3.2")
    )
    assert set(one.outcomes) | {message.queue_id for message in one.not_offered} == {f"q{n}" for n in range(4)}
    taken = sum(len(message.recipients) for message in one.server.delivered)
    given = [outcome for outcomes in one.outcomes.values() for outcome in outcomes]
    assert sum(isinstance(outcome, Delivered) for outcome in given) == taken
    deferred = [outcome for outcome in given if not isinstance(outcome, Delivered)]
    assert all(isinstance(outcome, Deferred) and not outcome.answer_unknown for outcome in deferred)
    assert {outcome.reply.code for outcome in deferred} == {421}


def test_a_refused_rset_ends_the_session_in_the_servers_words() -> None:
    """Exim limits the RSETs without a message taken in between."""

    def answers(verb: str, argument: str, before: int) -> str | None:
        return {"RCPT": "550 unknown", "RSET": "554 Too many nonmail commands" if before == 2 else None}.get(verb)

    one = talk(WITHOUT_CHUNKING, [make_message(n) for n in range(6)], answers)
    assert (one.ended.fate, known(one.ended.reply).code) == (SessionFate.CLOSED, 554)
    assert [kinds(outcomes) for outcomes in one.outcomes.values()] == [[("Ref", 550)]] * 3 + [[("Def", 554)]] * 2
    assert [is_a(Deferred, outcomes[0]).counts_as_attempt for outcomes in list(one.outcomes.values())[3:]] == [
        False,
        False,
    ]


def test_what_was_never_tried_uses_up_no_attempt() -> None:
    messages = [make_message(n) for n in range(3)]
    one = talk(WITHOUT_CHUNKING, messages, at("DOT", 0, "421 4.3.2 enough"))
    assert [is_a(Deferred, one.outcomes[key][0]).counts_as_attempt for key in one.outcomes] == [True, False]


@EVERY_SERVER
@pytest.mark.parametrize("direction", ["cut_up", "cut_down"])
def test_a_cut_at_every_byte_loses_and_doubles_nothing_unseen(offers: tuple[str, ...], direction: str) -> None:
    """Each recipient gets one outcome; Delivered only if taken; taken and not Delivered only if `unknown`."""
    whole = CoreTalk(ModelServer(offers))
    whole.run([make_message(n, recipients=THREE) for n in range(3)])
    length = sum(map(len, whole.groups)) if direction == "cut_up" else 700
    for cut in range(1, length, 1 if length < 800 else 3):
        one = CoreTalk(ModelServer(offers), **is_a(dict, {direction: cut}))
        one.run([make_message(n, recipients=THREE) for n in range(3)])
        delivered = {queue_id for queue_id, outcomes in one.outcomes.items() if isinstance(outcomes[0], Delivered)}
        unknown = {
            queue_id
            for queue_id, outcomes in one.outcomes.items()
            if isinstance(outcomes[0], Deferred) and outcomes[0].answer_unknown
        }
        taken = {f"q{number}" for number in range(len(one.server.delivered))}
        assert delivered <= taken <= delivered | unknown
        assert len(one.outcomes) + len(one.not_offered) == 3
        assert all(len(outcomes) == 3 for outcomes in one.outcomes.values())
        assert not any(isinstance(outcome, Refused) for outcomes in one.outcomes.values() for outcome in outcomes)


def test_an_answer_that_never_came_is_kept_visible() -> None:
    whole = talk(WITHOUT_CHUNKING, [make_message(1)])
    one = CoreTalk(ModelServer(WITHOUT_CHUNKING), cut_up=sum(map(len, whole.groups[:3])))
    one.run([make_message(1)])
    [outcome] = one.outcomes["q1"]
    assert isinstance(outcome, Deferred)
    assert (outcome.reply.code, outcome.reply.enhanced, outcome.by) == (451, "4.4.2", "station.example")
    assert outcome.answer_unknown
    assert len(one.server.delivered) == 1


def test_half_a_message_leaves_no_doubt() -> None:
    core = EsmtpClient(SETTINGS, "mail.example")
    core.receive(b"220 x\r\n")
    core.data_to_send()
    core.receive(b"250-x\r\n250 PIPELINING\r\n")
    core.submit(make_message(1), facts_of(b"x" * 99_999))
    core.data_to_send()
    core.receive(b"250 ok\r\n250 ok\r\n354 go on\r\n")
    core.feed(b"x" * 1000, last=False)
    [finished, _] = core.failed("cut")
    assert isinstance(finished, Finished)
    [outcome] = finished.outcomes
    assert isinstance(outcome, Deferred)
    assert (outcome.answer_unknown, outcome.counts_as_attempt) == (False, True)


@pytest.mark.parametrize("bytes_sent, lost, counts", [(1000, True, True), (1000, False, False), (0, True, False)])
def test_without_an_answer_only_content_lost_on_its_way_counts_as_an_attempt(
    bytes_sent: int, lost: bool, counts: bool
) -> None:
    transaction = Transaction(Mail(make_message(1), facts_of(BODY), Extensions(), "station.example"), [0])
    transaction.content_bytes = bytes_sent
    transaction.break_off(Reply(451, ("cut",), "4.4.2"), "station.example", "mail.example", lost=lost, in_step=True)
    [outcome] = transaction.mail.outcomes.values()
    assert isinstance(outcome, Deferred)
    assert outcome.counts_as_attempt is counts


def test_a_refusal_before_the_end_of_the_content_is_its_answer() -> None:
    core = EsmtpClient(SETTINGS, "mail.example")
    core.receive(b"220 x\r\n")
    core.data_to_send()
    core.receive(b"250-x\r\n250 PIPELINING\r\n")
    core.submit(make_message(1), facts_of(b"x" * 99_999))
    core.data_to_send()
    core.receive(b"250 ok\r\n250 ok\r\n354 go on\r\n")
    core.feed(b"x" * 1000, last=False)
    finished, ended = core.receive(b"552 5.3.4 too big\r\n")
    assert isinstance(finished, Finished)
    assert kinds(finished.outcomes) == [("Ref", 552)]
    assert isinstance(ended, Ended)
    assert ended.fate is SessionFate.CLOSED
    assert core.content_wanted is None


@pytest.mark.parametrize("offers", [b"PIPELINING", b"PIPELINING\r\n250 CHUNKING"])
def test_content_that_cannot_be_read_is_never_taken_for_whole(offers: bytes) -> None:
    core = EsmtpClient(SETTINGS, "mail.example")
    core.receive(b"220 x\r\n")
    core.data_to_send()
    core.receive(b"250-x\r\n250-" + offers.replace(b"\r\n250 ", b"\r\n250-") + b"\r\n250 DSN\r\n")
    core.submit(make_message(1), facts_of(b"x" * 99_999))
    core.data_to_send()
    core.receive(b"250 ok\r\n250 ok\r\n" + (b"" if b"CHUNKING" in offers else b"354 go on\r\n"))
    core.feed(b"x" * 1000, last=False)
    core.data_to_send()
    events = core.content_failed("the card can't be read")
    if b"CHUNKING" in offers:
        events += core.submit(make_message(2), facts_of(BODY))
        assert core.data_to_send().startswith(b"RSET\r\nMAIL")
        events += core.receive(b"250 chunk\r\n")
    else:
        assert core.data_to_send() == b""
        assert isinstance(events[-1], Ended) and events[-1].fate is SessionFate.LOST
    [finished] = [event for event in events if isinstance(event, Finished)]
    assert kinds(finished.outcomes) == [("Def", 451)]
    assert finished.outcomes[0].reply.enhanced == "4.3.0"


# Servers that leave the protocol

OUT_OF_STEP = [
    ("MAIL", "354 what"),
    ("DATA", "250 what"),
    ("DOT", "354 what"),
    ("RCPT", "not smtp"),
    ("RSET", "354 what"),
]


@pytest.mark.parametrize("verb, reply", OUT_OF_STEP)
@pytest.mark.parametrize("offers", [WITHOUT_CHUNKING, ("DSN",), ALL], ids=["pipelining", "lock-step", "chunking"])
def test_a_server_out_of_step_is_left_and_nothing_bounced(offers: tuple[str, ...], verb: str, reply: str) -> None:
    one = talk(offers, [make_message(n) for n in range(3)], at(verb, 0, reply))
    if one.ended.fate is SessionFate.DONE:
        return
    assert one.ended.fate is SessionFate.LOST
    given = [outcome for outcomes in one.outcomes.values() for outcome in outcomes]
    assert not any(isinstance(outcome, Refused) for outcome in given)


def test_a_sender_refused_but_a_recipient_taken_is_out_of_step() -> None:
    core = EsmtpClient(SETTINGS, "mail.example")
    core.receive(b"220 x\r\n")
    core.data_to_send()
    core.receive(b"250-x\r\n250 PIPELINING\r\n")
    core.submit(make_message(1), facts_of(BODY))
    core.data_to_send()
    finished, ended = core.receive(b"550 no\r\n250 yes\r\n354 go on\r\n")
    assert isinstance(ended, Ended)
    assert ended.fate is SessionFate.LOST
    assert isinstance(finished, Finished)
    assert kinds(finished.outcomes) == [("Def", 451)]  # the 550 may be the answer to something else
    assert core.data_to_send() == b""  # above all no lone dot: it would send an empty message


@pytest.mark.parametrize(
    "unasked, fate", [(b"250 what\r\n", "LOST"), (b"421 idle\r\n", "CLOSED"), (b"451 x\r\n", "CLOSED")]
)
def test_a_server_that_speaks_unasked(unasked: bytes, fate: str) -> None:
    core = EsmtpClient(SETTINGS, "mail.example")
    core.receive(b"220 x\r\n")
    core.data_to_send()
    core.receive(b"250-x\r\n250 PIPELINING\r\n")
    core.data_to_send()
    [ended] = core.receive(unasked)
    assert isinstance(ended, Ended)
    assert ended.fate is SessionFate[fate]


@pytest.mark.parametrize("refusal", ["500 5.5.2 what?", "502 5.5.1 unknown command"])
def test_a_server_that_offers_chunking_without_knowing_it_is_remembered(refusal: str) -> None:
    one = talk(ALL, [make_message(1)], at("LAST", 0, refusal))
    assert kinds(one.outcomes["q1"]) == [("Def", 451)]
    assert one.core.learnt is Lesson.NO_CHUNKING
    assert one.ended.fate is SessionFate.LOST


# Parameters that are offered and refused (RFC 5321 §4.1.1.11)


REFUSALS = ("555 5.5.4 unsupported option", "504 no", "501 5.5.4 invalid arguments")
DSN_MESSAGE = dataclasses.replace(
    make_message(1),
    envelope=Envelope(
        "anna@clinic.example",
        tuple(Recipient(address, notify=frozenset({Notify.FAILURE})) for address in THREE),
        ret=Return.HEADERS,
    ),
)


def refusing(verb: str, word: str, reply: str, then: None = None) -> Callable[..., Any]:
    """A host that refuses each command of that verb with a parameter of that kind."""
    return lambda said, argument, before: reply if said == verb and word in argument else then


@EVERY_SERVER
@pytest.mark.parametrize("reply", REFUSALS)
def test_a_refused_size_is_left_out_in_the_same_session_and_from_then_on(
    offers: tuple[str, ...], reply: str
) -> None:
    one = talk(offers, [make_message(1), make_message(2), make_message(3)], refusing("MAIL", "SIZE=", reply))
    assert {name: kinds(outcomes) for name, outcomes in one.outcomes.items()} == {
        name: [("Del", 250)] for name in ("q1", "q2", "q3")
    }
    assert sorted(taken.content for taken in one.server.delivered) == [BODY_WIRE] * 3
    assert one.ended.fate is SessionFate.DONE
    assert one.core.lessons == ((Lesson.NO_SIZE,) if "SIZE" in " ".join(offers) else ())
    assert one.server.commands[-1] == "QUIT"
    assert not any("SIZE=" in command for command in one.server.commands[-4:])


@pytest.mark.parametrize("offers", [ALL, WITHOUT_CHUNKING, ("SIZE", "DSN")])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
def test_refused_parameters_of_dsn_are_left_out_and_nothing_is_passed_on(
    offers: tuple[str, ...], verb: str
) -> None:
    word = "NOTIFY=" if verb == "RCPT" else "RET="
    one = talk(offers, [DSN_MESSAGE], refusing(verb, word, "555 parameters not recognized"))
    assert kinds(one.outcomes["q1"]) == [("Del", 250)] * 3
    assert not any(is_a(Delivered, outcome).dsn_passed_on for outcome in one.outcomes["q1"])
    assert [taken.recipients for taken in one.server.delivered] == [THREE]
    assert Lesson.NO_DSN in one.core.lessons


def test_one_recipient_refused_for_its_parameters_goes_alone() -> None:
    answers = refusing("RCPT", "b@x.example> NOTIFY", "555 5.5.4 what")
    one = talk(WITHOUT_CHUNKING, [DSN_MESSAGE], answers)
    assert kinds(one.outcomes["q1"]) == [("Del", 250)] * 3
    assert [is_a(Delivered, outcome).dsn_passed_on for outcome in one.outcomes["q1"]] == [True, False, True]
    assert [taken.recipients for taken in one.server.delivered] == [(THREE[0], THREE[2]), (THREE[1],)]


@EVERY_SERVER
@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
def test_what_is_refused_without_parameters_as_well_is_refused_and_teaches_nothing(
    offers: tuple[str, ...], verb: str
) -> None:
    one = talk(offers, [DSN_MESSAGE, make_message(2)], refusing(verb, "", "555 5.5.2 syntax error"))
    assert kinds(one.outcomes["q1"]) == [("Ref", 555)] * 3
    assert kinds(one.outcomes["q2"]) == [("Ref", 555)]
    assert one.core.lessons == ()
    assert one.server.delivered == []


def greeted(how: ConnectSettings) -> EsmtpClient:
    core = EsmtpClient(how, "mail.example")
    for said in (b"220 x\r\n", b"250-x\r\n250-PIPELINING\r\n250-SIZE\r\n250-SMTPUTF8\r\n250 8BITMIME\r\n"):
        core.receive(said)
        core.data_to_send()
    return core


def test_a_host_that_refuses_a_parameter_and_leaves_bounces_nothing() -> None:
    core = greeted(SETTINGS)
    core.submit(make_message(1), facts_of(BODY))
    assert b"SIZE=" in core.data_to_send()
    finished, _ = core.receive(b"555 5.5.4 no\r\n421 bye\r\n")
    assert isinstance(finished, Finished)
    assert kinds(finished.outcomes) == [("Def", 421)]


MANY = dataclasses.replace(
    make_message(1),
    envelope=Envelope(
        "anna@clinic.example",
        tuple(Recipient(f"r{number}@x.example", notify=frozenset({Notify.FAILURE})) for number in range(1050)),
    ),
)


@pytest.mark.parametrize("offers", [ALL, WITHOUT_CHUNKING], ids=["chunking", "pipelining"])
@pytest.mark.parametrize(
    "verb, word, lesson", [("MAIL", "SIZE=", Lesson.NO_SIZE), ("RCPT", "NOTIFY=", Lesson.NO_DSN)]
)
def test_what_was_under_way_with_a_refused_parameter_is_sent_without_it_too(
    offers: tuple[str, ...], verb: str, word: str, lesson: Lesson
) -> None:
    """1,050 recipients are two transactions: the second leaves before the first is answered."""
    one = talk(offers, [MANY], refusing(verb, word, "555 5.5.4 no such parameter"))
    assert kinds(one.outcomes["q1"]) == [("Del", 250)] * 1050
    taken = [recipient for message in one.server.delivered for recipient in message.recipients]
    assert sorted(taken) == sorted(recipient.address for recipient in MANY.envelope.recipients)
    assert {is_a(Delivered, outcome).dsn_passed_on for outcome in one.outcomes["q1"]} == {
        lesson is not Lesson.NO_DSN
    }
    assert one.core.lessons == (lesson,)


def test_the_rest_of_a_message_goes_without_what_was_refused_before() -> None:
    message = make_message(1, recipients=[f"r{number}@x.example" for number in range(5000)])
    one = talk(WITHOUT_CHUNKING, [message], refusing("MAIL", "SIZE=", "555 5.5.4 no such parameter"))
    assert kinds(one.outcomes["q1"]) == [("Del", 250)] * 5000
    assert [command.count("SIZE=") for command in one.server.commands if "MAIL" in command] == [1, 0, 0, 0, 0, 0]


@EVERY_SERVER
@pytest.mark.parametrize("limit", [1000, 300])
def test_one_bad_recipient_of_many_teaches_nothing_about_the_others(offers: tuple[str, ...], limit: int) -> None:
    """Neither to the transaction that is under way meanwhile, nor to those that follow."""

    def answers(verb: str, argument: str, before: int) -> str | None:
        if verb == "RCPT" and "<r0@x.example>" in argument:
            return f"501 5.1.3 Bad address: RCPT {argument}"
        return "452 4.5.3 too many" if verb == "RCPT" and len(server._recipients) >= limit else None

    server = ModelServer((*offers, "DSN"), answers)
    one = CoreTalk(server)
    one.run([MANY])
    assert kinds(one.outcomes["q1"]) == [("Ref", 501)] + [("Del", 250)] * 1049
    taken = [recipient for message in server.delivered for recipient in message.recipients]
    assert sorted(taken) == sorted(recipient.address for recipient in MANY.envelope.recipients[1:])
    assert all(is_a(Delivered, outcome).dsn_passed_on for outcome in one.outcomes["q1"][1:])
    assert one.core.lessons == ()


@EVERY_SERVER
@pytest.mark.parametrize("sender", ["bad@clinic.example", "somebody-8bit@clinic.example"])
def test_an_echo_of_our_command_is_a_refusal_of_that_message_alone(offers: tuple[str, ...], sender: str) -> None:
    def answers(verb: str, argument: str, before: int) -> str | None:
        return f"501 5.1.7 Bad sender: MAIL {argument}" if verb == "MAIL" and sender in argument else None

    messages = [make_message(1), make_message(2, sender=sender), make_message(3), make_message(4)]
    one = talk(offers, messages, answers, body="Subject: x\n\nJörg\n".encode())
    assert {name: kinds(outcomes) for name, outcomes in one.outcomes.items()} == {
        "q1": [("Del", 250)],
        "q2": [("Ref", 501)],
        "q3": [("Del", 250)],
        "q4": [("Del", 250)],
    }
    assert [taken.sender for taken in one.server.delivered] == ["anna@clinic.example"] * 3
    assert (one.core.lessons, one.ended.fate) == ((), SessionFate.DONE)


@EVERY_SERVER
def test_a_refused_body_parameter_is_a_refusal(offers: tuple[str, ...]) -> None:
    answers = refusing("MAIL", "BODY=", "555 5.5.4 Unsupported option: BODY=8BITMIME")
    one = talk((*offers, "8BITMIME"), [make_message(1)], answers, body="Subject: x\n\nJörg\n".encode())
    assert kinds(one.outcomes["q1"]) == [("Ref", 555)]
    assert one.core.lessons == ()


# Opening


def opening(
    settings: ConnectSettings, *replies: str, tls: bool = False, verified: bool = False
) -> tuple[list[str], list[Event], EsmtpClient]:
    """Feed replies one by one: what the client sends in between, the events, the core."""
    core = EsmtpClient(settings, "mail.example", tls=tls, verified=verified)
    sent, events = [], []
    for reply in replies:
        if reply == "TLS":
            core.tls_established(verified=verified)
        else:
            events += core.receive(reply.encode() + b"\r\n")
        sent.append(core.data_to_send().decode().removesuffix("\r\n"))
    return sent, events, core


def test_helo_where_ehlo_is_not_known() -> None:
    sent, events, _ = opening(SETTINGS, "220 x", "502 what", "250 old")
    assert sent == ["EHLO station.example", "HELO station.example", ""]
    assert [type(event) for event in events] == [Ready]


REQUIRED = dataclasses.replace(SETTINGS, tls=TlsMode.STARTTLS)
CLEAR = dataclasses.replace(SETTINGS, tls=TlsMode.NONE)
LOGIN = dataclasses.replace(REQUIRED, user="anna", password="geheim")
CLEAR_LOGIN = dataclasses.replace(LOGIN, tls=TlsMode.NONE)


def test_starttls_then_ehlo_again_and_what_was_offered_before_is_forgotten() -> None:
    sent, events, core = opening(
        SETTINGS, "220 x", "250-x\r\n250-STARTTLS\r\n250 CHUNKING", "220 go", "TLS", "250-x\r\n250 PIPELINING"
    )
    assert sent == ["EHLO station.example", "STARTTLS", "", "EHLO station.example", ""]
    assert [type(event) for event in events] == [StartTls, Ready]
    assert (core.extensions.chunking, core.extensions.pipelining) == (False, True)


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("injected", [b"250-x\r\n250 AUTH PLAIN\r\n", b"250 x\r\n", b"250-x\r\n", b"2"])
def test_text_in_clear_behind_the_220_to_starttls_is_an_attack(injected: bytes, split: bool) -> None:
    core = EsmtpClient(REQUIRED, "mail.example")
    core.receive(b"220 x\r\n")
    core.data_to_send()
    core.receive(b"250-x\r\n250 STARTTLS\r\n")
    data = b"220 go\r\n" + injected
    events = []
    for piece in [data[:8], data[8:]] if split else [data]:
        events += core.receive(piece)
    assert isinstance(events[-1], Ended)
    assert events[-1].fate is SessionFate.LOST
    assert core.phase is Phase.OVER


@cases(
    "settings, replies, fate, code",
    [
        (SETTINGS, ["554 go away"], SessionFate.NOT_SERVED, 554),
        (SETTINGS, ["421 busy"], SessionFate.NOT_SERVED, 421),
        (SETTINGS, ["220 x", "550 who are you", "550 who are you"], SessionFate.NOT_SERVED, 550),
        (SETTINGS, ["220 x", "502 x", "502 x"], SessionFate.NOT_SERVED, 502),
        (REQUIRED, ["220 x", "250 x"], SessionFate.NEEDS_OPERATOR, 451),
        (REQUIRED, ["220 x", "502 x", "250 x"], SessionFate.NEEDS_OPERATOR, 451),
        (REQUIRED, ["220 x", "250-x\r\n250 STARTTLS", "454 not now"], SessionFate.NOT_SERVED, 454),
        (REQUIRED, ["220 x", "250-x\r\n250 STARTTLS", "501 no"], SessionFate.NEEDS_OPERATOR, 501),
        (CLEAR_LOGIN, ["220 x", "250 x"], SessionFate.NEEDS_OPERATOR, 451),
        (CLEAR_LOGIN, ["220 x", "250-x\r\n250 AUTH PLAIN LOGIN"], SessionFate.NEEDS_OPERATOR, 451),
    ],
)
def test_a_session_that_cannot_be_opened(
    settings: ConnectSettings, replies: list[str], fate: SessionFate, code: int
) -> None:
    sent, events, _ = opening(settings, *replies)
    [ended] = [event for event in events if isinstance(event, Ended)]
    assert (ended.fate, known(ended.reply).code) == (fate, code)
    assert not any(isinstance(event, Ready) for event in events)
    assert "geheim" not in "".join(sent)


def test_opportunistic_tls_goes_on_in_clear_where_refused() -> None:
    sent, events, _ = opening(SETTINGS, "220 x", "250-x\r\n250 STARTTLS", "454 not now")
    assert sent[-1] == ""
    assert [type(event) for event in events] == [Ready]


CRAM_ANSWER = base64.b64encode(b"anna " + hmac.new(b"geheim", b"<1@x>", "md5").hexdigest().encode()).decode()
TO_LOGIN = ("220 x", "250-x\r\n250 STARTTLS", "220 go", "TLS")


@pytest.mark.parametrize(
    "mechanisms, auth, dialogue",
    [
        ("PLAIN LOGIN CRAM-MD5", AuthMechanism.AUTO, [("AUTH PLAIN AGFubmEAZ2VoZWlt", "235 ok")]),
        (
            "PLAIN LOGIN",
            AuthMechanism.AUTO,
            [
                ("AUTH PLAIN AGFubmEAZ2VoZWlt", "504 not that"),
                ("AUTH LOGIN", "334 VXNlcg=="),
                ("YW5uYQ==", "334 UGFzcw=="),
                ("Z2VoZWlt", "235 ok"),
            ],
        ),
        ("PLAIN CRAM-MD5", AuthMechanism.CRAM_MD5, [("AUTH CRAM-MD5", "334 PDFAeD4="), (CRAM_ANSWER, "235 ok")]),
    ],
)
def test_login(mechanisms: str, auth: AuthMechanism, dialogue: list[tuple[str, str]]) -> None:
    settings_here = dataclasses.replace(LOGIN, auth=auth)
    replies = [*TO_LOGIN, f"250-x\r\n250 AUTH {mechanisms}", *(reply for _, reply in dialogue)]
    sent, events, _ = opening(settings_here, *replies, verified=True)
    assert sent[4:-1] == [line for line, _ in dialogue]
    assert [type(event) for event in events] == [StartTls, Ready]


@pytest.mark.parametrize(
    "reply, fate", [("535 5.7.8 wrong", SessionFate.LOGIN_REFUSED), ("454 4.7.0 later", SessionFate.NOT_SERVED)]
)
def test_a_refused_login_ends_the_session_without_touching_mail(reply: str, fate: SessionFate) -> None:
    _, events, core = opening(LOGIN, *TO_LOGIN, "250-x\r\n250 AUTH PLAIN", reply, verified=True)
    assert isinstance(events[-1], Ended)
    assert (events[-1].fate, str(events[-1].reply)) == (fate, reply)
    assert not core.can_submit


def test_the_trace_shows_the_dialogue_without_secrets_or_content() -> None:
    lines: list[str] = []
    core = EsmtpClient(CLEAR_LOGIN_ANYHOW, "mail.example", trace=lines.append)
    for reply in (
        b"220 x\r\n",
        b"250-x\r\n250-PIPELINING\r\n250 AUTH LOGIN\r\n",
        b"334 VXNlcg==\r\n",
        b"334 UGFzcw==\r\n",
        b"235 ok\r\n",
    ):
        core.receive(reply)
        core.data_to_send()
    core.submit(make_message(1), facts_of(BODY))
    core.data_to_send()
    core.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
    core.feed(BODY, last=True)
    text = "\n".join(lines)
    assert "> MAIL FROM" in text and "< 354 go" in text and "> AUTH LOGIN ..." in text
    assert not any(secret in text for secret in ("geheim", "Z2VoZWlt", "YW5uYQ==", "Subject", "hello"))


CLEAR_LOGIN_ANYHOW = dataclasses.replace(CLEAR_LOGIN, auth=AuthMechanism.LOGIN)


# ETRN


def test_etrn_answers_one_by_one() -> None:
    answers = {"a.example": "250 2.0.0 started", "@b.example": "253 5 pending", "#c": "458 4.3.0 can't now"}
    one = CoreTalk(ModelServer(("PIPELINING", "ETRN"), lambda verb, argument, _: answers.get(argument)))
    one.run([], etrn=list(answers))
    assert one.etrn_answers == list(answers.items())
    assert one.groups[1:] == [b"ETRN a.example\r\n", b"ETRN @b.example\r\n", b"ETRN #c\r\n", b"QUIT\r\n"]


EARLY = dataclasses.replace(SETTINGS, early_etrn=True)


def test_etrn_before_ehlo_is_the_first_thing_behind_the_greeting() -> None:
    answers = {"a.example": "253 5 pending", "#c": "250 2.0.0 started"}
    one = CoreTalk(ModelServer(("ETRN",), lambda verb, argument, _: answers.get(argument)), EARLY)
    one.run([], etrn=list(answers))
    assert one.etrn_answers == list(answers.items())
    assert one.groups == [b"ETRN a.example\r\n", b"ETRN #c\r\n", b"QUIT\r\n"]
    assert (one.core.early_refused, one.ended.fate) == ("", SessionFate.DONE)


@pytest.mark.parametrize("said", ["503 5.5.1 send HELO/EHLO first", "458 4.3.0 not now", "354 go"])
def test_etrn_that_is_not_done_before_ehlo_is_asked_again_after_it(said: str) -> None:
    names = ["a.example", "b.example"]
    one = CoreTalk(ModelServer(("ETRN",), lambda verb, _, n: said if (verb, n) == ("ETRN", 1) else None), EARLY)
    one.run([], etrn=names)
    assert [name for name, _ in one.etrn_answers] == names
    assert one.groups == [
        b"ETRN a.example\r\n",
        b"ETRN b.example\r\n",
        b"EHLO station.example\r\n",
        b"ETRN b.example\r\n",
        b"QUIT\r\n",
    ]
    assert (one.core.early_refused, one.ended.fate) == ("b.example", SessionFate.DONE)


@pytest.mark.parametrize(
    "more", [{"user": "anna", "password": "x"}, {"tls": TlsMode.STARTTLS}, {"tls": TlsMode.IMPLICIT}]
)
def test_nothing_comes_before_a_login_or_tls_that_is_required(more: dict[str, Any]) -> None:
    core = EsmtpClient(dataclasses.replace(EARLY, **more), "mail.example")
    core.receive(b"220 x\r\n")
    assert core.data_to_send() == b"EHLO station.example\r\n" and not core.is_early and not core.is_idle


def test_a_session_that_begins_with_etrn_ends_like_any_other() -> None:
    core = EsmtpClient(EARLY, "mail.example")
    assert core.receive(b"220 x\r\n") == [] and core.is_idle and core.waiting_for is None
    assert core.data_to_send() == b""
    core.etrn("a.example")
    core.data_to_send()
    assert not core.is_idle and known(core.waiting_for).what == "ETRN"
    [ended] = core.receive(b"421 4.3.2 closing\r\n")
    assert isinstance(ended, Ended) and ended.fate is SessionFate.NOT_SERVED and not core.early_refused
    core = EsmtpClient(EARLY, "mail.example")
    hear(core, b"220 x\r\n")
    [ended] = core.receive(b"250 unasked\r\n")
    assert isinstance(ended, Ended) and ended.fate is SessionFate.LOST and "out of turn" in ended.reason
    core = EsmtpClient(EARLY, "mail.example")
    hear(core, b"220 x\r\n")
    core.etrn("a.example")
    core.data_to_send()
    hear(core, b"554 5.5.0 no\r\n")
    [ended] = core.eof()
    assert isinstance(ended, Ended) and ended.fate is SessionFate.LOST and core.early_refused == "a.example"


def test_a_name_etrn_cannot_ask_for_does_not_reach_the_wire() -> None:
    core = EsmtpClient(CLEAR, "mail.example")
    core.receive(b"220 x\r\n")
    core.data_to_send()
    core.receive(b"250 x\r\n")
    core.data_to_send()
    [event] = core.etrn("a b\r\nQUIT")
    assert isinstance(event, EtrnAnswered) and event.reply.code == 501
    assert core.data_to_send() == b""


# Fuzz

replies_of_a_mad_server = st.lists(
    st.sampled_from(
        [
            b"220 x\r\n",
            b"250 ok\r\n",
            b"250-x\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 CHUNKING\r\n",
            b"354 go\r\n",
            b"250-x\r\n250 PIPELINING\r\n",
            b"421 bye\r\n",
            b"452 4.5.3 many\r\n",
            b"550 no\r\n",
            b"530 login\r\n",
            b"503 seq\r\n",
            b"junk\r\n",
            b"\r\n",
            b"25",
            b"0 x\r\n",
            b"334 QQ==\r\n",
            b"235 ok\r\n",
            b"\xff\x00",
        ]
    ),
    max_size=40,
)


@settings(max_examples=inputs(300), deadline=None)
@given(replies_of_a_mad_server, st.integers(1, 30), st.booleans())
def test_whatever_the_server_says_each_message_gets_its_outcomes_once(
    replies: list[bytes], step: int, ends_with_eof: bool
) -> None:
    core = EsmtpClient(SETTINGS, "mail.example")
    data, events, handed_in = b"".join(replies), [], 0
    for start in range(0, len(data), step):
        events += core.receive(data[start : start + step])
        for _ in range(8):
            core.data_to_send()
            if core.can_submit and handed_in < 9:
                handed_in += 1
                events += core.submit(make_message(handed_in, recipients=THREE), facts_of(BODY))
            if (wanted := core.content_wanted) is not None:
                core.feed(BODY[wanted.offset :][: wanted.max_bytes], last=True)
    events += core.eof() if ends_with_eof else core.failed("cut")
    finished = [event.message.queue_id for event in events if isinstance(event, Finished)]
    assert sorted(finished) == sorted(f"q{number + 1}" for number in range(handed_in))
    assert all(len(event.outcomes) == 3 for event in events if isinstance(event, Finished))
    assert [isinstance(event, Ended) for event in events].count(True) == 1
    assert isinstance(events[-1], Ended)


@settings(max_examples=inputs(200), deadline=None)
@given(st.data(), st.sampled_from(list(SERVERS.values())))
def test_any_mix_of_refusals_delivers_what_was_taken_and_nothing_else(
    data: st.DataObject, offers: tuple[str, ...]
) -> None:
    def answers(verb: str, argument: str, before: int) -> str | None:
        if verb in {"MAIL", "RCPT", "DATA", "DOT", "LAST", "BDAT"}:
            refusals = [None, None, None, "451 4.0.0 later", "550 5.0.0 never"]
            return data.draw(st.sampled_from(refusals), label=f"{verb} {before}")
        return None

    server = ModelServer(offers, answers)
    one = CoreTalk(server, body=data.draw(st.sampled_from([BODY, b"x" * 10_000 + b"\n"])))
    one.run([make_message(n, recipients=[f"{n}{r}@x.example" for r in range(3)]) for n in range(4)])
    assert one.ended.fate is SessionFate.DONE
    assert server.violations == []
    got = {recipient for message in server.delivered for recipient in message.recipients}
    said = {
        f"{n}{r}@x.example" for n in range(4) for r in range(3) if isinstance(one.outcomes[f"q{n}"][r], Delivered)
    }
    assert got == said
    assert [len(one.outcomes[f"q{n}"]) for n in range(4)] == [3, 3, 3, 3]


# Crooked answers


@pytest.mark.parametrize("refusal", ["500 what", "550 no", "554 no", "521 no", "530 no"])
def test_any_refusal_of_ehlo_is_followed_by_helo_and_nothing_is_added_to_mail(refusal: str) -> None:
    def answers(verb: str, argument: str, before: int) -> str | None:
        return refusal if verb == "EHLO" else None

    one = talk(WITHOUT_CHUNKING, [make_message(1)], answers)
    assert one.groups[1:4] == [
        b"HELO station.example\r\n",
        b"MAIL FROM:<anna@clinic.example>\r\n",
        b"RCPT TO:<bob@example.org>\r\n",
    ]
    assert kinds(one.outcomes["q1"]) == [("Del", 250)]


@pytest.mark.parametrize("leaves", ["eof", "421 bye", "500 what?"])
def test_the_refusal_of_ehlo_is_reported_where_the_server_then_leaves(leaves: str) -> None:
    _, events, core = opening(SETTINGS, "220 x", "554 5.7.1 you are on a list")
    events += core.eof() if leaves == "eof" else core.receive(leaves.encode() + b"\r\n")
    if leaves == "500 what?":
        ended = is_a(Ended, events[-1])
        assert str(ended.reply) == "500 what?"
    else:
        ended = is_a(Ended, events[-1])
        assert (ended.fate, str(ended.reply)) == (
            SessionFate.NOT_SERVED,
            "554 5.7.1 you are on a list",
        )


ALL_WAYS = "250-x\r\n250 AUTH CRAM-MD5 PLAIN LOGIN"


def test_a_refused_way_to_log_in_is_followed_by_the_next_one_once() -> None:
    sent, events, _ = opening(
        LOGIN, *TO_LOGIN, ALL_WAYS, "334 PDFAeD4=", "535 5.7.8 no", "235 welcome", verified=False
    )
    assert sent[4:7] == ["AUTH CRAM-MD5", CRAM_ANSWER, "AUTH PLAIN AGFubmEAZ2VoZWlt"]
    assert [type(event) for event in events] == [StartTls, Ready]


def test_only_a_refused_password_is_counted_not_a_way_the_server_does_not_know() -> None:
    sent, events, _ = opening(
        LOGIN,
        *TO_LOGIN,
        ALL_WAYS,
        *("504 not that", "535 5.7.8 no", "334 VXNlcg==", "334 UGFzcw==", "235 welcome"),
        verified=False,
    )
    assert [line for line in sent if line.startswith("AUTH")] == [
        "AUTH CRAM-MD5",
        "AUTH PLAIN AGFubmEAZ2VoZWlt",
        "AUTH LOGIN",
    ]
    assert isinstance(events[-1], Ready)


@pytest.mark.parametrize("leaves", ["535 5.7.8 no, again", "421 too many", "eof"])
def test_a_login_refused_twice_is_refused_and_not_tried_a_third_time(leaves: str) -> None:
    sent, events, core = opening(LOGIN, *TO_LOGIN, ALL_WAYS, "334 PDFAeD4=", "535 5.7.8 no", verified=False)
    assert sent[-1].startswith("AUTH PLAIN")
    events += core.eof() if leaves == "eof" else core.receive(leaves.encode() + b"\r\n")
    ended = is_a(Ended, events[-1])
    assert (ended.fate, str(ended.reply)) == (
        SessionFate.LOGIN_REFUSED,
        "535 5.7.8 no",
    )
    assert b"AUTH" not in core.data_to_send()


def test_a_challenge_that_is_none_is_cancelled_and_the_next_way_tried() -> None:
    sent, events, _ = opening(LOGIN, *TO_LOGIN, ALL_WAYS, "334 ***", "501 cancelled", "235 ok", verified=False)
    assert sent[4:7] == ["AUTH CRAM-MD5", "*", "AUTH PLAIN AGFubmEAZ2VoZWlt"]
    assert isinstance(events[-1], Ready)


@pytest.mark.parametrize(
    "settings, sends",
    [
        ({"tls": TlsMode.OPPORTUNISTIC}, False),
        ({"tls": TlsMode.OPPORTUNISTIC, "auth": AuthMechanism.PLAIN}, False),
        ({"tls": TlsMode.OPPORTUNISTIC, "auth": AuthMechanism.LOGIN}, False),
        ({"tls": TlsMode.OPPORTUNISTIC, "clear_password": True}, True),
        ({"tls": TlsMode.NONE}, False),
        ({"tls": TlsMode.NONE, "auth": AuthMechanism.PLAIN}, True),
        ({"tls": TlsMode.NONE, "clear_password": True}, True),
    ],
)
def test_a_password_goes_in_clear_only_where_that_was_allowed(settings: dict[str, Any], sends: bool) -> None:
    sent, events, _ = opening(dataclasses.replace(LOGIN, **settings), "220 x", "250-x\r\n250 AUTH PLAIN LOGIN")
    assert any(line.startswith("AUTH") for line in sent) == sends
    if not sends:
        ended = is_a(Ended, events[-1])
        assert ended.fate is SessionFate.NEEDS_OPERATOR
        assert "never sent in clear" in ended.reason and "set clear_password to true" in ended.reason


ON_TRUSTED_LINE = dataclasses.replace(CLEAR_LOGIN, trust=Trust.IN_USE)


def test_on_a_trusted_line_there_is_no_tls_and_the_password_goes_as_a_digest() -> None:
    offers = "250-x\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN CRAM-MD5"
    sent, events, _ = opening(ON_TRUSTED_LINE, "220 x", offers, "334 PDFAeD4=", "235 ok")
    assert sent[1] == "AUTH CRAM-MD5"
    assert base64.b64decode(sent[2]).startswith(b"anna ") and b"geheim" not in base64.b64decode(sent[2])
    assert isinstance(events[-1], Ready)


@pytest.mark.parametrize(
    ("offers", "told"),
    [
        ("250-x\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN", "the server offers: LOGIN, PLAIN."),
        ("250-x\r\n250 STARTTLS", "the server offers no login without TLS."),
    ],
)
@pytest.mark.parametrize("more", [{}, {"auth": AuthMechanism.PLAIN}, {"clear_password": True}])
def test_on_a_trusted_line_no_password_goes_in_clear(more: dict[str, Any], offers: str, told: str) -> None:
    sent, events, _ = opening(dataclasses.replace(ON_TRUSTED_LINE, **more), "220 x", offers)
    assert sent == ["EHLO station.example", "QUIT"]
    ended = is_a(Ended, events[-1])
    assert ended.fate is SessionFate.NEEDS_OPERATOR
    assert told in ended.reason and "Set ppp.trusted_line to false" in ended.reason


def test_on_a_trusted_line_a_refused_login_names_what_allows_no_other() -> None:
    """Many hosts offer CRAM-MD5 without a password that it could be checked against."""
    offers = "250-x\r\n250 AUTH PLAIN CRAM-MD5"
    sent, events, _ = opening(ON_TRUSTED_LINE, "220 x", offers, "334 PDFAeD4=", "535 no")
    assert sent[-1] == "QUIT" and not any(line.startswith("AUTH PLAIN") for line in sent)
    ended = is_a(Ended, events[-1])
    assert (ended.fate, ended.reason) == (
        SessionFate.LOGIN_REFUSED,
        "the server refused the login as a digest, the only way with ppp.trusted_line",
    )


class GoesAhead(ModelServer):
    """Takes content after a go-ahead that is not 354."""

    def __init__(self, offers: tuple[str, ...], go_ahead: str) -> None:
        super().__init__(offers)
        self.go_ahead = go_ahead

    def _on_data(self, argument: str) -> bytes:
        self._mode = "data"
        return self._say("DATA", argument, self.go_ahead)


@pytest.mark.parametrize("go_ahead", ["351 go on", "300", "399 please"])
def test_the_first_digit_of_the_go_ahead_decides_and_who_was_refused_stays_refused(go_ahead: str) -> None:
    def answers(verb: str, argument: str, before: int) -> str | None:
        if verb == "RCPT" and "<b@" in argument:
            return "550 5.1.1 unknown"
        return go_ahead if verb == "DATA" else None

    for offers in (WITHOUT_CHUNKING, ("SIZE",)):
        server = GoesAhead(offers, go_ahead)
        server.answers = answers
        one = CoreTalk(server)
        one.run([make_message(1, recipients=THREE)])
        assert kinds(one.outcomes["q1"]) == [("Del", 250), ("Ref", 550), ("Del", 250)]


@pytest.mark.parametrize("after", ["garbage", "354 what", "eof"])
def test_who_was_refused_stays_refused_whatever_befalls_the_content(after: str) -> None:
    core = EsmtpClient(SETTINGS, "mail.example")
    for reply in (b"220 x\r\n", b"250-x\r\n250 PIPELINING\r\n"):
        core.receive(reply)
        core.data_to_send()
    core.submit(make_message(1, recipients=THREE), facts_of(BODY))
    core.data_to_send()
    core.receive(b"250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n354 go on\r\n")
    core.feed(BODY, last=True)
    core.data_to_send()
    events = core.eof() if after == "eof" else core.receive(after.encode() + b"\r\n")
    [finished] = [event for event in events if isinstance(event, Finished)]
    assert kinds(finished.outcomes) == [("Def", 451), ("Ref", 550), ("Def", 451)]
    assert is_a(Deferred, finished.outcomes[0]).answer_unknown


OUT_OF_ORDER = [
    ["250 ok", "503 5.5.1 need MAIL", "503 need RCPT"],
    ["503 nested", "250 ok", "354 go on"],
    ["250 ok", "354 go on", "250 ok"],
    ["250 ok", "250 ok", "250 what"],
    ["250 ok", "250 ok", "503 need RCPT"],
    ["500 what", "500 what", "500 what"],
    ["502 unknown", "250 ok", "354 go on"],
]


@pytest.mark.parametrize("replies", OUT_OF_ORDER)
@pytest.mark.parametrize("offers", [b"PIPELINING", b"8BITMIME"])
def test_commands_answered_out_of_order_bounce_nothing(replies: list[str], offers: bytes) -> None:
    core = EsmtpClient(SETTINGS, "mail.example")
    for said in (b"220 x\r\n", b"250-x\r\n250 " + offers + b"\r\n"):
        core.receive(said)
        core.data_to_send()
    events = core.submit(make_message(1), facts_of(BODY))
    for reply in replies:
        core.data_to_send()
        events += core.receive(reply.encode() + b"\r\n")
    core.data_to_send()
    events += core.eof()
    [finished] = [event for event in events if isinstance(event, Finished)]
    if replies[0] == "500 what" and offers != b"PIPELINING":
        return  # answered one by one it is the server's word on this command
    assert [kind for kind, _ in kinds(finished.outcomes)] == ["Def"]
    assert finished.again == (offers == b"PIPELINING")
    assert core.learnt is (Lesson.NO_PIPELINING if finished.again else None)


@pytest.mark.parametrize("greedy", [b"220 x\r\n250 early\r\n", b"220 x\r\n550 early\r\n"])
def test_an_answer_before_its_command_was_sent_is_none(greedy: bytes) -> None:
    core = EsmtpClient(SETTINGS, "mail.example")
    [ended] = core.receive(greedy)
    assert isinstance(ended, Ended)
    assert ended.fate is SessionFate.LOST and "out of turn" in ended.reason


def test_a_second_answer_to_one_command_is_not_taken_for_the_next_ones() -> None:
    core = EsmtpClient(SETTINGS, "mail.example")
    for reply in (b"220 x\r\n", b"250 x\r\n"):
        core.receive(reply)
        core.data_to_send()
    core.submit(make_message(1), facts_of(BODY))
    core.data_to_send()
    finished, ended = core.receive(b"250 ok\r\n550 what\r\n")
    assert isinstance(ended, Ended)
    assert isinstance(finished, Finished)
    assert (ended.fate, kinds(finished.outcomes)) == (SessionFate.LOST, [("Def", 451)])


def sending(offers: bytes) -> tuple[EsmtpClient, bytes]:
    """A session in which all of one message went out, envelope answered."""
    core = EsmtpClient(SETTINGS, "mail.example")
    for reply in (b"220 x\r\n", b"250-x\r\n250-PIPELINING\r\n250 " + offers + b"\r\n"):
        core.receive(reply)
        core.data_to_send()
    core.submit(make_message(1), facts_of(BODY))
    core.data_to_send()
    core.receive(b"250 ok\r\n250 ok\r\n" + (b"" if offers == b"CHUNKING" else b"354 go on\r\n"))
    core.feed(BODY, last=True)
    return core, core.data_to_send()


@pytest.mark.parametrize("offers", [b"CHUNKING", b"8BITMIME"])
def test_a_yes_to_content_is_one_only_if_its_last_byte_can_have_been_heard(offers: bytes) -> None:
    core, _ = sending(offers)
    finished, ended = core.receive(b"250 taken\r\n", unheard_bytes=1)
    assert isinstance(ended, Ended)
    assert ended.fate is SessionFate.LOST and "out of turn" in ended.reason
    assert isinstance(finished, Finished)
    assert kinds(finished.outcomes) == [("Def", 451)] and is_a(Deferred, finished.outcomes[0]).answer_unknown
    assert core.learnt is (Lesson.NO_CHUNKING if offers == b"CHUNKING" else Lesson.NO_PIPELINING)
    assert not finished.again  # it may have been taken
    core, _ = sending(offers)
    [finished] = core.receive(b"250 taken\r\n", unheard_bytes=0)
    assert isinstance(finished, Finished)
    assert kinds(finished.outcomes) == [("Del", 250)]


@pytest.mark.parametrize("offers", [b"CHUNKING", b"8BITMIME"])
def test_a_no_to_content_may_come_before_its_end(offers: bytes) -> None:
    core, sent = sending(offers)
    content = sent[sent.index(b"\r\n") + 2 :] if offers == b"CHUNKING" else sent
    [finished] = core.receive(b"552 too long\r\n", unheard_bytes=len(content))
    assert isinstance(finished, Finished)
    assert kinds(finished.outcomes) == [("Ref", 552)]


def test_a_no_to_a_chunk_before_its_command_was_heard_is_none() -> None:
    core, sent = sending(b"CHUNKING")
    finished, ended = core.receive(b"552 too long\r\n", unheard_bytes=len(sent))
    assert isinstance(ended, Ended)
    assert isinstance(finished, Finished)
    assert (kinds(finished.outcomes), ended.fate) == ([("Def", 451)], SessionFate.LOST)


def test_a_yes_between_two_chunks_is_one_only_to_the_first() -> None:
    core = EsmtpClient(SETTINGS, "mail.example")
    for reply in (b"220 x\r\n", b"250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n"):
        core.receive(reply)
        core.data_to_send()
    core.submit(make_message(1), facts_of(BODY))
    core.feed(BODY[:9], last=False)
    core.feed(BODY[9:], last=True)
    last = core.data_to_send().rpartition(b"BDAT")[2]
    assert core.receive(b"250 ok\r\n" * 3, unheard_bytes=len(last)) == []
    finished, ended = core.receive(b"250 ok\r\n", unheard_bytes=1)
    assert isinstance(ended, Ended)
    assert isinstance(finished, Finished)
    assert (kinds(finished.outcomes), ended.fate) == ([("Def", 451)], SessionFate.LOST)


def test_nothing_is_read_after_the_end() -> None:
    core = EsmtpClient(SETTINGS, "mail.example")
    [ended] = core.receive(b"HTTP/1.1 400 Bad Request\r\n")
    assert isinstance(ended, Ended)
    assert ended.reason == "the server's answer is not SMTP: 'HTTP/1.1 400 Bad Request'"
    assert core.receive(b"x" * 100_000) == []
    assert not core._replies._line and not core._replies._texts


@cases("beginning", [b"S", b"SSH-2.0", b"2x", b"19", b"25\xff", b"2500", b"250x", b"\r\n", b"\0", b" "])
def test_what_can_not_become_a_reply_is_not_waited_for(beginning: bytes) -> None:
    core = EsmtpClient(SETTINGS, "mail.example")
    [ended] = core.receive(beginning)
    assert isinstance(ended, Ended)
    assert ended.fate is SessionFate.LOST and "not SMTP" in ended.reason


def hear(core: EsmtpClient, replies: bytes) -> None:
    """Send what is to be sent, then take the replies to it one by one."""
    core.data_to_send()
    for line in re.findall(rb"(?:\d{3}-[^\n]*\n)*\d{3} [^\n]*\n", replies):
        core.receive(line)
        core.data_to_send()


def test_what_is_waited_for_is_named_and_limited() -> None:
    core = EsmtpClient(SETTINGS, "mail.example")
    assert known(core.waiting_for).what and not core.is_held_up
    hear(core, b"220 x\r\n")
    hear(core, b"250 ETRN\r\n")
    core.etrn("clinic.example")
    core.data_to_send()
    assert known(core.waiting_for).what == "ETRN"
    core.failed("cut")
    assert core.waiting_for is None


def test_a_server_that_closes_instead_of_answering_etrn_has_not_answered() -> None:
    core = EsmtpClient(SETTINGS, "mail.example")
    hear(core, b"220 x\r\n")
    hear(core, b"250-x\r\n250 ETRN\r\n")
    core.etrn("clinic.example")
    core.data_to_send()
    [ended] = core.receive(b"421 closing\r\n")
    assert is_a(Ended, ended).fate is SessionFate.CLOSED


def test_it_is_held_up_only_while_more_is_to_be_sent_and_an_answer_is_due() -> None:
    core = EsmtpClient(SETTINGS, "mail.example")
    hear(core, b"220 x\r\n")
    hear(core, b"250 x\r\n")
    assert not core.is_held_up
    core.submit(make_message(1), facts_of(BODY))
    core.data_to_send()
    assert core.is_held_up  # MAIL went alone, RCPT waits for its answer
    hear(core, b"250 ok\r\n250 ok\r\n354 go\r\n")
    assert core.content_wanted is not None and not core.is_held_up


def test_text_in_clear_begun_behind_the_220_to_starttls_is_an_attack_too() -> None:
    core = EsmtpClient(REQUIRED, "mail.example")
    hear(core, b"220 x\r\n")
    hear(core, b"250-x\r\n250 STARTTLS\r\n")
    [_, ended] = core.receive(b"220 go\r\n25")
    assert isinstance(ended, Ended)
    assert (ended.fate, ended.reason) == (
        SessionFate.LOST,
        "the server sent clear text after it agreed to STARTTLS",
    )


def test_tls_that_can_not_be_had_needs_an_operator() -> None:
    core = EsmtpClient(REQUIRED, "mail.example")
    hear(core, b"220 x\r\n")
    hear(core, b"250-x\r\n250 STARTTLS\r\n")
    hear(core, b"220 go\r\n")
    core.data_to_send()
    [ended] = core.tls_failed("the certificate is another host's")
    assert isinstance(ended, Ended)
    assert (ended.fate, known(ended.reply).code, known(ended.reply).enhanced) == (
        SessionFate.NEEDS_OPERATOR,
        451,
        "4.7.5",
    )
    assert core.data_to_send() == b""


def test_the_answer_to_quit_is_not_waited_for() -> None:
    """Each message has its reply: a farewell is not worth a round trip of a paid line."""
    core = EsmtpClient(SETTINGS, "mail.example")
    hear(core, b"220 x\r\n")
    hear(core, b"250 x\r\n")
    core.data_to_send()
    [ended] = core.quit()
    assert core.data_to_send() == b"QUIT\r\n"
    assert isinstance(ended, Ended) and ended.fate is SessionFate.DONE
    assert core.is_over and core.waiting_for is None
    assert core.receive(b"221 x\r\n") == core.eof() == core.failed("x") == []


def test_a_group_that_is_not_answered_in_time_goes_without_pipelining_next() -> None:
    learnt = []
    for offers in (b"250-x\r\n250 PIPELINING\r\n", b"250 x\r\n"):
        core = EsmtpClient(SETTINGS, "mail.example")
        hear(core, b"220 x\r\n")
        hear(core, offers)
        core.submit(make_message(1), facts_of(BODY))
        core.data_to_send()
        [_, ended] = core.timed_out("nothing came")
        assert isinstance(ended, Ended)
        assert ended.fate is SessionFate.LOST
        learnt.append(core.learnt)
    assert learnt == [Lesson.NO_PIPELINING, None]
    greeting = EsmtpClient(SETTINGS, "mail.example")
    [ended] = greeting.timed_out("nothing came")
    assert greeting.learnt is None


def test_a_chunk_waits_for_its_answer_where_nothing_may_be_pipelined() -> None:
    core = EsmtpClient(SETTINGS, "mail.example")
    hear(core, b"220 x\r\n")
    hear(core, b"250-x\r\n250 CHUNKING\r\n")
    core.submit(make_message(1), facts_of(b"x" * 60_000))
    hear(core, b"250 ok\r\n")
    hear(core, b"250 ok\r\n")
    core.feed(b"x" * known(core.content_wanted).max_bytes, last=False)
    core.data_to_send()
    assert core.content_wanted is None
    hear(core, b"250 ok\r\n")
    assert core.content_wanted is not None


def test_positive_but_not_a_yes_to_starttls_is_no_answer() -> None:
    _, events, _ = opening(REQUIRED, "220 x", "250-x\r\n250 STARTTLS", "354 go on")
    ended = is_a(Ended, events[-1])
    assert ended.fate is SessionFate.LOST and "invalid answer to STARTTLS" in ended.reason


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        (AuthMechanism.CRAM_MD5, "does not offer the configured way to log in; it offers: GSSAPI"),
        (AuthMechanism.AUTO, "offers no way to log in that is known here; it offers: GSSAPI"),
    ],
)
def test_ways_to_log_in_that_do_not_fit_are_named(auth: AuthMechanism, words: str) -> None:
    settings_here = dataclasses.replace(LOGIN, auth=auth)
    _, events, _ = opening(settings_here, *TO_LOGIN, "250-x\r\n250 AUTH GSSAPI", verified=True)
    ended = is_a(Ended, events[-1])
    assert (ended.fate, words in ended.reason) == (
        SessionFate.NEEDS_OPERATOR,
        True,
    )


@pytest.mark.parametrize(
    ("offered", "replies", "words"),
    [
        ("CRAM-MD5 PLAIN", ["334 ???", "235 ok"], "accepted a login that was cancelled"),
        ("CRAM-MD5", ["334 ???"], ""),
    ],
)
def test_a_login_without_a_usable_challenge_ends_the_session(offered: str, replies: list[str], words: str) -> None:
    settings_here = dataclasses.replace(LOGIN, tls=TlsMode.NONE)
    _, events, _ = opening(
        settings_here, "220 x", f"250-x\r\n250 AUTH {offered}", *replies, tls=True, verified=False
    )
    ended = is_a(Ended, events[-1])
    assert ended.fate is SessionFate.LOST and words in ended.reason


def test_a_recipient_without_an_address_is_refused_here() -> None:
    one = talk(ALL, [make_message(1, recipients=("a@x.example", ""))])
    assert kinds(one.outcomes["q1"]) == [("Del", 250), ("Ref", 553)]


def test_before_the_session_is_open_nothing_was_learnt() -> None:
    core = EsmtpClient(SETTINGS, "mail.example")
    assert (core.learnt, core.lessons) == (None, ())


def test_a_host_that_never_answered_a_group_is_not_waited_for_in_full() -> None:
    core = EsmtpClient(SETTINGS, "mail.example")
    hear(core, b"220 x\r\n")
    hear(core, b"250-x\r\n250 PIPELINING\r\n")
    core.submit(make_message(1), facts_of(BODY))
    core.data_to_send()
    in_doubt = known(core.waiting_for).limit_s
    hear(core, b"250 ok\r\n250 ok\r\n")
    answered = known(core.waiting_for).limit_s  # the last of the group, which was answered
    assert in_doubt == GROUP_WAIT_S < answered
    one_by_one = EsmtpClient(SETTINGS, "mail.example")
    hear(one_by_one, b"220 x\r\n")
    hear(one_by_one, b"250 x\r\n")
    one_by_one.submit(make_message(1), facts_of(BODY))
    one_by_one.data_to_send()
    assert known(one_by_one.waiting_for).limit_s == WAIT_S[Ask.MAIL] > GROUP_WAIT_S


def test_answers_are_counted_from_none_on() -> None:
    core = EsmtpClient(SETTINGS, "mail.example")
    assert core.answers == 0
    hear(core, b"220 x\r\n")
    assert core.answers == 1


def test_positive_but_not_a_yes_to_ehlo_is_no_answer() -> None:
    _, events, _ = opening(SETTINGS, "220 x", "354 go on")
    ended = is_a(Ended, events[-1])
    assert ended.fate is SessionFate.LOST and "invalid answer to EHLO" in ended.reason


@pytest.mark.parametrize(("code", "says_goodbye"), [(554, True), (421, False)])
def test_who_closes_by_itself_is_not_told_to_quit(code: int, says_goodbye: bool) -> None:
    core = EsmtpClient(SETTINGS, "mail.example")
    core.receive(b"%d no\r\n" % code)
    assert core.data_to_send() == (b"QUIT\r\n" if says_goodbye else b"")


def test_what_a_reply_is_worth_on_a_line_that_is_paid_for_it_alone() -> None:
    core = EsmtpClient(SETTINGS, "mail.example")
    assert known(core.waiting_for).least_s == LEAST_WAIT_S
    hear(core, b"220 x\r\n")
    hear(core, b"250-x\r\n250-ETRN\r\n250 PIPELINING\r\n")
    core.etrn("clinic.example")
    core.data_to_send()
    assert known(core.waiting_for).least_s == LEAST_WAIT_S
    hear(core, b"250 ok\r\n")
    core.submit(make_message(1), facts_of(BODY))
    core.data_to_send()
    in_doubt = known(core.waiting_for)
    assert in_doubt.least_s == in_doubt.limit_s == GROUP_WAIT_S, "it has to be found out whether groups are lost"
    hear(core, b"250 ok\r\n250 ok\r\n354 go\r\n")
    core.feed(BODY, last=True)
    core.data_to_send()
    assert (known(core.waiting_for).what, known(core.waiting_for).least_s) == ("DOT", LEAST_FINAL_WAIT_S)


def test_a_whole_message_behind_its_envelope_is_worth_as_much() -> None:
    _, _, core = opening(SETTINGS, "220 x", "250-x\r\n250-PIPELINING\r\n250 CHUNKING")
    for number in (1, 2):
        core.submit(make_message(number), facts_of(BODY))
        core.feed(BODY, last=True)
        core.data_to_send()
        if number == 1:
            hear(core, b"250 ok\r\n250 ok\r\n250 queued\r\n")
    due = known(core.waiting_for)
    assert (due.what, due.least_s) == ("MAIL", LEAST_FINAL_WAIT_S)


def test_each_step_of_the_opening_has_its_time() -> None:
    """RFC 5321 §4.5.3.2.1: 5 minutes for the greeting; RFC 4954 §4: 3 for AUTH."""

    def times(core: EsmtpClient, *replies: bytes) -> list[tuple[Phase, float]]:
        found = [(core.phase, known(core.waiting_for).limit_s)]
        for reply in replies:
            hear(core, reply)
            found.append((core.phase, known(core.waiting_for).limit_s))
        return found

    plain = EsmtpClient(dataclasses.replace(SETTINGS, tls=TlsMode.NONE), "mail.example")
    assert times(plain, b"220 x\r\n", b"502 no\r\n") == [
        (Phase.GREETING, 300.0),
        (Phase.EHLO, 300.0),
        (Phase.HELO, 300.0),
    ]
    login = dataclasses.replace(SETTINGS, user="u", password="p", auth=AuthMechanism.LOGIN, clear_password=True)
    core = EsmtpClient(login, "mail.example")
    assert times(core, b"220 x\r\n", b"250-x\r\n250 STARTTLS\r\n", b"220 go on\r\n")[2:] == [
        (Phase.STARTTLS, 120.0),
        (Phase.HANDSHAKE, 180.0),
    ]
    core.tls_established(verified=True)
    core.data_to_send()
    assert times(core, b"250-x\r\n250 AUTH LOGIN\r\n")[1:] == [(Phase.LOGIN, 180.0)]


def test_what_had_not_reached_the_server_when_it_was_cut_off_was_not_carried() -> None:
    core = EsmtpClient(CLEAR, "mail.example")
    hear(core, b"220 x\r\n")
    hear(core, b"250 x\r\n")
    core.submit(make_message(1), facts_of(BODY))
    core.data_to_send()
    for reply in (b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
        hear(core, reply)
    core.feed(b"x" * 5000, last=False)
    core.data_to_send()
    core.note_unheard(2000)
    finished, _ = core.failed("the line was cut")
    assert isinstance(finished, Finished) and isinstance(finished.outcomes[0], Deferred)
    assert finished.outcomes[0].carried_bytes == 3000


def opened(offers: bytes) -> EsmtpClient:
    """A session that is open, with pipelining."""
    core = EsmtpClient(SETTINGS, "mail.example")
    hear(core, b"220 x\r\n")
    hear(core, b"250-x\r\n250-PIPELINING\r\n250 " + offers + b"\r\n")
    return core


def test_it_is_not_held_up_while_content_may_go_ahead_of_the_answers() -> None:
    core = opened(b"CHUNKING")
    core.submit(make_message(1), facts_of(BODY))
    core.data_to_send()
    assert core.content_wanted is not None and core.waiting_for is not None and not core.is_held_up


def test_a_server_that_closes_has_not_taken_what_it_did_not_answer() -> None:
    core = opened(b"CHUNKING")
    for number in (1, 2):
        core.submit(make_message(number), facts_of(BODY))
        core.data_to_send()
        core.feed(BODY, last=True)
        core.data_to_send()
    *finished, _ = core.receive(b"421 closing\r\n")
    for one in finished:
        [outcome] = is_a(Finished, one).outcomes
        assert (is_a(Deferred, outcome).answer_unknown, is_a(Deferred, outcome).carried_bytes) == (False, 0)
    assert len(finished) == 2


def test_why_the_session_ends_where_the_server_speaks_unasked() -> None:
    core = opened(b"SIZE")
    core.submit(make_message(1), facts_of(BODY))
    core.data_to_send()
    core.receive(b"250 ok\r\n250 ok\r\n354 go on\r\n")
    core.feed(BODY[:10], last=False)
    core.data_to_send()
    [_, early] = core.receive(b"552 full\r\n")
    [idle] = opened(b"SIZE").receive(b"552 full\r\n")
    assert [is_a(Ended, ended).reason for ended in (early, idle)] == [
        "the server refused a message before its end",
        "the server closes the connection",
    ]


def test_nonsense_instead_of_the_first_of_several_answers_is_no_fault_of_chunking() -> None:
    core = opened(b"CHUNKING")
    core.submit(make_message(1), facts_of(BODY))
    core.data_to_send()
    core.feed(BODY, last=True)
    core.data_to_send()
    core.receive(b"354 go on\r\n")
    assert core.learnt is Lesson.NO_PIPELINING


def test_behind_nonsense_no_refusal_is_believed() -> None:
    core = opened(b"SIZE")
    core.submit(make_message(1, recipients=THREE), facts_of(BODY))
    core.data_to_send()
    core.receive(b"250 ok\r\n550 no\r\n")
    [finished, _] = core.receive(b"??\r\n")
    assert [kind for kind, _ in kinds(is_a(Finished, finished).outcomes)] == ["Def"] * 3


def test_a_login_that_the_server_does_in_no_known_way_is_not_called_unprotected() -> None:
    core = EsmtpClient(dataclasses.replace(SETTINGS, user="anna", password="x"), "mail.example")
    hear(core, b"220 x\r\n")
    ended = core.receive(b"250-x\r\n250 AUTH GSSAPI\r\n")[-1]
    assert "not protected" not in is_a(Ended, ended).reason and "GSSAPI" in is_a(Ended, ended).reason


def test_a_server_may_close_before_it_has_heard_the_next_command() -> None:
    [ended] = EsmtpClient(SETTINGS, "mail.example").receive(b"220 x\r\n421 closing\r\n")
    assert is_a(Ended, ended).fate is SessionFate.NOT_SERVED


def test_all_that_was_sent_was_carried_unless_something_else_is_known() -> None:
    core = opened(b"SIZE")
    core.submit(make_message(1), facts_of(BODY))
    core.data_to_send()
    core.receive(b"250 ok\r\n250 ok\r\n354 go on\r\n")
    core.feed(BODY[:10], last=False)
    core.data_to_send()
    [finished, _] = core.eof()
    assert [is_a(Deferred, one).carried_bytes for one in is_a(Finished, finished).outcomes] == [10]


def test_the_first_chunk_is_short_in_however_many_pieces() -> None:
    core = opened(b"CHUNKING")
    core.submit(make_message(1), facts_of(b"x" * 60_000))
    core.data_to_send()
    for left in (4096, 3096, 96):
        assert known(core.content_wanted).max_bytes == left
        core.feed(b"x" * (1000 if left == 4096 else 3000 if left == 3096 else 96), last=False)
    assert core.content_wanted is None
