"""What people's programs do at the station's doors: swaks as a user, smtp-source as a crowd."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from rig.clients import OUTSIDE, RawClient, swaks
from rig.load import smtp_source
from rig.mailboxes import arrived, maildir_files, make_message
from rig.needs import needs
from rig.processes import eventually
from rig.station import DOMAIN, PASSWORD, Station

pytestmark = [pytest.mark.system, needs(commands=("swaks",))]

ANNA = f"anna@{DOMAIN}"


@pytest.fixture
def station(work: Path) -> Iterator[Station]:
    with Station(work / "station", settings={"smtp": {"max_message_bytes": 60_000_000}}) as running:
        running.add_account("anna")
        running.add_account("ben")
        yield running


def data_of(work: Path, message_id: str, *, size: int = 2000) -> str:
    """A message in a file, as swaks --data takes it."""
    path = work / "message"
    content = make_message(message_id, ANNA, [f"ben@{DOMAIN}"], size=size)
    path.write_bytes(content.removesuffix(b"\r\n"))  # swaks adds its own line end
    return f"@{path}"


def login(name: str = "anna", password: str = PASSWORD, kind: str = "PLAIN") -> tuple[str, ...]:
    return ("--auth", kind, "--auth-user", name, "--auth-password", password)


@pytest.mark.parametrize("kind", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("door", ["465", "587"])
def test_submission_with_a_login(work: Path, station: Station, door: str, kind: str) -> None:
    port, tls = (
        (station.submissions_port, "--tls-on-connect") if door == "465" else (station.submission_port, "--tls")
    )
    sent = swaks(
        port,
        tls,
        *login(kind=kind),
        "--from",
        ANNA,
        "--to",
        f"ben@{DOMAIN},friend@world.example",
        "--data",
        data_of(work, "s@test"),
        "--local-interface",
        OUTSIDE,
    )
    assert sent.is_taken, sent.transcript
    eventually(lambda: maildir_files(station.maildir("ben")))
    assert arrived(station.maildir("ben")) == ["s@test"]
    assert station.waiting()["waiting_remote"] == 1


def test_no_login_on_587_without_tls(work: Path, station: Station) -> None:
    sent = swaks(station.submission_port, *login(), "--from", ANNA, "--to", f"ben@{DOMAIN}")
    assert not sent.is_taken
    assert "AUTH" not in "".join(line for line in sent.transcript.splitlines() if line.startswith("<-  250"))


def test_no_mail_on_587_without_a_login(station: Station) -> None:
    sent = swaks(station.submission_port, "--tls", "--from", ANNA, "--to", f"ben@{DOMAIN}")
    assert not sent.is_taken
    assert "530" in sent.transcript


def test_a_wrong_password_is_refused(station: Station) -> None:
    sent = swaks(
        station.submission_port, "--tls", *login(password="wrong"), "--from", ANNA, "--to", f"ben@{DOMAIN}"
    )
    assert not sent.is_taken
    assert "535" in sent.transcript


def test_a_changed_password_takes_effect_at_once(station: Station) -> None:
    station.cli("account", "passwd", "anna", "--password-stdin", input="quite another one 2\n")
    to = ("--from", ANNA, "--to", f"ben@{DOMAIN}")
    assert not swaks(station.submission_port, "--tls", *login(), *to).is_taken
    assert swaks(station.submission_port, "--tls", *login(password="quite another one 2"), *to).is_taken


def test_the_sender_must_belong_to_the_account(station: Station) -> None:
    for forged in (f"ben@{DOMAIN}", "anna@world.example", f"anna@sub.{DOMAIN}"):
        sent = swaks(station.submission_port, "--tls", *login(), "--from", forged, "--to", "friend@world.example")
        assert not sent.is_taken, sent.transcript
    assert station.waiting()["waiting_remote"] == 0


def test_the_world_may_write_to_us_but_not_through_us(station: Station) -> None:
    outside = ("--from", "friend@world.example", "--local-interface", OUTSIDE)
    assert swaks(station.port, *outside, "--to", ANNA).is_taken
    refused = swaks(station.port, *outside, "--to", "other@elsewhere.example")
    assert not refused.is_taken
    assert "<** 550 5.7.1" in refused.transcript or "<** 554 5.7.1" in refused.transcript
    unknown = swaks(station.port, *outside, "--to", f"nobody@{DOMAIN}")
    assert "<** 550 5.1.1" in unknown.transcript


def test_starttls_on_25(station: Station) -> None:
    sent = swaks(station.port, "--tls", "--from", "friend@world.example", "--to", ANNA)
    assert sent.is_taken, sent.transcript
    (path,) = eventually(lambda: maildir_files(station.maildir("anna")))
    assert "with ESMTPS" in path.read_text()


def test_8bitmime_survives(station: Station) -> None:
    text = "Grüße aus der Klinik: ½ Tablette, 37,5 °C"
    content = (
        f"From: {ANNA}\r\nTo: {ANNA}\r\nSubject: 8bit\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
        f"\r\n{text}\r\n"
    ).encode()
    with smtplib.SMTP("127.0.0.1", station.port, "client.example") as client:
        client.ehlo()
        assert client.has_extn("8bitmime")
        client.sendmail(ANNA, [ANNA], content, ["BODY=8BITMIME"])
    (path,) = eventually(lambda: maildir_files(station.maildir("anna")))
    assert text in path.read_text("utf-8")


def test_smtputf8_address_and_header(station: Station) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "jürgen@world.example", ANNA, "Übergröße"
    message.set_content("ein Text\n")
    with smtplib.SMTP("127.0.0.1", station.port, "client.example") as client:
        client.ehlo()
        assert client.has_extn("smtputf8")
        client.send_message(message)
    (path,) = eventually(lambda: maildir_files(station.maildir("anna")))
    text = path.read_text("utf-8")
    assert "Return-Path: <jürgen@world.example>" in text
    assert "with UTF8SMTP" in text


def test_a_20_megabyte_message_is_stored_byte_for_byte(work: Path, station: Station) -> None:
    sent = swaks(
        station.port,
        "--from",
        ANNA,
        "--to",
        f"ben@{DOMAIN}",
        "--data",
        data_of(work, "big@test", size=20_000_000),
    )
    assert sent.is_taken, sent.transcript[-2000:]
    eventually(lambda: maildir_files(station.maildir("ben")))
    assert arrived(station.maildir("ben")) == ["big@test"]


def test_a_message_over_the_limit_is_refused_by_size_and_by_content(work: Path) -> None:
    with Station(work / "station", settings={"smtp": {"max_message_bytes": 100_000}}) as station:
        station.add_account("anna")
        content = make_message("toobig@test", ANNA, [ANNA], size=300_000)
        for helo in ("EHLO", "HELO"):  # with SIZE= the refusal is at MAIL, without it after the dot
            with smtplib.SMTP("127.0.0.1", station.port, "client.example") as client:
                client.ehlo() if helo == "EHLO" else client.helo()
                with pytest.raises((smtplib.SMTPSenderRefused, smtplib.SMTPDataError)) as refusal:
                    client.sendmail(ANNA, [ANNA], content)
                assert refusal.value.smtp_code == 552
        assert maildir_files(station.maildir("anna")) == []


def test_one_body_for_many_mailboxes(work: Path, station: Station) -> None:
    """A message is written to the card once: the mailboxes share it."""
    sent = swaks(station.port, "--from", ANNA, "--to", f"{ANNA},ben@{DOMAIN}", "--data", data_of(work, "two@test"))
    assert sent.is_taken
    (first,) = eventually(lambda: maildir_files(station.maildir("anna")))
    (second,) = eventually(lambda: maildir_files(station.maildir("ben")))
    assert first.stat().st_ino == second.stat().st_ino


def test_mail_sent_before_starttls_completes_is_forgotten(station: Station) -> None:
    with RawClient(station.port) as client:
        client.reply()
        client.talk("EHLO client.example")
        client.send(b"STARTTLS\r\nMAIL FROM:<injected@world.example>\r\n")
        assert client.reply().startswith("220")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(client._socket) as inside:
            inside.sendall(b"EHLO client.example\r\nRCPT TO:<anna@clinic.example>\r\n")
            answers = b""
            while b"\r\n503 " not in answers:
                piece = inside.recv(4096)
                assert piece, answers
                answers += piece


@needs("postfix")
def test_a_crowd_of_fifty(work: Path, station: Station) -> None:
    done = smtp_source(
        station.port,
        work / "smtp-source",
        messages=500,
        sessions=50,
        size=4096,
        sender="crowd@world.example",
        recipient=ANNA,
    )
    assert done.wait(120) == 0, done.tail()
    eventually(lambda: len(maildir_files(station.maildir("anna"))) >= 500, within_s=60)
    assert len(maildir_files(station.maildir("anna"))) == 500
    assert station.waiting()["waiting_local"] == 0
