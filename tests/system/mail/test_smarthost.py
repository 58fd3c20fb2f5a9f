"""A smarthost that wants TLS and a login: Exim, with a certificate of the test's own authority."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rig.clients import send
from rig.mailboxes import arrived, maildir_files
from rig.needs import needs
from rig.processes import eventually
from rig.servers.certificates import Authority, Certificate
from rig.servers.exim import Exim, Login
from rig.station import DOMAIN, Station

pytestmark = [pytest.mark.system, needs("exim", commands=("openssl",))]

NAME = "localhost"  # what the station calls the smarthost; it resolves without any name server
LOGIN = Login("station@provider.example", "pass word:with $igns")


class World:
    """The authority, and a smarthost with a certificate of it."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.authority = Authority(work / "ca")
        self.certificate = self.authority.issue(NAME)

    def smarthost(self, *, certificate: Certificate | None = None, login: Login = LOGIN) -> Exim:
        return Exim(self.work / "smarthost", certificate=certificate or self.certificate, login=login)

    def station(
        self, server: Exim, *, trust: Path | None = None, implicit: bool = False, **outbound: Any
    ) -> Station:
        settings = {
            "outbound": {
                "smarthost": NAME,
                "port": server.implicit_port if implicit else server.port,
                "tls": "implicit" if implicit else "starttls",
                "tls_verify": "full",
                "user": LOGIN.user,
                "password": LOGIN.password,
                **outbound,
            },
            "etrn": {"use": "never"},
        }
        trusted = str(trust or self.authority.certificate)
        return Station(self.work / "station", settings=settings, env={"SSL_CERT_FILE": trusted})


@pytest.fixture
def world(work: Path) -> Iterator[World]:
    yield World(work)


def queue_one(station: Station) -> list[str]:
    station.add_account("anna")
    return send(station.port, f"anna@{DOMAIN}", ["friend@world.example"], prefix="out")


def assert_it_went(station: Station, server: Exim) -> None:
    ids = queue_one(station)
    call = station.call()
    assert call.returncode == 0, call.stdout + call.stderr + station.log_text() + server.log_text()
    eventually(lambda: maildir_files(server.maildir("world.example")))
    assert arrived(server.maildir("world.example")) == ids
    assert station.waiting()["waiting_remote"] == 0


def assert_it_waits(station: Station, server: Exim, *, said: str) -> None:
    """Nothing left, nothing bounced, nothing secret was said, and the operator reads why."""
    queue_one(station)
    station.call()
    assert maildir_files(server.maildir("world.example")) == []
    assert maildir_files(station.maildir("anna")) == []
    assert station.waiting()["waiting_remote"] == 1
    assert said.lower() in station.cli("trace", f"anna@{DOMAIN}").lower()
    assert said.lower() in station.log_text().lower()
    assert LOGIN.password not in station.log_text()


@pytest.mark.parametrize("implicit", [False, True], ids=["STARTTLS", "implicit TLS"])
def test_login_over_verified_tls(world: World, implicit: bool) -> None:
    with world.smarthost() as server, world.station(server, implicit=implicit) as station:
        assert_it_went(station, server)
        assert "A=" in server.log_text()  # Exim's word for an authenticated sender


@pytest.mark.parametrize("mechanism", ["plain", "login", "cram_md5"])
def test_each_way_of_logging_in(world: World, mechanism: str) -> None:
    only = Login(LOGIN.user, LOGIN.password, (mechanism,))
    with world.smarthost(login=only) as server, world.station(server) as station:
        assert_it_went(station, server)
        assert f"A={mechanism}:" in server.log_text()


def test_a_mechanism_asked_for_is_the_one_used(world: World) -> None:
    with world.smarthost() as server, world.station(server, auth="login") as station:
        assert_it_went(station, server)
        assert "A=login:" in server.log_text()


def test_an_unknown_authority_is_not_trusted(world: World) -> None:
    other = Authority(world.work / "other-ca", "Another authority")
    with world.smarthost() as server, world.station(server, trust=other.certificate) as station:
        assert_it_waits(station, server, said="certificate")


def test_a_certificate_for_another_name_is_not_trusted(world: World) -> None:
    wrong = world.authority.issue("smtp.elsewhere.example")
    with world.smarthost(certificate=wrong) as server, world.station(server) as station:
        assert_it_waits(station, server, said="certificate")


def test_ca_only_takes_another_name(world: World) -> None:
    wrong = world.authority.issue("smtp.elsewhere.example")
    with (
        world.smarthost(certificate=wrong) as server,
        world.station(server, tls_verify="ca-only") as station,
    ):
        assert_it_went(station, server)


def fingerprint_of(certificate: Certificate) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.certificate.read_text())).hexdigest()


def test_a_pinned_certificate(world: World) -> None:
    other = Authority(world.work / "other-ca", "Another authority")
    pinned = fingerprint_of(world.certificate)
    with (
        world.smarthost() as server,
        world.station(server, trust=other.certificate, tls_verify="fingerprint", tls_fingerprint=pinned) as station,
    ):
        assert_it_went(station, server)


def test_another_certificate_than_the_pinned_one(world: World) -> None:
    pinned = fingerprint_of(world.authority.issue("smtp.elsewhere.example"))
    with (
        world.smarthost() as server,
        world.station(server, tls_verify="fingerprint", tls_fingerprint=pinned) as station,
    ):
        assert_it_waits(station, server, said="certificate")


def test_a_wrong_password_keeps_the_mail_and_says_so(world: World) -> None:
    with world.smarthost() as server, world.station(server, password="wrong one") as station:
        assert_it_waits(station, server, said="Incorrect authentication data")
        assert "wrong one" not in station.log_text()


def test_tls_wanted_but_not_offered_sends_nothing(world: World) -> None:
    with (
        Exim(world.work / "plain") as server,
        Station(
            world.work / "station",
            settings={
                "outbound": {
                    "smarthost": NAME,
                    "port": server.port,
                    "tls": "starttls",
                    "user": LOGIN.user,
                    "password": LOGIN.password,
                },
                "etrn": {"use": "never"},
            },
        ) as station,
    ):
        assert_it_waits(station, server, said="STARTTLS")
