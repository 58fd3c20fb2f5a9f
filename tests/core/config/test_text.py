"""The configuration file: what is taken, what is refused and in which words, what comes back out."""

import dataclasses
import functools
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases import cases
from dialpost.core.config.check import warnings
from dialpost.core.config.fields import Field, all_fields
from dialpost.core.config.model import Config, LinkKind, TlsMode
from dialpost.core.config.text import explain, find_field, markdown, parse_config, render_config, starter
from dialpost.core.errors import ConfigError, NotFoundError
from fuzzing import inputs
from known import known

BASE = '[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example"]\n'
FULL = (
    BASE
    + """
[relay]
networks = ["192.168.1.0/24", "fd00::/8"]
[delivery]
catch_all = {"clinic.example" = "anna"}
[outbound]
smarthost = "smtp.provider.example"
user = "clinic"
password = "pä\\"ss\\\\w\\u007f"
port = 465
tls = "implicit"
[[outbound.route]]
domains = ["partner.example", ".far.example"]
via = "mx"
[[outbound.route]]
domains = ["ship.example"]
host = "192.0.2.9"
[link]
kind = "dialup-gateway"
[[schedule.entry]]
days = ["Mon", "fri"]
at = ["07:30"]
[[schedule.entry]]
start = "08:00"
end = "18:00"
every_min = 60
"""
)


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    return list(caught.value.problems)


def test_a_value_of_the_wrong_kind_hides_no_other_fault() -> None:
    found = problems(BASE + '[smtp]\nmax_connections = 0\n[tls]\nkey = "/k.pem"\n')
    assert [sentence.split()[0] for sentence in found] == ["smtp.max_connections", "tls.certificate"]


def test_the_smallest_file_has_a_default_for_everything_else() -> None:
    config = parse_config(BASE)
    assert config == dataclasses.replace(
        Config(),
        station=dataclasses.replace(Config().station, hostname="mail.clinic.example", domains=("clinic.example",)),
    )


def test_values_are_typed_and_in_normal_form() -> None:
    config = parse_config(FULL)
    assert config.link.kind is LinkKind.DIALUP_GATEWAY
    assert config.outbound.tls is TlsMode.IMPLICIT
    assert config.schedule.entry[0].days == ("mon", "fri")
    assert [route.domains for route in config.outbound.route] == [
        ("partner.example", ".far.example"),
        ("ship.example",),
    ]
    assert config.outbound.password == 'pä"ss\\w\x7f'


def test_international_domains_are_kept_as_a_labels() -> None:
    config = parse_config(BASE.replace("clinic.example", "büro.example"))
    assert config.station.domains == ("xn--bro-hoa.example",)
    assert config.station.hostname == "mail.xn--bro-hoa.example"


@pytest.mark.parametrize("all_keys", [False, True])
def test_what_is_rendered_with_secrets_parses_to_the_same(all_keys: bool) -> None:
    config = parse_config(FULL)
    assert parse_config(render_config(config, secrets=True, all_keys=all_keys)) == config


def test_secrets_are_blotted_out() -> None:
    shown = render_config(parse_config(FULL), secrets=False, all_keys=True)
    assert "ss\\\\w" not in shown
    assert shown.count("(set, not shown)") == 1


@cases(
    ("text", "expected"),
    [
        ("", ["station.hostname is missing", "station.domains is missing"]),
        (BASE + "[smtp]\nlissten = []\n", ["There is no key smtp.lissten. Did you mean smtp.listen?"]),
        (BASE + "[smtp]\nsubmission_listn = []\n", ["Did you mean smtp.submission_listen?"]),
        (BASE + "[stmp]\n", ["There is no section stmp. Did you mean smtp?"]),
        (BASE + '[link]\nsmarthost = "x"\n', ["There is no key link.smarthost. Did you mean outbound.smarthost?"]),
        (
            BASE + "[smtp]\nmax_connections = 0\n",
            ["smtp.max_connections = 0 is not allowed: it must be a whole number from 1 to 2000."],
        ),
        (BASE + "[smtp]\nmax_connections = true\n", ["smtp.max_connections = true is not allowed"]),
        (BASE + "[call]\ngrace_min_s = nan\n", ["call.grace_min_s = nan is not allowed"]),
        (
            BASE + '[link]\nkind = "modm"\n',
            ['link.kind = "modm" is not allowed: it must be one of: modem, gateway, dialup-gateway.'],
        ),
        (BASE + '[smtp]\nlisten = "[::]:25"\n', ["must be a list of ADDRESS:PORT"]),
        (
            BASE + '[smtp]\nlisten = ["localhost:25", "::1:25", "[::1]:70000"]\n',
            ["smtp.listen[1]", "smtp.listen[2]", "smtp.listen[3]"],
        ),
        (BASE + '[relay]\nnetworks = ["192.168.1.1/24"]\n', ["relay.networks[1]"]),
        (BASE + '[relay]\nnetworks = ["0.0.0.0/0"]\n', ["would let the whole world send"]),
        (BASE + '[relay]\nnetworks = ["::/0"]\n', ["would let the whole world send"]),
        (BASE + '[tls]\nkey = "/k.pem"\n', ["tls.certificate and tls.key belong together"]),
        (BASE + '[outbound]\nuser = "x"\n', ["outbound.user and outbound.password belong together"]),
        (BASE + '[outbound]\nsmarthost = "clinic.example"\n', ["is this station itself"]),
        (BASE + "[outbound]\nretry_min_s = 90\nretry_max_s = 60\n", ["retry_min_s = 90 must not be greater than"]),
        (
            BASE + "[call]\ngrace_min_s = 61\n",
            ["call.grace_min_s = 61 must not be greater than call.grace_max_s = 60"],
        ),
        (BASE + '[[outbound.route]]\nvia = "mx"\n', ["outbound.route[1].domains is missing"]),
        (
            BASE + '[[outbound.route]]\ndomains = ["a.example"]\n[[outbound.route]]\ndomains = ["a.example"]\n',
            ["outbound.route names a.example 2 times"],
        ),
        (BASE + '[outbound]\nroute = ["x"]\n', ["outbound.route[1] must be a table"]),
        (BASE + "[[schedule.entry]]\n", ["schedule.entry[1] never calls"]),
        (BASE + '[[schedule.entry]]\nat = ["24:00"]\n', ["schedule.entry[1].at[1]"]),
        (BASE + '[[schedule.entry]]\nstart = "18:00"\nend = "08:00"\nevery_min = 5\n', ["starts at 18:00"]),
        (BASE + '[delivery]\ncatch_all = {"other.example" = "anna"}\n', ["delivery.catch_all names other.example"]),
        (BASE + 'data_dir = "relative"\n', ["a full path that starts with /"]),
        (BASE + '[etrn]\nnames = ["#a b", "@x..y"]\n', ["etrn.names[1]", "etrn.names[2]"]),
        ("station = 3\n", ["station must be a section: write [station] on a line of its own."]),
        # What follows from a wrong key only because it stands at its default is not reported as a second fault.
        (
            BASE + '[outbound]\nuser = "u"\npassword = 5\n',
            ["outbound.password (not shown here) is not allowed: it must be text in quotes."],
        ),
        (BASE + "[call]\ngrace_max_s = 0\ngrace_min_s = 300\n", ["call.grace_max_s = 0 is not allowed"]),
        (BASE + "[outbound]\nroute = 5\n", ["must be a table: write [[outbound.route]] on a line of its own."]),
        (BASE + "[smtp]\nlisten = [25]\n", ["each item must be ADDRESS:PORT such as [::]:25."]),
        (
            BASE + '[smtp]\nlisten = ["0.0.0.0:25"]\nsubmission_listen = ["[::]:25"]\n',
            ['smtp.submission_listen has "[::]:25", and so has smtp.listen "0.0.0.0:25"'],
        ),
        (BASE + '[relay]\nnetworks = ["::ffff:10.0.0.0/104"]\n', ["write it as an IPv4 network"]),
        (BASE + '[outbound]\nsmarthost = "smtp.provider.example:587"\n', ["the port has a key of its own"]),
        (BASE + '[etrn]\nhost = "mail.clinic.example"\n', ['"mail.clinic.example" is this station itself']),
        (BASE + '[dns]\nservers = ["ns.provider.example"]\n', ["it must be an IP address"]),
        (BASE + '[delivery]\nplus_separator = "@"\n', ["one of the characters + - = _ #, or empty"]),
        (BASE + '[delivery]\ncatch_all = {"clinic.example" = 5}\n', ["it must be the name of an account"]),
        (BASE + "[smtp]\ndisk_reserve_bytes = -1\n", ["from 0 to 1099511627776 bytes"]),
        (
            BASE + "[console]\nspeed_bps = 14400\n",
            ["console.speed_bps = 14400 is not a serial line speed: use one of 9600, 19200, 38400, 57600, 115200."],
        ),
        (BASE + "x = [1,\n", ["This is not TOML"]),
    ],
)
def test_every_fault_is_reported_with_key_value_and_what_is_allowed(text: str, expected: list[str]) -> None:
    found = problems(text)
    assert len(found) == len(expected), found
    for problem, part in zip(found, expected, strict=True):
        assert part in problem


def test_all_faults_are_told_at_once_with_the_files_name() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config('[station]\nhostname = "x"\n[smtp]\nfoo = 1\nmax_errors = 1\n', "/etc/d.toml")
    assert len(caught.value.problems) == 4
    assert all(problem.startswith("/etc/d.toml: ") for problem in caught.value.problems)


def test_a_wrong_secret_is_not_repeated() -> None:
    assert "hunter2" not in "\n".join(problems(BASE + '[outbound]\nuser = "x"\npassword = ["hunter2"]\n'))


@cases(
    ("text", "part"),
    [
        (BASE, "outbound.smarthost is not set"),
        (FULL.replace('tls = "implicit"', 'tls = "none"'), "may expose outbound.password"),
        (FULL + "[etrn]\nport = 587\n", "submission ports do not offer ETRN"),
        (FULL, None),
        (FULL.replace("port = 465", "port = 587"), "implicit goes with 465"),
        (FULL + '[etrn]\nuser = "u"\npassword = "p"\n', "may expose etrn.password"),
        (FULL.replace('tls = "implicit"', 'tls = "implicit"\ntls_verify = "none"'), "could read outbound.password"),
        (FULL + "[smtp]\nlisten = []\n", "smtp.listen is empty"),
        (FULL.replace("192.168.1.0/24", "8.0.0.0/8"), "8.0.0.0/8 is a large public network"),
        (FULL.replace("[relay]\n", '[relay]\nprovider_networks = ["192.168.0.0/16"]\n'), "provider's rule wins"),
    ],
)
def test_warnings_tell_what_works_but_should_be_known(text: str, part: str | None) -> None:
    told = warnings(parse_config(text))
    assert (any(part in sentence for sentence in told)) if part else told == ()


@pytest.mark.parametrize(
    ("budget", "part"),
    [
        ("limit_per_day = 5", "budget.limit_per_day never applies"),
        ("limit_per_call = 0.1\ncost_per_minute = 0.2", "limit_per_call = 0.1: the shortest call costs more (0.2)"),
        ("minutes_per_day = 0.5", "budget.minutes_per_day = 0.5: less than a minute"),
        ('big_windows = ["22:00-06:00"]', "budget.big_windows has no effect"),
        ("minutes_per_day = 30\ncost_per_minute = 0.2\nlimit_per_month = 20", ""),
    ],
)
def test_warnings_about_a_budget_that_allows_nothing_or_never_binds(budget: str, part: str) -> None:
    text = BASE + "[budget]\n" + budget
    told = [sentence for sentence in warnings(parse_config(text)) if sentence.startswith("budget.")]
    assert [part in sentence for sentence in told] == ([True] if part else [])


def test_every_key_is_explained_with_type_and_default() -> None:
    for field in all_fields():
        words = explain(field)
        assert field.key in words
        assert "It is " in words
        assert len(field.setting.help) > 10, field.key


SAMPLES = {
    "hostname": "mx.ship.example",
    "domain": "ship.example",
    "host": "192.0.2.5",
    "listen": "127.0.0.1:2525",
    "network": "10.1.0.0/16",
    "time": "07:30",
    "weekday": "wed",
    "etrn-name": "#queue",
    "path": "/x/y",
    "account": "anna",
    "timezone": "Europe/Berlin",
    "fingerprint": "ab" * 32,
    "ip": "192.0.2.53",
    "separator": "-",
    "route-domain": ".far.example",
    "phone-number": "0961123456",
    "dial-prefix": "0w",
    "dial-suffix": ",,4711#",
    "ipv4": "192.0.2.53",
    "sim-pin": "1234",
    "at-command": "ATM0",
    "line-login": "clinic",
    "apn": "internet",
    "time-span": "22:00-06:00",
    "login-text": "ogin:",
    "interface": "eth1",
    "interface-address": "10.9.8.7/16",
    "": 'a "text" \\ with \x7f and ü',
}


def other_value(field: Field) -> object:
    """A value the field may have that is not its default, as TOML."""
    if field.is_table:
        return {"clinic.example": "anna"}
    if field.choices:
        value: Any = next(word for word in field.choices if word != getattr(field.default, "value", field.default))
    elif field.value_type is bool:
        value = not field.default
    elif field.value_type in {int, float}:
        value = 576 if field.key == "ppp.mtu" else field.value_type(field.setting.minimum or 7)
        value = value if value != field.default else value + 1
    else:
        value = SAMPLES[field.setting.kind]
    return [value] if field.is_list else value


PARTNERS = {
    "tls.certificate": 'key = "/k"',
    "tls.key": 'certificate = "/c"',
    "user": 'password = "p"',
    "password": 'user = "u"',
    "tls_fingerprint": 'tls_verify = "fingerprint"',
    "retry_max_s": "retry_min_s = 1",
    "grace_max_s": "grace_min_s = 0.1",
    "total_s": "try_s = 0.5",
    "start": "every_min = 9",
    "end": "every_min = 9",
    "days": 'at = ["01:00"]',
    "lan.method": 'address = "192.168.1.25/24"',
    "atrn.user": 'password = "p"\nhost = "atrn.example"',
    "atrn.password": 'user = "u"\nhost = "atrn.example"',
}
"""What else a key needs beside it to be allowed."""
LISTS = {"outbound.route", "schedule.entry", "inbound.mailbox"}
MAILBOX = {"name": '"office"', "host": '"imap.example"', "user": '"u"', "password": '"p"'}
"""What every mailbox needs."""


def file_with(field: Field) -> str:
    """A whole file in which this key is set."""
    section, _, _ = field.key.rpartition(".")
    value = other_value(field)
    line = f"{field.name} = {json.dumps(value, ensure_ascii=False)}\n".replace("\x7f", "\\u007f")
    if field.is_table:
        line = f'{field.name} = {{"clinic.example" = "anna"}}\n'
    more = PARTNERS.get(field.key, PARTNERS.get(field.name, "")) + "\n"
    if field.setting.required and section == "station":
        return "".join(line if text.startswith(field.name) else text for text in BASE.splitlines(keepends=True))
    if section == "station":
        return BASE + line
    if field.key == "inbound.use":
        return BASE + '[inbound]\nuse = ["etrn"]\n'
    if field.key == "delivery.separate_domains":
        return (
            BASE.replace('["clinic.example"]', f'["clinic.example", "{SAMPLES["domain"]}"]') + f"[delivery]\n{line}"
        )
    if section == "inbound.mailbox":
        needed = {**MAILBOX, field.name: line.partition(" = ")[2].strip()}
        if field.name == "token_file":
            del needed["password"]
        rows = "".join(f"{name} = {text}\n" for name, text in needed.items())
        more = PARTNERS.get(field.name, "") if field.name == "tls_fingerprint" else ""
        return BASE + f"[[{section}]]\n{rows}{more}\n"
    if section in {"outbound.route", "schedule.entry"}:
        more += 'domains = ["a.example"]\n' if section == "outbound.route" and field.name != "domains" else ""
        more += 'at = ["01:00"]\n' if section == "schedule.entry" and field.name == "every_min" else ""
        return BASE + f"[[{section}]]\n{line}{more}"
    return BASE + f"[{section}]\n{line}{more}"


@cases("field", [field for field in all_fields() if field.item_class is None], ids=lambda f: f.key)
def test_every_key_can_be_set_and_comes_back(field: Field) -> None:
    config = parse_config(file_with(field))
    value = functools.reduce(
        lambda part, name: getattr(part[0] if isinstance(part, tuple) else part, name), field.key.split("."), config
    )
    assert value != field.default
    assert parse_config(render_config(config, secrets=True)) == config
    assert parse_config(render_config(config, secrets=True, all_keys=True)) == config


@cases("field", list(all_fields()), ids=lambda field: field.key)
def test_no_value_whatever_breaks_the_parser(field: Field) -> None:
    section, _, _ = field.key.rpartition(".")
    opening = f"[[{section}]]" if section in LISTS else f"[{section}]"
    base = "" if section == "station" else BASE
    for value in (
        "5",
        "-1",
        "1e400",
        "nan",
        "true",
        "''",
        "'x'",
        "' '",
        "'[::'",
        "'@'",
        "[]",
        "['']",
        "[[]]",
        "[1, 'a']",
        "{}",
        "{a = 1}",
        "1979-05-27",
        "07:30:00",
        "'\u2028'",
        "'ﬁ.example'",
        "'xn--a'",
        "'..'",
        "'" + "a" * 300 + "'",
    ):
        try:
            parse_config(f"{base}{opening}\n{field.name} = {value}\n")
        except ConfigError as error:
            assert error.problems and all(problem.endswith((".", "?")) for problem in error.problems), error


def test_a_key_that_is_not_there_names_the_nearest() -> None:
    with pytest.raises(NotFoundError, match=r"Did you mean smtp\.listen"):
        find_field("smtp.lisen")
    three = r"Did you mean smtp\.submission_listen or smtp\.submissions_listen or smtp\.listen\?"
    with pytest.raises(NotFoundError, match=three):
        find_field("smtp.submission_listn")


@given(st.text(max_size=200))
@settings(max_examples=inputs(300))
def test_any_text_is_a_configuration_or_a_config_error(text: str) -> None:
    try:
        parse_config(BASE + text)
    except ConfigError as error:
        assert error.problems


@given(
    st.dictionaries(
        st.sampled_from(["listen", "max_errors", "max_connections", "login_pause_s", "nonsense"]),
        st.one_of(st.integers(-10, 10**10), st.booleans(), st.floats(), st.lists(st.text(max_size=5), max_size=2)),
        max_size=4,
    )
)
def test_wrongly_typed_values_never_get_through(values: dict[str, list[str] | float]) -> None:
    def toml(value: list[str] | float) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, list):
            return "[" + ", ".join("'" + "".join(c for c in t if c.isalnum()) + "'" for t in value) + "]"
        return repr(value)

    text = BASE + "[smtp]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in values.items())
    try:
        config = parse_config(text)
    except ConfigError:
        return
    assert 3 <= config.smtp.max_errors <= 1000
    assert 1 <= config.smtp.max_connections <= 2000
    assert type(config.smtp.login_pause_s) is int


def test_the_starter_file_is_usable_as_it_is() -> None:
    config = parse_config(starter())
    assert config.station.domains == ("clinic.example",)
    assert config.schedule.entry[0].at == ("07:30", "12:30", "17:30")
    assert warnings(config) == ()


def test_each_comment_of_the_starter_file_can_be_made_a_line() -> None:
    lines = starter().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"# [a-z_]+ = ", line):
            tomllib.loads("\n".join([*lines[:number], line.removeprefix("# "), *lines[number + 1 :]]))


def test_the_page_of_settings_is_as_the_declarations_are() -> None:
    page = Path(__file__).parents[3] / "docs" / "configuration.md"
    assert page.read_text() == markdown(), "run: dialpost config explain --markdown > docs/configuration.md"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[smtp]\nlisten = ["127.0.0.1:25", "127.0.0.1:25"]', "smtp.listen"),
        (
            '[outbound]\nsmarthost = "x.example"\ntls_verify = "fingerprint"',
            'outbound.tls_verify = "fingerprint" and outbound.tls_fingerprint belong together.',
        ),
        (
            '[outbound]\nsmarthost = "x.example"\ntls_fingerprint = "' + "ab" * 32 + '"',
            'outbound.tls_verify = "fingerprint" and outbound.tls_fingerprint belong together.',
        ),
        (
            '[[schedule.entry]]\nat = ["10:00"]\nstart = "08:00"',
            "schedule.entry[1] has start or end without every_min.",
        ),
        ('[station]\ndomains = ["a.example", "b.example", "a.example"]', "station.domains names a.example 2 times"),
    ],
)
def test_what_contradicts_itself(text: str, words: str) -> None:
    head = (
        "" if text.startswith("[station]") else '[station]\nhostname = "mail.a.example"\ndomains = ["a.example"]\n'
    )
    with pytest.raises(ConfigError) as told:
        parse_config(head + text.replace("[station]", '[station]\nhostname = "mail.a.example"') + "\n")
    assert any(words in problem for problem in told.value.problems), told.value.problems


def test_a_list_has_its_longest_length() -> None:
    field = next(
        field for field in all_fields() if field.is_list and field.setting.maximum and field.value_type is str
    )
    items = ", ".join(f'"{n}"' for n in range(int(known(field.setting.maximum)) + 1))
    with pytest.raises(ConfigError, match=rf"has {int(known(field.setting.maximum)) + 1} items; at most"):
        parse_config(f"[{field.key.rpartition('.')[0]}]\n{field.name} = [{items}]\n")


def test_a_section_that_is_none_hides_no_fault_in_the_next() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config("station = 1\nsmtp = 2\n[call]\ngrace_min_s = -1\n")
    assert [problem.split(" ")[0] for problem in caught.value.problems] == ["station", "smtp", "call.grace_min_s"]


@pytest.mark.parametrize(
    ("key", "lines"),
    [
        ("station.hostname", ["Required.", "Example: mail.clinic.example"]),
        ("outbound.password", ['Default: ""', "Secret: never shown or logged."]),
        ("smtp.max_errors", ["Default: 10"]),
    ],
)
def test_what_is_explained_of_a_key(key: str, lines: list[str]) -> None:
    told = explain(find_field(key)).split("\n  ")
    assert told[0] == key and told[2].startswith("It is ")
    assert [line.partition(":")[0] for line in told[3:]] == [line.partition(":")[0] for line in lines]


def test_a_list_says_how_many_items_it_may_have() -> None:
    for field in all_fields():
        bounds = field.setting.minimum or field.setting.maximum
        assert ("items." in explain(field)) is bool(field.is_list and bounds), field.key
    assert "  From 0 to 8 items.\n" in explain(find_field("dns.servers"))
    assert "  From 1 to 100 items.\n" in explain(find_field("station.domains"))


def test_in_the_starter_file_no_key_of_a_section_stands_behind_its_lists_of_tables() -> None:
    section, header = "", ""
    for line in starter().splitlines():
        bare = line.removeprefix("# ")
        if bare.startswith("[["):
            header = bare.strip("[]")
            assert header.startswith(section + ".")
        elif bare.startswith("[") and "=" not in bare:
            section = header = bare.strip("[]")
        elif " = " in bare and not bare.partition(" = ")[0].count(" "):
            key = f"{header}.{bare.partition(' = ')[0]}"
            assert find_field(key).key == key


def test_the_domain_of_a_table_may_have_a_single_label_as_the_stations_may() -> None:
    text = '[station]\nhostname = "mail.lan"\ndomains = ["lan"]\n[delivery]\ncatch_all = {"lan" = "anna"}\n'
    assert parse_config(text).delivery.catch_all == {"lan": "anna"}


def test_a_list_stands_in_the_starter_file_as_a_list() -> None:
    assert '# domains = ["partner.example"]' in starter().splitlines()


def test_what_a_configuration_must_say() -> None:
    with pytest.raises(ConfigError) as told:
        parse_config("[[outbound.route]]\n")
    missing = {problem.split()[0] for problem in told.value.problems if " is missing" in problem}
    assert missing == {"station.hostname", "station.domains", "outbound.route[1].domains"}
