"""JSON out of anybody's hands: a value, or one sentence that says where the fault is."""

import pytest

from cases import cases
from dialpost.core.config.history import Commit, Unproven, split_header, with_header
from dialpost.core.errors import JsonError
from dialpost.core.json_text import DEEPEST, parse_json, parse_object, render_json
from dialpost.core.line.ppp.events import parse_event
from dialpost.core.system.update.record import parse as parse_update

HOSTILE = [
    pytest.param("[" * 100_000, "deep", id="100,000 brackets"),
    pytest.param("[" * 100 + "]" * 100, "deep", id="100 brackets"),
    pytest.param('{"a":' * 100 + "1" + "}" * 100, "deep", id="100 objects"),
    pytest.param("1" * 5_000, "Exceeds the limit", id="5,000 digits"),
    pytest.param("[9223372036854775808]", "64 bits", id="64 bits and one"),
    pytest.param("[-9223372036854775809]", "64 bits", id="64 bits and one, below zero"),
    pytest.param('{"a": 1e999}', "too large", id="1e999"),
    pytest.param('{"a": 1, "b": {"c": 1, "c": 2}}', "'c' appears twice", id="a key twice"),
    pytest.param('{"a": 1, "c": 2, "c": 3}', "'c' appears twice", id="a key twice behind another"),
    pytest.param("NaN", "NaN", id="NaN"),
    pytest.param("-Infinity", "-Infinity", id="Infinity"),
    pytest.param('{"\\ud800": 1}', "surrogate", id="half a pair in a name"),
    pytest.param('["\\udfff"]', "surrogate", id="half a pair in a text"),
    pytest.param(b"{\n\xed\xa0\x80}", "line 2", id="half a pair as octets"),
    pytest.param(b"\n\xff", "line 2", id="another octet behind an empty line"),
    pytest.param(b"\xff\xfe{\x00}\x00", "line 1", id="UTF-16"),
    pytest.param('{"a": 1,\n "b" 2}', "line 2, column 6", id="a colon missing"),
    pytest.param("", "line 1, column 1", id="nothing"),
]


@cases(("text", "words"), HOSTILE)
def test_hostile_text_is_one_fault(text: bytes | str, words: str) -> None:
    with pytest.raises(JsonError) as caught:
        parse_json(text)
    assert words in str(caught.value) and len(str(caught.value)) < 300


@cases(("text", "_"), HOSTILE)
def test_whoever_keeps_records_takes_it_for_a_damaged_one(text: bytes | str, _: str) -> None:
    assert parse_event(text if isinstance(text, bytes) else text.encode()) is None
    assert parse_update(text if isinstance(text, bytes) else text.encode()) is None
    if isinstance(text, str):
        assert Unproven.from_text(text) is None
        assert split_header(f"#: {text}\nrest")[0] is None


@pytest.mark.parametrize(
    "number", ["1e999", "9" * 30, "1.5", '"1"', "true", "null", "-9223372036854775808", "[1]", "NaN"]
)
@pytest.mark.parametrize("key", ["number", "back_to", "when_s"])
def test_no_number_of_the_history_breaks_its_reader(key: str, number: str) -> None:
    """OverflowError once came out of here: an infinity is a float that no int can be made of."""
    proof = {"number": "3", "back_to": "2", "proof": '"start"'} | {key: number}
    Unproven.from_text("{" + ",".join(f'"{name}": {value}' for name, value in proof.items()) + "}")
    head = with_header("a = 1\n", Commit(3, "anna", 1_700_000_000, True)).replace(
        {"number": '"number": 3', "when_s": '"when_s": 1700000000'}.get(key, "\0"), f'"{key}": {number}'
    )
    split_header(head)


def test_an_object_is_asked_for_by_name() -> None:
    with pytest.raises(JsonError, match="not an object"):
        parse_object("[1]")
    assert parse_object(b'\xef\xbb\xbf{"a": "\\ud83d\\ude00"}') == {"a": "\N{GRINNING FACE}"}


def test_the_deepest_allowed_is_read_and_what_is_rendered_is_utf_8() -> None:
    parse_json("[" * (DEEPEST - 1) + "1" + "]" * (DEEPEST - 1))
    assert render_json({"a": "x\udcff"}).encode() == b'{"a":"x?"}'
