"""The only place where TOML is read: whatever the text contains, the result is tables or a sentence.

`tomllib` handles TOML 1.0 correctly, but its parser recurses for each bracket and copies a key for each of its
dots, and Python's numbers have no limit. So the text is checked first, in one pass, and the result afterwards:
nesting, keys and numbers are limited here, and every fault is a ConfigError that says where it is.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from dialpost.core.errors import ConfigError

LARGEST = 1_000_000
"""Characters of one text; the largest configuration anybody has written has a hundredth of that."""
DEEPEST = 32
"""Levels of brackets, or parts of one dotted key. None of our files has more than four."""
_LONGEST_NUMBER = 64
"""Characters of one number: a 64-bit one in binary still fits, with its 0b rounded off."""
_INT64 = 2**63

_TOKEN = re.compile(
    r"""(?P<string>"{3}|'{3}|"|')|(?P<comment>\#[^\n]*)|(?P<word>[A-Za-z0-9_+-]+)|(?P<mark>[\[\]{}=,.\n])"""
)
"""Of a string only its beginning: a regular expression for a whole one needs memory for each of its escapes, or the
possessive repeats that Python up to 3.11.4 gets wrong (CPython's issue 106052)."""
_IN_STRING = {
    '"""': re.compile(r'\\.|(?P<end>"{3,5})', re.DOTALL),
    "'''": re.compile(r"(?P<end>'{3,5})"),
    '"': re.compile(r'\\[^\n]|(?P<end>"|(?=\n))'),
    "'": re.compile(r"(?P<end>'|(?=\n))"),
}
"""What is skipped within a string, and what ends it, by its beginning."""


class _Token(NamedTuple):
    """One of `string`, `comment`, `word` and `mark`, and its place in the text."""

    kind: str
    text: str
    start: int
    end: int


def _tokens(text: str) -> Iterator[_Token]:
    """All of a text. A string without an end goes on to the end of its line, or of the text."""
    at = 0
    while found := _TOKEN.search(text, at):
        at = found.end()
        if found.lastgroup == "string":
            ends = (inner.end() for inner in _IN_STRING[found[0]].finditer(text, at) if inner["end"] is not None)
            at = next(ends, len(text))
        yield _Token(str(found.lastgroup), text[found.start() : at], found.start(), at)


def parse_toml(text: str, source: str = "", *, largest: int = LARGEST) -> dict[str, object]:
    """The tables of a text of at most `largest` characters. `source` names the file in messages.

    Raises: ConfigError with one sentence, which names line and column if the fault has a place.
    """
    where = f"{source}: this" if source else "This"
    try:
        _check_text(text, largest)
        table = tomllib.loads(text)
        _check_values(table, "", 0)
    except _Fault as fault:
        raise ConfigError((f"{where} is not usable TOML: {fault}.",)) from None
    except (ValueError, RecursionError, OverflowError) as error:  # TOMLDecodeError is a ValueError
        raise ConfigError((f"{where} is not TOML: {str(error)[:300]}.",)) from None
    return table


def in_ascii_strings(text: str) -> str:
    """The text with everything outside ASCII escaped in its "" strings: the meaning is the same (TOML 1.0,
    String)."""
    pieces, behind = [], 0
    for token in _tokens(text):
        if token.text.startswith('"'):
            pieces += [text[behind : token.start], _escaped(token.text)]
            behind = token.end
    return "".join((*pieces, text[behind:]))


def _escaped(string: str) -> str:
    return "".join(char if char.isascii() else rf"\U{ord(char):08x}" for char in string)


def is_toml(text: str) -> bool:
    """Whether `parse_toml` reads it."""
    try:
        parse_toml(text)
    except ConfigError:
        return False
    return True


def statement_end(lines: list[str], start: int) -> int:
    """The line after the statement that begins at `start`: a value in brackets or long quotes may span several.

    One pass, even if a value has thousands of lines. `start + 1` if it has no end.
    """
    text = "\n".join(lines[start:])
    depth, line = 0, start
    for token in _tokens(text):
        line += token.text.count("\n")
        if token.text == "\n" and depth <= 0:
            return line
        if token.kind == "mark":
            depth += _DEPTH.get(token.text, 0)
    return len(lines) if depth <= 0 else start + 1


def comment_start(line: str) -> int | None:
    """Where the comment after a one-line statement begins; None if there is none."""
    return next((token.start for token in _tokens(line) if token.kind == "comment"), None)


_DEPTH = {"[": 1, "{": 1, "]": -1, "}": -1}


class _Fault(Exception):
    """The description of a fault that `tomllib` would not survive, or would accept."""


def _check_text(text: str, largest: int) -> None:
    """Raises: _Fault for anything that would exhaust `tomllib`'s stack or take it too long."""
    if len(text) > largest:
        raise _Fault(f"it has {len(text)} characters; {largest} are allowed")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _Fault(f"it is not UTF-8 text ({_place(text, error.start)})") from None
    depth = dots = 0
    for kind, token, start, end in _tokens(text):
        if kind == "word" and len(token) > _LONGEST_NUMBER and token.lstrip("+-")[:1].isdigit():
            if text[end : end + 1] == ".":
                continue
            raise _Fault(f"a number of {len(token)} digits is too large ({_place(text, start)})")
        if kind != "mark":
            continue
        dots = dots + 1 if token == "." else 0
        depth += _DEPTH.get(token, 0)  # below 0 tomllib stops
        if depth > DEEPEST:
            raise _Fault(f"brackets are nested more than {DEEPEST} deep ({_place(text, start)})")
        if dots >= DEEPEST:
            raise _Fault(f"a key has more than {DEEPEST} parts ({_place(text, start)})")


def _place(text: str, position: int) -> str:
    """As tomllib writes it."""
    line = text.count("\n", 0, position) + 1
    return f"at line {line}, column {position - text.rfind(chr(10), 0, position)}"


def _check_values(value: object, key: str, depth: int) -> None:
    """Raises: _Fault for a number of more than 64 bits (TOML 1.0, "Integer"), or tables nested too deep."""
    if depth > 2 * DEEPEST:
        raise _Fault(f"the tables of {key[:80]} are nested too deeply")
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        raise _Fault(f"the number at {key} is too large; whole numbers have at most 64 bits")
    for name, inner in _inner(value):
        _check_values(inner, f"{key}.{name}" if key and name else key or name, depth + 1)


def _inner(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, list):
        yield from (("", item) for item in value)
