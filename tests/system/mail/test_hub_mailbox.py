"""The hub of docs/hub/mailbox, from the files that people copy, with a plain IMAP client."""

from __future__ import annotations

import email
import imaplib
import smtplib
import ssl
from email.message import Message
from pathlib import Path

import pytest
from rig.clients import send
from rig.mailboxes import digest_of, maildir_files
from rig.needs import needs
from rig.processes import eventually
from rig.servers.hubs import HUB, MailboxHub
from rig.tls_sessions import at_host

from known import is_a

pytestmark = [pytest.mark.system, needs("hub")]

CLINIC, OTHER = "clinic.example", "school.example"


def logged_in(hub: MailboxHub, domain: str, context: ssl.SSLContext | None = None) -> imaplib.IMAP4:
    client = imaplib.IMAP4("127.0.0.1", hub.imap_port)
    client.starttls(context or at_host(HUB, hub.authority.certificate))
    client.login(domain, hub.passwords[domain])
    client.select("INBOX")
    return client


def count(hub: MailboxHub, domain: str) -> int:
    client = logged_in(hub, domain)
    found = is_a(bytes, client.select("INBOX")[1][0])
    client.logout()
    return int(found)


def fetched(client: imaplib.IMAP4) -> list[Message]:
    """All that is there, each message found whole."""
    numbers = is_a(bytes, client.search(None, "ALL")[1][0]).decode().split()
    raw = [is_a(tuple, client.fetch(number, "(BODY.PEEK[])")[1][0])[1] for number in numbers]
    messages = [email.message_from_bytes(one) for one in raw]
    for one, message in zip(raw, messages, strict=True):
        assert message["X-Body-SHA256"] == digest_of(one.partition(b"\r\n\r\n")[2])
    return messages


def test_a_station_finds_its_mail_with_the_recipient_above_all_else(work: Path) -> None:
    """44 messages for several people, each once, and one for two people once for each of them."""
    hub = MailboxHub(work / "hub")
    for domain in (CLINIC, OTHER):
        hub.add(domain)
    with hub:
        sent = send(hub.port, "friend@world.example", [f"anna@{CLINIC}"], count=43, prefix="in")
        both = send(hub.port, "friend@world.example", [f"ben@{CLINIC}", f"Carl@{CLINIC}"], prefix="both")
        send(hub.port, "friend@world.example", [f"dora@{OTHER}"], count=3, prefix="other")
        eventually(lambda: (count(hub, CLINIC), count(hub, OTHER)) == (45, 3))
        assert hub.waiting_script().splitlines() == [f"{CLINIC} 45 0", f"{OTHER} 3 0"]

        client = logged_in(hub, CLINIC)
        messages = fetched(client)

        found = sorted((str(m["Message-ID"]).strip("<>"), str(m["Delivered-To"])) for m in messages)
        wanted = [(name, f"anna@{CLINIC}") for name in sent]
        wanted += [(both[0], f"ben@{CLINIC}"), (both[0], f"Carl@{CLINIC}")]
        assert found == sorted(wanted)
        for message in messages:
            above = [name for name in message.keys() if name != "Return-Path"]  # noqa: SIM118
            assert above[:2] == ["X-Original-To", "Delivered-To"]
            assert message.get_all("Delivered-To") == [message["X-Original-To"]]
        client.store("1:*", "+FLAGS", r"(\Deleted)")
        client.expunge()
        client.logout()
        assert (count(hub, CLINIC), count(hub, OTHER)) == (0, 3)
        assert hub.queue() == []


def test_a_station_sends_by_its_login_alone(work: Path) -> None:
    hub = MailboxHub(work / "hub")
    hub.add(CLINIC)
    with hub:
        with smtplib.SMTP("127.0.0.1", hub.port) as stranger:
            stranger.ehlo()
            assert "auth" not in stranger.esmtp_features
            stranger.mail("x@world.example")
            assert stranger.rcpt("x@elsewhere.example")[0] == 554
        with smtplib.SMTP("127.0.0.1", hub.submission_port) as client:
            client.starttls(context=at_host(HUB, hub.authority.certificate))
            client.login(CLINIC, hub.passwords[CLINIC])
            client.sendmail(f"anna@{CLINIC}", ["friend@world.example"], b"Subject: out\r\n\r\nout\r\n")
        eventually(lambda: len(maildir_files(hub.maildir("world.example"))) == 1)


def test_a_tls_session_is_resumed_by_the_next_connection(work: Path) -> None:
    """Which Dovecot does for two hours, and only because one process serves all logins."""
    hub = MailboxHub(work / "hub")
    hub.add(CLINIC)
    with hub:
        context = at_host(HUB, hub.authority.certificate)
        first = logged_in(hub, CLINIC, context)
        assert isinstance(first.sock, ssl.SSLSocket) and not first.sock.session_reused
        context.session = first.sock.session
        assert context.session is not None and context.session.ticket_lifetime_hint == 7200
        first.logout()
        second = logged_in(hub, CLINIC, context)
        assert isinstance(second.sock, ssl.SSLSocket) and second.sock.session_reused
        second.logout()
