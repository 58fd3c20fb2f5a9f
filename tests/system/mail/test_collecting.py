"""A real station collects a domain's mailbox from real servers by IMAP and POP3, over TLS, each message once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rig.clients import send
from rig.mailboxes import arrived, maildir_files, make_message
from rig.needs import needs
from rig.processes import eventually
from rig.servers.courier import Courier
from rig.servers.cyrus import Cyrus
from rig.servers.hubs import MailboxHub
from rig.servers.mailbox_server import MailboxServer
from rig.servers.provider_dovecot import Dovecot23, Dovecot24
from rig.station import DOMAIN, Station, provider_at

pytestmark = pytest.mark.system

RECEIVED = "Received: from world.example (world.example [192.0.2.7])\r\n\tby mail.provider.example with ESMTP\r\n"
USER, PASSWORD = "site1", "one secret"
WAYS = [
    (kind, server)
    for kind, servers in (
        ("imap", (Dovecot24, Dovecot23, Cyrus)),
        ("pop3", (Dovecot24, Dovecot23, Cyrus, Courier)),
    )
    for server in servers
]


@pytest.fixture
def server(request: pytest.FixtureRequest, work: Path) -> Iterator[MailboxServer]:
    with request.param(work / "server", users={USER: PASSWORD}) as running:
        yield running


def box(kind: str, server: MailboxServer) -> dict[str, object]:
    port = server.imaps_port if kind == "imap" else server.pop3s_port
    return {
        "name": "provider",
        "kind": kind,
        "host": "127.0.0.1",
        "port": port,
        "tls": "implicit",
        "tls_verify": "none",  # for a name, and the host here is a number
        "user": USER,
        "password": PASSWORD,
    }


@pytest.mark.parametrize(
    ("kind", "server"),
    [pytest.param(kind, made, marks=needs(made.chroot), id=f"{kind}-{made.__name__}") for kind, made in WAYS],
    indirect=["server"],
)
def test_44_messages_in_one_call_and_none_in_the_next(work: Path, kind: str, server: MailboxServer) -> None:
    ids = [f"in.{number}@world.example" for number in range(44)]
    for number, message_id in enumerate(ids):
        recipient = f"{('anna', 'ben')[number % 2]}@{DOMAIN}"
        envelope = f"Delivered-To: {recipient}\r\n{RECEIVED}".encode()
        # To names a list: only the envelope tells whose it is.
        server.put(USER, envelope + make_message(message_id, "friend@world.example", ["list@world.example"]))
    station = Station(work / "station")
    # The router's line counts as up when the smarthost's port answers; nothing is sent there.
    provider_at(station, server.pop3_port, inbound={"use": [kind], "mailbox": [box(kind, server)]})
    with station:
        station.add_account("anna")
        station.add_account("ben")

        call = station.call()

        assert call.returncode == 0, call.stdout + call.stderr + station.log_text() + server.log_text()
        eventually(lambda: len(maildir_files(station.maildir("anna"))) >= 22)
        eventually(lambda: len(maildir_files(station.maildir("ben"))) >= 22)
        assert arrived(station.maildir("anna")) == sorted(ids[0::2])
        assert arrived(station.maildir("ben")) == sorted(ids[1::2])
        again = station.call()
        assert again.returncode == 0, again.stdout + again.stderr
        assert station.last_call()["received"] == 0


@needs("hub")
def test_both_ways_in_one_call_with_the_hub_of_the_docs(work: Path) -> None:
    """Postfix and Dovecot from docs/hub/mailbox: IMAP in, the mailbox's login out, both with TLS."""
    hub = MailboxHub(work / "hub")
    hub.add(DOMAIN)
    with hub:
        station = Station(work / "station")
        login = {"user": DOMAIN, "password": hub.passwords[DOMAIN], "tls_verify": "none"}
        mailbox = login | {"name": "hub", "host": "127.0.0.1", "port": hub.imaps_port}
        provider_at(
            station,
            hub.submission_port,
            outbound=login | {"tls": "starttls"},
            inbound={"use": ["imap"], "mailbox": [mailbox]},
        )
        with station:
            station.add_account("anna")
            inbound = send(hub.port, "friend@world.example", [f"anna@{DOMAIN}"], count=44, prefix="in")
            outbound = send(station.port, f"anna@{DOMAIN}", ["friend@world.example"], count=44, prefix="out")
            eventually(lambda: hub.queue() == [])

            call = station.call()

            assert call.returncode == 0, call.stdout + call.stderr + station.log_text()
            eventually(lambda: len(maildir_files(station.maildir("anna"))) >= 44)
            eventually(lambda: len(maildir_files(hub.maildir("world.example"))) >= 44)
            assert arrived(station.maildir("anna")) == sorted(inbound)
            assert arrived(hub.maildir("world.example")) == sorted(outbound)
