"""The providers with mailboxes that the station's collecting is tried against do what they are there for."""

from __future__ import annotations

import imaplib
import poplib
from collections.abc import Iterator
from pathlib import Path

import pytest
from rig.mailboxes import make_message
from rig.needs import needs
from rig.servers.courier import Courier
from rig.servers.cyrus import Cyrus
from rig.servers.mailbox_server import HOST, MailboxServer
from rig.servers.provider_dovecot import Dovecot23, Dovecot24
from rig.tls_sessions import AtHost, at_host

from known import is_a

pytestmark = pytest.mark.system

USERS = {"site1": "one secret", "site2": "another-secret"}
ALL = [
    pytest.param(server, marks=needs(server.chroot), id=server.__name__)
    for server in (Dovecot24, Dovecot23, Cyrus, Courier)
]
WITH_IMAP = ALL[:3]
SENT = [make_message(f"in.{n}@world.example", "friend@world.example", ["a@b.example"], size=2000) for n in range(3)]


@pytest.fixture
def server(request: pytest.FixtureRequest, work: Path) -> Iterator[MailboxServer]:
    with request.param(work / "server", users=USERS) as running:
        for message in SENT:
            running.put("site1", message)
        yield running


def trusted(server: MailboxServer) -> AtHost:
    return at_host(HOST, server.authority.certificate)


@pytest.mark.parametrize("server", WITH_IMAP, indirect=True)
def test_imap_by_starttls_and_by_tls(server: MailboxServer) -> None:
    plain = imaplib.IMAP4("127.0.0.1", server.imap_port)
    plain.starttls(trusted(server))
    wrapped = imaplib.IMAP4_SSL("127.0.0.1", server.imaps_port, ssl_context=trusted(server))
    for client in (plain, wrapped):
        client.login("site1", USERS["site1"])
        assert {"UIDPLUS", "COMPRESS=DEFLATE"} <= set(is_a(bytes, client.capability()[1][0]).decode().split())
        assert client.select("INBOX") == ("OK", [b"3"])
        fetched = [is_a(tuple, client.fetch(str(n), "(BODY.PEEK[])")[1][0])[1] for n in (1, 2, 3)]
        assert fetched == SENT
        client.logout()


@pytest.mark.parametrize("server", WITH_IMAP, indirect=True)
def test_an_expunged_message_is_gone_and_a_foreign_mailbox_stays_closed(server: MailboxServer) -> None:
    client = imaplib.IMAP4("127.0.0.1", server.imap_port)
    with pytest.raises(imaplib.IMAP4.error, match=r"AUTHENTICATIONFAILED|authentication failure"):
        client.login("site2", USERS["site1"])
    client.login("site1", USERS["site1"])
    client.select("INBOX")
    uids = is_a(bytes, client.uid("SEARCH", "ALL")[1][0]).split()
    client.uid("STORE", uids[0].decode(), "+FLAGS", r"(\Deleted)")
    client.uid("EXPUNGE", uids[0].decode())
    client.logout()
    again = imaplib.IMAP4("127.0.0.1", server.imap_port)
    again.login("site1", USERS["site1"])
    assert again.select("INBOX") == ("OK", [b"2"])
    assert is_a(bytes, again.uid("SEARCH", "ALL")[1][0]).split() == uids[1:]
    again.logout()


@pytest.mark.parametrize("server", ALL, indirect=True)
def test_pop3_by_stls_and_by_tls(server: MailboxServer) -> None:
    plain = poplib.POP3("127.0.0.1", server.pop3_port)
    plain.stls(trusted(server))
    wrapped = poplib.POP3_SSL("127.0.0.1", server.pop3s_port, context=trusted(server))
    wrapped.quit()
    plain.user("site1")
    plain.pass_(USERS["site1"])
    assert plain.stat()[0] == 3
    assert len(set(plain.uidl()[1])) == 3
    # In no order: Courier shows its Maildir as it lies there.
    assert sorted(b"\r\n".join(plain.retr(n)[1]) + b"\r\n" for n in (1, 2, 3)) == sorted(SENT)
    plain.dele(1)
    plain.quit()
    again = poplib.POP3_SSL("127.0.0.1", server.pop3s_port, context=trusted(server))
    again.user("site1")
    again.pass_(USERS["site1"])
    assert again.stat()[0] == 2
    again.quit()
