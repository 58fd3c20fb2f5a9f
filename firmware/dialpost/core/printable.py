"""Makes foreign text safe for output: on a terminal, in a log line, in JSON for a script.

Wherever the text goes, the same characters count as harmful:

- controls, C0 and C1 (ECMA-48): U+009B moves the cursor as ESC [ does. They become "?".
- direction marks, overrides and isolates (Unicode Standard Annex 9), which make one line look like another, and all
  other formatting characters (soft hyphens, zero-width spaces). They are removed.
- line and paragraph separators (U+2028, U+2029): for some programs a line ends there. They become spaces.
- codes without a character (lone surrogates, noncharacters, private use). They become "?".

Joiners (U+200C, U+200D) are kept: Persian and Indian names are spelt with them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

LONGEST_VALUE = 300
"""Characters of one foreign value (a reply, a subject, an address) within a sentence or a log line."""
LONGEST_SHOWN = 80
"""Characters of a value from a file in the fault that says what is wrong with it."""
LONGEST_LINE = 2000
"""Characters of one line on a terminal."""

_LONGEST_TEXT = 1000
"""Characters of one text in JSON: no address or reply is longer."""

_WORD = re.compile(r'[^\s"]*"(?:[^"\\\n]|\\.)*"@\S*|\S+')
"""A quoted local part may contain spaces (RFC 5321 §4.1.2)."""
_IN_QUOTES = re.compile(r"(?<![\w'])'[^'\n]+'(?!\w)")
"""A value that an error quotes ('jürgen'), no apostrophe."""
_AROUND_A_NAME = "“”„‘’…–—•→●○()<>[],.;:!?'"
_SEPARATOR = re.compile("[\t\n\v\f\r\x85\u2028\u2029]+")
_HARMLESS = frozenset("\u200c\u200d")
_NONCHARACTER = re.compile("[\ufdd0-\ufdef\ufffe\uffff]")
_NEAR = {"…": "...", "–": "-", "—": "-", "“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "•": "*", "→": "->",
         "€": "EUR", "●": "*", "○": "o", "ß": "ss", "Ł": "L", "ł": "l", "Ø": "O", "ø": "o", "Đ": "D", "đ": "d",
         "Æ": "AE", "æ": "ae", "Œ": "OE", "œ": "oe", "ı": "i", "Þ": "Th", "þ": "th",
         "\N{NO-BREAK SPACE}": " "}  # fmt: skip


def printable(text: str) -> str:
    """The text on one line, made harmless; its length may change."""
    if text.isascii() and text.isprintable():
        return text
    text = _SEPARATOR.sub(" ", text)
    if text.isprintable():
        return text
    return "".join(map(_harmless, text))


def one_line(text: object, longest: int = LONGEST_VALUE) -> str:
    """A foreign value for use in a sentence: made harmless, and cut if it is long."""
    return shortened(printable(str(text)), longest)


def shortened(text: str, longest: int) -> str:
    """The text, cut where it has more than `longest` characters."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def lines(text: str) -> str:
    """A text of several lines, each made harmless."""
    return text if text.isascii() and _plain(text) else "\n".join(map(printable, text.split("\n")))


def for_json(value: object) -> object:
    """A value for a script: every text in it made harmless, member names included. Line endings are kept."""
    if isinstance(value, str):
        return lines(value[:_LONGEST_TEXT])
    if isinstance(value, Mapping):
        return {lines(str(name)): for_json(item) for name, item in value.items()}
    if isinstance(value, Sequence):
        return [for_json(item) for item in value]
    return value


def log_pairs(values: Mapping[str, object]) -> str:
    """`key=value` pairs of a log line; None and "" are left out.

    A value with spaces or quotes is quoted, and quotes in it are escaped, so foreign text can't form a pair.
    """
    return " ".join(
        f"{key}={_log_value(value)}" for key, value in values.items() if value is not None and value != ""
    )


def in_ascii(text: str, start: int = 0, end: int | None = None) -> str:
    """`text[start:end]` for a terminal with only ASCII: the nearest readable form.

    An address, a host name or a value in 'single quotes' must not look like another: in it, characters are escaped
    (jürgen@ as j\\xfcrgen@).
    """
    end = len(text) if end is None else end
    first = text.rfind("\n", 0, start) + 1
    last = _line_end(text, end)
    names = [span for word in _WORD.finditer(text, first, last) if (span := _name_in(word))]
    names += [quoted.span() for quoted in _IN_QUOTES.finditer(text, first, last)]
    return "".join(
        _escaped(char) if any(begin <= at < stop for begin, stop in names) else nearest(char)
        for at, char in enumerate(text[start:end], start)
    )


def _line_end(text: str, position: int) -> int:
    found = text.find("\n", position)
    return len(text) if found < 0 else found


def _name_in(word: re.Match[str]) -> tuple[int, int] | None:
    """Where in a word an address or host name is, None if there is none."""
    name = word[0].strip(_AROUND_A_NAME)
    begin = word.start() + len(word[0]) - len(word[0].lstrip(_AROUND_A_NAME))
    return (begin, begin + len(name)) if not name.isascii() and re.search(r"@|\w\.\w", name) else None


def _escaped(char: str) -> str:
    return char.encode("ascii", "backslashreplace").decode()


def nearest(char: str) -> str:
    """ASCII that reads like the character; "?" if there is none."""
    if char.isascii():
        return char
    if char in _NEAR:
        return _NEAR[char]
    return unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode() or "?"


def _log_value(value: object) -> str:
    text = one_line(value, 4 * LONGEST_VALUE)
    if text and not _QUOTED.search(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_QUOTED = re.compile(r'[\s"]')


def _harmless(char: str) -> str:
    if char.isprintable() or char in _HARMLESS:
        return char
    category = unicodedata.category(char)
    if category == "Cf":
        return ""
    # What is left are spaces of other widths, and letters newer than this Python.
    return "?" if category in {"Cc", "Cs", "Co"} or _NONCHARACTER.match(char) else char


def _plain(text: str) -> bool:
    return text.replace("\n", "").isprintable()
