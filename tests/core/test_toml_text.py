"""TOML out of anybody's hands: tables, or one sentence that says where the fault is."""

import pytest

from cases import cases
from dialpost.core.config.editing.candidate import Candidate
from dialpost.core.config.text import parse_config
from dialpost.core.console.wizard.base import base_config
from dialpost.core.errors import ConfigError
from dialpost.core.toml_text import DEEPEST, comment_start, in_ascii_strings, is_toml, parse_toml, statement_end

BASE = '[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example"]\n'

HOSTILE = [
    pytest.param("x = " + "[" * 50_000 + "]" * 50_000, "line 1, column 37", id="50,000 brackets"),
    pytest.param("x = " + "{a=" * 50_000 + "1" + "}" * 50_000, "nested", id="50,000 tables"),
    pytest.param("\nx = " + "[\n" * 50_000, "line 34", id="brackets never closed"),
    pytest.param("a" + ".a" * 32 + " = 1", "line 1, column 64", id="a key of 33 parts"),
    pytest.param("x = " + "{a.b.c.d=" * 20 + "1" + "}" * 20, "nested too deeply", id="dots within brackets"),
    pytest.param("a" + ".a" * 200_000 + " = 1", "line 1, column 64", id="a key of 200,000 parts"),
    pytest.param("[a" + ".a" * 50_000 + "]", "more than 32 parts", id="a section of 50,000 parts"),
    pytest.param("[a" + ".a" * 32 + "]", "more than 32 parts", id="a section of 33 parts"),
    pytest.param("[[a" + '."a"' * 50_000 + "]]", "more than 32 parts", id="quoted parts"),
    pytest.param("x = " + "9" * 5_000, "line 1, column 5", id="5,000 digits"),
    pytest.param("x = -" + "9" * 70, "line 1, column 5", id="70 digits"),
    pytest.param("x = 0x1" + "0" * 5_000, "too large", id="hexadecimal"),
    pytest.param("x = 9223372036854775808", "x is too large", id="64 bits and one"),
    pytest.param("[a]\nx = [1, -9223372036854775809]", "a.x is too large", id="in a list"),
    pytest.param("# \udcff", "line 1, column 3", id="no UTF-8"),
    pytest.param('x = "\\ud800"', "line 1", id="half a pair, escaped"),
    pytest.param("x = 2021-02-30", "line 1", id="no such day"),
    pytest.param("x" * 1_000_001, "1000001 characters", id="a megabyte"),
]


@cases(("text", "where"), HOSTILE)
def test_hostile_text_is_one_fault_with_its_place(text: str, where: str) -> None:
    for read in (parse_toml, parse_config, Candidate):
        with pytest.raises(ConfigError) as caught:
            read(text)
        (sentence,) = caught.value.problems
        assert where in sentence and len(sentence) < 400
    assert base_config(text).station.hostname == ""


@cases(
    "text",
    [
        'x = "' + "[" * 100 + '"',
        "x = '''\n" + "[" * 100 + "'''",
        'x = """\n[[[' + "[" * 99 + '"""',
        "# " + "[" * 99,
        "x = 9223372036854775807",
        "x = 1979-05-27T07:32:00.999999-07:00",
        "x = 0.1234567890123456789",
        'x = """a""""',
    ],
)
def test_what_only_looks_dangerous_is_read(text: str) -> None:
    parse_toml(text)


def test_the_deepest_allowed_is_read() -> None:
    parse_toml("x = " + "[" * DEEPEST + "]" * DEEPEST)


def test_a_change_of_one_key_takes_one_look_at_a_value_of_many_lines() -> None:
    lines = ",\n".join(f'  "d{number}.example"' for number in range(3_000))
    text = BASE + f"[relay]\n# ten\nnetworks = [\n{lines}\n]\n"
    changed = Candidate(text).set("station.hostname", "mx.clinic.example")
    assert changed.keeps_comments and "# ten" in changed.text


def test_a_line_separator_in_a_comment_does_not_end_the_line() -> None:
    text = "# one\u2028two\u0085three\x85\n" + BASE
    changed = Candidate(text).set("station.hostname", "mx.clinic.example")
    assert changed.keeps_comments and changed.text.startswith("# one\u2028two")


def test_statements_and_comments_are_found_behind_quotes_and_brackets() -> None:
    lines = ['a = ["]",', '  # "', "  ']' ] # end", "b = 1"]
    assert statement_end(lines, 0) == 3
    assert statement_end(['a = """', "]", '"""', "b = 1"], 0) == 3
    assert comment_start('a = "#" # here') == 8
    assert comment_start('a = "#"') is None


def test_tables_too_deep_in_each_other_as_values() -> None:
    """Each key and header has few parts enough; together they go deeper than anything that walks them may."""
    parts = ".".join("a" * 31)
    with pytest.raises(ConfigError, match="too deep"):
        parse_toml(f"[{parts}]\n{parts} = {{{parts} = 1}}\n")


def test_a_fraction_may_have_many_digits() -> None:
    assert parse_toml("a = " + "1" * 200 + ".5")["a"] == float("1" * 200 + ".5")


@cases(
    ("text", "end"),
    [
        ("a = 1\nb = 2", 1),
        ("a = [\n1,\n]\nb", 3),
        ("a = [[\n]\n]\nb", 3),
        ("a = {b = [\n]}\nb", 2),
        ("a = ]\nb", 1),  # one too many closes nothing
        ("a = '''\n\n'''\nb", 3),
        ("a = '''\n''' # [\nb", 2),
        ("a = 1", 1),
        ("a = [\n1", 1),  # no end
        ("a = [1,\n2]", 2),
    ],
)
def test_where_a_statement_ends(text: str, end: int) -> None:
    lines = text.split("\n")
    assert statement_end(lines, 0) == end
    assert statement_end(["x = 0", "", *lines], 2) == end + 2


DEEPEST_KEY = ".".join("a" * DEEPEST)


@pytest.mark.parametrize(
    ("allowed", "refused"),
    [
        ("x = [[]]\ny = " + "[" * 32 + "]" * 32, "x = " + "[" * 33 + "]" * 33),
        (f"{DEEPEST_KEY} = 1", f"{DEEPEST_KEY}.a = 1"),
        (f"[{DEEPEST_KEY}]\n{DEEPEST_KEY} = 1", f"[{DEEPEST_KEY}]\n{DEEPEST_KEY} = [1]"),
        ("x = -9223372036854775808", "x = -9223372036854775809"),
        ("x = 0b" + "1" * 62, "x = 0b" + "1" * 63),
        ("#" * 5000, "#" * 5001),
    ],
)
def test_each_limit_is_allowed_and_one_more_is_not(allowed: str, refused: str) -> None:
    parse_toml(allowed, largest=5000)
    with pytest.raises(ConfigError):
        parse_toml(refused, largest=5000)


def test_the_place_of_a_fault() -> None:
    number = "9" * 65
    for text, place in ((f"x = {number}", "line 1, column 5"), (f"y = 1\nx={number}", "line 2, column 3")):
        with pytest.raises(ConfigError, match=f"^This is not usable TOML: a number of 65 digits.*{place}"):
            parse_toml(text)
    with pytest.raises(ConfigError, match=r"^x\.toml: this is not usable TOML: the number at a\.b\.c is too large"):
        parse_toml("a.b = [{c = 9223372036854775808}]", "x.toml")


def test_a_word_of_many_characters_is_no_number() -> None:
    assert parse_toml("a" * 65 + " = 1") == {"a" * 65: 1}
    assert is_toml("x = 1") and not is_toml("x = ")


def test_a_fraction_of_many_digits_hides_no_number_behind_it() -> None:
    with pytest.raises(ConfigError, match="line 2, column 5"):
        parse_toml("a = " + "1" * 65 + ".5\nb = " + "9" * 65)


def test_strings_are_escaped_and_mean_the_same() -> None:
    text = '# für "ö"\na = "ü # \\"漁"\nb = """ß\n😀"""\n"é" = ["ä", {c = "ö"}]\nd = \'\'\n'
    made = in_ascii_strings(text)
    assert parse_toml(made) == parse_toml(text)
    assert made.startswith('# für "ö"\n') and made.partition("\n")[2].isascii()
    assert in_ascii_strings("x = 'ü' # \"") == "x = 'ü' # \""
