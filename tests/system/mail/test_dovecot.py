"""Dovecot reads what the station delivered, with the password `dialpost account` set."""

from __future__ import annotations

import email
import imaplib
import poplib
from collections.abc import Iterator
from pathlib import Path

import pytest
from rig.clients import send
from rig.mailboxes import digest_of, maildir_files
from rig.needs import needs
from rig.processes import eventually
from rig.servers.dovecot import Dovecot
from rig.station import DOMAIN, PASSWORD, Station

from known import is_a

pytestmark = [pytest.mark.system, needs("dovecot")]


@pytest.fixture
def station(work: Path) -> Iterator[Station]:
    with Station(work / "station", unprivileged=True) as running:
        running.add_account("anna")
        running.add_account("ben")
        yield running


@pytest.fixture
def dovecot(work: Path, station: Station) -> Iterator[Dovecot]:
    with Dovecot(work / "dovecot", users=station.dovecot_users, data_dir=station.data_dir) as running:
        yield running


def imap(dovecot: Dovecot, name: str = "anna", password: str = PASSWORD) -> imaplib.IMAP4:
    client = imaplib.IMAP4("127.0.0.1", dovecot.imap_port)
    client.login(name, password)
    return client


def is_refused(dovecot: Dovecot, name: str) -> None:
    """Within a moment: Dovecot looks at the user file once a second at most."""

    def refused() -> bool:
        try:
            imap(dovecot, name).logout()
        except imaplib.IMAP4.error as error:
            return "AUTHENTICATIONFAILED" in str(error)
        return False

    eventually(refused, within_s=10, what=f"{name} refused with the old password")


def is_whole(raw: bytes) -> bool:
    message = email.message_from_bytes(raw)
    return str(message["X-Body-SHA256"]) == digest_of(raw.partition(b"\r\n\r\n")[2])


def test_imap_and_pop3_show_what_was_delivered(station: Station, dovecot: Dovecot) -> None:
    ids = send(station.port, "friend@world.example", [f"anna@{DOMAIN}"], count=3, prefix="in", size=50_000)
    eventually(lambda: len(maildir_files(station.maildir("anna"))) == 3)

    client = imap(dovecot)
    assert client.select("INBOX") == ("OK", [b"3"])
    fetched = [parts[0][1] for parts in (is_a(list, client.fetch(str(n), "(BODY.PEEK[])")[1]) for n in (1, 2, 3))]
    client.logout()
    assert sorted(str(email.message_from_bytes(raw)["Message-ID"]).strip("<>") for raw in fetched) == ids
    assert [is_whole(raw) for raw in fetched] == [True, True, True]

    pop = poplib.POP3("127.0.0.1", dovecot.pop3_port)
    pop.user("anna")
    pop.pass_(PASSWORD)
    assert pop.stat()[0] == 3
    assert is_whole(b"\r\n".join(pop.retr(1)[1]) + b"\r\n")
    pop.dele(1)
    pop.quit()
    assert len(maildir_files(station.maildir("anna"))) == 2
    # Ben has his own mailbox, and it is empty.
    other = imap(dovecot, "ben")
    assert other.select("INBOX") == ("OK", [b"0"])
    other.logout()


def test_mail_delivered_while_someone_is_logged_in(station: Station, dovecot: Dovecot) -> None:
    client = imap(dovecot)
    assert client.select("INBOX") == ("OK", [b"0"])
    send(station.port, "friend@world.example", [f"anna@{DOMAIN}"], prefix="in")
    eventually(lambda: client.noop() and client.select("INBOX") == ("OK", [b"1"]))
    client.logout()


def test_a_changed_password_takes_effect(station: Station, dovecot: Dovecot) -> None:
    imap(dovecot).logout()
    station.cli("account", "passwd", "anna", "--password-stdin", input="quite another one 2\n")
    is_refused(dovecot, "anna")
    imap(dovecot, password="quite another one 2").logout()


def test_a_new_account_can_log_in_at_once_and_a_deleted_one_no_more(station: Station, dovecot: Dovecot) -> None:
    station.add_account("carl")
    imap(dovecot, "carl").logout()
    station.cli("account", "delete", "carl", "--keep-mail")
    is_refused(dovecot, "carl")
