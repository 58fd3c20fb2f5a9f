"""Candidates: keys set and unset by path, in words where they can't be, with comments and order kept."""

import tomllib
from enum import Enum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases import cases
from dialpost.core.config.check import warnings
from dialpost.core.config.editing.candidate import Candidate
from dialpost.core.config.editing.compare import compare
from dialpost.core.config.editing.keys import find_place, places
from dialpost.core.config.fields import Field, all_fields
from dialpost.core.config.model import Config
from dialpost.core.config.text import parse_config, starter, toml_value
from dialpost.core.errors import ConfigError, NotFoundError

BASE = """\
# The clinic's station.
[station]
hostname = "mail.clinic.example"  # as in DNS
domains = [
    "clinic.example",  # the main one
    "ward.example",
]

[smtp]
# Most recipients of one message.
# max_recipients = 500

[outbound]
smarthost = "smtp.provider.example"

# The partner.
[[outbound.route]]
domains = ["partner.example"]
host = "mx.partner.example"

[[outbound.route]]
domains = ["other.example"]
host = "mx.other.example"

[link]
kind = "gateway"
"""


def table_of(candidate: Candidate) -> Any:
    return candidate.table()


@pytest.fixture
def base() -> Candidate:
    return Candidate(BASE)


@pytest.mark.parametrize(
    ("key", "value", "kept"),
    [
        ("modem.numbers", "0961 123456,0961999", ["0961123456", "0961999"]),
        ("modem.numbers", '["0961 123456"]', ["0961123456"]),
        ("modem.numbers", '"0w,0961 12", 09991', ["0w,096112", "09991"]),
        ("modem.numbers", "", []),
        ("modem.login_script", '"ogin:", "%u", " assword:", %p', ["ogin:", "%u", " assword:", "%p"]),
        ("smtp.listen", "[::]:25, [::1]:2525", ["[::]:25", "[::1]:2525"]),
        ("dns.servers", "[2001:db8::53]", ["2001:db8::53"]),
        ("smtp.max_recipients", " 1_000 ", 1000),
        ("outbound.timeout_scale", "2", 2.0),
        ("ppp.shaping", "no", False),
        ("schedule.when_urgent", "On", True),
        ("link.kind", "MODEM", "modem"),
        ("lan.services", "imaps, pop3s", ["imaps", "pop3s"]),
        ("station.hostname", "'MX.clinic.example'", "mx.clinic.example"),
        ("outbound.password", "  a, b [c] # d ", "a, b [c] # d"),
        ("outbound.password", '" a"', " a"),
        ("outbound.route[2].host", "MX2.other.example", "mx2.other.example"),
        ("outbound.route[2].domains", "a.example, .b.example", ["a.example", ".b.example"]),
        ("delivery.catch_all", '{"clinic.example" = "anna"}', {"clinic.example": "anna"}),
    ],
)
def test_a_value_as_it_is_typed(base: Candidate, key: str, value: str, kept: object) -> None:
    made = base.set(key, value)
    place = find_place(key)
    part = table_of(made)[place.section]
    holder = part[place.name][place.index - 1] if place.inner else part
    assert holder[place.inner or place.name] == kept
    assert made.keeps_comments


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("modem.numbres", "1", "no key modem.numbres. Did you mean modem.numbers"),
        ("numbers", "1", "no key numbers"),
        ("smtp", "1", "smtp is a section: name a key in it, like smtp.listen"),
        ("smtp.", "1", "smtp is a section"),
        (
            "smtp.max_recipients",
            "many",
            'max_recipients = "many" is not allowed: it must be a whole number from 100',
        ),
        ("smtp.max_recipients", "1", "a whole number from 100 to 10000"),
        ("smtp.max_recipients[1]", "500", "one value, not a list: write it without [1]"),
        ("link.kind", "radio", "one of: modem, gateway, dialup-gateway"),
        ("ppp.shaping", "maybe", "true or false"),
        ("outbound.route", "x", "is a list of tables: set one key of one of them, like outbound.route[1].KEY"),
        ("outbound.route.host", "x", "say which of them, like outbound.route[1].host"),
        ("outbound.route[1]", "x", "is a table: set a key in it, like outbound.route[1].KEY"),
        ("outbound.route[4].host", "x", "has 2 items: the next is outbound.route[3]"),
        ("outbound.route[1].hots", "x", "Did you mean outbound.route.host"),
        ("outbound.route[0].host", "x", "count from 1"),
        ("outbound.route[x].host", "x", "is not the name of a key"),
        ("modem.numbers[3]", "1", "is empty: the next is modem.numbers[1]"),
        ("modem.numbers", '["1"', "the quotes or brackets do not match"),
        ("modem.numbers", '"1', "a quote is not closed"),
        ("modem.numbers.x", "1", "no key modem.numbers.x"),
        ("delivery.catch_all", "anna", "name the domain, like delivery.catch_all.DOMAIN"),
        ("delivery.catch_all.clinic.example", "An na", "an account's name has letters"),
        ("delivery.catch_all.clinic.example", "Anna@b.example", "without @ and domain: anna."),
        ("station.domains[1]", "anna@b.example", "enter only what follows the @: b.example"),
        ("delivery.catch_all.-", "anna", "is not allowed"),
        ("station.domains", "", "at least 1 required"),
    ],
)
def test_a_slip_is_answered_with_what_is_allowed(base: Candidate, key: str, value: str, words: str) -> None:
    with pytest.raises((ConfigError, NotFoundError)) as caught:
        base.set(key, value)
    assert words in str(caught.value)


def test_a_secret_that_is_not_allowed_is_not_repeated(base: Candidate) -> None:
    for value in ("ge\nheim", '"geheim\\q"'):
        with pytest.raises(ConfigError) as caught:
            base.set("outbound.password", value)
        assert "heim" not in str(caught.value) and "outbound.password" in str(caught.value)


def test_comments_and_order_stay(base: Candidate) -> None:
    made = (
        base.set("station.hostname", "mx.clinic.example")
        .set("smtp.max_recipients", "600")
        .set("outbound.route[1].port", "2525")
        .set("outbound.route[3].domains", "third.example")
        .set("delivery.catch_all.clinic.example", "anna")
        .set("station.domains", "clinic.example")
        .unset("outbound.route[2]")
    )
    assert (
        made.text
        == """\
# The clinic's station.
[station]
hostname = "mx.clinic.example"  # as in DNS
domains = ["clinic.example"]

[smtp]
# Most recipients of one message.
# max_recipients = 500
max_recipients = 600

[outbound]
smarthost = "smtp.provider.example"

# The partner.
[[outbound.route]]
domains = ["partner.example"]
host = "mx.partner.example"
port = 2525


[[outbound.route]]
domains = ["third.example"]

[link]
kind = "gateway"

[delivery]
catch_all = {"clinic.example" = "anna"}
"""
    )
    assert made.keeps_comments and made.problems() == ()


def test_what_is_written_in_an_unusual_way_is_written_again(base: Candidate) -> None:
    odd = Candidate('link = {kind = "gateway"}\nrelay.networks = []\n' + BASE.partition("[link]")[0])
    made = odd.set("link.line_rate_bps", "9600")
    assert not made.keeps_comments
    assert tomllib.loads(made.text) == {**odd.table(), "link": {"kind": "gateway", "line_rate_bps": 9600}}
    assert made.problems() == ()


def test_items_of_lists(base: Candidate) -> None:
    made = base.set("modem.numbers[1]", "321").set("modem.numbers[2]", "322").set("modem.numbers[1]", "323")
    assert table_of(made)["modem"]["numbers"] == ["323", "322"]
    assert table_of(made.unset("modem.numbers[1]"))["modem"]["numbers"] == ["322"]
    assert table_of(base.set("smtp.listen[2]", "127.0.0.1:2525"))["smtp"]["listen"] == ["[::]:25", "127.0.0.1:2525"]
    with pytest.raises(NotFoundError, match=r"modem\.numbers\[3\] is not set"):
        made.unset("modem.numbers[3]")


@pytest.mark.parametrize(
    "key",
    ["outbound.route[1].host", "outbound.route", "outbound.smarthost", "station.domains", "link.kind", "outbound"],
)
def test_what_is_unset_is_gone_and_nothing_else(base: Candidate, key: str) -> None:
    made = base.unset(key)
    left = [place.key for place, _ in places(made.table())]
    assert left == [one.key for one, _ in places(base.table()) if not one.key.startswith(key)]
    assert made.keeps_comments and made.text.count("#") >= base.text.count("#") - 1


def test_unsetting_a_section_keeps_the_comments_and_the_order_of_the_others(base: Candidate) -> None:
    made = base.unset("outbound")
    assert "outbound" not in {name for name, part in made.table().items() if part}
    assert made.keeps_comments and "# The clinic's station." in made.text
    assert made.text.index("[smtp]") < made.text.index("[link]")


@pytest.mark.parametrize("key", ['" z "', '"listen[2]"', '"a.b[3]"'])
def test_a_section_is_unset_whole_though_no_key_names_what_is_in_it(key: str) -> None:
    made = Candidate(f'[smtp]\nlisten = ["[::]:25", "[::1]:25"]\n{key} = 1\n[link]\nkind = "gateway"\n').unset(
        "smtp"
    )
    assert {name: part for name, part in made.table().items() if part} == {"link": {"kind": "gateway"}}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("smtp.max_errors", "9" * 5000, r'max_errors = "9+… is not allowed: it must be a whole number'),
        ("smtp.max_errors", "1e999", '"1e999" is not allowed'),
        ("station.hostname", '"a\\u0000b"', "it must not contain a NUL character"),
        ("station.hostname", '"a\\nb"', "it must not contain a line break"),
    ],
)
def test_a_value_that_is_refused_is_shown_as_it_was_typed(base: Candidate, key: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        base.set(key, value)


def test_an_item_of_a_list_of_tables_is_unset_and_the_next_takes_its_place(base: Candidate) -> None:
    made = base.unset("outbound.route[1]")
    assert table_of(made)["outbound"]["route"] == [table_of(base)["outbound"]["route"][1]]
    assert "route" not in table_of(made.unset("outbound.route[1]"))["outbound"]
    assert "# The partner." in made.text


def test_a_domain_is_unset_in_a_table(base: Candidate) -> None:
    both = base.set("delivery.catch_all.clinic.example", "anna").set("delivery.catch_all.ward.example", "bo")
    made = both.unset("delivery.catch_all.clinic.example")
    assert table_of(made)["delivery"] == {"catch_all": {"ward.example": "bo"}}
    assert made.keeps_comments and "# The partner." in made.text


@pytest.mark.parametrize(
    "key",
    ["outbound.password", "delivery.catch_all.clinic.example", "outbound.route[1].port", "modem.port", "retention"],
)
def test_what_is_not_set_can_not_be_unset(base: Candidate, key: str) -> None:
    with pytest.raises(NotFoundError, match="is not set"):
        base.unset(key)


def test_what_should_not_be_in_a_file_can_be_unset() -> None:
    broken = Candidate(
        BASE + "kidn = 1\n\n[linc]\nx = 1\n\n[[outbound.route]]\nhots = 1\ndomains = ['a.example']\n"
    )
    assert len(broken.problems()) == 3
    made = broken.unset("link.kidn").unset("linc").unset("outbound.route[3].hots")
    assert made.problems() == ()
    with pytest.raises(NotFoundError, match="no key linc"):
        made.unset("linc")


def test_no_toml_is_no_candidate() -> None:
    with pytest.raises(ConfigError, match="This is not TOML"):
        Candidate("[station\n")


# -- every declared key -------------------------------------------------------------------------------

_FIELDS = [field for field in all_fields() if field.item_class is None and not field.is_table]


def _typed(value: object) -> str:
    """A value as somebody may type it."""
    if isinstance(value, tuple):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, Enum):
        return str(value.value)
    return toml_value(value)


@cases("field", _FIELDS, ids=lambda field: field.key)
def test_every_key_takes_its_own_default_and_its_example(field: Field) -> None:
    key = field.key
    lists = ("outbound.route", "schedule.entry", "inbound.mailbox")
    for listed in lists:
        if key.startswith(listed + "."):
            key = key.replace(listed, f"{listed}[1]")
    values = [] if field.setting.required else [_typed(field.default)]
    values += [field.setting.example] if field.setting.example else []
    for value in values:
        made = Candidate(starter()).set(key, value)
        assert made.keeps_comments
        assert made.text.count("\n#") == starter().count("\n#") or key.startswith(lists)


_KEYS = [
    "station.hostname",
    "smtp.max_recipients",
    "smtp.listen",
    "modem.numbers",
    "modem.numbers[1]",
    "outbound.password",
    "outbound.route[1].host",
    "outbound.route[2].domains",
    "outbound.route[1]",
    "delivery.catch_all.clinic.example",
    "schedule.entry[1].at",
    "schedule.entry[2].at",
    "schedule.entry",
    "link.kind",
    "budget.currency",
]
_VALUES = st.one_of(
    st.sampled_from(["600", "mx.a.example", "gateway", "07:00, 08:00", "anna", "1,2", "", '"x"', "# no", "EUR"]),
    st.text(max_size=12),
)
_EDITS = st.lists(st.tuples(st.sampled_from(_KEYS), st.none() | _VALUES), max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([BASE, starter(), "", BASE.replace("\n", "\n\n")]), _EDITS)
def test_any_edits_leave_toml_that_means_what_was_edited(text: str, edits: list[tuple[str, str | None]]) -> None:
    candidate = Candidate(text)
    for key, value in edits:
        before = {place.key: found for place, found in places(candidate.table())}
        try:
            candidate = candidate.unset(key) if value is None else candidate.set(key, value)
        except (ConfigError, NotFoundError):
            continue
        after = {place.key: found for place, found in places(candidate.table())}
        touched = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        root = key.partition("[")[0] if "[" in key else key
        assert all(one.startswith(root) for one in touched), (key, touched)
        assert candidate.keeps_comments
    assert candidate.text.count("#") >= Candidate(text).text.count("#") - sum(v is None for _, v in edits) * 20


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_any_password_survives(password: str) -> None:
    try:
        made = Candidate(BASE).set("outbound.password", toml_value(password)).set("outbound.user", "u")
    except ConfigError:
        assert set(password) & {"\n", "\r", "\0"}
        return
    assert parse_config(made.text).outbound.password == password
    assert not any(password in line for line in compare(Candidate(BASE).table(), made.table()) if len(password) > 8)


def test_the_defaults_are_a_configuration_that_needs_only_a_name() -> None:
    made = Candidate("").set("station.hostname", "m.a.example").set("station.domains", "a.example")
    assert made.config() == Config(station=made.config().station)


@pytest.mark.parametrize(
    ("text", "key", "value", "words"),
    [
        ("smtp = 1", "smtp.max_recipients", "5", "smtp must be a section: unset smtp first."),
        (
            "[delivery]\ncatch_all = 1",
            "delivery.catch_all.clinic.example",
            "anna",
            "delivery.catch_all is not a table: unset it first.",
        ),
        (
            "[outbound]\nroute = 1",
            "outbound.route[1].host",
            "x.example",
            "outbound.route is not a list: unset it first.",
        ),
        (
            "[outbound]\nroute = [1]",
            "outbound.route[1].host",
            "x.example",
            "outbound.route[1] is not a table: unset it first.",
        ),
    ],
)
def test_nothing_is_set_in_what_is_no_section_table_or_list(text: str, key: str, value: str, words: str) -> None:
    with pytest.raises(ConfigError) as told:
        Candidate(text).set(key, value)
    assert told.value.problems == (words,)


def test_warnings_are_told_only_of_what_could_be_activate() -> None:
    assert Candidate("[station]\nhostname = 1\n").warnings() == ()
    assert Candidate(BASE).warnings() == warnings(Candidate(BASE).config())


def test_a_domain_that_is_not_in_the_table_can_not_be_unset() -> None:
    text = '[delivery]\ncatch_all = {"a.example" = "anna"}\n'
    with pytest.raises(NotFoundError, match="is not set"):
        Candidate(text).unset("delivery.catch_all.b.example")


def test_a_value_is_put_unchecked_at_its_place_and_nowhere_else(base: Candidate) -> None:
    text = base.text.replace('host = "mx.other.example"', 'host = "mx.other.example"\npassword = "x"')
    there = Candidate(text)
    for place, _ in places(there.table()):
        if place.key == "outbound.route[2].password":
            assert there.put(place, "y").text == text.replace('password = "x"', 'password = "y"')
        if place.key == "outbound.smarthost":
            assert there.put(place, "no host!").text == text.replace('"smtp.provider.example"', '"no host!"')
    assert there.table() == Candidate(text).table()


def test_the_domain_of_a_table_may_have_a_single_label(base: Candidate) -> None:
    made = table_of(base.set("station.domains", "lan").set("delivery.catch_all.lan", "anna"))
    assert made["delivery"]["catch_all"] == {"lan": "anna"}


def test_an_item_of_a_plain_list_goes_and_the_files_comments_stay(base: Candidate) -> None:
    made = base.unset("station.domains[2]")
    assert made.keeps_comments and made.text.startswith("# The clinic's station.\n")
    assert table_of(made)["station"]["domains"] == ["clinic.example"]


def test_a_section_that_is_no_table_is_unset_whole() -> None:
    assert Candidate("smtp = 3\n").unset("smtp").text.strip() == ""


def test_one_item_is_called_one() -> None:
    one = Candidate('[[outbound.route]]\ndomains = ["a.example"]\nhost = "mx.a.example"\n')
    with pytest.raises(NotFoundError, match=r"has 1 item: the next is outbound\.route\[2\]"):
        one.set("outbound.route[4].host", "x")
