"""The parts of the ESMTP client: replies, EHLO, phases, logins, MAIL and RCPT lines."""

import base64
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import cases
from dialpost.core.config.model import AuthMechanism
from dialpost.core.errors import ProtocolError
from dialpost.core.mail.envelope import Envelope, Notify, Recipient, Return
from dialpost.core.mail.esmtp.commands import mail_line, rcpt_line, wire_address
from dialpost.core.mail.esmtp.extensions import Extensions, read_extensions
from dialpost.core.mail.esmtp.lessons import Lesson, without
from dialpost.core.mail.esmtp.login import Login, mechanisms_to_try
from dialpost.core.mail.esmtp.phases import TABLE, Phase, Step, after
from dialpost.core.mail.esmtp.replies import ReplyReader
from dialpost.core.mail.reply import Reply

# Replies

TRANSCRIPT = (
    b"220 mail.example ESMTP\r\n250-mail.example\r\n250-PIPELINING\r\n250 DSN\r\n"
    b"550-5.1.1 No such\r\n550 5.1.1 user\r\n354\r\n250 \r\n250 bare LF\n"
)
REPLIES = [
    Reply(220, ("mail.example ESMTP",)),
    Reply(250, ("mail.example", "PIPELINING", "DSN")),
    Reply(550, ("No such", "user"), "5.1.1"),
    Reply(354, ("",)),
    Reply(250, ("",)),
    Reply(250, ("bare LF",)),
]


@pytest.mark.parametrize("step", [1, 2, 3, 1000])
def test_replies_whole_and_byte_by_byte(step: int) -> None:
    reader = ReplyReader()
    found: list[object] = []
    for start in range(0, len(TRANSCRIPT), step):
        found += reader.receive(TRANSCRIPT[start : start + step])
    assert found == REPLIES
    assert not reader.holds_input


@cases(
    "data",
    [
        b"hello\r\n",
        b"\r\n",
        b"2500 x\r\n",
        b"199 x\r\n",
        b"600 x\r\n",
        b"250_x\r\n",
        b"250-a\r\n251 b\r\n",
        b"x" * 5000,
        b"250-" + b"y" * 5000 + b"\r\n",
        b"250-" + b"z" * 1000 + b"\r\n",
    ],
)
def test_what_is_no_reply_is_reported_apart(data: bytes) -> None:
    reader = ReplyReader()
    with pytest.raises(ProtocolError):
        for _ in range(100):
            list(reader.receive(data))


def test_a_servers_words_hold_no_control_characters() -> None:
    [reply] = ReplyReader().receive(b"550 a\x1b[31mb\x00 \xff\r\n")
    assert reply.text == "a?[31mb? \ufffd"


@given(st.binary(max_size=200), st.integers(1, 20))
def test_any_bytes_give_replies_or_a_protocol_error_whatever_the_split(data: bytes, step: int) -> None:
    def outcome(pieces: list[bytes]) -> tuple[list[Any], str | None]:
        reader, found = ReplyReader(), []
        try:
            for piece in pieces:
                for reply in reader.receive(piece):
                    found.append(reply)
        except ProtocolError as error:
            return found, str(error).partition("SMTP: ")[0]  # what is quoted is as much as had come
        return found, None

    assert outcome([data]) == outcome([data[i : i + step] for i in range(0, len(data), step)])


# EHLO


def test_extensions() -> None:
    reply = Reply(
        250,
        (
            "mail.example at your service",
            "pipelining",
            "SIZE 1000",
            "8BITMIME",
            "smtputf8",
            "DSN",
            "CHUNKING",
            "AUTH PLAIN cram-md5",
            "AUTH=LOGIN",
            "STARTTLS",
            "ETRN",
            "X-UNKNOWN",
        ),
    )
    assert read_extensions(reply) == Extensions(
        greeted_by="mail.example",
        pipelining=True,
        chunking=True,
        eight_bit=True,
        smtputf8=True,
        dsn=True,
        size=True,
        size_limit=1000,
        starttls=True,
        etrn=True,
        auth=frozenset({"PLAIN", "CRAM-MD5", "LOGIN"}),
    )
    assert read_extensions(Reply(250, ("x",))) == Extensions(greeted_by="x")


@pytest.mark.parametrize(
    "line, limit", [("SIZE", 0), ("SIZE 0", 0), ("SIZE x", 0), ("SIZE ²", 0), ("SIZE 7", 7), ("SIZE 7 8", 7)]
)
def test_a_size_limit(line: str, limit: int) -> None:
    offered = read_extensions(Reply(250, ("x", line)))
    assert (offered.size, offered.size_limit) == (True, limit)


# Phases


def test_the_table_is_total_and_every_phase_can_be_reached_and_left() -> None:
    assert {(phase, step) for phase, row in TABLE.items() for step in row} == {
        (phase, step) for phase in Phase for step in Step
    }
    reached = {Phase.GREETING}
    before: set[Phase] = set()
    while reached != before:
        before = set(reached)
        reached |= {after(phase, step) for phase in before for step in Step}
    assert reached == set(Phase)
    assert all(after(phase, Step.ENDED) is Phase.OVER for phase in Phase)
    assert all(after(Phase.OVER, step) is Phase.OVER for step in Step)


# Logins

ALL = frozenset({"PLAIN", "LOGIN", "CRAM-MD5"})
PLAIN, LOGIN, CRAM = AuthMechanism.PLAIN, AuthMechanism.LOGIN, AuthMechanism.CRAM_MD5


@cases(
    "choice, offered, tls, verified, expected",
    [
        (AuthMechanism.AUTO, ALL, True, True, (PLAIN, LOGIN, CRAM)),
        (AuthMechanism.AUTO, ALL, True, False, (CRAM, PLAIN, LOGIN)),
        (AuthMechanism.AUTO, ALL, False, False, (CRAM,)),
        (AuthMechanism.AUTO, frozenset({"PLAIN", "LOGIN"}), False, False, ()),
        (AuthMechanism.AUTO, frozenset({"GSSAPI"}), True, True, ()),
        (PLAIN, ALL, False, False, ()),
        (PLAIN, ALL, True, False, (PLAIN,)),
        (LOGIN, frozenset({"PLAIN"}), True, True, ()),
    ],
)
def test_which_way_to_log_in(
    choice: AuthMechanism, offered: frozenset[str], tls: bool, verified: bool, expected: tuple[AuthMechanism, ...]
) -> None:
    assert mechanisms_to_try(choice, offered, tls=tls, verified=verified) == expected


def test_login_dialogues() -> None:
    assert Login(PLAIN, "anna", "gehëim").begin() == b"AUTH PLAIN " + base64.b64encode("\0anna\0gehëim".encode())
    login = Login(LOGIN, "anna", "secret")
    lines = (login.begin(), login.respond("VXNlcm5hbWU6"), login.respond("UGFzc3dvcmQ6"))
    assert lines == (b"AUTH LOGIN", b"YW5uYQ==", b"c2VjcmV0")
    # The example of RFC 2195 §2
    cram = Login(CRAM, "tim", "tanstaaftanstaaf")
    assert cram.begin() == b"AUTH CRAM-MD5"
    challenge = "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+"
    assert cram.respond(challenge) == b"dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw"


@pytest.mark.parametrize("mechanism, rounds", [(PLAIN, 1), (LOGIN, 2), (CRAM, 1)])
def test_a_server_that_asks_for_more_is_out_of_protocol(mechanism: AuthMechanism, rounds: int) -> None:
    login = Login(mechanism, "anna", "secret")
    login.begin()
    for _ in range(rounds):
        login.respond("QQ==")
    with pytest.raises(ProtocolError):
        login.respond("QQ==")


def test_a_challenge_that_is_no_base64() -> None:
    with pytest.raises(ProtocolError):
        Login(CRAM, "anna", "secret").respond("not base64!")


# MAIL and RCPT

EVERYTHING = Extensions(
    pipelining=True, chunking=True, eight_bit=True, smtputf8=True, dsn=True, size=True, size_limit=0
)
ENVELOPE = Envelope("anna@clinic.example", (), envid="QQ+2B314159", ret=Return.HEADERS)


def test_parameters_go_only_where_they_are_offered() -> None:
    full = mail_line(ENVELOPE, ENVELOPE.sender, EVERYTHING, size=100, eight_bit=True, utf8=True)
    assert full == (b"MAIL FROM:<anna@clinic.example> SIZE=100 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ+2B314159")
    bare = mail_line(ENVELOPE, "", Extensions(), size=100, eight_bit=True, utf8=False)
    assert bare == b"MAIL FROM:<>"
    recipient = Recipient("bob@example.org", frozenset({Notify.DELAY, Notify.SUCCESS}), "rfc822;Bob+40Example.Org")
    line = rcpt_line(recipient, recipient.address, EVERYTHING, utf8=False)
    assert line == b"RCPT TO:<bob@example.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+40Example.Org"
    assert rcpt_line(recipient, recipient.address, Extensions(), utf8=False) == b"RCPT TO:<bob@example.org>"
    never = Recipient("b@c", frozenset({Notify.NEVER}))
    assert rcpt_line(never, "b@c", EVERYTHING, utf8=False) == b"RCPT TO:<b@c> NOTIFY=NEVER"


@pytest.mark.parametrize("value", ["a b", "a\r\nRSET", "", "ü"])
def test_a_value_that_would_break_the_line_is_left_out(value: str) -> None:
    envelope = Envelope("a@b", (), envid=value)
    assert mail_line(envelope, "a@b", EVERYTHING, size=0, eight_bit=False, utf8=False) == b"MAIL FROM:<a@b>"
    assert rcpt_line(Recipient("b@c", None, value), "b@c", EVERYTHING, utf8=False) == b"RCPT TO:<b@c>"


@cases(
    "address",
    [
        "a@b\r\nRSET",
        "a b@c",
        "a>@b",
        "<a@b>",
        "a@b> NOTIFY=NEVER",
        "a@b c",
        "a",
        "@b",
        "a@",
        '"a\r\n"@b',
        "a\udcff@b",
        "a@b\x00",
        "a\u2028b@c",
        "a\x85@b",
    ],
)
def test_an_address_that_would_break_the_line_is_refused(address: str) -> None:
    refused = wire_address(address, utf8=True)
    assert isinstance(refused, Reply)
    assert (refused.code, refused.enhanced) == (553, "5.1.3")


def test_addresses_in_other_scripts() -> None:
    assert wire_address("jörg@köln.example", utf8=True) == "jörg@köln.example"
    assert wire_address("joe@köln.example", utf8=False) == "joe@xn--kln-sna.example"
    refused = wire_address("jörg@example.org", utf8=False)
    assert isinstance(refused, Reply)
    assert (refused.code, refused.enhanced) == (553, "5.6.7")
    assert wire_address('"a b\\""@example.org', utf8=False) == '"a b\\""@example.org'
    assert wire_address("", utf8=False) == ""
    assert wire_address("Postmaster", utf8=False) == "Postmaster"


def test_nothing_is_read_behind_what_is_no_reply() -> None:
    replies = ReplyReader()
    with pytest.raises(ProtocolError):
        list(replies.receive(b"no reply\r\n"))
    assert list(replies.receive(b"220 x\r\n")) == []


def test_a_domain_that_is_none_is_refused_here() -> None:
    refused = wire_address("a@-ü-.example", utf8=False)
    assert isinstance(refused, Reply) and (refused.code, refused.enhanced) == (553, "5.1.3")


def test_a_lesson_takes_away_its_part_of_an_offer_and_gives_none() -> None:
    whole = Extensions(chunking=True, pipelining=True, size=True, dsn=True)
    for lesson, left in (
        (Lesson.NO_CHUNKING, replace(whole, chunking=False)),
        (Lesson.NO_PIPELINING, replace(whole, pipelining=False)),
        (Lesson.NO_SIZE, replace(whole, size=False)),
        (Lesson.NO_DSN, replace(whole, dsn=False)),
    ):
        assert without(whole, {lesson}) == left
        assert without(Extensions(), {lesson}) == Extensions()
