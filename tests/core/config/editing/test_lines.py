"""A key changed in a text, its other lines as they were."""

from __future__ import annotations

import pytest

from cases import cases
from dialpost.core.config.editing.lines import set_line, unset_item, unset_line, write_out

TEXT = """\
# top
[station]
hostname = "a.example"  # the name
domains = [
  "a.example",
]  # several
# postmaster = ""

# of the mail
[[outbound.route]]
domains = ["b.example"]

[[outbound.route]]
domains = ["c.example"]
# the end of the second

[smtp]
"""


@cases(
    ("header", "index", "name", "value", "was", "now"),
    [
        ("station", 0, "hostname", '"b"', '"a.example"  # the name', '"b"  # the name'),
        ("station", 0, "domains", "[]", 'domains = [\n  "a.example",\n]  # several', "domains = []"),
        ("station", 0, "postmaster", '"x"', '# postmaster = ""\n', '# postmaster = ""\npostmaster = "x"\n'),
        ("station", 0, "other", "1", "]  # several\n", "]  # several\nother = 1\n"),
        ("station", 0, "a.b", "1", "]  # several\n", ']  # several\n"a.b" = 1\n'),
        ("outbound.route", 1, "port", "26", '["b.example"]\n', '["b.example"]\nport = 26\n'),
        ("outbound.route", 2, "port", "26", '["c.example"]\n', '["c.example"]\nport = 26\n'),
        ("outbound.route", 2, "domains", "[]", '["c.example"]', "[]"),
        (
            "outbound.route",
            3,
            "domains",
            "[]",
            '["c.example"]\n',
            '["c.example"]\n\n[[outbound.route]]\ndomains = []\n',
        ),
        ("smtp", 0, "max_errors", "3", "[smtp]\n", "[smtp]\nmax_errors = 3\n"),
        ("link", 0, "kind", '"modem"', "[smtp]\n", '[smtp]\n\n[link]\nkind = "modem"\n'),
        ("dns.x", 1, "a", "1", "[smtp]\n", "[smtp]\n\n[[dns.x]]\na = 1\n"),
        ("smtp.x", 1, "a", "1", "[smtp]\n", "[smtp]\n\n[[smtp.x]]\na = 1\n"),
    ],
)
def test_one_key_is_set_where_it_belongs(
    header: str, index: int, name: str, value: str, was: str, now: str
) -> None:
    assert TEXT.count(was) == 1
    assert set_line(TEXT, header, index, name, value) == TEXT.replace(was, now)


def test_the_first_key_of_all() -> None:
    assert set_line("", "smtp", 0, "a", "1") == "[smtp]\na = 1\n"
    assert set_line("x = 1", "", 0, "x", "2") == "x = 2\n"
    assert set_line("\n[smtp]", "", 0, "x", "2") == "x = 2\n\n[smtp]\n"


@pytest.mark.parametrize(
    ("header", "index", "name", "gone"),
    [
        ("station", 0, "hostname", 'hostname = "a.example"  # the name\n'),
        ("station", 0, "domains", 'domains = [\n  "a.example",\n]  # several\n'),
        ("outbound.route", 1, "domains", 'domains = ["b.example"]\n'),
        ("outbound.route", 2, "domains", 'domains = ["c.example"]\n'),
        ("outbound.route", 3, "domains", ""),
        ("station", 0, "postmaster", ""),
        ("nowhere", 0, "a", ""),
    ],
)
def test_one_key_is_unset(header: str, index: int, name: str, gone: str) -> None:
    assert unset_line(TEXT, header, index, name) == TEXT.replace(gone, "", 1)


def test_an_item_goes_and_the_comments_around_it_stay() -> None:
    assert unset_item(TEXT, "outbound.route", 2) == TEXT.replace(
        '[[outbound.route]]\ndomains = ["c.example"]\n', ""
    )
    assert unset_item(TEXT, "outbound.route", 3) == TEXT
    assert unset_item("[[a.b]]\n# empty\n[[a.b]]\nx = 1\n", "a.b", 1) == "# empty\n[[a.b]]\nx = 1\n"


def test_a_bracket_in_a_value_begins_no_section() -> None:
    text = '[a]\nx = """\n[b]\n"""\n[b]\ny = 1\n'
    assert set_line(text, "b", 0, "y", "2") == text.replace("y = 1", "y = 2")
    assert set_line(text, "a", 0, "x", "2") == "[a]\nx = 2\n[b]\ny = 1\n"


def test_the_first_item_stands_behind_its_section() -> None:
    text = "[a]\nx = 1\n[b]\ny = 1\n"
    assert set_line(text, "a.list", 1, "z", "2") == "[a]\nx = 1\n\n[[a.list]]\nz = 2\n[b]\ny = 1\n"


def test_a_default_that_is_shown_elsewhere_is_no_place() -> None:
    text = "a = 1\n[b]\n# x = 2\n"
    assert set_line(text, "", 0, "x", "3") == "a = 1\nx = 3\n[b]\n# x = 2\n"


def test_a_comment_within_a_list_goes_with_it() -> None:
    assert set_line("[a]\nx = [ # two\n  1,\n  2]\n", "a", 0, "x", "[3]") == "[a]\nx = [3]\n"


def test_a_whole_table_in_the_order_of_the_declarations() -> None:
    table = {
        "odd part": {"z": 1, "a": 2},
        "smtp": {"unknown": 1, "max_errors": 5},
        "outbound": {"route": [{"port": 26}, {}], "port": 25, "smarthost": "m.example"},
        "station": {"hostname": "a"},
        "link": 3,
    }
    assert (
        write_out(table)
        == """\
link = 3

[station]
hostname = "a"

[smtp]
max_errors = 5
unknown = 1

[outbound]
smarthost = "m.example"
port = 25

[[outbound.route]]
port = 26

[[outbound.route]]

["odd part"]
z = 1
a = 2
"""
    )
    assert write_out({"smtp": {}}) == "[smtp]\n"
    assert write_out({"a": {"x": []}, "b": {"y": [1]}}) == "[a]\nx = []\n\n[b]\ny = [1]\n"
    assert write_out({}) == ""


def test_a_key_before_all_tables_is_the_first() -> None:
    assert set_line("x = 1\n[a]\nx = 2\n", "", 0, "x", "3") == "x = 3\n[a]\nx = 2\n"
    assert unset_line("x = 1\n[a]\nx = 2\n", "", 0, "x") == "[a]\nx = 2\n"
