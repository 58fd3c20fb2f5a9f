"""No relay: the classic tricks, tried on port 25 from a peer that is in no network of ours."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from rig.clients import OUTSIDE, RawClient
from rig.mailboxes import maildir_files
from rig.needs import needs
from rig.processes import eventually
from rig.station import DOMAIN, Station

pytestmark = [pytest.mark.system, needs()]

WORLD = "victim@elsewhere.example"
HOST = f"mail.{DOMAIN}"

TRICKS = [
    ("spammer@world.example", f"<{WORLD}>"),
    ("", f"<{WORLD}>"),  # null sender
    (f"anna@{DOMAIN}", f"<{WORLD}>"),  # says it is one of us
    (f"postmaster@{DOMAIN}", f"<{WORLD}>"),
    (f"root@{HOST}", f"<{WORLD}>"),
    ("anna@[127.0.0.1]", f"<{WORLD}>"),
    ("anna@localhost", f"<{WORLD}>"),
    ("anna", f"<{WORLD}>"),
    ("spammer@world.example", WORLD),  # without angle brackets
    ("spammer@world.example", f"<victim%elsewhere.example@{DOMAIN}>"),
    ("spammer@world.example", f"<victim%elsewhere.example@{HOST}>"),
    ("spammer@world.example", "<victim%elsewhere.example@[127.0.0.1]>"),
    ("spammer@world.example", "<victim%elsewhere.example@localhost>"),
    ("spammer@world.example", "<victim%elsewhere.example>"),
    ("spammer@world.example", f'<"{WORLD}">'),
    ("spammer@world.example", f'<"{WORLD}"@{DOMAIN}>'),
    ("spammer@world.example", f'<"{WORLD}"@[127.0.0.1]>'),
    ("spammer@world.example", '<"victim%elsewhere.example">'),
    ("spammer@world.example", f"<{WORLD}@{DOMAIN}>"),
    ("spammer@world.example", f"<{WORLD}@[127.0.0.1]>"),
    ("spammer@world.example", f"<@{DOMAIN}:{WORLD}>"),  # source routes
    ("spammer@world.example", f"<@{HOST},@{DOMAIN}:{WORLD}>"),
    ("spammer@world.example", f"<@[127.0.0.1]:{WORLD}>"),
    ("spammer@world.example", "<elsewhere.example!victim>"),  # UUCP
    ("spammer@world.example", f"<elsewhere.example!victim@{DOMAIN}>"),
    ("spammer@world.example", "<elsewhere.example!victim@[127.0.0.1]>"),
    ("spammer@world.example", f"<{DOMAIN}!elsewhere.example!victim>"),
    ("spammer@world.example", f"<{WORLD}.>"),
    ("spammer@world.example", "<victim@ELSEWHERE.EXAMPLE>"),
    ("spammer@world.example", "<victim@[192.0.2.1]>"),
    ("spammer@world.example", f"<victim@sub.{DOMAIN}>"),  # below ours is not ours
    ("spammer@world.example", f"<victim@{DOMAIN}.elsewhere.example>"),
    ("spammer@world.example", f"<victim@not{DOMAIN}>"),
    ("spammer@world.example", f"<{WORLD},anna@{DOMAIN}>"),
    ("spammer@world.example", f"<{WORLD}> <anna@{DOMAIN}>"),
    ("spammer@world.example", f"<victim@elsewhere.example\0@{DOMAIN}>"),
    ("spammer@world.example", f"<victim@elsewhere.example\n@{DOMAIN}>"),
]


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    settings: dict[str, dict[str, Any]] = {
        "smtp": {"max_errors": 1000, "login_failures": 100},
        "relay": {"networks": ["127.0.0.0/29"], "provider_networks": ["127.0.0.5/32"]},
    }
    with Station(tmp_path_factory.mktemp("relay") / "station", settings=settings) as running:
        running.add_account("anna")
        yield running


@pytest.fixture(autouse=True)
def nothing_for_the_world(station: Station) -> Iterator[None]:
    yield
    counts = station.waiting()
    assert (counts["waiting_remote"], counts["held"]) == (0, 0)


@pytest.mark.parametrize(("sender", "recipient"), TRICKS, ids=[f"{s} -> {r!r}" for s, r in TRICKS])
def test_refused(station: Station, sender: str, recipient: str) -> None:
    with RawClient(station.port, source=OUTSIDE) as client:
        client.reply()
        client.talk("EHLO spammer.example")
        mail, rcpt = client.talk(f"MAIL FROM:<{sender}>", f"RCPT TO:{recipient}")
        assert mail[0] == "5" or rcpt[0] == "5", (mail, rcpt)
        assert client.talk("DATA")[0][0] == "5"  # there is no recipient to send to


def test_a_recipient_of_ours_opens_no_door_for_others(station: Station) -> None:
    with RawClient(station.port, source=OUTSIDE) as client:
        client.reply()
        replies = client.talk(
            "EHLO spammer.example",
            "MAIL FROM:<spammer@world.example>",
            f"RCPT TO:<anna@{DOMAIN}>",
            f"RCPT TO:<{WORLD}>",
        )
        assert [reply[0] for reply in replies] == ["2", "2", "2", "5"]


def test_a_failed_login_opens_no_door(station: Station) -> None:
    wrong = base64.b64encode(b"\0anna\0wrong").decode()
    with RawClient(station.port, source=OUTSIDE) as client:
        client.reply()
        replies = client.talk(
            "EHLO spammer.example",
            f"AUTH PLAIN {wrong}",
            "MAIL FROM:<spammer@world.example>",
            f"RCPT TO:<{WORLD}>",
        )
        assert [reply[0] for reply in replies] == ["2", "5", "2", "5"]


def test_mail_auth_parameter_is_no_login(station: Station) -> None:
    with RawClient(station.port, source=OUTSIDE) as client:
        client.reply()
        replies = client.talk(
            "EHLO spammer.example", f"MAIL FROM:<anna@{DOMAIN}> AUTH=anna@{DOMAIN}", f"RCPT TO:<{WORLD}>"
        )
        assert replies[2][0] == "5"


@pytest.mark.parametrize(
    "claim",
    [
        "XCLIENT ADDR=127.0.0.1 NAME=localhost",
        "XFORWARD ADDR=127.0.0.1",
        "PROXY TCP4 127.0.0.1 127.0.0.1 1000 25",
    ],
)
def test_claiming_another_address(station: Station, claim: str) -> None:
    with RawClient(station.port, source=OUTSIDE) as client:
        client.reply()
        replies = client.talk("EHLO localhost", claim, "MAIL FROM:<spammer@world.example>", f"RCPT TO:<{WORLD}>")
        assert [reply[0] for reply in replies] == ["2", "5", "2", "5"]


def test_a_claim_before_the_greeting_is_the_end(station: Station) -> None:
    with RawClient(station.port, source=OUTSIDE) as client:
        client.reply()
        replies = client.talk("PROXY TCP4 127.0.0.1 127.0.0.1 1000 25", "EHLO localhost")
        assert [reply[:3] for reply in replies] == ["421", ""]


def test_helo_as_ourselves_opens_no_door(station: Station) -> None:
    for name in (HOST, "localhost", "[127.0.0.1]"):
        with RawClient(station.port, source=OUTSIDE) as client:
            client.reply()
            replies = client.talk(f"HELO {name}", f"MAIL FROM:<anna@{DOMAIN}>", f"RCPT TO:<{WORLD}>")
            assert replies[-1][0] == "5"


def test_the_provider_never_relays_even_inside_our_networks(station: Station) -> None:
    for source, first_digit in (("127.0.0.5", "5"), ("127.0.0.6", "2")):
        with RawClient(station.port, source=source) as client:
            client.reply()
            replies = client.talk("EHLO x.example", f"MAIL FROM:<anna@{DOMAIN}>", f"RCPT TO:<{WORLD}>", "RSET")
            assert replies[2][0] == first_digit, source


END_OF_DATA = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r.\r",
    b"\r.\r\n",
    b"\r\n.\n",
    b"\r\n.\r",
    b"\n\n.\n\n",
    b"\r\n\x00.\r\n",
]


@pytest.mark.parametrize("ending", END_OF_DATA, ids=repr)
def test_only_crlf_dot_crlf_ends_a_message(station: Station, ending: bytes) -> None:
    """SMTP smuggling: what one server takes for the end and another for content."""
    before = len(maildir_files(station.maildir("anna")))
    with RawClient(station.port, source=OUTSIDE) as client:
        client.reply()
        client.talk("EHLO x.example", "MAIL FROM:<a@world.example>", f"RCPT TO:<anna@{DOMAIN}>", "DATA")
        client.send(
            b"Subject: first\r\n\r\nhello"
            + ending
            + b"MAIL FROM:<smuggled@world.example>\r\nRCPT TO:<anna@clinic.example>\r\nDATA\r\n"
            b"Subject: second\r\n\r\nsmuggled\r\n.\r\n"
        )
        assert client.reply()[0] in "25"  # taken as one message, or refused as a whole
        assert client.talk("QUIT")[0].startswith("221")  # and no second one follows
    eventually(lambda: station.waiting()["waiting_local"] == 0)
    assert len(maildir_files(station.maildir("anna"))) <= before + 1
    assert "smuggled@world.example" not in station.log_text()
