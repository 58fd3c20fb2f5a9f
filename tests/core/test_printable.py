"""Foreign text on its way out: one alphabet of what may do harm."""

import pytest

from cases import cases
from dialpost.cli import streams
from dialpost.core.console.page import plain, rows
from dialpost.core.printable import LONGEST_VALUE, for_json, in_ascii, lines, log_pairs, one_line, printable
from known import is_a

CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))]
DIRECTIONS = [chr(code) for code in (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))]
OTHERS = ["\u2028", "\u2029", "\ud800", "\udfff", "\ufeff", "\u200b", "\ufffe", "\ue000", "\U000e0041"]


@cases("char", CONTROLS + DIRECTIONS + OTHERS, ids=lambda char: f"U+{ord(char):04X}")
def test_no_dangerous_character_goes_out(char: str) -> None:
    text = f"a{char}b{char}"
    [(name, [value])] = is_a(dict, for_json({text: [text]})).items()
    ways = [
        printable(text),
        one_line(text),
        lines(text),
        log_pairs({"k": text}),
        name,
        value,
        plain(text, utf8=True),
        plain(text, utf8=False),
        *rows(text, 80, utf8=True),
    ]
    for way in ways:
        assert char == "\n" or char not in way, way
    assert printable(text) in ("ab", "a?b?", "a b ")


def test_a_direction_mark_is_taken_out_and_a_control_is_shown_as_a_question_mark() -> None:
    assert printable("invoice\u202egpj.exe") == "invoicegpj.exe"
    assert printable("\x1b]0;x\x07\x9b31m") == "?]0;x??31m"


@pytest.mark.parametrize("text", ["Grüße", "Łukasz Żak", "日本語", "می\u200cخواهم", "👩\u200d🚀", "e\u0301"])
def test_honest_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == one_line(text) == lines(text) == text


def test_a_long_value_is_cut_and_says_so() -> None:
    assert one_line("x" * 3000, 10) == "x" * 9 + "…"
    assert len(one_line("x" * 3000)) == 300


def test_for_json_keeps_what_is_no_text_and_the_ends_of_lines() -> None:
    assert for_json({"a": (1, None, True, 2.5, "x\ny\x1b")}) == {"a": [1, None, True, 2.5, "x\ny?"]}
    assert for_json(["x" * 3000]) == ["x" * 1000]


@cases(
    ("value", "expected"),
    [
        ("plain", "k=plain"),
        ("two words", 'k="two words"'),
        ('x" state=relayed to="<b@c>', 'k="x\\" state=relayed to=\\"<b@c>"'),
        ('"x', 'k="\\"x"'),
        ('a\\" b=c', 'k="a\\\\\\" b=c"'),
        ("a\r\nWARNING b", 'k="a WARNING b"'),
        ("a\u00a0b", 'k="a\u00a0b"'),
        ("a=b", "k=a=b"),
        (3, "k=3"),
        (0, "k=0"),
        ("", ""),
        (None, ""),
        ("\u202e", 'k=""'),
    ],
)
def test_a_log_field_is_one_field_whatever_is_in_it(value: int | str | None, expected: str) -> None:
    assert log_pairs({"k": value}) == expected


def test_the_nearest_ascii_is_a_letter_where_there_is_one() -> None:
    assert in_ascii("Łukasz Żak") == "Lukasz Zak"
    assert in_ascii("Grüße, øre…") == "Grusse, ore..."
    assert in_ascii("Ж") == "?"
    assert all(in_ascii(chr(code)).isascii() for code in range(0x80, 0x500))


@cases(
    ("text", "shown"),
    [
        ("jürgen@clinic.example", r"j\xfcrgen@clinic.example"),
        ("Jürgen <jürgen@clinic.example>: zurück…", r"Jurgen <j\xfcrgen@clinic.example>: zuruck..."),
        ("o’brien@x.example, “ann@x.example”", r'o\u2019brien@x.example, "ann@x.example"'),
        ('"jürgen m" <"jürgen m"@x.example>', r'"jurgen m" <"j\xfcrgen m"@x.example>'),
        ("mail.köln.example gab auf. Später", r"mail.k\xf6ln.example gab auf. Spater"),
        ("'jürgen' can't be", r"'j\xfcrgen' can't be"),
        ("'ein jürgen': für 'ä'", r"'ein j\xfcrgen': fur '\xe4'"),
        ("Köln's, Grüße' ä", "Koln's, Grusse' a"),
        ("ä@b.c\nüber\nå@b.c", "\\xe4@b.c\nuber\n\\xe5@b.c"),
    ],
)
def test_an_address_is_never_shown_as_another(text: str, shown: str) -> None:
    assert in_ascii(text) == plain(text, utf8=False) == shown
    assert text.encode("ascii", streams.NEAREST).decode() == shown
    assert "".join(in_ascii(text, at, at + 1) for at in range(len(text))) == shown


def test_a_value_of_the_log_is_cut_where_it_is_very_long() -> None:
    longest = "x" * (4 * LONGEST_VALUE)
    assert log_pairs({"k": longest}) == f"k={longest}"
    assert log_pairs({"k": longest + "x"}) == f"k={longest[:-1]}…"
