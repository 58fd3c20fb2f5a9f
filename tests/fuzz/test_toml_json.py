"""TOML and JSON of any depth: read, or one sentence; what was read survives all that is done with it."""

import json

from hypothesis import example
from hypothesis import strategies as st

from dialpost.core.config.board_text import TOP, read_tables
from dialpost.core.config.editing.candidate import Candidate
from dialpost.core.config.editing.lines import write_out
from dialpost.core.config.history import Unproven, split_header
from dialpost.core.config.setup import run_dir_in
from dialpost.core.config.text import parse_config
from dialpost.core.console.wizard.base import base_config
from dialpost.core.errors import ConfigError, JsonError
from dialpost.core.json_text import parse_json, render_json
from dialpost.core.line.country import Dialling
from dialpost.core.toml_text import parse_toml, statement_end
from fuzzing import fuzz

PIECES = st.sampled_from(
    [
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        "=",
        ",",
        ".",
        "\n",
        " ",
        "#",
        '"',
        "'",
        '"""',
        "'''",
        "\\",
        "\\u",
        "station",
        "hostname",
        "a",
        "9" * 25,
        "0x",
        "1e999",
        "inf",
        "-nan",
        "1979-05-27",
        "T07:32:00Z",
        "true",
        "\ud800",
        "\u2028",
        "\x85",
        "\r\n",
        "\0",
        "_",
        "+",
        "é",
    ]
)
DEEP = st.builds(
    lambda opening, closing, depth: "x = " + opening * depth + closing * depth,
    st.sampled_from(["[", "{a=", "[{a=", "{a.b.c="]),
    st.sampled_from(["]", "}", "", "}]"]),
    st.integers(0, 20_000),
)
TOML = st.one_of(st.lists(PIECES, max_size=60).map("".join), st.text(max_size=80), DEEP)


@fuzz(TOML, examples=500)
@example("x = " + "[" * 50_000)
@example("a" + ".a" * 50_000 + "=1")
def test_any_text_is_toml_or_one_sentence(text: str) -> None:
    base_config(text)
    run_dir_in(text)
    for read in (parse_config, lambda text: read_tables(text, "a.toml", {TOP: Dialling})):
        try:
            read(text)
        except ConfigError as error:
            assert all(len(sentence) < 1_000 for sentence in error.problems)
    try:
        candidate = Candidate(text)
    except ConfigError as error:
        assert len(error.problems) == 1
        return
    candidate.problems()
    assert parse_toml(write_out(candidate.table())) is not None
    changed = candidate.unset("station") if "station" in candidate.table() else candidate
    assert changed.set("schedule.timezone", "UTC").table()["schedule"] == {"timezone": "UTC"}


@fuzz(st.lists(st.text(alphabet="ab[]{}\"'#=,\\ \n", max_size=12), min_size=1, max_size=8), examples=300)
def test_a_statement_ends_where_tomllib_says_so(lines: list[str]) -> None:
    lines = "\n".join(lines).split("\n")
    end = statement_end(lines, 0)
    assert 0 < end <= len(lines)
    for last in range(1, len(lines) + 1):
        text = "\n".join(lines[:last])
        try:
            table = parse_toml(text)
        except ConfigError:
            continue
        if table:  # the first whole statement
            assert end <= last
            return


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=20,
).map(json.dumps)
DEEP_JSON = st.builds(
    lambda opening, closing, depth: opening * depth + closing * depth,
    st.sampled_from(["[", '{"a":', '[{"a":']),
    st.sampled_from(["]", "}", "1"]),
    st.integers(0, 50_000),
)


@fuzz(st.one_of(JSON, DEEP_JSON, st.text(max_size=60), st.binary(max_size=60)), examples=500)
def test_any_octets_are_json_or_one_sentence(text: bytes | str) -> None:
    if isinstance(text, str):
        Unproven.from_text(text)
        split_header("#: " + text)
    try:
        value = parse_json(text)
    except JsonError as error:
        assert len(str(error)) < 300
        return
    again = parse_json(render_json(value).encode())
    assert again == value
