"""What the answers make of a configuration."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cases import cases
from dialpost.core.config.check import faults
from dialpost.core.config.model import (
    Config,
    EtrnConfig,
    EtrnUse,
    LanConfig,
    LanMethod,
    LinkConfig,
    LinkKind,
    ModemConfig,
    OutboundConfig,
    PortFlow,
    ScheduleConfig,
    ScheduleEntry,
    StationConfig,
    TlsMode,
)
from dialpost.core.console.wizard.draft import KEEP, NONE, OTHER, SAME, Draft, check_key
from dialpost.core.console.wizard.facts import Facts, PortOffer

FACTS = Facts(
    ports=(
        PortOffer("/dev/ttyS0", "a modem", "courier", 57_600, PortFlow.XONXOFF),
        PortOffer("/dev/ttyS1", "nothing answers"),
    ),
    accounts=("carl",),
)
BASE = replace(
    Config(),
    station=StationConfig(hostname="mx.a.example", domains=("a.example", "b.example"), postmaster="carl"),
    link=LinkConfig(kind=LinkKind.MODEM),
)


def made(base: Config = BASE, /, **answers: str) -> Config:
    return Draft(FACTS, base, answers).config()


@cases(
    ("answers", "hostname", "domains", "postmaster"),
    [
        ({}, "mx.a.example", ("a.example", "b.example"), "carl"),
        ({"domain": "a.example"}, "mx.a.example", ("a.example", "b.example"), "carl"),
        ({"domain": "b.example"}, "mx.a.example", ("b.example",), "carl"),
        ({"domain": "c.example"}, "mail.c.example", ("c.example", "b.example"), "carl"),
        ({"domain": "c.example", "hostname": "x.example"}, "x.example", ("c.example", "b.example"), "carl"),
        ({"user1": "anna"}, "mx.a.example", ("a.example", "b.example"), "carl"),
        ({"user1": "anna", "postmaster": "anna"}, "mx.a.example", ("a.example", "b.example"), "anna"),
        ({"user1": "anna", "postmaster": "gone"}, "mx.a.example", ("a.example", "b.example"), "anna"),
        ({"postmaster": "gone"}, "mx.a.example", ("a.example", "b.example"), "gone"),
    ],
)
def test_the_station(answers: dict[str, str], hostname: str, domains: tuple[str, ...], postmaster: str) -> None:
    station = made(**answers).station
    assert (station.hostname, station.domains, station.postmaster) == (hostname, domains, postmaster)


def test_the_first_user_is_postmaster_where_nobody_is() -> None:
    bare = replace(BASE, station=StationConfig(hostname="mx.a.example", domains=("a.example",)))
    assert made(bare, user1="anna", user2="bruno").station.postmaster == "anna"
    assert made(bare).station.postmaster == ""


def test_users_end_at_the_first_gap() -> None:
    draft = Draft(FACTS, BASE, {"user1": "anna", "user2": "bruno", "user4": "dora"})
    assert draft.users == ("anna", "bruno")
    assert Draft(FACTS, BASE, {f"user{number}": f"u{number}" for number in range(1, 30)}).users[-1] == "u20"


@pytest.mark.parametrize(
    ("answers", "profile", "speed_bps", "flow"),
    [
        ({"port": "/dev/ttyS0"}, "courier", 57_600, PortFlow.XONXOFF),
        ({"port": "/dev/ttyS0", "profile": "hayes"}, "hayes", 0, PortFlow.PROFILE),
        ({"port": "/dev/ttyS1"}, "zyxel", 0, PortFlow.PROFILE),
        ({"port": "/dev/ttyS9"}, "zyxel", 0, PortFlow.PROFILE),
    ],
)
def test_what_answered_at_the_port_is_taken_unless_another_was_named(
    answers: dict[str, str], profile: str, speed_bps: int, flow: PortFlow
) -> None:
    base = replace(BASE, modem=ModemConfig(profile="zyxel", speed_bps=0))
    modem = made(base, **answers).modem
    assert (modem.profile, modem.speed_bps, modem.flow_control) == (profile, speed_bps, flow)


def test_the_first_number_is_replaced_and_the_others_stay() -> None:
    base = replace(BASE, modem=ModemConfig(numbers=("1", "2", "3")))
    assert made(base, number="9").modem.numbers == ("9", "2", "3")
    assert made(base).modem.numbers == ("1", "2", "3")
    gateway = replace(base, link=LinkConfig(kind=LinkKind.GATEWAY))
    assert made(gateway, number="9", port="/dev/ttyS0", ppp_user="u").modem == base.modem
    assert made(gateway, ppp_user="u").ppp.user == base.ppp.user


PLAIN = OutboundConfig(smarthost="m.example", port=26, tls=TlsMode.NONE)
KNOWN = replace(PLAIN, user="old", password="old secret")
TAKEN = {"ppp_user": "clinic", "ppp_password": "dial secret", "mail_user": "anna", "mail_password": "mail secret"}


@cases(
    ("there", "login", "user", "password", "port", "tls"),
    [
        (PLAIN, "", "", "", 26, TlsMode.NONE),
        (PLAIN, NONE, "", "", 26, TlsMode.NONE),  # without a login before: nothing changes
        (OutboundConfig(), NONE, "", "", 25, TlsMode.OPPORTUNISTIC),
        (KNOWN, NONE, "", "", 25, TlsMode.OPPORTUNISTIC),
        (PLAIN, SAME, "clinic", "dial secret", 587, TlsMode.AUTO),
        (PLAIN, OTHER, "anna", "mail secret", 587, TlsMode.AUTO),
        (KNOWN, OTHER, "anna", "mail secret", 26, TlsMode.NONE),
        (KNOWN, "", "old", "old secret", 26, TlsMode.NONE),
    ],
)
def test_the_login_at_the_mail_host(
    there: OutboundConfig, login: str, user: str, password: str, port: int, tls: TlsMode
) -> None:
    outbound = made(replace(BASE, outbound=there), mail_login=login, **TAKEN).outbound
    assert (outbound.user, outbound.password, outbound.port, outbound.tls) == (user, password, port, tls)


@pytest.mark.parametrize("missing", ["mail_user", "mail_password"])
def test_half_a_login_is_none(missing: str) -> None:
    answers = {name: value for name, value in TAKEN.items() if name != missing}
    assert made(replace(BASE, outbound=PLAIN), mail_login=OTHER, **answers).outbound == PLAIN


@pytest.mark.parametrize(
    ("use", "answers", "expected"),
    [
        (EtrnUse.ALWAYS, {}, (EtrnUse.ALWAYS, "e.example")),
        (EtrnUse.ALWAYS, {"etrn_host": NONE}, (EtrnUse.NEVER, "")),
        (EtrnUse.ALWAYS, {"etrn_host": "f.example"}, (EtrnUse.ALWAYS, "f.example")),
        (EtrnUse.NEVER, {"etrn_host": "f.example"}, (EtrnUse.AUTO, "f.example")),
        (EtrnUse.AUTO, {"etrn_host": "m.example"}, (EtrnUse.AUTO, "")),  # the mail host itself
    ],
)
def test_which_host_is_asked_by_etrn(use: EtrnUse, answers: dict[str, str], expected: tuple[EtrnUse, str]) -> None:
    etrn = made(replace(BASE, outbound=PLAIN, etrn=EtrnConfig(use=use, host="e.example")), **answers).etrn
    assert (etrn.use, etrn.host) == expected


FIXED = LanConfig(method=LanMethod.STATIC, address="192.0.2.5/24", gateway="192.0.2.1", dns=("192.0.2.2",))


@pytest.mark.parametrize(
    ("answers", "lan"),
    [
        ({}, FIXED),
        ({"lan": "static"}, FIXED),
        ({"lan": "dhcp"}, replace(FIXED, method=LanMethod.DHCP, address="", gateway="")),
        ({"lan_address": "192.0.2.9/24"}, replace(FIXED, address="192.0.2.9/24")),
        (
            {"lan_address": "192.0.2.9/24", "gateway": "192.0.2.3"},
            replace(FIXED, address="192.0.2.9/24", gateway="192.0.2.3"),
        ),
        ({"lan_address": "192.0.2.5/24", "dns": NONE}, replace(FIXED, dns=())),
        (
            {"lan_address": "192.0.2.5/24", "dns": "192.0.2.7 192.0.2.8"},
            replace(FIXED, dns=("192.0.2.7", "192.0.2.8")),
        ),
    ],
)
def test_the_local_network(answers: dict[str, str], lan: LanConfig) -> None:
    assert made(replace(BASE, lan=FIXED), **answers).lan == lan


@pytest.mark.parametrize(
    ("times", "entries"),
    [
        ("", ("06:00",)),
        (KEEP, ("06:00",)),
        (NONE, None),
        ("07:30", ("07:30",)),
        ("07:30 12:30", ("07:30", "12:30")),
    ],
)
def test_times_of_calls(times: str, entries: tuple[str, ...] | None) -> None:
    base = replace(BASE, schedule=ScheduleConfig(entry=(ScheduleEntry(at=("06:00",)),)))
    entry = made(base, times=times).schedule.entry
    assert entry == ((ScheduleEntry(at=entries),) if entries else ())


def test_an_answer_that_contradicts_the_others_is_refused_and_an_old_fault_is_not_its_fault() -> None:
    fault = "ppp.mtu = 100 is too small"
    broken = Draft(FACTS, replace(BASE, ppp=replace(BASE.ppp, mtu=100)))
    assert [sentence[: len(fault)] for sentence in faults(broken.config())] == [fault]
    assert broken.with_answer("user1", "anna").get("user1") == "anna"
    static = {"lan_address": "192.0.2.5/24"}
    with pytest.raises(ValueError, match="gateway"):
        Draft(FACTS, replace(BASE, lan=FIXED), static).with_answer("gateway", "198.51.100.1")


def test_answers_come_and_go() -> None:
    draft = Draft(FACTS, BASE, {"a": "1", "b": ""})
    assert (draft.get("a"), draft.get("x"), draft.has("b"), draft.has("x")) == ("1", "", True, False)
    assert dict(draft.without(["a", "x"]).answers) == {"b": ""}
    assert "secret" not in repr(Draft(FACTS, BASE, {"ppp_password": "secret"}))
    assert Draft(FACTS, BASE, {"link": "gateway"}).link is LinkKind.GATEWAY
    assert (Draft(FACTS, BASE).is_modem, Draft(FACTS, BASE, {"link": "gateway"}).is_modem) == (True, False)


def test_a_text_is_checked_as_its_key_is_declared() -> None:
    assert check_key("schedule.entry.at", "7:30") == "07:30"
    assert check_key("station.hostname", "MX.A.example") == "mx.a.example"
    assert check_key("link.kind", "Modem") == "modem"
    with pytest.raises(ValueError, match=r"."):
        check_key("station.hostname", "a b")
