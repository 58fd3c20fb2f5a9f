"""Keys as people write them, and what stands in a file where it should not."""

import pytest

from cases import cases
from dialpost.core.config.editing.keys import find_in, find_place, places
from dialpost.core.errors import NotFoundError


def test_an_item_that_is_no_table_is_a_place_of_its_own() -> None:
    found = [(place.key, value) for place, value in places({"outbound": {"route": [1, {"host": "x"}]}})]
    assert found == [("outbound.route[1]", 1), ("outbound.route[2].host", "x")]


def test_what_should_not_be_there_is_found_where_it_is() -> None:
    table = {"nonsense": {"a": 1}, "smtp": {"nonsense": 2}, "odd": 3}
    assert find_in(" nonsense ", table).section == "nonsense"
    assert find_in("smtp.nonsense", table).name == "nonsense"
    assert find_in("odd", table).section == "odd"
    with pytest.raises(NotFoundError):
        find_in("nothing", table)


@pytest.mark.parametrize("key", ["smtp.max_recipients.x", "station", "outbound.route[0]", "outbound.route.host"])
def test_what_is_no_key(key: str) -> None:
    with pytest.raises(NotFoundError):
        find_place(key)


def test_an_empty_section_is_found_as_a_whole() -> None:
    assert find_in("smtp", {"smtp": {}}).section == "smtp"


@cases(
    ("key", "place", "written"),
    [
        (" smtp.listen ", ("smtp", "listen", 0, ""), "smtp.listen"),
        ("smtp.listen[1]", ("smtp", "listen", 1, ""), "smtp.listen[1]"),
        ("smtp.listen[9999]", ("smtp", "listen", 9999, ""), "smtp.listen[9999]"),
        ("outbound.route[2].host", ("outbound", "route", 2, "host"), "outbound.route[2].host"),
        ("outbound.route[2]", ("outbound", "route", 2, ""), "outbound.route[2]"),
        ("outbound.route", ("outbound", "route", 0, ""), "outbound.route"),
        ("delivery.catch_all", ("delivery", "catch_all", 0, ""), "delivery.catch_all"),
        (
            'delivery.catch_all."Clinic.Example"',
            ("delivery", "catch_all", 0, "clinic.example"),
            "delivery.catch_all.clinic.example",
        ),
    ],
)
def test_the_place_of_a_key(key: str, place: tuple[str, str, int, str], written: str) -> None:
    found = find_place(key)
    assert (found.section, found.name, found.index, found.inner) == place
    assert found.key == written and found.field is not None


@cases(
    ("key", "words"),
    [
        ("smtp", "smtp is a section: name a key in it, like smtp."),
        ("smtp.", "smtp is a section"),
        ("nonsense.x", "nonsense"),
        ("smtp.listn", "Did you mean smtp.listen"),
        ("smtp.listen[0]", "count from 1"),
        ("smtp.listen[10000]", "is not the name of a key"),
        ("smtp.max_errors[1]", "is one value, not a list: write it without \\[1\\]"),
        ("smtp.listen[1].x", "smtp.listen.x"),
        ("outbound.route.host", "say which of them, like outbound.route\\[1\\].host"),
        ("outbound.route[1].nonsense", "outbound.route.nonsense"),
        ("smtp.a b", "is not the name of a key"),
    ],
)
def test_what_is_said_of_what_is_no_key(key: str, words: str) -> None:
    with pytest.raises(NotFoundError, match=words):
        find_place(key)


def test_every_value_of_a_file_has_its_place_in_the_order_of_the_declarations() -> None:
    table = {
        "odd": {"x": 1},
        "delivery": {"catch_all": {"A.example": "anna"}, "nonsense": 2},
        "outbound": {"route": [{"port": 26, "odd": 3, "domains": ["x"]}], "smarthost": "m.example"},
        "station": 4,
    }
    assert [(place.key, value) for place, value in places(table)] == [
        ("station", 4),
        ("delivery.catch_all.A.example", "anna"),
        ("delivery.nonsense", 2),
        ("outbound.smarthost", "m.example"),
        ("outbound.route[1].domains", ["x"]),
        ("outbound.route[1].port", 26),
        ("outbound.route[1].odd", 3),
        ("odd", {"x": 1}),
    ]
