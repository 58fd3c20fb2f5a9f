"""Splits a command line into words: spaces separate them, and quotes preserve spaces."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """A word without its quotes, and its position in the line."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Cut:
    """The words; `is_open` if a quote is not closed."""

    words: tuple[Word, ...]
    is_open: bool


def cut(line: str) -> Cut:
    """The words of a line. A quote within a word is an ordinary character: it's, "a b"c."""
    found: list[Word] = []
    at = 0
    while at < len(line):
        if line[at] in " \t":
            at += 1
            continue
        quote = line[at] if line[at] in "\"'" else ""
        if quote:
            close = line.find(quote, at + 1)
            if close < 0:
                return Cut((*found, Word(line[at + 1 :], at, len(line))), is_open=True)
            end = close + 1
            found.append(Word(line[at + 1 : close], at, end))
        else:
            end = at
            while end < len(line) and line[end] not in " \t":
                end += 1
            found.append(Word(line[at:end], at, end))
        at = end
    return Cut(tuple(found), is_open=False)
