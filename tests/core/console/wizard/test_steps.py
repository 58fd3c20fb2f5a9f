"""Which questions are asked, what each offers, and what it takes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cases import cases
from dialpost.core.config.model import (
    Config,
    EtrnConfig,
    InboundConfig,
    LanConfig,
    LanMethod,
    LinkConfig,
    LinkKind,
    MailboxConfig,
    MailboxKind,
    ModemConfig,
    OutboundConfig,
    ScheduleConfig,
    ScheduleEntry,
    StationConfig,
)
from dialpost.core.console.wizard.draft import KEEP, NONE, Draft
from dialpost.core.console.wizard.facts import Choice, Facts, PortOffer, picked
from dialpost.core.console.wizard.line_steps import _country
from dialpost.core.console.wizard.step import Step, by_key
from dialpost.core.console.wizard.steps import steps
from dialpost.core.errors import AccountError
from dialpost.core.line.country import Country, Dialling
from dialpost.core.line.modem.profile import ModemProfile

FACTS = Facts(
    ports=(
        PortOffer("/dev/ttyS0", "silent"),
        PortOffer("/dev/ttyS1", "a modem", "hayes"),
        PortOffer("/dev/ttyS2", "", "gsm"),
    ),
    profiles=(
        ModemProfile("hayes", "A", "x"),
        ModemProfile("gsm", "B", "x", cellular=True, default_numbers=("*99#",)),
    ),
    countries=(
        Country("austria", "Austria", "x", timezone="Europe/Vienna", dialling=Dialling(country_code="43")),
        Country("generic", "Anywhere", "x"),
    ),
    timezones=frozenset({"UTC", "Europe/Vienna", "Europe/Berlin", "America/Port-au-Prince", "Asia/Port_Blair"}),
)
BOX = MailboxConfig("provider", MailboxKind.IMAP, "b.example", user="u", password="p")
MODEM = replace(Config(), link=LinkConfig(kind=LinkKind.MODEM))
GATEWAY = replace(Config(), link=LinkConfig(kind=LinkKind.GATEWAY))


def step(name: str, draft: Draft) -> Step:
    return next(one for one in steps(draft) if one.name == name)


def asked(base: Config = MODEM, facts: Facts = FACTS, /, **answers: str) -> list[str]:
    return [one.name for one in steps(Draft(facts, base, answers))]


def test_a_question_is_asked_where_it_means_something() -> None:
    always = {"domain", "link", "mail_host", "mail_login", "timezone", "lan"}
    for base in (MODEM, GATEWAY):
        assert always <= set(asked(base))
    assert {"port", "number", "country", "ppp_user", "times", "etrn_host", "trusted_line"} <= set(asked())
    assert {"port", "number", "country", "ppp_user", "times", "etrn_host", "trusted_line"}.isdisjoint(
        asked(GATEWAY)
    )
    dialup = replace(Config(), link=LinkConfig(kind=LinkKind.DIALUP_GATEWAY))
    assert {"times", "etrn_host"} <= set(asked(dialup))
    assert {"port", "trusted_line"}.isdisjoint(asked(dialup))


@cases(
    ("answers", "more"),
    [
        ({"port": "/dev/ttyS1"}, set()),
        ({"port": "/dev/ttyS0"}, {"profile"}),
        ({"port": "/dev/ttyS9"}, {"profile"}),
        ({"port": "/dev/ttyS2"}, {"apn", "sim_pin"}),
        ({"port": "/dev/ttyS0", "profile": "gsm"}, {"profile", "apn", "sim_pin"}),
        ({"mail_login": "other"}, {"mail_user", "mail_password"}),
        ({"mail_login": "same"}, set()),
        ({"ppp_user": "clinic"}, {"ppp_password"}),
        ({"lan": "static"}, {"lan_address", "gateway", "dns"}),
        ({"lan": "dhcp"}, set()),
        ({"user1": "anna"}, {"password1", "user2"}),
        ({"user1": "anna", "user2": "bruno"}, {"password1", "user2", "password2", "user3", "postmaster"}),
    ],
)
def test_what_an_answer_makes_necessary(answers: dict[str, str], more: set[str]) -> None:
    assert set(asked(MODEM, FACTS, **answers)) - set(asked()) == more


def test_twenty_users_and_who_has_accounts() -> None:
    many = {f"user{number}": f"u{number}" for number in range(1, 21)}
    assert [name for name in asked(MODEM, FACTS, **many) if name.startswith("user")] == list(many)
    draft = Draft(FACTS, MODEM)
    assert not step("user1", draft).may_be_empty and "first user" in step("user1", draft).help
    later = Draft(replace(FACTS, accounts=("anna",)), MODEM)
    assert step("user1", later).may_be_empty and "Another user" in step("user1", later).help
    assert step("user2", Draft(FACTS, MODEM, {"user1": "anna"})).may_be_empty
    assert "postmaster" in asked(MODEM, replace(FACTS, accounts=("anna", "bruno")))
    assert "postmaster" not in asked(MODEM, replace(FACTS, accounts=("anna",)))
    assert "admin_password" in asked() and "admin_password" not in asked(
        MODEM, replace(FACTS, has_admin_password=True)
    )


@cases(
    ("name", "base", "answers", "default"),
    [
        ("times", MODEM, {}, NONE),
        ("times", replace(MODEM, schedule=ScheduleConfig(entry=(ScheduleEntry(at=("06:00",)),))), {}, KEEP),
        ("timezone", MODEM, {}, "UTC"),
        ("timezone", MODEM, {"country": "austria"}, "Europe/Vienna"),
        (
            "timezone",
            replace(MODEM, schedule=ScheduleConfig(timezone="Asia/Tokyo")),
            {"country": "austria"},
            "Asia/Tokyo",
        ),
        ("etrn_host", MODEM, {"mail_host": "m.example"}, "m.example"),
        ("etrn_host", replace(MODEM, etrn=EtrnConfig(host="e.example")), {}, "e.example"),
        ("etrn_host", replace(MODEM, etrn=EtrnConfig(host="e.example")), {"mail_host": "m.example"}, "e.example"),
        ("inbound", MODEM, {}, "etrn"),
        ("atrn_host", MODEM, {"inbound": "atrn", "mail_host": "m.example"}, "m.example"),
        ("atrn_port", MODEM, {"inbound": "atrn"}, "366"),
        ("box_host", MODEM, {"inbound": "imap"}, ""),
        ("box_host", replace(MODEM, inbound=InboundConfig(mailbox=(BOX,))), {"inbound": "imap"}, "b.example"),
        ("box_user", replace(MODEM, inbound=InboundConfig(mailbox=(BOX,))), {"inbound": "pop3"}, ""),
        ("mail_host", replace(MODEM, outbound=OutboundConfig(smarthost="m.example")), {}, "m.example"),
        ("mail_login", MODEM, {}, NONE),
        (
            "gateway",
            replace(MODEM, lan=LanConfig(method=LanMethod.STATIC, gateway="192.0.2.1")),
            {"lan": "static"},
            "192.0.2.1",
        ),
        ("gateway", MODEM, {"lan": "static"}, NONE),
        ("dns", MODEM, {"lan": "static"}, NONE),
        ("dns", MODEM, {"lan": "static", "gateway": "192.0.2.1"}, "192.0.2.1"),
        (
            "dns",
            replace(MODEM, lan=LanConfig(dns=("192.0.2.2", "192.0.2.3"))),
            {"lan": "static"},
            "192.0.2.2 192.0.2.3",
        ),
        ("lan", MODEM, {}, "dhcp"),
        ("port", MODEM, {}, "/dev/ttyS1"),
        ("port", replace(MODEM, modem=ModemConfig(port="/dev/ttyS5")), {}, "/dev/ttyS5"),
        ("number", MODEM, {"port": "/dev/ttyS2"}, "*99#"),
        ("number", MODEM, {"port": "/dev/ttyS1"}, ""),
        ("number", replace(MODEM, modem=ModemConfig(numbers=("1", "2"))), {"port": "/dev/ttyS2"}, "1"),
        ("country", MODEM, {"number": "+43961"}, "austria"),
        ("country", MODEM, {"number": "0043961"}, "generic"),
        ("apn", MODEM, {"port": "/dev/ttyS2"}, "internet"),
        ("apn", replace(MODEM, modem=ModemConfig(apn="a.example")), {"port": "/dev/ttyS2"}, "a.example"),
        ("domain", replace(MODEM, station=StationConfig(domains=("a.example", "b.example"))), {}, "a.example"),
        ("postmaster", MODEM, {"user1": "anna", "user2": "bruno"}, "anna"),
        (
            "postmaster",
            replace(MODEM, station=StationConfig(postmaster="bruno")),
            {"user1": "anna", "user2": "bruno"},
            "bruno",
        ),
    ],
)
def test_what_enter_takes(name: str, base: Config, answers: dict[str, str], default: str) -> None:
    draft = Draft(FACTS, base, answers)
    assert step(name, draft).default(draft) == default


def test_the_machines_own_time_zone_comes_before_the_countrys() -> None:
    draft = Draft(replace(FACTS, system_timezone="Europe/Berlin"), MODEM, {"country": "austria"})
    assert step("timezone", draft).default(draft) == "Europe/Berlin"
    zone = Draft(replace(FACTS, system_timezone="Europe/Vienna"), MODEM)
    assert step("country", zone).default(zone) == "austria"


@cases(
    ("name", "typed", "taken"),
    [
        ("times", "12:30, 7:30 07:30", "07:30 12:30"),
        ("times", "None", NONE),
        ("timezone", "europe/vienna", "Europe/Vienna"),
        ("etrn_host", "NONE", NONE),
        ("etrn_host", "E.example", "e.example"),
        ("gateway", "None", ""),
        ("gateway", "192.0.2.1", "192.0.2.1"),
        ("dns", "none", NONE),
        ("dns", "192.0.2.1,192.0.2.1 192.0.2.2", "192.0.2.1 192.0.2.2"),
        ("dns", "192.0.2.1 192.0.2.2 192.0.2.3", "192.0.2.1 192.0.2.2 192.0.2.3"),
        ("user1", "Anna", "anna"),
        ("user1", "anna@a.example", "anna"),
        ("user1", "none", ""),
        ("mail_login", "anything", "anything"),
    ],
)
def test_what_is_taken(name: str, typed: str, taken: str) -> None:
    draft = Draft(FACTS, MODEM, {"lan": "static", "domain": "a.example"})
    assert step(name, draft).check(typed, draft) == taken


def test_one_name_that_is_like_the_typed_one_is_offered() -> None:
    alike = replace(FACTS, timezones=frozenset({"Asia/Almaty", "Asia/Almata"}))
    draft = Draft(alike, MODEM, {})
    with pytest.raises(ValueError, match=r"Did you mean Asia/Almat[ay]\?$"):
        step("timezone", draft).check("asia/almatx", draft)


@cases(
    ("name", "typed", "words"),
    [
        ("times", KEEP, "time of day"),
        ("timezone", "Port", "Did you mean America/Port-au-Prince or Asia/Port_Blair"),
        ("timezone", "e", "Did you mean America/Port-au-Prince or Europe/Berlin or Europe/Vienna?"),
        ("timezone", "r", "Did you mean America/Port-au-Prince or Asia/Port_Blair or Europe/Berlin?"),
        ("timezone", "europe/Viena", "Did you mean Europe/Vienna?"),
        ("timezone", "Mars/Base", "Use the form Europe/Berlin"),
        ("dns", "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4", "at most three"),
        ("user1", "anna@b.example", "can't be an account's name"),
        ("user1", "carl", "carl already exists"),
        ("admin_password", "1234567", "at least 8"),
    ],
)
def test_what_is_refused(name: str, typed: str, words: str) -> None:
    draft = Draft(replace(FACTS, accounts=("carl",)), MODEM, {"lan": "static", "domain": "a.example"})
    with pytest.raises((ValueError, AccountError), match=words):
        step(name, draft).check(typed, draft)


def test_times_are_kept_only_where_there_are_some() -> None:
    draft = Draft(FACTS, replace(MODEM, schedule=ScheduleConfig(entry=(ScheduleEntry(at=("06:00",)),))))
    assert step("times", draft).check(KEEP, draft) == KEEP


def test_logins_that_are_offered() -> None:
    for answers, offered in (({}, [NONE, "other"]), ({"ppp_user": "clinic"}, [NONE, "same", "other"])):
        draft = Draft(FACTS, MODEM, answers)
        assert [choice.value for choice in step("mail_login", draft).choices(draft)] == offered


@cases(
    ("typed", "value"),
    [("1", "a"), ("2", "b"), ("0", None), ("3", None), ("A", "a"), ("the SECOND", "b"), ("c", None), ("", None)],
)
def test_one_of_several_is_picked_by_number_value_or_words(typed: str, value: str | None) -> None:
    assert picked(typed, (Choice("a", "The first"), Choice("b", "The second"))) == value


def test_the_review_shows_the_outside_line_that_is_typed_else_the_active_one() -> None:
    dialled_out = replace(MODEM, modem=ModemConfig(outside_line="0w"))
    for base, answers, shown in (
        (dialled_out, {}, "0w"),
        (dialled_out, {"outside_line": "9"}, "9"),
        (MODEM, {}, ""),
    ):
        draft = Draft(FACTS, base, answers)
        assert (step("outside_line", draft).shown(draft) or "") == shown


def test_a_router_is_given_no_password_of_the_line() -> None:
    dialup = replace(Config(), link=LinkConfig(kind=LinkKind.DIALUP_GATEWAY))
    assert "ppp_password" not in asked(dialup, FACTS, ppp_user="clinic")


def test_a_number_must_obey_the_rules_of_the_country_only_where_one_is_dialled() -> None:
    for profile, is_refused in (("hayes", True), ("phone", False), ("unknown", True)):
        satellite = ModemProfile("phone", "C", "x", dial="D{number}")
        facts = replace(FACTS, profiles=(*FACTS.profiles, satellite))
        draft = Draft(facts, MODEM, {"number": "+49 961 1", "profile": profile})
        if is_refused:
            with pytest.raises(ValueError, match="goes to the number"):
                _country("generic", draft)
        else:
            assert _country("generic", draft) == "generic"
    assert _country("none-of-ours", Draft(FACTS, MODEM, {"number": "+49 961 1"})) == "none-of-ours"


def test_a_word_may_stand_for_nothing() -> None:
    draft = Draft(FACTS, MODEM, {})
    check = by_key("etrn.host", none="none")
    assert [check(typed, draft) for typed in ("None", "a.example", "z.example")] == ["", "a.example", "z.example"]
    assert by_key("etrn.host")("none", draft) == "none"
