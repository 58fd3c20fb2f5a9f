"""The station's doors and its one data directory, seen from outside."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from rig.clients import RawClient, send
from rig.mailboxes import arrived, maildir_files
from rig.needs import needs
from rig.ports import free_port
from rig.processes import Child, eventually
from rig.servers.postfix import provider
from rig.station import DOMAIN, PROGRAM, Station, provider_at

pytestmark = [pytest.mark.system, needs()]

WORLD = "victim@elsewhere.example"


def may_relay(port: int, source: str) -> bool:
    with RawClient(port, source=source) as client:
        client.reply()
        replies = client.talk("EHLO x.example", f"MAIL FROM:<anna@{DOMAIN}>", f"RCPT TO:<{WORLD}>")
        return replies[-1].startswith("250")


def test_networks_hold_for_ipv4_peers_of_a_door_that_listens_on_ipv6_too(work: Path) -> None:
    """The default, [::]:25, sees an IPv4 peer as ::ffff:192.0.2.1."""
    port = free_port()
    settings = {"smtp": {"listen": [f"[::]:{port}"]}, "relay": {"networks": ["127.0.0.1/32"]}}
    station = Station(work / "station", settings=settings)
    station.port = port
    with station:
        assert may_relay(port, "127.0.0.1")
        assert not may_relay(port, "127.0.0.9")
        with socket.create_connection(("::1", port), 10) as client:
            client.sendall(f"EHLO x\r\nMAIL FROM:<anna@{DOMAIN}>\r\nRCPT TO:<{WORLD}>\r\nQUIT\r\n".encode())
            answers = b""
            while piece := client.recv(4096):
                answers += piece
        assert b"\r\n550 5.7.1" in answers or b"\r\n554 5.7.1" in answers


def test_a_second_daemon_on_the_same_data_says_so_and_does_no_harm(work: Path) -> None:
    with Station(work / "station") as station:
        station.add_account("anna")
        second = Child([PROGRAM, "--config", station.config, "daemon"], work / "second.log")
        assert second.wait(20) == 1
        assert "another" in second.tail().lower() or "already" in second.tail().lower(), second.tail()
        assert len(second.tail().splitlines()) <= 3, second.tail()
        ids = send(station.port, "friend@world.example", [f"anna@{DOMAIN}"], prefix="still")
        eventually(lambda: maildir_files(station.maildir("anna")))
        assert arrived(station.maildir("anna")) == ids


@needs("postfix")
def test_postfix_delivers_over_tls(work: Path) -> None:
    """Postfix verifies nothing here (level `encrypt`), but it insists on TLS with our own certificate."""
    station = Station(work / "station")
    with provider(work / "provider", (DOMAIN,), station.port, smtp_tls_security_level="encrypt") as server:
        provider_at(station, server.port)
        with station:
            station.add_account("anna")
            ids = send(server.port, "friend@world.example", [f"anna@{DOMAIN}"], count=3, prefix="in")
            eventually(lambda: len(server.queue()) == 3)
            assert station.call().returncode == 0
            eventually(lambda: len(maildir_files(station.maildir("anna"))) == 3)
            assert arrived(station.maildir("anna")) == sorted(ids)
            assert all("with ESMTPS" in path.read_text() for path in maildir_files(station.maildir("anna")))


@needs("postfix")
def test_doctor_knows_a_provider_that_refuses_etrn(work: Path) -> None:
    station = Station(work / "station")
    with provider(work / "provider", (DOMAIN,), station.port, smtpd_etrn_restrictions="reject") as server:
        provider_at(station, server.port)
        with station:
            station.add_account("anna")
            found = station.run("doctor", "--online", timeout_s=120)
            assert found.returncode != 0
            assert "Etrn command rejected: Access denied" in found.stdout + found.stderr
