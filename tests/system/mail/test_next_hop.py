"""What the next hop can and can't do: 8BITMIME, SMTPUTF8, DSN, SIZE, with real servers that offer it or not."""

from __future__ import annotations

import email
import email.policy
import re
import smtplib
from email.message import EmailMessage
from pathlib import Path

import pytest
from rig.clients import send
from rig.mailboxes import arrived, maildir_files
from rig.needs import needs
from rig.processes import eventually
from rig.servers.exim import Exim
from rig.servers.postfix import Postfix, provider
from rig.station import DOMAIN, Station, provider_at

pytestmark = [pytest.mark.system, needs("postfix", "exim")]

ANNA, FRIEND = f"anna@{DOMAIN}", "friend@world.example"
TEXT = "Grüße: ½ Tablette, 37,5 °C\n"


def world(work: Path, **main: str) -> Postfix:
    return Postfix(work / "provider", mailbox_domains=("world.example",), main=main)


def point_at(station: Station, server: Postfix | Exim) -> Station:
    provider_at(station, server.port, etrn={"use": "never"})
    return station


def eight_bit_message() -> EmailMessage:
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"], message["To"], message["Subject"] = ANNA, FRIEND, "8 bit"
    message.set_content(TEXT, cte="8bit")
    return message


def sent_and_found(station: Station, server: Postfix, message: EmailMessage, **options: object) -> EmailMessage:
    station.add_account("anna")
    with smtplib.SMTP("127.0.0.1", station.port, "client.example") as client:
        client.send_message(message, **options)  # type: ignore[arg-type]
    assert station.call().returncode == 0, station.log_text()
    (path,) = eventually(lambda: maildir_files(server.maildir("world.example")), what=server.log_text()[-2000:])
    found = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def test_8bit_goes_as_it_is_where_it_may(work: Path) -> None:
    with world(work) as server, point_at(Station(work / "station"), server) as station:
        found = sent_and_found(station, server, eight_bit_message(), mail_options=["BODY=8BITMIME"])
        assert found["Content-Transfer-Encoding"] == "8bit"
        assert found.get_content() == TEXT


def test_8bit_is_encoded_for_a_server_that_takes_only_7(work: Path) -> None:
    with (
        world(work, smtpd_discard_ehlo_keywords="8bitmime, smtputf8, chunking") as server,
        point_at(Station(work / "station"), server) as station,
    ):
        found = sent_and_found(station, server, eight_bit_message(), mail_options=["BODY=8BITMIME"])
        assert found["Content-Transfer-Encoding"] in {"quoted-printable", "base64"}
        assert found.get_content().splitlines() == TEXT.splitlines()


def test_a_long_line_goes_to_a_server_that_refuses_long_lines(work: Path) -> None:
    """As Exim's own default configuration does."""
    line = "some words " * 300
    content = f"From: {ANNA}\r\nTo: {FRIEND}\r\nSubject: {'long ' * 300}\r\n\r\n{line}\r\n"
    with Exim(work / "world") as server, point_at(Station(work / "station"), server) as station:
        with smtplib.SMTP("127.0.0.1", station.port, "client.example") as client:
            client.sendmail(ANNA, [FRIEND], content)
        assert station.call().returncode == 0, station.log_text()
        (path,) = eventually(lambda: maildir_files(server.maildir("world.example")), what=server.log_text()[-2000:])
    found = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    assert found.get_content().splitlines() == [line]
    assert " ".join(str(found["Subject"]).split()) == " ".join(["long"] * 300)


def international() -> EmailMessage:
    message = EmailMessage(policy=email.policy.SMTPUTF8)
    message["From"], message["To"], message["Subject"] = ANNA, "jürgen@world.example", "Übergröße"
    message.set_content(TEXT)
    return message


def test_an_international_address_goes_where_the_server_knows_them(work: Path) -> None:
    with world(work) as server, point_at(Station(work / "station"), server) as station:
        found = sent_and_found(station, server, international())
        assert found["Subject"] == "Übergröße"
        assert "jürgen@world.example" in str(found["To"])


def test_an_international_address_comes_back_where_it_does_not(work: Path) -> None:
    with (
        world(work, smtputf8_enable="no") as server,
        point_at(Station(work / "station"), server) as station,
    ):
        station.add_account("anna")
        with smtplib.SMTP("127.0.0.1", station.port, "client.example") as client:
            client.send_message(international())
        station.call()
        (bounce,) = eventually(lambda: maildir_files(station.maildir("anna")), what=station.log_text()[-2000:])
        # RFC 6531 §3.5: 5.6.7 for the address, 5.6.9 for the header; both are wrong here.
        assert re.search(r"^Status: 5\.6\.[79]$", bounce.read_text("utf-8"), re.MULTILINE)
        assert maildir_files(server.maildir("world.example")) == []


def test_a_message_too_large_for_the_next_hop_comes_back_without_being_sent(work: Path) -> None:
    with (
        world(work, message_size_limit="50000") as server,
        point_at(Station(work / "station"), server) as station,
    ):
        station.add_account("anna")
        send(station.port, ANNA, [FRIEND], prefix="large", size=200_000)
        small = send(station.port, ANNA, [FRIEND], prefix="small")
        assert station.call().returncode == 0
        eventually(lambda: maildir_files(server.maildir("world.example")))
        assert arrived(server.maildir("world.example")) == small
        (bounce,) = eventually(lambda: maildir_files(station.maildir("anna")))
        assert "5.3.4" in bounce.read_text()
        assert station.last_call()["bytes_up"] < 100_000


DSN_MAIL = ["RET=HDRS", "ENVID=QQ314159+2Bx"]
DSN_RCPT = ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;Friend+2Bshop@world.example"]


def send_with_dsn(station: Station) -> None:
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"], message["To"], message["Subject"] = ANNA, FRIEND, "with a receipt"
    message.set_content("hello\n")
    with smtplib.SMTP("127.0.0.1", station.port, "client.example") as client:
        client.sendmail(ANNA, [FRIEND], message.as_bytes(), DSN_MAIL, DSN_RCPT)


def test_a_receipt_is_asked_of_a_next_hop_that_gives_them(work: Path) -> None:
    """RFC 3461: what was asked travels byte for byte; the provider's report comes in by ETRN."""
    station = Station(work / "station")
    with provider(work / "provider", (DOMAIN,), station.port) as server:
        provider_at(station, server.port)
        with station:
            station.add_account("anna")
            send_with_dsn(station)
            assert station.call().returncode == 0
            assert maildir_files(station.maildir("anna")) == []  # no receipt of ours
            eventually(lambda: len(server.queue()) == 1, what="the provider's report, held for the station")
            assert station.call().returncode == 0
            (path,) = eventually(lambda: maildir_files(station.maildir("anna")))
            report = path.read_text()
            assert "Action: delivered" in report
            assert "Original-Envelope-Id: QQ314159+x" in report
            assert re.search(r"^Original-Recipient: rfc822; ?Friend\+shop@world\.example$", report, re.MULTILINE)


def test_a_next_hop_that_knows_no_receipts_gets_none_asked_and_we_say_relayed(work: Path) -> None:
    """RFC 3461 §5.2.2: action "relayed"."""
    with Exim(work / "exim") as server, point_at(Station(work / "station"), server) as station:
        station.add_account("anna")
        send_with_dsn(station)
        assert station.call().returncode == 0
        eventually(lambda: maildir_files(server.maildir("world.example")))
        (path,) = eventually(lambda: maildir_files(station.maildir("anna")))
        report = path.read_text()
        assert "Action: relayed" in report
        assert "Original-Envelope-Id: QQ314159+x" in report
        assert re.search(r"^Original-Recipient: rfc822; ?Friend\+shop@world\.example$", report, re.MULTILINE)


@pytest.mark.parametrize("recipients", [120, 500])
def test_many_recipients_of_one_host_go_in_as_few_copies_as_it_takes(work: Path, recipients: int) -> None:
    with (
        world(work, smtpd_recipient_limit="100", smtpd_recipient_overshoot_limit="1000") as server,
        point_at(Station(work / "station"), server) as station,
    ):
        station.add_account("anna")
        people = [f"friend{number}@world.example" for number in range(recipients)]
        send(station.port, ANNA, people, prefix="many")
        for _ in range(8):
            assert station.call().returncode == 0, station.log_text()[-3000:]
            station.run("queue", "retry", "--all")
            if station.waiting()["waiting_remote"] == 0:
                break
        eventually(lambda: len(maildir_files(server.maildir("world.example"))) == recipients)
        assert len(server.log_lines(r"message-id=<many")) <= -(-recipients // 100) + 1
