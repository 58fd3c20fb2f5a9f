"""What stands in MAIL, RCPT and BDAT."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import cases
from dialpost.core.mail.envelope import BodyType, Envelope, Notify, Recipient, Return
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.smtp_commands import (
    ChunkCommand,
    MailCommand,
    parse_bdat,
    parse_mail,
    parse_rcpt,
    speaks_something_else,
)


def mail(argument: str, extended: bool = True) -> Reply | MailCommand:
    return parse_mail(argument, extended=extended)


def rcpt(argument: str, extended: bool = True, smtputf8: bool = False) -> Recipient | Reply:
    return parse_rcpt(argument, extended=extended, smtputf8=smtputf8)


def status(answer: object) -> str:
    assert isinstance(answer, Reply), answer
    return f"{answer.code} {answer.enhanced}"


@cases(
    ("argument", "expected"),
    [
        ("FROM:<a@b.example>", Envelope("a@b.example", ())),
        ("from: <a@B.Example.>", Envelope("a@b.example", ())),
        ("FROM:a@b.example", Envelope("a@b.example", ())),
        ("FROM:<>", Envelope("", ())),
        ("FROM:<@r.example,@s.example:A.b@c.example>", Envelope("A.b@c.example", ())),
        ('FROM:<"a b>c\\"d"@e.example>', Envelope('"a b>c\\"d"@e.example', ())),
        ("FROM:<a@[IPv6:2001:DB8::1]>", Envelope("a@[IPv6:2001:db8::1]", ())),
        ("FROM:<mie..k@c.example>", Envelope('"mie..k"@c.example', ())),
        ("FROM:mie.@c.example", Envelope('"mie."@c.example', ())),
        ("FROM:  \t<a@b.example>\t", Envelope("a@b.example", ())),
        ("FROM:Scanner 2 <a@b.example> body=8bitmime", Envelope("a@b.example", (), BodyType.EIGHT_BIT)),
        ('FROM: "Scan, <2>" <a@b.example>', Envelope("a@b.example", ())),
        ("FROM:<a@büro.example>", Envelope("a@xn--bro-hoa.example", ())),
        ("FROM:<ä@b.example> SMTPUTF8", Envelope("ä@b.example", (), smtputf8=True)),
        ("FROM:<a@b.example> body=8bitmime", Envelope("a@b.example", (), BodyType.EIGHT_BIT)),
        (
            "FROM:<a@b.example> RET=hdrs ENVID=Q+2Bq AUTH=<>",
            Envelope("a@b.example", (), ret=Return.HEADERS, envid="Q+2Bq", auth="<>"),
        ),
        ("FROM:<a@b.example> AUTH=e+3Dmc2@b.example", Envelope("a@b.example", (), auth="e+3Dmc2@b.example")),
    ],
)
def test_mail(argument: str, expected: Envelope) -> None:
    assert mail(argument) == MailCommand(expected, 0)


@pytest.mark.parametrize("text", ["<scanner>", "scanner", " <Scanner> ", "Big one <scanner>"])
def test_a_name_without_a_domain_is_at_home_where_there_is_one(text: str) -> None:
    sender = parse_mail(f"FROM:{text}", extended=True, home="clinic.example")
    assert isinstance(sender, MailCommand) and sender.envelope.sender.lower() == "scanner@clinic.example"
    to = parse_rcpt(f"TO:{text}", extended=False, smtputf8=False, home="clinic.example")
    assert isinstance(to, Recipient) and to.address.lower() == "scanner@clinic.example"
    for name in ("anna", "zoe"):
        found = parse_rcpt(f"TO:<{name}>", extended=False, smtputf8=False, home="clinic.example")
        assert isinstance(found, Recipient) and found.address == f"{name}@clinic.example"
    assert status(mail(f"FROM:{text}")) == "553 5.1.7" and status(rcpt(f"TO:{text}")) == "553 5.1.3"


def test_the_postmaster_needs_no_domain_and_gets_none() -> None:
    """RFC 5321 §4.1.1.3: whose postmaster is meant, the directory knows."""
    to = parse_rcpt("TO:<Postmaster>", extended=False, smtputf8=False, home="clinic.example")
    assert to == Recipient("postmaster")


@pytest.mark.parametrize(
    "text", ["\t<a@b.example>", "\ta@b.example", "<a@b.example>\tBODY=8BITMIME", "a@b.example\t"]
)
def test_a_tab_is_a_blank(text: str) -> None:
    found = mail(f"FROM:{text}")
    assert isinstance(found, MailCommand) and found.envelope.sender == "a@b.example"


@pytest.mark.parametrize("text", ["<>", "<a@>", "<@b.example>", "<a b>", "<a\0>", "Anna <>x", "a@b <c@d.example>"])
def test_home_makes_no_address_of_what_is_none(text: str) -> None:
    answer = parse_rcpt(f"TO:{text}", extended=True, smtputf8=False, home="clinic.example")
    assert status(answer).startswith("5")


def test_size() -> None:
    assert mail("FROM:<> SIZE=00012") == MailCommand(Envelope("", ()), 12)


@cases(
    ("argument", "expected"),
    [
        ("", "501 5.5.4"),
        ("TO:<a@b.example>", "501 5.5.4"),
        ("FROM:", "501 5.1.7"),
        ("FROM:<a@b.example", "501 5.1.7"),
        ("FROM:<a@b.example>x", "501 5.1.7"),
        ("FROM:<a@b.example> <c@d.example>", "501 5.5.4"),
        ("FROM:<anna>", "553 5.1.7"),
        ("FROM:<a@b@c.example>", "553 5.1.7"),
        ("FROM:<a\0@b.example>", "553 5.1.7"),
        (f"FROM:<{'a' * 256}@b.example>", "553 5.1.7"),
        (f"FROM:<a@{'b.' * 130}example>", "553 5.1.7"),
        ("FROM:<ä@b.example>", "550 5.6.7"),
        ("FROM:<> SIZE", "501 5.5.4"),
        ("FROM:<> SIZE=-1", "501 5.5.4"),
        ("FROM:<> SIZE=²", "501 5.5.4"),
        ("FROM:<> SIZE=1 size=2", "501 5.5.4"),
        ("FROM:<> SMTPUTF8=1", "501 5.5.4"),
        ("FROM:<> BODY=BINARYMIME", "555 5.5.4"),
        ("FROM:<> BODY=9BIT", "501 5.5.4"),
        ("FROM:<> RET=ALL", "501 5.5.4"),
        ("FROM:<> ENVID=", "501 5.5.4"),
        ("FROM:<> ENVID=a+b", "501 5.5.4"),
        (f"FROM:<> ENVID={'a' * 101}", "501 5.5.4"),
        ("FROM:<> XFOO=1", "555 5.5.4"),
        ("FROM:<> =1", "501 5.5.4"),
    ],
)
def test_mail_refused(argument: str, expected: str) -> None:
    assert status(mail(argument)) == expected


def test_parameters_want_ehlo() -> None:
    assert status(mail("FROM:<> SIZE=1", extended=False)) == "501 5.5.4"
    assert status(rcpt("TO:<a@b.example> NOTIFY=NEVER", extended=False)) == "501 5.5.4"


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("TO:<Anna@B.example>", Recipient("Anna@b.example")),
        ("TO:<PostMaster>", Recipient("postmaster")),
        ("TO:<a@b.example> NOTIFY=never", Recipient("a@b.example", frozenset({Notify.NEVER}))),
        (
            "TO:<a@b.example> NOTIFY=SUCCESS,failure ORCPT=rfc822;Bob+40x.Example",
            Recipient("a@b.example", frozenset({Notify.SUCCESS, Notify.FAILURE}), "rfc822;Bob+40x.Example"),
        ),
        ("TO:<a@b.example> ORCPT=utf-8;a+b@x", Recipient("a@b.example", None, "utf-8;a+b@x")),
        ("TO:<a@b.example> ORCPT=utf-8;J\\x{FC}rgen@x", Recipient("a@b.example", None, "utf-8;J\\x{FC}rgen@x")),
    ],
)
def test_rcpt(argument: str, expected: Recipient) -> None:
    assert rcpt(argument) == expected


@cases(
    ("argument", "expected"),
    [
        ("TO:<>", "501 5.1.3"),
        ("TO:<anna>", "553 5.1.3"),
        ("TO:<ä@b.example>", "553 5.6.7"),
        ("TO:<a@b.example> NOTIFY=NEVER,SUCCESS", "501 5.5.4"),
        ("TO:<a@b.example> NOTIFY=DELAY,DELAY", "501 5.5.4"),
        ("TO:<a@b.example> NOTIFY=", "501 5.5.4"),
        ("TO:<a@b.example> ORCPT=anna", "501 5.5.4"),
        ("TO:<a@b.example> ORCPT", "501 5.5.4"),
        ("TO:<a@b.example> ORCPT=rfc822;", "501 5.5.4"),
        ("TO:<a@b.example> ORCPT=;a@b", "501 5.5.4"),
        ("TO:<a@b.example> ORCPT=r_f;a@b", "501 5.5.4"),
        ("TO:<a@b.example> ORCPT=rfc822;a+b", "501 5.5.4"),
        ("TO:<a@b.example> ORCPT=x400;a+b", "501 5.5.4"),
        (f"TO:<a@b.example> ORCPT=rfc822;{'a' * 500}", "501 5.5.4"),
        ("TO:<a@b.example> SIZE=1", "555 5.5.4"),
    ],
)
def test_rcpt_refused(argument: str, expected: str) -> None:
    assert status(rcpt(argument)) == expected


@cases(
    ("argument", "expected"),
    [
        ("0", (0, False)),
        ("10 last", (10, True)),
        ("7 LAST ", (7, True)),
        ("-1", None),
        ("", None),
        ("1 2", None),
        ("1 LAST LAST", None),
        ("٣", None),
        ("1" * 21, None),
    ],
)
def test_bdat(argument: str, expected: tuple[int, bool] | None) -> None:
    if expected is None:
        assert status(parse_bdat(argument)) == "501 5.5.4"
    else:
        assert parse_bdat(argument) == ChunkCommand(*expected)


PARTS = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "FROM:",
                "TO:",
                "<",
                ">",
                '"',
                "\\",
                "@",
                ":",
                " ",
                "a",
                "b.example",
                "SIZE=",
                "ENVID=",
                "+4",
                "NOTIFY=",
                "ORCPT=rfc822;",
                "SMTPUTF8",
                "é",
                "\0",
                "\r",
                "postmaster",
            ]
        ),
        st.text(max_size=5),
    ),
    max_size=15,
).map("".join)


@given(PARTS, st.booleans(), st.booleans())
def test_whatever_comes_it_is_a_command_or_a_permanent_refusal(text: str, extended: bool, smtputf8: bool) -> None:
    for answer in (mail("FROM:" + text, extended), rcpt("TO:" + text, extended, smtputf8), parse_bdat(text)):
        if isinstance(answer, Reply):
            assert answer.is_permanent and answer.enhanced and answer.enhanced.startswith("5.")
            assert "\n" not in answer.text and "\r" not in answer.text
        elif isinstance(answer, Recipient):
            assert "@" in answer.address or answer.address == "postmaster"
            assert answer.address.isprintable() and (smtputf8 or answer.address.isascii())
        elif isinstance(answer, MailCommand):
            assert answer.envelope.sender == "" or "@" in answer.envelope.sender


@cases(
    ("line", "is_other"),
    [
        (b"GET / HTTP/1.1", True),
        (b"get", True),
        (b"CONNECT x:25", True),
        (b"XYZZY / HTTP/1.0", True),
        (b"Host: clinic.example", True),
        (b"HELO x", False),
        (b"MAIL FROM:<a@x.example>", False),
        (b"", False),
        (b"   ", False),
        (b"GETT /", False),
    ],
)
def test_who_speaks_another_protocol(line: bytes, is_other: bool) -> None:
    assert speaks_something_else(line) is is_other


@pytest.mark.parametrize("parameter", ["AUTH", "AUTH=", "AUTH=+G", "AUTH=x+G", "AUTH=a=b"])
def test_auth_wants_xtext(parameter: str) -> None:
    assert status(mail(f"FROM:<a@x.example> {parameter}")).startswith("501")


@pytest.mark.parametrize("value", ["", "SOMETIMES", "NEVER,DELAY", "SUCCESS,SUCCESS", "SUCCESS,"])
def test_notify_wants_its_words(value: str) -> None:
    assert status(rcpt(f"TO:<a@x.example> NOTIFY={value}")) == "501 5.5.4"


@pytest.mark.parametrize(("length", "shown"), [(59, 59), (60, 60), (61, 60)])
def test_a_malformed_parameter_is_cut_in_the_reply(length: int, shown: int) -> None:
    assert str(mail("FROM:<> " + "!" * length)).count("!") == shown


def test_a_malformed_parameter_is_shown_in_part() -> None:
    reply = parse_rcpt(f"TO:<a@x.example> {'!' * 61}", extended=True, smtputf8=False)
    assert str(reply).endswith(f"Malformed parameter: {'!' * 60}")


def test_the_syntax_that_is_shown_is_the_commands_own() -> None:
    assert "Syntax: MAIL FROM:<address>" in str(mail("")) and "Syntax: RCPT TO:<address>" in str(rcpt(""))


def test_the_first_word_says_whether_another_protocol_is_spoken() -> None:
    assert [speaks_something_else(line) for line in (b"", b"GET", b"GET /", b"NOOP GET")] == [
        False,
        True,
        True,
        False,
    ]
