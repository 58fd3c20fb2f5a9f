"""The hub of docs/hub/postfix-etrn, from the files that people copy, with a real station."""

from __future__ import annotations

import smtplib
import subprocess
from pathlib import Path

import pytest
from rig.clients import send
from rig.mailboxes import arrived, maildir_files
from rig.needs import needs
from rig.processes import eventually
from rig.servers.hubs import HUB, EtrnHub
from rig.station import DOMAIN, Station, provider_at
from rig.tls_sessions import at_host, smtp_session

pytestmark = [pytest.mark.system, needs("hub")]

OTHER = "school.example"
DAY_S = 86_400


def test_a_station_gets_its_own_mail_when_it_asks_and_no_other(work: Path) -> None:
    """44 messages a call each way, TLS on both connections, each exactly once."""
    station = Station(work / "station")
    hub = EtrnHub(work / "hub")
    hub.add(DOMAIN, station.port)
    hub.add(OTHER, 9)
    with hub:
        encrypted = {"tls": "opportunistic", "tls_verify": "none"}
        provider_at(station, hub.port, outbound=encrypted, etrn=encrypted)
        with station:
            station.add_account("anna")
            inbound = send(hub.port, "friend@world.example", [f"anna@{DOMAIN}"], count=44, prefix="in")
            send(hub.port, "friend@world.example", [f"ben@{OTHER}"], count=3, prefix="other")
            outbound = send(station.port, f"anna@{DOMAIN}", ["friend@world.example"], count=44, prefix="out")
            eventually(lambda: len(hub.queue()) == 47)
            eventually(lambda: {entry["queue_name"] for entry in hub.queue()} == {"deferred"})
            assert maildir_files(station.maildir("anna")) == []

            call = station.call()

            assert call.returncode == 0, call.stdout + call.stderr + station.log_text()
            eventually(lambda: len(maildir_files(hub.maildir("world.example"))) >= 44)
            assert arrived(station.maildir("anna")) == sorted(inbound)
            assert arrived(hub.maildir("world.example")) == sorted(outbound)
            eventually(lambda: len(hub.queue()) == 3)
            assert station.last_call()["received"] == 44


def test_a_stranger_may_neither_ask_nor_relay(work: Path) -> None:
    hub = EtrnHub(work / "hub")
    with (hub.directory / "etc/postfix/main.cf").open("a") as settings:
        settings.write("mynetworks = 10.8.0.0/16\n")
    with hub, smtplib.SMTP("127.0.0.1", hub.port) as stranger:
        stranger.ehlo("stranger.example")
        assert stranger.docmd("ETRN", "first.example")[0] == 554
        stranger.docmd("MAIL", "FROM:<x@world.example>")
        assert stranger.docmd("RCPT", "TO:<x@elsewhere.example>")[0] == 554
        assert stranger.docmd("RCPT", "TO:<x@first.example>")[0] == 250


def test_a_tls_session_lives_for_a_day(work: Path) -> None:
    """The hub names the time with its ticket, and resumes the session (RFC 8446 §4.6.1)."""
    with EtrnHub(work / "hub") as hub:
        context = at_host(HUB, hub.authority.certificate)
        resumed, context.session = smtp_session(hub.port, context)
        assert not resumed
        assert context.session is not None and context.session.ticket_lifetime_hint >= DAY_S
        assert smtp_session(hub.port, context)[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("etrn", DOMAIN, "10.8.0.18"), "is there already"),
        (("etrn", "Clinic.example", "10.8.0.18"), "in small letters"),
        (("etrn", "clinic.org", "dyndns;reboot"), "add-station etrn DOMAIN"),
        (("etrn", "../x.example", "10.8.0.18"), "in small letters"),
    ],
)
def test_what_add_station_refuses(work: Path, arguments: tuple[str, ...], words: str) -> None:
    hub = EtrnHub(work / "hub")
    hub.add(DOMAIN, 25)
    before = hub.stations()
    done = subprocess.run(
        hub.add_command(*arguments), capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60
    )
    assert done.returncode != 0 and words in done.stderr
    assert hub.stations() == before
