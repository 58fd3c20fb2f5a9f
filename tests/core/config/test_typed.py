"""What people type for each kind of setting: taken in its one form, or refused with that form in the words."""

import pytest

from cases import cases
from dialpost.core.config.check import warnings
from dialpost.core.config.editing.entry import read_value
from dialpost.core.config.fields import Field, all_fields
from dialpost.core.config.text import find_field, parse_config
from dialpost.core.config.typed import (
    EMERGENCY,
    all_days,
    amount,
    days,
    is_emergency,
    phone_number,
    time_of_day,
    time_span,
)
from dialpost.core.errors import AccountError, ConfigError
from dialpost.core.line.country import Country, Dialling
from dialpost.core.line.dial_plan import dial_faults
from dialpost.core.mail.accounts import check_name
from dialpost.core.printable import printable

BASE = '[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example"]\n'

TAKEN = [
    ("schedule.entry.at", "8:00", ["08:00"]),
    ("schedule.entry.at", "8, 12.30, 17h30, 0615", ["08:00", "12:30", "17:30", "06:15"]),
    ("schedule.entry.at", "8am, 12 am, 12 pm, 5:30 p.m.", ["08:00", "00:00", "12:00", "17:30"]),
    ("schedule.entry.start", "7:05", "07:05"),
    ("schedule.entry.days", "mon-fri", ["mon", "tue", "wed", "thu", "fri"]),
    ("schedule.entry.days", "Monday, wed., FRI – sun", ["mon", "wed", "fri", "sat", "sun"]),
    ("schedule.entry.days", "fri-mon", ["fri", "sat", "sun", "mon"]),
    ("schedule.entry.days", "weekend", ["sat", "sun"]),
    ("schedule.entry.days", "daily", ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]),
    ("smtp.max_message_bytes", "5M", 5_000_000),
    ("smtp.max_message_bytes", "2.5 MB", 2_500_000),
    ("smtp.max_message_bytes", "1GiB", 1_073_741_824),
    ("smtp.max_message_bytes", "5_000_000", 5_000_000),
    ("delivery.default_quota_bytes", "500k", 500_000),
    ("smtp.login_pause_s", "5 min", 300),
    ("outbound.retry_max_s", "4h", 14_400),
    ("outbound.give_up_hours", "5 days", 120),
    ("schedule.entry.every_min", "2 h", 120),
    ("retention.history_days", "2 weeks", 14),
    ("link.line_rate_bps", "33.6k", 33_600),
    ("panel.brightness", "50%", 50),
    ("budget.big_windows", "22-6", ["22:00-06:00"]),
    ("budget.big_windows", "22:00 – 6:00", ["22:00-06:00"]),
    ("modem.numbers", "0961/123-456", ["0961123456"]),
    ("modem.numbers", "0961–123456", ["0961123456"]),
    ("modem.numbers", "*99#", ["*99#"]),
    ("modem.numbers", "*99***1#", ["*99***1#"]),
    ("modem.numbers", "+43 961 123456", ["+43961123456"]),
    ("modem.numbers", "201", ["201"]),
    ("outbound.smarthost", "SMTP.Provider.Example.", "smtp.provider.example"),
    ("outbound.smarthost", "[2001:db8::1]", "2001:db8::1"),
    ("relay.networks", "192.168.1.7", ["192.168.1.7/32"]),
    ("relay.networks", "192.168.1.0/255.255.255.0", ["192.168.1.0/24"]),
    ("lan.address", "192.168.1.25/255.255.255.0", "192.168.1.25/24"),
    ("lan.ssh", "y", True),
    ("lan.ssh", "0", False),
    ("outbound.tls_fingerprint", "AB " * 31 + "AB", "ab" * 32),
    ("station.postmaster", "Anna", "anna"),
]

REFUSED = [
    ("modem.numbers", "abc", "for example 0961 123456"),
    ("modem.numbers", "2", "too short for a provider"),
    ("modem.numbers", "9" * 42, "42 digits"),
    ("modem.numbers", "112", "emergency"),
    ("modem.numbers", "+112", "emergency"),
    ("modem.numbers", "0,112", "emergency"),
    ("modem.numbers", "0w911", "emergency"),
    ("modem.numbers", "9911", "emergency"),
    ("modem.numbers", "*31#112", "emergency"),
    ("modem.numbers", "1-1-2", "emergency"),
    ("modem.numbers", "0961 123456, 999", "emergency"),
    ("modem.numbers", "+49 (0)961 123456", "(0)"),
    ("modem.numbers", "0961 123456 ext. 3", "for example 0961 123456"),
    ("outbound.smarthost", "0.0.0.0", "for example smtp.provider.example"),
    ("outbound.smarthost", "224.0.0.1", "for example smtp.provider.example"),
    ("outbound.smarthost", "https://smtp.provider.example/", "without https://"),
    ("outbound.smarthost", "smtp.provider.example:587", "port has a key of its own"),
    ("outbound.smarthost", "anna@provider.example", "provider.example"),
    ("station.hostname", "mail", "for example mail.clinic.example"),
    ("station.domains", "@clinic.example", "clinic.example"),
    ("schedule.entry.at", "24:00", "for example 07:30"),
    ("schedule.entry.at", "noon", "for example 07:30"),
    ("schedule.entry.at", "13 pm", "for example 07:30"),
    ("schedule.entry.days", "m", "such as mon-fri"),
    ("schedule.entry.days", "mon-x", "such as mon-fri"),
    ("schedule.entry.days", "t", "such as mon-fri"),
    ("smtp.max_message_bytes", "5 apples", "for example 5M"),
    ("smtp.max_message_bytes", "-5M", "for example 5M"),
    ("smtp.max_message_bytes", "1e6M", "for example 5M"),
    ("smtp.login_pause_s", "soon", "for example 90 s or 5 min"),
    ("smtp.max_connections", "5M", "a whole number from 1 to 2000"),
    ("smtp.max_connections", "1k", "a whole number from 1 to 2000"),
    ("budget.cost_per_minute", "0,20", "0.20"),
    ("budget.cost_per_minute", "inf", "a number from 0"),
    ("budget.cost_per_minute", "nan", "a number from 0"),
    ("outbound.port", "smtp", "from 1 to 65535"),
    ("budget.big_windows", "22:00", "for example 22:00-06:00"),
    ("budget.big_windows", "22-22", "for example 22:00-06:00"),
    ("station.postmaster", "josé", "for example jose"),
    ("station.postmaster", "Łukasz Żak", "for example lukasz.zak"),
    ("station.postmaster", "anna@clinic.example", "anna"),
    ("relay.networks", "192.168.1.0", "192.168.1.0/24"),
    ("relay.networks", "192.168.1.7/24", "192.168.1.0/24"),
    ("relay.networks", "192.168.1.*", "192.168.1.0/24"),
    ("relay.networks", "the LAN", "192.168.1.0/24"),
    ("lan.address", "192.168.1.25", "192.168.1.25/24"),
    ("lan.dns", "dns.provider.example", "for example 192.0.2.53"),
    ("lan.dns", "0.0.0.0", "can't be a host's address"),
    ("lan.interface", "eth 0", "for example eth0"),
    ("lan.ssh", "maybe", "true or false"),
    ("smtp.listen", "25", "0.0.0.0:25"),
    ("smtp.listen", "localhost:25", "0.0.0.0:25"),
    ("smtp.listen", "[::]:" + "9" * 5_000, "from 0 to 65535"),
    ("modem.port", "ttyUSB0", "for example /dev/ttyUSB0"),
    ("modem.sim_pin", "12", "for example 1234"),
    ("modem.apn", "my provider", "for example internet"),
    ("outbound.tls", "ssl", "one of: auto, none, opportunistic, starttls, implicit"),
    ("outbound.tls_fingerprint", "ab:cd", "64 hexadecimal digits"),
    ("schedule.timezone", "Europe / Vienna", "form Europe/Berlin"),
    ("etrn.names", "two words", "can't be a part of a domain name"),
    ("delivery.plus_separator", "/", "one of the characters"),
]


@cases(("key", "text", "expected"), TAKEN)
def test_what_people_type_is_taken_in_its_one_form(key: str, text: str, expected: list[str] | int | str) -> None:
    assert read_value(find_field(key), key, text) == expected


@cases(("key", "text", "words"), REFUSED)
def test_what_is_refused_is_reported_with_the_right_form(key: str, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_value(find_field(key), key, text)
    assert words in str(caught.value)


JUNK = ["abc def", "-1", "9" * 5_000, "\x1b[31m", "\u202e", "''", '"', "[", "{", "1.5.2", ",", "é", "0x10", "true,"]


@cases("field", [field for field in all_fields() if field.item_class is None], ids=lambda f: f.key)
def test_junk_is_taken_whole_or_refused_in_one_sentence_for_every_key(field: Field) -> None:
    for text in JUNK:
        try:
            read_value(field, field.key, text)
        except ConfigError as error:
            for sentence in error.problems:
                assert field.key in sentence and sentence.endswith("."), sentence
                assert len(printable(sentence)) < 6_000


def test_a_file_may_say_it_the_same_way() -> None:
    text = BASE + '[[schedule.entry]]\ndays = ["mon-fri", "sat"]\nat = ["8:00"]\n[smtp]\nmax_message_bytes = "5M"\n'
    config = parse_config(text)
    assert config.schedule.entry[0].days == ("mon", "tue", "wed", "thu", "fri", "sat")
    assert config.schedule.entry[0].at == ("08:00",) and config.smtp.max_message_bytes == 5_000_000


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "192.168.216.25"])
def test_this_machine_as_the_mail_host_is_a_fault_at_its_own_doors_and_a_warning_elsewhere(host: str) -> None:
    text = BASE + f'[outbound]\nsmarthost = "{host}"\n'
    with pytest.raises(ConfigError, match="would loop"):
        parse_config(text)
    config = parse_config(text + "port = 2525\n[etrn]\nport = 2526\n")
    assert any("this machine itself" in sentence for sentence in warnings(config))


def test_an_emergency_number_of_the_country_is_reported_behind_an_outside_line_too() -> None:
    country = Country("x", "X", "", dialling=Dialling(emergency=("122",)))
    config = parse_config(
        BASE + '[modem]\noutside_line = "0w"\nnumbers = ["122555", "0122555", "0961123456"]\n'
    ).modem
    (fault,) = dial_faults(config, country)
    assert "122555" in fault and "rescue" in fault


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("josé", "jose"),
        ("Łukasz Żak", "lukasz.zak"),
        ("Müller", "muller"),
        ("é" + "x" * 70, "e" + "x" * 63 + "[.]"),
    ],
)
def test_an_accounts_name_is_refused_with_one_that_is_near(name: str, hint: str) -> None:
    with pytest.raises(AccountError, match=f"for example {hint}"):
        check_name(name)


@cases(
    ("typed", "taken"),
    [
        ("0", "00:00"),
        ("23:59", "23:59"),
        ("24", ""),
        ("12:60", ""),
        ("2359", "23:59"),
        ("2360", ""),
        ("2400", ""),
        ("0 am", ""),
        ("1 am", "01:00"),
        ("12 am", "00:00"),
        ("12:59 PM", "12:59"),
        ("1 p.m.", "13:00"),
        ("13 pm", ""),
        ("7h", "07:00"),
    ],
)
def test_a_time_of_day(typed: str, taken: str) -> None:
    if taken:
        assert time_of_day(typed) == taken
    else:
        with pytest.raises(ValueError, match="00:00 to 23:59"):
            time_of_day(typed)


def test_a_span_has_two_different_ends() -> None:
    assert time_span("8-9") == "08:00-09:00"
    with pytest.raises(ValueError, match="two different"):
        time_span("8-08:00")
    with pytest.raises(ValueError, match="two times"):
        time_span("8")


@cases(
    ("typed", "taken"),
    [
        ("mo", ("mon",)),
        ("sun-mon", ("sun", "mon")),
        ("mon-mon", ("mon",)),
        ("tue - mon", ("tue", "wed", "thu", "fri", "sat", "sun", "mon")),
        ("weekdays", ("mon", "tue", "wed", "thu", "fri")),
        ("m", None),
        ("t", None),
        ("mon-", None),
    ],
)
def test_days(typed: str, taken: tuple[str, ...] | None) -> None:
    if taken is not None:
        assert days(typed) == taken
    else:
        with pytest.raises(ValueError, match="must be one of"):
            days(typed)


def test_a_list_of_days_has_each_once_and_keeps_what_is_none() -> None:
    assert all_days(["sat", "fri-sun"]) == ["sat", "fri", "sun"]
    assert all_days(["mon", "noday", "mon"]) == ["mon", "noday"]
    assert all_days(["mon", 3, "mon"]) == ["mon", 3, "mon"]


@cases(
    ("typed", "unit", "value"),
    [
        ("5", "bytes", 5),
        ("5.25k", "bytes", 5250),
        ("1 KiB", "bytes", 1024),
        ("5 s", "bytes", None),
        ("1 min", "seconds", 60),
        ("1 s", "minutes", 1 / 60),
        ("2 weeks", "days", 14),
        ("1 week", "hours", 168),
        ("90 secs", "seconds", 90),
        ("5 xs", "seconds", None),
        ("5 kb", "seconds", None),
        ("50 %", "percent", 50),
        ("50 %", "", None),
        ("50 s", "percent", None),
        ("9600 baud", "bits per second", 9600),
        ("5 x", "bits per second", None),
        ("-5", "bytes", None),
        ("0 s", "seconds", 0),
    ],
)
def test_an_amount_with_its_unit(typed: str, unit: str, value: float | None) -> None:
    if value is not None:
        assert amount(typed, unit) == value
    else:
        with pytest.raises(ValueError):
            amount(typed, unit)


def test_the_tones_a_to_d_are_taken_and_named() -> None:
    """ITU-T Q.23: no other letter can be dialled, and who is refused one reads what can."""
    assert phone_number("0961 12D") == "096112D"
    with pytest.raises(ValueError, match="the tones A to D"):
        phone_number("0961 12E")


@cases(
    ("typed", "taken"),
    [
        ("123 456", "123456"),
        ("987", "987"),
        ("98", ""),
        ("*9", "*9"),
        ("#9", "#9"),
        ("9" * 20, "9" * 20),
        ("9" * 21, ""),
        ("9" * 20 + "," * 40, "9" * 20 + "," * 40),
        ("9" * 20 + "," * 41, ""),
        ("+49961", "+49961"),
        ("(0)961", "0961"),
        ("+49(0)961", ""),
    ],
)
def test_a_telephone_number(typed: str, taken: str) -> None:
    if taken:
        assert phone_number(typed) == taken
    else:
        with pytest.raises(ValueError, match=r"."):
            phone_number(typed)


@cases(
    ("number", "is_one"),
    [
        ("112", True),
        ("0112", True),
        ("9112", True),
        ("8112", False),
        ("00112", False),
        ("0,112", True),
        ("112,0", False),
        ("+112", True),
        ("*31#112", True),
        ("1125", False),
        ("08", True),
    ],
)
def test_an_emergency_number_behind_whatever_is_dialled_before_it(number: str, is_one: bool) -> None:
    assert is_emergency(number, EMERGENCY) is is_one


def test_days_that_go_by_one_name() -> None:
    named = {name: len(days(name)) for name in ("weekdays", "workdays", "weekend", "weekends", "daily", "all")}
    assert named == {"weekdays": 5, "workdays": 5, "weekend": 2, "weekends": 2, "daily": 7, "all": 7}
    assert days("weekends") == ("sat", "sun") and days("workdays")[-1] == "fri"


def test_every_unit_is_what_it_says() -> None:
    minute, hour, day = 60, 60 * 60, 24 * 60 * 60
    times = {"s sec second": 1, "min minute": minute, "h hour": hour, "d day": day, "w week": 7 * day}
    sizes = {"b": 1, "k kb": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
    rates = {"bps bit/s bd baud": 1, "k kbps kbit/s": 1000, "mbit/s": 1_000_000}
    for unit, words in (("seconds", times), ("bytes", sizes), ("bits per second", rates)):
        for names, value in words.items():
            assert {name: amount(f"3 {name}", unit) for name in names.split()} == dict.fromkeys(
                names.split(), 3 * value
            )
    assert [amount("1 w", unit) for unit in ("minutes", "hours", "days")] == [7 * 24 * 60, 7 * 24, 7]
