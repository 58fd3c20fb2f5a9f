"""Doctor as a whole: every subject is looked at, one that fails does not stop the rest, off line means off line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Never

import pytest

from dialpost.core.config.model import (
    AtrnConfig,
    Config,
    EtrnConfig,
    EtrnUse,
    LinkConfig,
    LinkKind,
    OutboundConfig,
    RouteConfig,
    ScheduleConfig,
    ScheduleEntry,
    StationConfig,
    Via,
)
from dialpost.core.control.station import CardUse
from dialpost.core.errors import (
    ControlError,
    DamagedError,
    DialpostError,
    ReadOnlyError,
    StorageError,
    StorageFullError,
)
from dialpost.core.findings import Finding, Severity, exit_status
from dialpost.core.mail.accounts import Account, Directory
from dialpost.core.mail.certificate import CertificateFacts
from dialpost.core.mail.mx import AddressAnswer, MxRecord, NoSuchName
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.smtp_target import ConnectSettings, EtrnDialogue, HostTarget, SessionEnd, SessionFate
from dialpost.core.system.card_wear import CardWear
from dialpost.flow.system.doctor import OFFLINE, Doctor, Running, Station

OK, SKIPPED, WARNING, FAULT = Severity.OK, Severity.SKIPPED, Severity.WARNING, Severity.FAULT
HOST, DOMAIN, PROVIDER = "mail.clinic.example", "clinic.example", "smtp.provider.example"
CONFIG = Config(
    station=StationConfig(HOST, (DOMAIN,)),
    outbound=OutboundConfig(smarthost=PROVIDER, user="clinic", password="secret"),
    link=LinkConfig(LinkKind.DIALUP_GATEWAY),
    schedule=ScheduleConfig((ScheduleEntry(at=("07:00",)),)),
)
NOW_S = 2_000_000_000
USE = CardUse(seconds=86_400, messages=1000, written_bytes=10**7, flushes=1000, card_bytes=16 * 10**9)


class FakeCard:
    def free_bytes(self) -> int:
        return 10**10

    def durable_write_s(self) -> float:
        return 0.01

    def wear(self) -> CardWear:
        return CardWear(5 * 10**9)

    def set_aside(self) -> tuple[Any, ...]:
        return ()

    def mailboxes(self) -> dict[str, int]:
        return {"anna": 3}


class FakeNames:
    def __init__(self) -> None:
        self.asked: list[object] = []

    async def mx(self, domain: str) -> tuple[MxRecord, MxRecord]:
        self.asked.append(domain)
        return (MxRecord(10, HOST), MxRecord(20, PROVIDER))

    async def addresses(self, host: str) -> tuple[str] | NoSuchName:
        self.asked.append(host)
        if host == HOST:
            return ("127.0.1.1",)  # /etc/hosts, on the station itself
        return NoSuchName(host) if host == "gone.example" else ("192.0.2.7",)

    async def addresses_in_dns(self, host: str) -> AddressAnswer:
        self.asked.append(host)
        return NoSuchName(host) if host == "gone.example" else ("192.0.2.7",)


class FakeServers:
    """The provider's host: `end` is how a session there goes, `dialogue` what ETRN brings."""

    def __init__(self) -> None:
        self.end = SessionEnd(SessionFate.DONE, "", ready=True, address="192.0.2.7", tls="TLSv1.3")
        self.dialogue = EtrnDialogue(((DOMAIN, Reply(250, ("queueing started",))),), None, True)
        self.reached: list[object] = []

    async def send(
        self,
        target: HostTarget,
        settings: ConnectSettings,
        next_message: Callable[..., Any],
        on_outcome: Callable[..., Any],
    ) -> SessionEnd:
        self.reached.append((target.host, target.port, settings.user))
        assert await next_message() is None
        return self.end

    async def etrn(self, target: HostTarget, settings: ConnectSettings, names: Sequence[str]) -> EtrnDialogue:
        self.reached.append((target.host, target.port, tuple(names)))
        return self.dialogue


async def no_fault(door: str) -> str:
    return ""


def station(**changes: Any) -> Station:
    directory = Directory.from_config(CONFIG, {"anna": Account("anna")}, {})
    values: dict[str, Any] = {
        "config_path": "/etc/dialpost.toml",
        "config_remarks": (),
        "card": FakeCard(),
        "directory": lambda: (directory, ""),
        "certificate": lambda: CertificateFacts((HOST, DOMAIN), 0, 2 * NOW_S, True, "ab"),
        "daemon": lambda: Running((), ("smtp 127.0.0.1:25",), USE),
        "knock": no_fault,
        "clock": lambda: (NOW_S, NOW_S - 1, "2033"),
    }
    return Station(**(values | changes))


async def examine(
    config: Config = CONFIG,
    *,
    online: bool,
    servers: FakeServers | None = None,
    names: FakeNames | None = None,
    **changes: Any,
) -> list[Finding]:
    doctor = Doctor(config, station(**changes), names or FakeNames(), servers or FakeServers())
    return [finding async for finding in doctor.examine(online=online)]


def brief(found: list[Finding]) -> list[tuple[str, Severity]]:
    return [(finding.subject, finding.severity) for finding in found]


def raising(error: DialpostError) -> Callable[..., Any]:
    def fails() -> Never:
        raise error

    return fails


HERE = [
    ("configuration", OK),
    ("host name", OK),
    ("mail for the world", OK),
    ("clock", OK),
    ("card", OK),
    ("card", OK),
    ("card", OK),
    ("set aside", OK),
    ("accounts", OK),
    ("certificate", OK),
    ("daemon", OK),
    ("card", OK),
    ("doors", OK),
]


async def test_off_line_nothing_is_asked_of_the_world() -> None:
    names, servers = FakeNames(), FakeServers()
    found = await examine(online=False, names=names, servers=servers)
    assert brief(found) == [*HERE, ("DNS", SKIPPED), ("smarthost", SKIPPED), ("ETRN", SKIPPED)]
    assert [finding.what for finding in found[-3:]] == [OFFLINE] * 3
    assert (names.asked, servers.reached, exit_status(found)) == ([], [], 0)


async def test_on_line_all_is_well() -> None:
    names, servers = FakeNames(), FakeServers()
    found = await examine(online=True, names=names, servers=servers)
    assert brief(found) == [
        *HERE,
        ("host name", OK),
        ("domain clinic.example", OK),
        ("smarthost", OK),
        ("ETRN", OK),
    ]
    assert servers.reached == [(PROVIDER, 587, "clinic"), (PROVIDER, 25, (DOMAIN,))]
    assert found[-2].what == f"{PROVIDER}, port 587 would take mail, logged in as clinic; TLSv1.3"
    assert found[-1].what == f"{DOMAIN}: 250 queueing started ({PROVIDER}, port 25)"
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    ("end", "advice"),
    [
        (SessionEnd(SessionFate.NEEDS_OPERATOR, "535 no such user"), "outbound.password"),
        (SessionEnd(SessionFate.UNREACHABLE, "no answer"), "outbound.smarthost and outbound.port"),
        (SessionEnd(SessionFate.LOST, "closed"), "465: implicit"),
        (SessionEnd(SessionFate.CLOSED, "421 later"), "Try again later"),
        (SessionEnd(SessionFate.NOT_SERVED, "554 no"), "ask the provider"),
    ],
)
async def test_a_smarthost_that_will_not(end: SessionEnd, advice: str) -> None:
    servers = FakeServers()
    servers.end = end
    found = [finding for finding in await examine(online=True, servers=servers) if finding.subject == "smarthost"]
    assert brief(found) == [("smarthost", FAULT)]
    assert end.reason in found[0].what and advice in found[0].advice


@pytest.mark.parametrize("is_trusted", [True, False])
async def test_what_a_test_with_tls_says_of_a_trusted_line(is_trusted: bool) -> None:
    """The station neither needs STARTTLS there nor logs in as the test does: neither result is the last word."""
    modem = replace(CONFIG, link=LinkConfig(LinkKind.MODEM))
    config = replace(modem, ppp=replace(modem.ppp, trusted_line=is_trusted))
    servers = FakeServers()
    (fine,) = [one for one in await examine(config, online=True, servers=servers) if one.subject == "smarthost"]
    servers.end = SessionEnd(SessionFate.NEEDS_OPERATOR, "the server does not offer STARTTLS")
    (bad,) = [one for one in await examine(config, online=True, servers=servers) if one.subject == "smarthost"]
    assert (fine.severity, bad.severity) == (OK, FAULT)
    assert ("station uses no TLS" in fine.what, "station uses no TLS" in bad.advice) == (is_trusted, is_trusted)
    assert ("outbound.tls_verify" in bad.advice) is not is_trusted


async def test_etrn_refused_in_the_provider_s_words() -> None:
    servers = FakeServers()
    servers.dialogue = EtrnDialogue(((DOMAIN, Reply(500, ("What is ETRN?",))),), None, False)
    (found,) = [finding for finding in await examine(online=True, servers=servers) if finding.subject == "ETRN"]
    assert found.severity is FAULT and "500 What is ETRN?" in found.what and "does not support ETRN" in found.advice


async def test_the_login_at_the_atrn_host_is_tried_without_taking_its_mail() -> None:
    config = replace(CONFIG, atrn=AtrnConfig(host="atrn.example", port=386, user="clinic", password="p"))
    assert brief(await examine(config, online=False))[-1] == ("ATRN", SKIPPED)
    servers = FakeServers()
    (found,) = [one for one in await examine(config, online=True, servers=servers) if one.subject == "ATRN"]
    assert found.severity is OK and "atrn.example, port 386 lets clinic in; TLSv1.3" in found.what
    assert ("atrn.example", 386, "clinic") in servers.reached
    for fate, advice in (
        (SessionFate.UNREACHABLE, "atrn.port"),
        (SessionFate.LOGIN_REFUSED, "atrn.user and atrn.password"),
        (SessionFate.CLOSED, "Try again later"),
    ):
        servers.end = SessionEnd(fate, "the reason")
        (found,) = [one for one in await examine(config, online=True, servers=servers) if one.subject == "ATRN"]
        assert found.severity is FAULT and "the reason" in found.what and advice in found.advice
    gone = replace(config, atrn=replace(config.atrn, host="gone.example"))
    (found,) = [one for one in await examine(gone, online=True) if one.subject == "ATRN"]
    assert found.severity is FAULT and "atrn.host" in found.advice


async def test_every_smarthost_of_a_route_is_tried_once() -> None:
    route = RouteConfig(domains=("a.example", ".b.example"), host="gone.example")
    same = RouteConfig(domains=("c.example",), host="")
    config = replace(CONFIG, outbound=replace(CONFIG.outbound, route=(route, same, replace(route, via=Via.MX))))
    servers = FakeServers()
    found = [
        finding for finding in await examine(config, online=True, servers=servers) if finding.subject == "smarthost"
    ]
    assert [(finding.severity, "gone.example is not in DNS" in finding.what) for finding in found] == [
        (OK, False),
        (FAULT, True),
    ]


async def test_without_etrn_and_smarthost_neither_is_asked() -> None:
    config = replace(CONFIG, outbound=OutboundConfig(via=Via.MX), etrn=EtrnConfig(EtrnUse.NEVER))
    servers = FakeServers()
    assert brief(await examine(config, online=False))[-2:] == [("DNS", SKIPPED), ("ETRN", SKIPPED)]
    await examine(config, online=True, servers=servers)
    assert servers.reached == []


async def test_one_thing_that_fails_does_not_stop_the_rest() -> None:
    class BrokenCard(FakeCard):
        def durable_write_s(self) -> Never:
            raise StorageError("/data can't be used: Read-only file system.")

    found = await examine(
        online=False,
        card=BrokenCard(),
        directory=raising(DamagedError("accounts.toml can't be read")),
        certificate=raising(StorageError("no key")),
        daemon=raising(ControlError("not allowed")),
    )
    assert brief(found) == [
        ("configuration", OK),
        ("host name", OK),
        ("mail for the world", OK),
        ("clock", OK),
        ("card", FAULT),
        ("set aside", OK),
        ("accounts", FAULT),
        ("certificate", FAULT),
        ("daemon", FAULT),
        ("DNS", SKIPPED),
        ("smarthost", SKIPPED),
        ("ETRN", SKIPPED),
    ]
    assert [finding.what for finding in found if finding.severity is FAULT] == [
        "/data can't be used: Read-only file system.",
        "accounts.toml can't be read",
        "no key",
        "not allowed",
    ]


async def test_a_card_that_takes_no_write_gets_advice_that_helps() -> None:
    """A restart neither ends a write protection nor repairs a file system."""
    for error, words in (
        (ReadOnlyError("/data can't be used: the card is read-only"), "switch for write protection"),
        (StorageFullError("/data can't be used: the card is full"), "delete mail"),
    ):
        card = FakeCard()
        card.durable_write_s = raising(error)  # type: ignore[method-assign]
        (found,) = [one for one in await examine(online=False, card=card) if one.severity is FAULT]
        assert found.what == str(error)
        assert words in found.advice and "The station makes the folder" not in found.advice


async def test_every_check_that_could_not_be_made_says_what_to_do_next() -> None:
    class LostCard(FakeCard):
        def free_bytes(self) -> Never:
            raise StorageError("/data can't be used: No such file or directory.")

        set_aside = free_bytes

    found = await examine(
        online=False,
        card=LostCard(),
        directory=raising(DamagedError("accounts.toml is damaged")),
        certificate=raising(StorageError("no key")),
        daemon=raising(ControlError("not allowed")),
    )
    faults = [finding for finding in found if finding.severity is FAULT]
    assert [finding.subject for finding in faults] == ["card", "set aside", "accounts", "certificate", "daemon"]
    assert all("`" in finding.advice for finding in faults)
    assert "`reboot` at the console" in faults[0].advice


async def test_the_daemon() -> None:
    async def silent(door: str) -> str:
        return "no greeting within 15 s"

    stopped = await examine(online=False, daemon=lambda: None, certificate=lambda: None)
    assert brief(stopped)[9:11] == [("certificate", SKIPPED), ("daemon", FAULT)]
    running = await examine(
        online=False, daemon=lambda: Running(("Look here.",), ("smtp a:1", "smtp b:2"), None), knock=silent
    )
    assert [(finding.severity, finding.what) for finding in running[10:14]] == [
        (WARNING, "Look here."),
        (
            SKIPPED,
            "what mail costs it is unknown: the station is stopped, or the kernel counts no writes for its folder",
        ),
        (FAULT, "smtp a:1: no greeting within 15 s"),
        (FAULT, "smtp b:2: no greeting within 15 s"),
    ]


async def test_a_repaired_accounts_file_is_reported() -> None:
    directory = Directory.from_config(CONFIG, {"anna": Account("anna")}, {})
    found = await examine(online=False, directory=lambda: (directory, "accounts.toml is damaged"))
    assert [finding.severity for finding in found if finding.subject == "accounts"] == [WARNING, OK]
