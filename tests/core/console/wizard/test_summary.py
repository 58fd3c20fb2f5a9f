"""The page a new station leaves: everything an operator needs, nothing secret, narrow enough to print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from dialpost.core.config.model import (
    Config,
    LanConfig,
    LanMethod,
    LinkConfig,
    LinkKind,
    ModemConfig,
    OutboundConfig,
    PppConfig,
    ScheduleConfig,
    ScheduleEntry,
    StationConfig,
)
from dialpost.core.console.wizard.summary import Door, first_needed, summary
from dialpost.core.mail.session import Listener
from dialpost.core.panel.lights import FAULT_WORDS, SIGNALS

SECRETS = ("dial-in secret", "mail secret", "1234-pin", "card 99")
CONFIG = Config(
    station=StationConfig(hostname="mail.clinic.example", domains=("clinic.example",), postmaster="bruno"),
    modem=ModemConfig(numbers=("0961123456",), sim_pin=SECRETS[2], calling_card=SECRETS[3]),
    ppp=PppConfig(user="clinic", password=SECRETS[0]),
    outbound=OutboundConfig(smarthost="smtp.provider.example", user="u", password=SECRETS[1]),
)
DOORS = [Door(Listener.MX, 25), Door(Listener.SUBMISSION, 587), Door(Listener.SUBMISSIONS, 465)]


def page(config: Config = CONFIG, doors: list[Door] = DOORS, users: Sequence[str] = ("anna", "bruno")) -> str:
    return summary(config, users, doors, "/etc/dialpost/dialpost.toml")


def test_it_names_what_is_needed() -> None:
    text = page()
    for words in (
        "mail.clinic.example",
        "port 587, STARTTLS",
        "port 465, SSL/TLS",
        "Incoming (imaps)  port 993, SSL/TLS",
        "Incoming (imap)   port 143, STARTTLS",
        "anna@clinic.example",
        "bruno@clinic.example",
        "0961123456",
        "call now",
        "bruno gets the station's own",
        "/var/lib/dialpost/mail",
        "/etc/dialpost/dialpost.toml",
    ):
        assert words in text, words


def test_it_names_further_domains_and_who_has_an_address_there() -> None:
    station = replace(CONFIG.station, domains=(*CONFIG.station.domains, "b.example", "c.example"))
    delivery = replace(CONFIG.delivery, separate_domains=("c.example",))
    text = page(replace(CONFIG, station=station, delivery=delivery))
    assert "\nAlso for          b.example, the same names\n" in text
    assert "\nAlso for          c.example, only addresses added for it\n" in text
    assert "Also for" not in page()
    assert text.startswith("Mail station for clinic.example\n") and "anna@clinic.example" in text


def test_it_has_no_secrets_and_is_narrow() -> None:
    text = page()
    assert not [secret for secret in SECRETS if secret in text]
    assert max(map(len, text.splitlines())) <= 80
    assert text.isascii()


def test_it_tells_every_light() -> None:
    flat = " ".join(page().split())
    for signal in SIGNALS:
        if signal.led is not None and signal.led.value != "fault":
            assert signal.words in flat
    for words in FAULT_WORDS.values():
        assert words in flat


@pytest.mark.parametrize(
    ("kind", "words"), [(LinkKind.GATEWAY, "mail is sent at once"), (LinkKind.DIALUP_GATEWAY, "call now")]
)
def test_a_router_is_no_modem(kind: LinkKind, words: str) -> None:
    text = page(replace(CONFIG, link=LinkConfig(kind=kind)))
    assert words in text and "0961123456" not in text


def test_a_line_that_is_always_up_is_reported_nothing_of_calls() -> None:
    text = page(replace(CONFIG, link=LinkConfig(kind=LinkKind.GATEWAY))).lower()
    for word in ("call", "dial", "hang", "budget"):
        lines = [line for line in text.replace("dialpost", "").split("\n") if word in line]
        assert lines == [], word


def test_a_fixed_address_and_times_of_calls_are_told() -> None:
    config = replace(
        CONFIG,
        lan=LanConfig(method=LanMethod.STATIC, address="192.168.1.25/24"),
        schedule=ScheduleConfig(entry=(ScheduleEntry(at=("07:30", "17:30")),)),
    )
    assert "192.168.1.25 (its name is mail.clinic.example)" in page(config)
    assert "every day at 07:30, 17:30" in page(config)


@pytest.mark.parametrize(
    ("words", "door"),
    [
        ("submission 127.0.0.1:2587", Door(Listener.SUBMISSION, 2587, "127.0.0.1")),
        (f"{Listener.MX.value} [::]:25", Door(Listener.MX, 25)),
        ("submissions 0.0.0.0:465", Door(Listener.SUBMISSIONS, 465)),
        ("else 0.0.0.0:465", None),
        ("mx", None),
    ],
)
def test_a_door_from_what_status_says(words: str, door: Door | None) -> None:
    assert Door.from_words(words) == door


def test_what_is_needed_at_once_stands_first() -> None:
    first = first_needed(page())
    assert page().startswith(first) and first == first.rstrip()
    assert "LIGHTS" not in first.upper() and "anna" in first


def test_a_line_is_filled_to_the_last_column_and_goes_on_below_its_own_column() -> None:
    def lines(domain: str) -> list[str]:
        config = replace(CONFIG, station=replace(CONFIG.station, domains=(domain,)))
        return summary(config, ["b" * 20], DOORS, "/etc/dialpost/dialpost.toml").splitlines()

    user = "b" * 20
    [full] = [line for line in lines("clinic1.example") if user in line]
    assert full == f"User              {user}    {user}@clinic1.example" and len(full) == 78
    assert [line for line in lines("clinic11.example") if user in line] == [
        f"User              {user}",
        f"                  {user}@clinic11.example",
    ]


def test_a_long_host_name_leaves_the_page_at_78_columns() -> None:
    config = replace(CONFIG, station=replace(CONFIG.station, hostname="mail-station-on-the-ridge.clinic.example"))
    lines = summary(config, ["anna"], DOORS, "/etc/dialpost/dialpost.toml").splitlines()
    assert max(map(len, lines)) <= 78
    assert "Its name is mail-station-on-the-ridge.clinic.example. This station dials the" in lines


def test_one_flash_and_several() -> None:
    text = page()
    assert "fault: 1 flash  " in text and "fault: 2 flashes" in text


def test_an_address_with_hyphens_is_not_broken_at_one() -> None:
    user = "c" * 14 + "-" + "d" * 14
    assert f"{user}@clinic.example" in page(users=(user,)).split()
