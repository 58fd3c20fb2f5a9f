"""The set-up wizard: what it asks and refuses, the way back, the review page, the result."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from cases import cases
from dialpost.core.config.model import (
    Config,
    EtrnUse,
    InboundUse,
    LanMethod,
    LinkKind,
    MailboxKind,
    StationConfig,
    TlsMode,
)
from dialpost.core.config.text import parse_config, render_config
from dialpost.core.console.wizard.draft import Draft
from dialpost.core.console.wizard.facts import Facts, PortOffer
from dialpost.core.console.wizard.machine import TABLE, Event, Phase, Wizard, _sentence
from dialpost.core.console.wizard.steps import _user, _usual_login, steps
from dialpost.core.errors import AccountError
from dialpost.core.mail.inbound.collected import Way
from dialpost.core.mail.inbound.plan import Learnt, make_plan
from dialpost.edge.system.board_files import BoardFiles

ADMIN, DIAL, ANNA, BRUNO = "the-admin's", "dial-in secret", "anna's secret", "bruno's secret"
BOARD = BoardFiles(Path(__file__).parents[4] / "board")
FACTS = Facts(
    ports=(
        PortOffer("/dev/ttyUSB0", "a Courier", "courier", 57_600),
        PortOffer("/dev/ttyS1", "nothing answers"),
        PortOffer("/dev/ttyACM3", "a cellular modem", "cellular"),
        PortOffer("/dev/ttyUSB7", "an Iridium phone", "iridium"),
    ),
    profiles=tuple(BOARD.profiles()),
    countries=tuple(BOARD.countries()),
    timezones=frozenset({"UTC", "Europe/Vienna", "Europe/Berlin", "America/New_York"}),
)
LINE = ["clinic.example", "1", "1", "0961 123456", "austria", "clinic", DIAL, DIAL]
MAIL = ["smtp.provider.example", "1", "", "", "", ""]
PLACE = ["1", "", ADMIN, ADMIN]
USERS = ["anna", ANNA, ANNA, ""]
USUAL = [*LINE, *MAIL, *PLACE, *USERS]


def walk(lines: Iterable[str], facts: Facts = FACTS, base: Config | None = None) -> tuple[Wizard, list[str]]:
    """The wizard after these lines, and what it said to each."""
    wizard = Wizard(facts, base)
    return wizard, [wizard.answer(line) for line in lines]


def through(lines: Iterable[str], facts: Facts = FACTS, base: Config | None = None) -> Wizard:
    """The same where nothing is refused."""
    wizard, said = walk(lines, facts, base)
    assert said == [""] * len(said)
    return wizard


def config_of(wizard: Wizard) -> Config:
    assert wizard.answer("yes") == ""
    result = wizard.result()
    assert result is not None
    assert parse_config(render_config(result.config, secrets=True)) == result.config
    return result.config


def test_the_table_is_total_and_every_phase_is_reached() -> None:
    assert {phase: set(row) for phase, row in TABLE.items()} == {phase: set(Event) for phase in Phase}
    reached, edge = {Phase.ASKING}, {Phase.ASKING}
    while edge:
        edge = {step for phase in edge for step in TABLE[phase].values() if step is not None} - reached
        reached |= edge
    assert reached == set(Phase)


def test_the_usual_answers_make_a_whole_configuration() -> None:
    wizard = through(USUAL)
    assert wizard.phase is Phase.REVIEW
    config = config_of(wizard)
    assert wizard.is_done
    assert (config.station.hostname, config.station.domains) == ("mail.clinic.example", ("clinic.example",))
    assert config.station.postmaster == "anna"
    assert config.link.kind is LinkKind.MODEM
    modem = config.modem
    assert (modem.port, modem.profile, modem.speed_bps) == ("/dev/ttyUSB0", "courier", 57_600)
    assert (modem.numbers, modem.country) == (("0961123456",), "austria")
    assert (config.ppp.user, config.ppp.password) == ("clinic", DIAL)
    assert (config.outbound.smarthost, config.outbound.port) == ("smtp.provider.example", 25)
    assert (config.outbound.tls, config.outbound.user) == (TlsMode.OPPORTUNISTIC, "")
    assert config.etrn.host == "" and config.etrn_host == "smtp.provider.example"
    assert config.schedule.timezone == "Europe/Vienna", "the country's, which Enter took"
    assert config.schedule.entry == ()
    result = wizard.result()
    assert result is not None
    assert (result.admin_password, result.accounts) == (ADMIN, (("anna", ANNA),))
    assert ADMIN not in repr(result) and ANNA not in repr(result) and DIAL not in repr(result)


def test_no_answer_is_shown_that_is_a_secret() -> None:
    wizard, said = Wizard(FACTS), ""
    for line in USUAL:
        question = wizard.question()
        assert question.secret == (line in {ADMIN, DIAL, ANNA})
        said += question.help + question.prompt + str(question.choices) + wizard.answer(line)
        said += wizard.answer("?") if not wizard.question().secret else ""
    said += wizard.question().help
    assert not [secret for secret in (ADMIN, DIAL, ANNA) if secret in said]
    assert ANNA not in repr(wizard._draft)


@cases(
    ("before", "wrong", "told"),
    [
        ([], "no domain!", "no domain!"),
        ([], "", "Please enter an answer"),
        ([], "10.0.0.1", "number, not a domain"),
        ([], "yes", "There is no dot in yes:"),
        ([], "localhost", "for example clinic.example"),
        (["clinic.example"], "4", "number from 1 to 3"),
        (["clinic.example"], "dial", "number from 1 to 3"),
        (["clinic.example", "1"], "ttyUSB0", "full path"),
        (["clinic.example", "1", "1"], "call me", "digits"),
        (["clinic.example", "1", "1", "0961"], "atlantis", "number from 1 to"),
        (["clinic.example", "1", "1", "+43961"], "generic", "do not say what is dialled for the +"),
        ([*LINE, "smtp.provider.example", "1", "2", ""], "0", "from 1 to 65535"),
        ([*LINE, "smtp.provider.example", "1", "2", ""], "smtp", "from 1 to 65535"),
        (LINE, "clinic.example", "this station itself"),
        (LINE, "mail.clinic.example", "this station itself"),
        (LINE, "smtp.provider.example:587", "port"),
        ([*LINE, "smtp.provider.example", "1", "", "", ""], "25:00", "time of day"),
        ([*LINE, *MAIL, "1"], "Europe/Wien", "not known on this machine"),
        ([*LINE, *MAIL, "1"], "berlin", "Did you mean Europe/Berlin"),
        ([*LINE, *MAIL, "2"], "192.168.1.25", "192.168.1.25/24"),
        ([*LINE, *MAIL, "2"], "192.168.1.0/24", "network's own address"),
        ([*LINE, *MAIL, "2", "192.168.1.25/24"], "10.0.0.1", "is unreachable"),
        ([*LINE, *MAIL, "2", "192.168.1.25/24"], "192.168.1.25", "the station itself"),
        ([*LINE, *MAIL, "1", ""], "short", "at least 8"),
        ([*LINE, *MAIL, *PLACE], "an na", "letters a to z"),
        ([*LINE, *MAIL, *PLACE, "anna", ANNA, ANNA], "Anna", "anna already"),
    ],
)
def test_a_bad_answer_is_refused_at_once_with_what_is_allowed(before: list[str], wrong: str, told: str) -> None:
    wizard = through(before)
    question = wizard.question()
    said = wizard.answer(wrong)
    assert told in said
    assert said.endswith((".", "?", "!", ")")) and not said.endswith(("..", "?.", "!.", ")."))
    assert wizard.question() == question, "the same is asked again"


def test_a_key_or_a_name_at_the_start_of_a_refusal_is_quoted_as_it_is() -> None:
    """`Outbound.smarthost` is not a key, and not what the operator typed."""
    before = ["clinic.example", "1", "1", "0961555017", "6", "clinic", "blue-harbour-17", "blue-harbour-17"]
    _, said = walk([*before, "mail.clinic.example"])
    assert 'outbound.smarthost = "mail.clinic.example" is this station itself' in said[-1]


def test_two_halves_of_a_secret_must_be_the_same() -> None:
    wizard, said = walk([*LINE[:7], "dial-in secreT"])
    assert "entries differ" in said[-1]
    question = wizard.question()
    assert (question.key, question.text, question.secret) == ("ppp_password", "Dial-in password", True)
    for line in (DIAL, DIAL, *MAIL, *PLACE, *USERS):
        assert wizard.answer(line) == ""
    assert config_of(wizard).ppp.password == DIAL


def test_back_keeps_the_answers_and_enter_takes_them_again() -> None:
    wizard = through(LINE[:6])
    assert wizard.question().key == "ppp_password"
    wizard.answer("back")
    assert wizard.question().default == "clinic"
    wizard.answer("back")
    country = wizard.question()
    assert country.choices[int(country.default) - 1].value == "austria"
    wizard.answer("back")
    assert wizard.question().default == "0961123456"
    for line in ("0961 777", "", "", DIAL, DIAL, *MAIL, *PLACE, *USERS):
        assert wizard.answer(line) == ""
    config = config_of(wizard)
    assert (config.modem.numbers, config.modem.country, config.ppp.user) == (("0961777",), "austria", "clinic")


def test_back_over_a_secret_needs_it_not_again() -> None:
    wizard = through([*LINE, "back"])
    assert wizard.question().default == "unchanged"
    for line in ("", *MAIL, *PLACE, *USERS):
        assert wizard.answer(line) == ""
    assert config_of(wizard).ppp.password == DIAL


def test_back_between_the_halves_and_at_the_start() -> None:
    wizard, said = walk(["back"])
    assert "first question" in said[0] and wizard.question().key == "domain"
    wizard = through([*LINE[:7], "back"])
    assert (wizard.question().text, wizard.phase) == ("Dial-in password", Phase.ASKING)


def test_quit_keeps_nothing() -> None:
    for length in range(len(USUAL) + 1):
        wizard = through(USUAL[:length])
        assert "Nothing was saved" in wizard.answer(" QUIT ")
        assert wizard.is_done and wizard.result() is None
        assert wizard._draft.answers == {}
        assert wizard.answer("yes") == "" and wizard.result() is None


def test_every_question_explains_itself() -> None:
    wizard = Wizard(FACTS)
    for line in USUAL:
        question = wizard.question()
        if wizard.phase is not Phase.REPEATING:
            assert question.help.endswith(".") or question.help.endswith("?")
            assert question.help in wizard.answer("?") and "`back`" in wizard.answer("?")
            assert wizard.question() == question
        wizard.answer(line)
    assert "`yes`" in wizard.answer("?")


def numbers(wizard: Wizard) -> dict[str, str]:
    """The review page's lines: the label to its number."""
    page = [line for line in wizard.question().help.splitlines() if line[:3].strip().isdigit()]
    return {line[5:24].strip(): line[:3].strip() for line in page}


def test_any_line_of_the_review_page_can_be_changed() -> None:
    wizard = through(USUAL)
    shown = {line[5:24].strip(): line[24:].strip() for line in wizard.question().help.splitlines()}
    assert (shown["Station's name"], shown["Outside line"]) == ("mail.clinic.example", "none")
    lines = numbers(wizard)
    changes = {
        "Station's name": "post.clinic.example",
        "Outside line": "0w",
        "Mail host": "192.0.2.7",
        "Domain": "ward.example",
        "Call times": "17:30, 07:30 07:30",
    }
    for label, answer in changes.items():
        assert wizard.answer(lines[label]) == ""
        assert wizard.phase is Phase.CHANGING
        assert wizard.answer(answer) == ""
        assert wizard.phase is Phase.REVIEW
    config = config_of(wizard)
    assert config.station.hostname == "post.clinic.example"
    assert config.modem.outside_line == "0w"
    assert config.outbound.smarthost == "192.0.2.7"
    assert config.station.domains == ("ward.example",)
    assert [entry.at for entry in config.schedule.entry] == [("07:30", "17:30")]


def test_a_secret_is_changed_from_the_review_page_in_two_halves() -> None:
    wizard = through(USUAL)
    wizard.answer(numbers(wizard)["anna's password"])
    assert wizard.answer("a new secret") == ""
    assert wizard.phase is Phase.REPEATING_CHANGE
    assert "entries differ" in wizard.answer("another one")
    assert (wizard.answer("a new secret"), wizard.answer("a new secret")) == ("", "")
    assert wizard.phase is Phase.REVIEW
    wizard.answer("yes")
    result = wizard.result()
    assert result is not None and result.accounts == (("anna", "a new secret"),)


def test_what_a_change_makes_necessary_is_asked_and_what_it_makes_needless_is_dropped() -> None:
    wizard = through(USUAL)
    assert wizard.answer(numbers(wizard)["Local network"]) == ""
    assert wizard.answer("2") == ""
    assert wizard.question().key == "lan_address"
    assert wizard.answer("192.168.1.25/24") == ""
    assert wizard.question().key == "gateway"
    assert wizard.answer("192.168.1.1") == ""
    assert (wizard.question().key, wizard.question().default) == ("dns", "192.168.1.1")
    assert "at most three" in wizard.answer("9.9.9.1 9.9.9.2 9.9.9.3 9.9.9.4")
    assert "IP address" in wizard.answer("nowhere")
    assert wizard.answer("192.168.1.1, 9.9.9.9") == ""
    assert wizard.answer(numbers(wizard)["Link"]) == ""
    assert wizard.answer("gateway") == ""
    assert "Provider's number" not in numbers(wizard)
    config = config_of(wizard)
    assert config.link.kind is LinkKind.GATEWAY
    assert (config.modem.numbers, config.modem.port, config.ppp.user) == ((), "", "")
    assert (config.lan.method, config.lan.address) == (LanMethod.STATIC, "192.168.1.25/24")
    assert (config.lan.gateway, config.lan.dns) == ("192.168.1.1", ("192.168.1.1", "9.9.9.9"))


def test_back_from_a_change_leaves_the_answer_and_yes_asks_for_what_is_missing() -> None:
    wizard = through(USUAL)
    wizard.answer(numbers(wizard)["Local network"])
    wizard.answer("static")
    wizard.answer("back")
    assert wizard.phase is Phase.REVIEW and "(no answer yet)" in wizard.question().help
    assert "no answer yet" in wizard.answer("yes")
    assert wizard.question().key == "lan_address"


def test_an_answer_that_another_made_wrong_is_asked_for_again() -> None:
    wizard = through([*LINE, "smtp.provider.example", "2", *MAIL[2:], *PLACE, *USERS])
    wizard.answer(numbers(wizard)["Dial-in user"])
    assert wizard.answer("none") == ""
    assert wizard.question().key == "mail_login", "the login that has gone is asked for again, immediately"
    wizard.answer("back")
    assert "no longer one of the choices" in wizard.answer("yes")
    assert (wizard.question().key, wizard.question().default) == ("mail_login", "1")
    assert wizard.answer("1") == ""
    assert config_of(wizard).outbound.user == ""


def test_a_postmaster_who_was_renamed_is_asked_for_again_and_enter_picks_a_user() -> None:
    two = ["anna", ANNA, ANNA, "bruno", ANNA, ANNA, "", "1"]
    wizard = through([*LINE, *MAIL, *PLACE, *two])
    wizard.answer(numbers(wizard)["User 1"])
    assert wizard.answer("carla") == ""
    assert (wizard.question().key, wizard.question().default) == ("postmaster", "1")
    assert wizard.answer("") == ""
    assert config_of(wizard).station.postmaster == "carla"


def test_a_configured_postmaster_without_an_account_is_not_offered() -> None:
    base = Config(StationConfig("mail.clinic.example", ("clinic.example",), postmaster="gone"))
    wizard, _ = walk([*LINE, *MAIL, *PLACE, "anna", ANNA, ANNA, "bruno", ANNA, ANNA, ""], base=base)
    assert (wizard.question().key, wizard.question().default) == ("postmaster", "1")


def test_review_refuses_what_is_no_answer_to_it() -> None:
    wizard = through(USUAL)
    for line in ("", "no", "0", "99", "²", "y"):
        assert "Enter `yes`" in wizard.answer(line)
    wizard.answer("back")
    assert wizard.question().key == "user2"


def test_reopened_after_a_refusal_nothing_is_lost() -> None:
    wizard = through([*USUAL, "yes"])
    first = wizard.result()
    wizard.reopen()
    assert wizard.phase is Phase.REVIEW and not wizard.is_done and wizard.result() is None
    wizard.answer("yes")
    assert wizard.result() == first


def test_logins_at_the_mail_host() -> None:
    same = config_of(through([*LINE, "smtp.provider.example", "2", *MAIL[2:], *PLACE, *USERS])).outbound
    assert (same.user, same.password, same.port, same.tls) == ("clinic", DIAL, 587, TlsMode.AUTO)
    own = [*LINE, "smtp.provider.example", "3", "clinic@provider.example", "mail secret", "mail secret"]
    outbound = config_of(through([*own, *MAIL[2:], *PLACE, *USERS])).outbound
    assert (outbound.user, outbound.password) == ("clinic@provider.example", "mail secret")


def test_etrn_of_another_host_or_none() -> None:
    asked = [*LINE, "smtp.provider.example", "1"]
    other = config_of(through([*asked, "", "etrn.provider.example", "", "", *PLACE, *USERS])).etrn
    assert (other.host, other.use) == ("etrn.provider.example", EtrnUse.AUTO)
    none = config_of(through([*asked, "5", "", "", *PLACE, *USERS]))
    assert none.etrn.use is EtrnUse.NEVER and not none.etrn_wanted


INBOUND = [*LINE, "smtp.provider.example", "1"]


def test_mail_over_a_connection_of_our_own() -> None:
    answers = [*INBOUND, "2", "odmr.provider.example", "386", "clinic", "at secret", "at secret", "", ""]
    config = config_of(through([*answers, *PLACE, *USERS]))
    atrn = config.atrn
    assert (atrn.host, atrn.port, atrn.user, atrn.password) == ("odmr.provider.example", 386, "clinic", "at secret")
    assert config.inbound.use == (InboundUse.AUTO,) and make_plan(config, Learnt()).begin == (Way.ATRN,)
    same = config_of(through([*INBOUND, "atrn", "", "", "clinic", "x y z", "x y z", "", "", *PLACE, *USERS])).atrn
    assert (same.host, same.port) == ("", 366), "the mail host itself"


@pytest.mark.parametrize(("word", "kind"), [("3", MailboxKind.IMAP), ("pop3", MailboxKind.POP3)])
def test_mail_out_of_a_mailbox(word: str, kind: MailboxKind) -> None:
    answers = [*INBOUND, word, "box.provider.example", "clinic", "box secret", "box secret", "", ""]
    config = config_of(through([*answers, *PLACE, *USERS]))
    [box] = config.inbound.mailbox
    assert (box.kind, box.host, box.user, box.password) == (kind, "box.provider.example", "clinic", "box secret")
    assert (box.tls, box.account) == (TlsMode.IMPLICIT, "")
    assert config.inbound.use == (InboundUse(kind.value),) and not config.etrn_wanted


def test_a_router_is_asked_no_telephone_number() -> None:
    lines = [
        "clinic.example",
        "2",
        "smtp.provider.example",
        "1",
        "",
        "",
        "07:30",
        *PLACE[:1],
        "Europe/Berlin",
        *PLACE[2:],
        *USERS,
    ]
    config = config_of(through(lines))
    assert config.link.kind is LinkKind.DIALUP_GATEWAY
    assert [entry.at for entry in config.schedule.entry] == [("07:30",)]
    always = ["clinic.example", "3", "smtp.provider.example", "1", *PLACE[:1], "", *PLACE[2:], *USERS]
    config = config_of(through(always))
    assert config.link.kind is LinkKind.GATEWAY and not config.etrn_wanted
    assert config.schedule.timezone == "UTC"


def test_an_unknown_modem_is_asked_for_its_kind_and_a_cellular_one_for_its_card() -> None:
    plain = ["clinic.example", "1", "/dev/ttyS1", "hayes", *LINE[3:], *MAIL, *PLACE, *USERS]
    assert config_of(through(plain)).modem.profile == "hayes"
    typed = ["clinic.example", "1", "/dev/ttyXY9", "courier", *LINE[3:], *MAIL, *PLACE, *USERS]
    assert config_of(through(typed)).modem.port == "/dev/ttyXY9"
    cellular = ["clinic.example", "1", "3", "m2m.provider", "1234", "1234", "", "", "none"]
    config = config_of(through([*cellular, *MAIL, "1", "", *PLACE[2:], *USERS]))
    modem = config.modem
    assert (modem.apn, modem.sim_pin, modem.numbers) == ("m2m.provider", "1234", ("*99***1#",))
    no_pin = ["clinic.example", "1", "3", "", "", "", "", "none", *MAIL, "1", "", *PLACE[2:], *USERS]
    assert config_of(through(no_pin)).modem.sim_pin == ""


def test_the_country_is_guessed_by_number_or_time_zone() -> None:
    def offered(facts: Facts, number: str) -> str:
        question = through(["clinic.example", "1", "1", number], facts).question()
        return question.choices[int(question.default) - 1].value

    assert offered(FACTS, "+49 30 1234") == "germany"
    assert offered(FACTS, "0961 1234") == "generic"
    for zone, country in (
        ("Europe/Vienna", "austria"),
        ("Africa/Abidjan", "generic"),
        ("Pacific/Wallis", "generic"),
    ):
        assert offered(replace(FACTS, system_timezone=zone), "0961 1234") == country


def test_several_users_and_who_is_postmaster() -> None:
    users = ["anna", ANNA, ANNA, "Bruno@clinic.example", BRUNO, BRUNO, ""]
    wizard = through([*LINE, *MAIL, *PLACE, *users])
    assert [choice.value for choice in wizard.question().choices] == ["anna", "bruno"]
    wizard.answer("bruno")
    assert config_of(wizard).station.postmaster == "bruno"
    result = wizard.result()
    assert result is not None and result.accounts == (("anna", ANNA), ("bruno", BRUNO))


def test_a_postmaster_who_is_taken_out_again_is_none() -> None:
    wizard = through([*LINE, *MAIL, *PLACE, "anna", ANNA, ANNA, "bruno", BRUNO, BRUNO, "", "2"])
    wizard.answer(numbers(wizard)["User 2"])
    assert wizard.answer("none") == ""
    assert config_of(wizard).station.postmaster == "anna"


def test_twenty_users_and_no_more() -> None:
    wizard = through([*LINE, *MAIL, *PLACE])
    for number in range(1, 21):
        assert wizard.question().key == f"user{number}"
        for line in (f"user{number}", ANNA, ANNA):
            assert wizard.answer(line) == ""
    assert wizard.question().key == "postmaster"


def test_a_second_run_starts_from_what_is_there_and_enter_keeps_it() -> None:
    first = config_of(through([*LINE, *MAIL[:4], "2", "07:30 17:30", *PLACE, *USERS]))
    base = replace(first, budget=replace(first.budget, minutes_per_day=30.0))
    facts = replace(FACTS, accounts=("anna",), has_admin_password=True)
    wizard, asked = Wizard(facts, base), []
    while wizard.phase is not Phase.REVIEW:
        asked.append(wizard.question().key)
        assert wizard.answer("") == "", wizard.question()
    assert "admin_password" not in asked
    assert config_of(wizard) == base
    assert base.ppp.trusted_line


def test_the_line_is_trusted_only_where_somebody_said_so() -> None:
    def answered(answer: str) -> Config:
        return config_of(through([*LINE, *MAIL[:4], answer, "", *PLACE, *USERS]))

    assert [answered(answer).ppp.trusted_line for answer in ("", "1", "2", "trusted")] == [False, False, True, True]
    wizard = through([*LINE, *MAIL[:4]])
    assert wizard.question().key == "trusted_line" and "Enter 1 or 2" in wizard.answer("yes")
    explained = wizard.answer("?")
    for words in ("CRAM-MD5", "10 s at 2,400", "can be read by whoever taps the line", "no internet in between"):
        assert words in explained
    login = [*LINE, "smtp.provider.example", "2", "", "", "2", "", *PLACE, *USERS]
    trusting = config_of(through(login))
    assert (trusting.outbound.tls, trusting.outbound.port, trusting.ppp.trusted_line) == (TlsMode.AUTO, 587, True)
    cautious = replace(trusting, outbound=replace(trusting.outbound, tls=TlsMode.STARTTLS))
    again = through(
        [*login[:8], "", "", "", "", "", "", "", "", *USERS], replace(FACTS, has_admin_password=True), cautious
    )
    again.answer("yes")
    result = again.result()
    assert result is not None and result.config.outbound.tls is TlsMode.STARTTLS, "what was demanded stays"
    assert any('outbound.tls = "starttls" demands TLS' in told for told in result.warnings)


def test_without_any_port_one_can_be_typed() -> None:
    wizard = through(["clinic.example", "1"], replace(FACTS, ports=()))
    assert wizard.question().choices == () and "Please enter an answer" in wizard.answer("")
    assert wizard.answer("/dev/ttyUSB0") == "" and wizard.question().key == "profile"


def test_noise_never_breaks_it_and_never_gets_through() -> None:
    chance = random.Random(7)
    signs = [chr(number) for number in range(1, 0x250)] + ["\ud7ff", "\u202e", "漁", " ", "\t"]
    wizard = Wizard(FACTS)
    for line in USUAL:
        for _ in range(20):
            noise = "\x07" + "".join(chance.choice(signs) for _ in range(chance.randrange(1, 60)))
            if wizard.phase is Phase.REPEATING:
                assert "entries differ" in wizard.answer(noise)
                assert wizard.answer(line) == ""
            else:
                assert "not allowed here" in wizard.answer(noise)
        assert wizard.answer(line) == ""
    assert config_of(wizard).station.domains == ("clinic.example",)


@pytest.mark.parametrize("link", [kind.value for kind in LinkKind])
def test_each_question_has_more_to_say_than_what_it_shows_already(link: str) -> None:
    """`?` at a question that only repeats itself explains nothing."""
    answers = {"link": link, "lan": "static", "mail_login": "other", "user1": "anna", "user2": "mie"}
    for step in steps(Draft(FACTS, Config(), answers)):
        if step.name.startswith("password"):  # says how long it must be
            continue
        assert step.more, step.name


def test_the_way_to_the_world_is_explained() -> None:
    wizard = through(USUAL[:1])
    assert wizard.question().key == "link"
    said = wizard.answer("?")
    assert all(word in said for word in ("mobile", "satellite", "fibre", "router"))


def test_ports_looked_at_meanwhile_are_offered() -> None:
    wizard = through(["clinic.example", "1"], replace(FACTS, ports=()))
    assert not wizard.question().choices
    wizard.learn_ports(FACTS.ports)
    assert len(wizard.question().choices) == len(FACTS.ports)


def test_a_fixed_address_may_have_no_name_server() -> None:
    wizard = through([*LINE, *MAIL, "2", "192.168.1.25/24", "192.168.1.1", " NONE "])
    assert wizard._draft.get("dns") == "none"


@pytest.mark.parametrize(("user", "login"), [("", "none"), ("clinic", "same"), ("other", "other")])
def test_a_second_run_offers_the_login_there_is(user: str, login: str) -> None:
    base = config_of(through(USUAL))
    base = replace(
        base, outbound=replace(base.outbound, user=user, password=user and "x" * 9, tls=TlsMode.STARTTLS)
    )
    draft = Draft(FACTS, base, {"ppp_user": "clinic"})
    assert _usual_login(draft) == login


@pytest.mark.parametrize("own", ["user1", "user2", "user3"])
def test_no_two_users_have_one_name_whichever_is_named_again(own: str) -> None:
    draft = Draft(FACTS, Config(), {"user1": "anna", "user2": "bruno", "user3": "carl"})
    for name, of_whom in (("anna", "user1"), ("bruno", "user2"), ("carl", "user3")):
        if of_whom == own:
            assert _user(own)(name, draft) == name
        else:
            with pytest.raises(AccountError, match="already"):
                _user(own)(name, draft)


def test_the_review_page_shows_each_answer_as_it_was_chosen() -> None:
    cellular = ["clinic.example", "1", "3", "", "", "", "", "none", *MAIL, "1", "", *PLACE[2:], *USERS]
    wizard = through(cellular)
    page = {
        line[5:24].strip(): line[24:] for line in wizard.question().help.splitlines() if line[:3].strip().isdigit()
    }
    assert page["anna's password"] == "(set, not shown)"
    assert page["SIM's PIN"] == "none"
    assert page["User 2"] == "no more users"
    assert page["Mail host"] == "smtp.provider.example"
    assert page["Mail login"].startswith("No login")


@pytest.mark.parametrize("typed", ["a\x7fb", "a\x1fb", "a\u200bb", "a\x80b"])
def test_a_character_that_nobody_can_see_is_refused(typed: str) -> None:
    wizard = Wizard(FACTS)
    assert "not allowed here" in wizard.answer(typed)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("it takes 1.5 s", "It takes 1.5 s."),
        ("smtp.listen is missing", "smtp.listen is missing."),
        ("no", "No."),
        ("why: it is", "Why: it is."),
        ("really?", "Really?"),
    ],
)
def test_a_fault_is_said_in_a_sentence(words: str, sentence: str) -> None:
    assert _sentence(words) == sentence


def test_a_question_that_is_no_longer_asked_gives_way_to_the_first() -> None:
    wizard = through(USUAL[:3])
    wizard._at = "no such question"
    assert wizard._step().name == "domain"
