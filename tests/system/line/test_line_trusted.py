"""TLS on the dialled line, both answers of the owner, with real pppd and real Postfix and Exim as the provider."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from rig.line.exchange import Exchange
from rig.line.places import STATION_ADDRESS
from rig.needs import needs_guests
from rig.servers.certificates import Authority, Certificate
from rig.servers.exim import Login, config_text
from rig.station import DOMAIN, Settings

from dialpost.sim.telephone_line import TelephoneSettings

pytestmark = [pytest.mark.system, needs_guests("line", "line-exim")]

_QUICK = TelephoneSettings(rate_bps=115_200, rtt_s=0.05, dial_s=0.3)
_SMALL = [(2000, 4)]
_PASSWORD = "of the mail host 7"
_LOGIN = {"user": "clinic", "password": _PASSWORD}
_PEM, _KEY = "/etc/exim4/provider.pem", "/etc/exim4/provider.key"
"""Readable by Exim's user."""
_LOGLEVELS = {"smtp_tls_loglevel": "2", "smtpd_tls_loglevel": "2"}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Authority(tmp_path_factory.mktemp("authority")).issue("mail.provider.example")


def settings(*, trusted: bool, **outbound: object) -> Settings:
    """As the wizard leaves it, apart from the owner's answer."""
    return {
        "outbound": {"tls": "opportunistic", **outbound},
        "etrn": {"tls": "opportunistic"},
        "ppp": {"trusted_line": trusted},
    }


def exim(certificate: Certificate, login: Login | None = None) -> dict[str, str]:
    """The files of an Exim that offers STARTTLS, and its logins in clear too, as old providers do."""
    config = config_text(
        directory="/var/exim",
        hostname="mail.provider.example",
        station_domains=(DOMAIN,),
        station_at=(STATION_ADDRESS, 25),
        listen_on="0.0.0.0",
        ports=(25, 465),
        relay_hosts="127.0.0.0/8 : 10.64.0.0/16",
        etrn_names="/etc/exim4/etrn-names",
        certificate=Certificate(Path(_PEM), Path(_KEY)),
        login=login,
    )
    lines = [line for line in config.splitlines() if not line.startswith("auth_advertise_hosts")]
    return {
        "/etc/exim4/exim4.conf": "\n".join(lines),
        _PEM: certificate.certificate.read_text(),
        _KEY: certificate.key.read_text(),
    }


def one_call(exchange: Exchange, *, prefix: str = "", number: int = 1) -> dict[str, Any]:
    exchange.load(_SMALL, _SMALL, prefix=prefix)
    status, said = exchange.station.call()
    assert status == 0, f"{said}\n{exchange.story()}"
    exchange.check_all_is_across()
    record = exchange.station.calls()[0]
    assert (record["sent"], record["received"]) == (4, 4)
    return record


def ciphers(log: str) -> tuple[list[str], list[str]]:
    """How Exim's main log says that mail came from the station, and went to it: the ciphers, "" = in clear."""

    def of(arrow: str) -> list[str]:
        lines = [line for line in log.splitlines() if f" {arrow} " in line and "[10.64.0.2]" in line]
        return [found[1] if (found := re.search(r" X=(\S+)", line)) else "" for line in lines]

    return of("<="), of("=>")


@pytest.mark.parametrize("trusted", [False, True])
def test_exim_takes_tls_where_it_is_offered_and_on_a_trusted_line_it_is_not(
    work: Path, certificate: Certificate, trusted: bool
) -> None:
    made = settings(trusted=trusted)
    with Exchange(work, line=_QUICK, kind="exim", settings=made, files=exim(certificate)) as exchange:
        one_call(exchange)
        log = exchange.provider.mail_log()
        from_station, to_station = ciphers(log)
    assert (len(from_station), len(to_station)) == (4, 4)
    is_encrypted = {bool(cipher) for cipher in (*from_station, *to_station)}
    assert is_encrypted == {not trusted}, log


def test_on_a_trusted_line_the_password_goes_as_a_digest(work: Path, certificate: Certificate) -> None:
    login = Login("clinic", _PASSWORD)
    made = settings(trusted=True, **_LOGIN)
    with Exchange(work, line=_QUICK, kind="exim", settings=made, files=exim(certificate, login)) as exchange:
        one_call(exchange)
        log = exchange.provider.mail_log()
        said = exchange.station.log("dialpost")
    lines = [line for line in log.splitlines() if " <= " in line and "[10.64.0.2]" in line]
    assert len(lines) == 4 and all(" A=cram_md5:clinic " in line and " X=" not in line for line in lines)
    assert _PASSWORD not in said


def test_a_host_that_wants_the_password_itself_gets_nothing_and_the_operator_reads_why(
    work: Path, certificate: Certificate
) -> None:
    login = Login("clinic", _PASSWORD, ("plain", "login"))
    made = settings(trusted=True, auth="plain", clear_password=True, **_LOGIN)
    with Exchange(work, line=_QUICK, kind="exim", settings=made, files=exim(certificate, login)) as exchange:
        exchange.load([], _SMALL)
        exchange.station.call()
        assert exchange.station.waiting() == 4
        _, shown = exchange.station.run_cli("status")
        _, checked = exchange.station.run_cli("config", "check")
        log = exchange.provider.mail_log()
    assert "Set ppp.trusted_line to false" in " ".join(shown.split())
    assert "outbound.clear_password has no effect on a trusted line" in " ".join(checked.split())
    assert "A=plain" not in log and "[10.64.0.2]" not in "".join(
        line for line in log.splitlines() if " <= " in line
    )


def test_postfix_in_clear_on_a_trusted_line(work: Path, certificate: Certificate) -> None:
    with Exchange(
        work, line=_QUICK, settings=settings(trusted=True), main=_LOGLEVELS, certificate=certificate
    ) as exchange:
        one_call(exchange)
        log = exchange.provider.mail_log()
    assert "TLS connection established" not in log and "setting up TLS connection" not in log


def test_where_the_line_is_not_trusted_sessions_are_resumed_from_call_to_call(
    work: Path, certificate: Certificate
) -> None:
    """Both ways round: by the station's client at Postfix, and by Postfix's client at the station."""
    made = settings(trusted=False)
    with Exchange(work, line=_QUICK, settings=made, main=_LOGLEVELS, certificate=certificate) as exchange:
        first = one_call(exchange, prefix="-1")["tls"]
        before = exchange.provider.mail_log()
        second = one_call(exchange, prefix="-2")["tls"]
        log = exchange.provider.mail_log().removeprefix(before)
        shown = exchange.station.cli("call", "show")
        forecast = exchange.station.cli("call", "forecast")
    assert first["handshakes"] >= 3 and second["resumed"] >= 2, f"{first} {second}"
    assert second["bytes"] / second["handshakes"] < first["bytes"] / first["handshakes"]
    resumed = [line for line in log.splitlines() if "Reusing old session" in line or "re-using session" in line]
    assert any("postfix/smtpd" in line for line in resumed), log
    assert any("postfix/smtp[" in line for line in resumed), log
    sessions = [line for line in log.splitlines() if "disconnect from" in line and "[10.64.0.2]" in line]
    assert any(" etrn=1 " in line and " mail=4 " in line for line in sessions), sessions
    assert f"TLS: {second['handshakes']} handshakes ({second['resumed']} resumed)" in shown
    assert "encrypted mail can't be compressed" in shown
    assert "for TLS" in forecast or first["bytes"] < 4000, forecast
