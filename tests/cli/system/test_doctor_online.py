"""Doctor's questions to a real socket: the smarthost's login and ETRN, through the real ESMTP client."""

import ssl
from pathlib import Path

import pytest

from dialpost.core.config.model import Config, EtrnConfig, OutboundConfig, StationConfig, TlsMode, TlsVerify
from dialpost.core.findings import Finding, Severity
from dialpost.core.mail.accounts import Directory
from dialpost.core.mail.mx import MxRecord
from dialpost.edge.mail.certificate import ensure_pair, server_context
from dialpost.edge.mail.smtp_client import SmtpClient
from dialpost.edge.system.card.probe import CardProbe
from dialpost.flow.system.doctor import Doctor, Station
from smtp_model import ModelServer
from smtp_peer import Peer

OFFERS = ("PIPELINING", "ETRN", "AUTH PLAIN LOGIN")


class Names:
    async def mx(self, domain: str) -> tuple[MxRecord]:
        return (MxRecord(10, "mail.clinic.example"),)

    async def addresses(self, host: str) -> tuple[str]:
        return ("127.0.0.1",)

    addresses_in_dns = addresses


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return server_context(ensure_pair(tmp_path_factory.mktemp("tls") / "tls", ("mail.example",)))


def provider(tls: ssl.SSLContext, offers: tuple[str, ...] = OFFERS, **answers: str) -> Peer:
    usual = {"AUTH": "235 welcome", "ETRN": "250 started"}
    return Peer(
        ModelServer(offers, answers=lambda verb, argument, n: (usual | answers).get(verb)), tls=tls, implicit=True
    )


def config(port: int, verify: TlsVerify = TlsVerify.NONE) -> Config:
    return Config(
        station=StationConfig("mail.clinic.example", ("clinic.example",)),
        outbound=OutboundConfig(
            smarthost="mail.example",
            port=port,
            tls=TlsMode.IMPLICIT,
            tls_verify=verify,
            user="clinic",
            password="s3cret",
        ),
        etrn=EtrnConfig(port=port, tls=TlsMode.IMPLICIT, tls_verify=TlsVerify.NONE),
    )


async def greets(door: str) -> str:
    return ""


async def world(settings: Config) -> list[Finding]:
    """The findings on smarthost and ETRN."""
    station = Station(
        config_path="f",
        config_remarks=(),
        card=CardProbe(Path("/tmp")),
        directory=lambda: (Directory({}, {}, ("clinic.example",)), ""),
        certificate=lambda: None,
        daemon=lambda: None,
        knock=greets,
        clock=lambda: (2, 1, "now"),
    )
    found = [each async for each in Doctor(settings, station, Names(), SmtpClient()).examine(online=True)]
    assert "s3cret" not in repr(found)
    return [each for each in found if each.subject in {"smarthost", "ETRN"}]


async def test_a_provider_that_welcomes_us(tls: ssl.SSLContext) -> None:
    peer = provider(tls)
    async with peer.serving() as target:
        smarthost, etrn = await world(config(target.port))
        await peer.quiet()
    assert (smarthost.severity, etrn.severity) == (Severity.OK, Severity.OK), (smarthost, etrn)
    assert smarthost.what == f"mail.example, port {target.port} would take mail, logged in as clinic; TLSv1.3"
    assert etrn.what == f"clinic.example: 250 started (mail.example, port {target.port})"
    assert peer.model.delivered == []
    verbs = [command.split()[0] for command in peer.model.commands if not command.startswith("EHLO")]
    assert sorted(verbs) == ["AUTH", "ETRN", "QUIT", "QUIT"]


@pytest.mark.parametrize(
    ("offers", "answers", "in_smarthost", "in_etrn"),
    [
        (OFFERS, {"AUTH": "535 5.7.8 who are you"}, "535 5.7.8 who are you", None),
        (OFFERS[:2], {}, "log", None),
        (OFFERS, {"ETRN": "459 not for you"}, None, "459 not for you"),
        (OFFERS, {"ETRN": "458 try later"}, None, "458 try later"),
        (("PIPELINING", "AUTH PLAIN"), {"ETRN": "502 what"}, None, "502 what"),
        (OFFERS, {"": "554 go away"}, "554 go away", "554 go away"),
    ],
)
async def test_in_the_provider_s_own_words(
    tls: ssl.SSLContext,
    offers: tuple[str, ...],
    answers: dict[str, str],
    in_smarthost: str | None,
    in_etrn: str | None,
) -> None:
    async with provider(tls, offers, **answers).serving() as target:
        smarthost, etrn = await world(config(target.port))
    for finding, words in ((smarthost, in_smarthost), (etrn, in_etrn)):
        assert finding.severity is (Severity.FAULT if words else Severity.OK), finding
        assert (words or "") in finding.what
        assert bool(finding.advice) is bool(words)


async def test_a_certificate_nobody_vouches_for(tls: ssl.SSLContext) -> None:
    async with provider(tls).serving() as target:
        smarthost, etrn = await world(config(target.port, TlsVerify.FULL))
    assert smarthost.severity is Severity.FAULT and "certificate" in smarthost.what
    assert "outbound.tls_verify" in smarthost.advice
    assert etrn.severity is Severity.OK


async def test_nobody_there(unused_tcp_port: int) -> None:
    smarthost, etrn = await world(config(unused_tcp_port))
    assert (smarthost.severity, etrn.severity) == (Severity.FAULT, Severity.FAULT)
    assert "no connection" in smarthost.what and "no connection" in etrn.what
