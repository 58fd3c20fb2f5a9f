"""The hub of docs/hub/exim-atrn, from the file that people copy, with a plain customer."""

from __future__ import annotations

import smtplib
from pathlib import Path

import pytest
from rig.atrn import fetch
from rig.clients import send
from rig.mailboxes import arrived, digest_of, maildir_files
from rig.needs import needs
from rig.processes import eventually
from rig.servers.hubs import HUB, AtrnHub
from rig.station import DOMAIN, Station, provider_at
from rig.tls_sessions import AtHost, at_host, smtp_session

pytestmark = [pytest.mark.system, needs("hub-exim")]

DAY_S = 86_400
CLINIC, OTHER = "clinic.example", "school.example"


def hold(hub: AtrnHub, domain: str, count: int, prefix: str = "in") -> list[str]:
    ids = send(hub.port, "friend@world.example", [f"anna@{domain}"], count=count, prefix=prefix)
    eventually(lambda: hub.waiting(domain) >= count)
    return ids


def trusted(hub: AtrnHub) -> AtHost:
    return at_host(HUB, hub.authority.certificate)


def ids_of(messages: list[tuple[list[str], bytes]]) -> list[str]:
    """The sorted Message-IDs, each message found whole."""
    found = []
    for _, content in messages:
        head, _, body = content.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        assert fields["X-Body-SHA256"] == digest_of(body)
        found.append(fields["Message-ID"].strip("<>"))
    return sorted(found)


def test_a_station_gets_its_own_mail_on_its_own_connection(work: Path) -> None:
    """44 messages over TLS, each once; then QUIT, and 453 at the next request (RFC 2645 §5.2)."""
    with AtrnHub(work / "hub") as hub:
        password = hub.add(CLINIC, "clinic.org")
        hub.add(OTHER)
        sent = hold(hub, CLINIC, 44)
        hold(hub, OTHER, 3, "other")
        assert hub.waiting_script().splitlines() == [f"{CLINIC} 44 0", f"{OTHER} 3 0"]

        handed = fetch(hub.atrn_port, CLINIC, password, trusted(hub))

        assert handed.reply.startswith("250")
        assert ids_of(handed.messages) == sorted(sent), hub.log_text()
        assert handed.is_ended
        assert {tuple(recipients) for recipients, _ in handed.messages} == {(f"anna@{CLINIC}",)}
        eventually(lambda: hub.waiting(CLINIC) == 0)
        assert hub.waiting(OTHER) == 3
        assert fetch(hub.atrn_port, CLINIC, password, trusted(hub)).reply.startswith("453")


def test_it_gets_only_the_domains_it_names_and_none_of_another(work: Path) -> None:
    with AtrnHub(work / "hub") as hub:
        password = hub.add(CLINIC, "clinic.org")
        hub.add(OTHER)
        second = send(hub.port, "friend@world.example", ["ben@clinic.org"], prefix="second")
        hold(hub, CLINIC, 2)
        hold(hub, OTHER, 1, "other")
        assert fetch(hub.atrn_port, CLINIC, password, trusted(hub), domains=OTHER).reply.startswith("450")
        handed = fetch(hub.atrn_port, CLINIC, password, trusted(hub), domains="clinic.org")
        assert ids_of(handed.messages) == second
        assert hub.waiting(OTHER) == 1


def test_a_message_for_two_stations_reaches_both(work: Path) -> None:
    """Its second recipient gets 452, and is sent to in a transaction of its own."""
    with AtrnHub(work / "hub") as hub:
        password = hub.add(CLINIC)
        hub.add(OTHER)
        both = [f"anna@{CLINIC}", f"carl@{OTHER}"]
        with smtplib.SMTP("127.0.0.1", hub.port) as client:
            client.ehlo()
            client.mail("friend@world.example")
            assert [client.rcpt(recipient)[0] for recipient in both] == [250, 452]
            client.rset()
        send(hub.port, "friend@world.example", both[:1], prefix="one")
        send(hub.port, "friend@world.example", both[1:], prefix="two")
        eventually(lambda: (hub.waiting(CLINIC), hub.waiting(OTHER)) == (1, 1))
        assert ids_of(fetch(hub.atrn_port, CLINIC, password, trusted(hub)).messages) == ["one.0@world.example"]


def test_its_own_mail_leaves_by_the_login_alone(work: Path) -> None:
    with AtrnHub(work / "hub") as hub:
        password = hub.add(CLINIC)
        with smtplib.SMTP("127.0.0.1", hub.port) as stranger:
            stranger.ehlo()
            assert "auth" not in stranger.esmtp_features
            stranger.mail("x@world.example")
            assert stranger.rcpt("x@world.example")[0] == 550
        with smtplib.SMTP("127.0.0.1", hub.port) as client:
            client.starttls(context=trusted(hub))
            client.login(CLINIC, password)
            client.sendmail(f"anna@{CLINIC}", ["friend@world.example"], b"Subject: out\r\n\r\nout\r\n")
        eventually(lambda: len(maildir_files(hub.maildir("world.example"))) == 1)


def test_a_killed_hub_has_all_that_waits(work: Path) -> None:
    with AtrnHub(work / "hub") as hub:
        password = hub.add(CLINIC)
        sent = hold(hub, CLINIC, 5)
        hub.kill()
        hub.start()
        assert ids_of(fetch(hub.atrn_port, CLINIC, password, trusted(hub)).messages) == sorted(sent)


def test_a_tls_session_lives_for_a_day(work: Path) -> None:
    """stunnel names the time with its ticket, and resumes the session (RFC 8446 §4.6.1)."""
    with AtrnHub(work / "hub") as hub:
        context = trusted(hub)
        resumed, context.session = smtp_session(hub.atrn_port, context, implicit=True)
        assert not resumed
        assert context.session is not None and context.session.ticket_lifetime_hint >= DAY_S
        assert smtp_session(hub.atrn_port, context, implicit=True)[0]


def test_a_real_station_calls(work: Path) -> None:
    """44 messages each way in one call, by ATRN and by its login, TLS on both connections, each once."""
    station = Station(work / "station")
    with AtrnHub(work / "hub") as hub:
        password = hub.add(DOMAIN)
        login = {"user": DOMAIN, "password": password, "tls_verify": "none"}
        provider_at(
            station,
            hub.port,
            outbound=login | {"tls": "starttls"},
            inbound={"use": ["atrn"]},
            atrn=login | {"host": "127.0.0.1", "port": hub.atrn_port, "tls": "implicit"},
        )
        with station:
            station.add_account("anna")
            inbound = hold(hub, DOMAIN, 44)
            outbound = send(station.port, f"anna@{DOMAIN}", ["friend@world.example"], count=44, prefix="out")

            call = station.call()

            assert call.returncode == 0, call.stdout + call.stderr + station.log_text()
            eventually(lambda: len(maildir_files(station.maildir("anna"))) >= 44)
            eventually(lambda: len(maildir_files(hub.maildir("world.example"))) >= 44)
            assert arrived(station.maildir("anna")) == sorted(inbound)
            assert arrived(hub.maildir("world.example")) == sorted(outbound)
            eventually(lambda: hub.waiting(DOMAIN) == 0)
            assert station.call().returncode == 0, "453, no mail, is nothing that an operator has to see"
