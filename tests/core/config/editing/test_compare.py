"""What is shown of a configuration, what differs between two, and that no secret is among it."""

import tomllib

import pytest

from dialpost.core.config.editing.candidate import Candidate
from dialpost.core.config.editing.compare import (
    blotted,
    changed_keys,
    compare,
    lines_of,
    still_blotted,
    with_secrets,
)
from dialpost.core.errors import ConfigError

OLD = """\
[station]
hostname = "mail.clinic.example"
domains = ["clinic.example"]
[smtp]
max_errors = 30
[outbound]
user = "clinic"
password = "geheim-1"  # from the letter
[[outbound.route]]
domains = ["a.example"]
password = "geheim-2"
user = "u"
[delivery.catch_all]
"clinic.example" = "anna"
"""


def table(text: str) -> dict[str, dict[str, object]]:
    return tomllib.loads(text)


def test_only_what_differs_is_reported_and_no_secret() -> None:
    new = (
        OLD.replace("max_errors = 30", "max_recipients = 600")
        .replace("geheim-1", "geheim-9")
        .replace('"anna"', '"bo"')
        .replace('user = "u"\n', 'user = "u"\nhost = "x.example"\n')
        .replace('password = "geheim-2"\n', "")
    )
    assert compare(table(OLD), table(new)) == [
        "+ smtp.max_recipients = 600",
        '- delivery.catch_all.clinic.example = "anna"',
        '+ delivery.catch_all.clinic.example = "bo"',
        "- outbound.password = (set, not shown)",
        "+ outbound.password = (changed, not shown)",
        '+ outbound.route[1].host = "x.example"',
        "- smtp.max_errors = 30",
        "- outbound.route[1].password = (set, not shown)",
    ]
    assert compare(table(OLD), table(OLD)) == []


@pytest.mark.parametrize(
    ("prefix", "keys"),
    [
        (
            "",
            [
                "station.hostname",
                "station.domains",
                "smtp.max_errors",
                "delivery.catch_all.clinic.example",
                "outbound.user",
                "outbound.password",
                "outbound.route[1].domains",
                "outbound.route[1].user",
                "outbound.route[1].password",
            ],
        ),
        ("station", ["station.hostname", "station.domains"]),
        *(
            (prefix, ["outbound.route[1].domains", "outbound.route[1].user", "outbound.route[1].password"])
            for prefix in ("outbound.route", "outbound.route[1]")
        ),
        ("delivery.catch_all", ["delivery.catch_all.clinic.example"]),
        ("outbound.pass", []),
    ],
)
def test_a_part_is_shown(prefix: str, keys: list[str]) -> None:
    lines = lines_of(table(OLD), prefix)
    assert [line.partition(" = ")[0] for line in lines] == keys
    assert not any("geheim" in line for line in lines)


def test_what_is_not_known_may_be_a_secret() -> None:
    broken = OLD.replace('password = "geheim-1"', 'pasword = "geheim-1"') + '[secret]\nx = "geheim-3"\n'
    assert not any("geheim" in line for line in lines_of(table(broken)))
    assert not any("geheim" in line for line in compare(table(OLD), table(broken)))
    assert "geheim" not in blotted(broken.replace('[secret]\nx = "geheim-3"\n', ""))


def test_a_text_without_its_secrets_and_with_them_again() -> None:
    shown = blotted(OLD)
    assert "geheim" not in shown and shown.count("(set, not shown)") == 2 and "# from the letter" in shown
    assert with_secrets(shown, table(OLD)).text == OLD
    assert (still_blotted(table(OLD)), with_secrets(shown, {}).text) == ((), shown)
    told = [one.partition(" is masked")[0] for one in still_blotted(table(shown))]
    assert told == ["outbound.password", "outbound.route[1].password"]
    with pytest.raises(ConfigError, match="not TOML"):
        with_secrets("[a", {})


def test_an_empty_secret_is_none() -> None:
    text = '[outbound]\npassword = ""\n'
    assert (lines_of(table(text)), blotted(text)) == (['outbound.password = ""'], text)
    assert Candidate(text).text == text


def test_a_key_with_another_value_is_one_change() -> None:
    assert changed_keys([]) == 0
    assert changed_keys(["- a.b = 1", "+ a.b = 2", "+ a.c = 3", "+ c.b = 4"]) == 3
