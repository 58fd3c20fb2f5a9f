"""Keys as people write them, and what stands in a file where it should not."""

import pytest

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
