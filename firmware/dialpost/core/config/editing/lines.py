"""Changing one key in a configuration's text while keeping its comments and order.

Works line by line on what people and `dialpost config init` write: sections in brackets, one key per line (its
value may span several). TOML allows more, so the caller checks what the changed text means and, if that is not what
was wanted, rewrites it without comments (`core/config/editing/candidate`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dialpost.core.config.fields import fields_of, sections
from dialpost.core.config.text import toml_value
from dialpost.core.toml_text import comment_start, statement_end

_HEADER = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.-]+)\s*\]\]?\s*(?:#.*)?\Z")
_KEY = re.compile(r"""\s*(?:([A-Za-z0-9_-]+)|"([^"\\]*)"|'([^']*)')\s*=""")


@dataclass(frozen=True, slots=True)
class _Block:
    """A header and everything up to the next one. `start` is the header's line (-1: before any header)."""

    name: str
    is_item: bool
    start: int
    end: int


def set_line(text: str, header: str, index: int, name: str, value: str) -> str:
    """The text with `name = value` below `[header]`, or below the `index`th `[[header]]` (from 1)."""
    lines = _lines(text)
    block = _find(lines, header, index)
    line = f"{_key_text(name)} = {value}"
    if block is None:
        return _joined(_with_block(lines, header, index, line))
    for first, last, key in _keys(lines, block):
        if key == name:
            lines[first:last] = [line + _comment(lines[first:last])]
            return _joined(lines)
    lines.insert(_place_for(lines, block, name), line)
    return _joined(lines)


def unset_line(text: str, header: str, index: int, name: str) -> str:
    """The text without that key."""
    lines = _lines(text)
    block = _find(lines, header, index)
    places = [(first, last) for first, last, key in _keys(lines, block) if key == name] if block else []
    for first, last in places:  # one at most: no table has a key twice
        del lines[first:last]
    return _joined(lines)


def unset_item(text: str, header: str, index: int) -> str:
    """The text without the `index`th `[[header]]`; comments before it are kept."""
    lines = _lines(text)
    block = _find(lines, header, index)
    if block is not None:
        last = max((last for _, last, _ in _keys(lines, block)), default=block.start + 1)
        del lines[block.start : last]
    return _joined(lines)


def write_out(table: Mapping[str, object]) -> str:
    """The whole table as text in the order of the declarations, without comments."""
    known = sections()
    lines: list[str] = []
    for section in (*known, *(name for name in table if name not in known)):
        part = table.get(section)
        if not isinstance(part, Mapping):
            lines[:0] = [f"{_key_text(section)} = {toml_value(part)}"] if section in table else []
            continue
        order = [field.name for field in fields_of(known[section], section)] if section in known else []
        names = sorted(part, key=lambda name: order.index(name) if name in order else len(order))
        nested = {name: part[name] for name in names if _is_list_of_tables(part[name])}
        rest = [f"{_key_text(name)} = {toml_value(part[name])}" for name in names if name not in nested]
        lines += ["", f"[{_key_text(section)}]", *rest]
        for name, items in nested.items():
            for item in items:
                lines += ["", f"[[{_key_text(section)}.{_key_text(name)}]]"]
                lines += [f"{_key_text(key)} = {toml_value(value)}" for key, value in item.items()]
    return _joined(lines[1:] if lines and not lines[0] else lines)


def _is_list_of_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)


def _lines(text: str) -> list[str]:
    """Lines as TOML defines them: LF ends one. (`str.splitlines` also breaks at U+0085 and U+2028.)"""
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def _joined(lines: list[str]) -> str:
    return "".join(line + "\n" for line in lines)


def _key_text(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml_value(name)


def _blocks(lines: list[str]) -> list[_Block]:
    found: list[tuple[str, bool, int]] = [("", False, -1)]
    number = 0
    while number < len(lines):
        if header := _HEADER.match(lines[number]):
            found.append((header[2], header[1] == "[[", number))
            number += 1
        else:
            number = _statement_end(lines, number)
    ends = [start for _, _, start in found[1:]] + [len(lines)]
    return [_Block(name, item, start, end) for (name, item, start), end in zip(found, ends, strict=True)]


def _statement_end(lines: list[str], start: int) -> int:
    """The line after the statement that begins at `start`; a value may span several."""
    if not _KEY.match(lines[start]):
        return start + 1
    return statement_end(lines, start)


def _keys(lines: list[str], block: _Block) -> list[tuple[int, int, str]]:
    """First line, line after the last, and name of each key in a block."""
    found = []
    number = block.start + 1
    while number < block.end:
        end = _statement_end(lines, number)
        if key := _KEY.match(lines[number]):
            found.append((number, end, next(group for group in key.groups() if group is not None)))
        number = end
    return found


def _find(lines: list[str], header: str, index: int) -> _Block | None:
    if index:
        items = [block for block in _blocks(lines) if block.is_item and block.name == header]
        return items[index - 1] if index <= len(items) else None
    return next((block for block in _blocks(lines) if not block.is_item and block.name == header), None)


def _with_block(lines: list[str], header: str, index: int, line: str) -> list[str]:
    """A new header with one key: an item after the existing ones, a section at the end."""
    if index:
        section = header.partition(".")[0]
        family = [block for block in _blocks(lines) if block.name in {section, header}]
        place = _behind_last_key(lines, family[-1]) if family else len(lines)
        return [*lines[:place], "", f"[[{header}]]", line, *lines[place:]]
    return [*lines, *([""] if lines else []), f"[{header}]", line]


def _behind_last_key(lines: list[str], block: _Block) -> int:
    return max((last for _, last, _ in _keys(lines, block)), default=block.start + 1)


def _place_for(lines: list[str], block: _Block, name: str) -> int:
    """After the comment that shows this key's default, as `dialpost config init` writes it; otherwise after the
    last key."""
    shown = re.compile(rf"\s*#\s*{re.escape(name)}\s*=")
    for number in range(block.start + 1, block.end):
        if shown.match(lines[number]):
            return number + 1
    return _behind_last_key(lines, block)


def _comment(lines: list[str]) -> str:
    """The comment after the value of a one-line statement, with the spaces before it."""
    if len(lines) != 1:
        return ""
    [line] = lines
    position = comment_start(line)
    return "" if position is None else line[len(line[:position].rstrip()) :]
