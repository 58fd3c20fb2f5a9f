"""Reading a file of the board folder: TOML tables into declared dataclasses, reporting every fault at once.

The declarations are those of the configuration (`core/config/setting`), and so are the checks and the words: a
fault names the file, the key, the value, what is allowed and, for an unknown key, the nearest known one.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping

from dialpost.core.config.fields import Field, fields_of
from dialpost.core.config.values import check_value
from dialpost.core.errors import ConfigError
from dialpost.core.printable import LONGEST_SHOWN, shortened
from dialpost.core.toml_text import parse_toml

TOP = ""
"""The name of the table before the first [section]."""


def read_tables(text: str, source: str, tables: Mapping[str, type]) -> dict[str, object]:
    """One dataclass object for each of `tables` ([section] = its dataclass; `TOP` = the keys before the first).

    `source` names the file. Raises: ConfigError with a sentence for each fault.
    """
    given = parse_toml(text, source)
    problems: list[str] = []
    made: dict[str, object] = {}
    top = {name: value for name, value in given.items() if name not in tables}
    for name, cls in tables.items():
        table = top if name == TOP else given.get(name, {})
        if not isinstance(table, dict):
            problems.append(f"{name} must be a section: write [{name}] on a line of its own.")
            continue
        known = [section for section in tables if section != TOP] if name == TOP else []
        made[name] = _table(cls, name, table, known, problems)
    if problems:
        raise ConfigError(tuple(f"{source}: {problem}" for problem in problems))
    return made


def unknown_key(key: str, known: list[str]) -> str:
    """The sentence for an unknown key."""
    near = difflib.get_close_matches(key, known, 1, 0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else f" There are: {', '.join(known)}."
    return f"There is no key {key}.{hint}"


def shown(value: object) -> str:
    """A value for a fault's sentence, shortened if it is long."""
    return shortened(json.dumps(value, ensure_ascii=False, default=str), LONGEST_SHOWN)


def _table(cls: type, prefix: str, given: Mapping[str, object], sections: list[str], problems: list[str]) -> object:
    fields = {field.name: field for field in fields_of(cls, prefix)}
    before = f"{prefix}." if prefix else ""
    for name in given:
        if name not in fields:
            problems.append(unknown_key(before + name, [before + known for known in fields] + sections))
    made: dict[str, object] = {}
    for name, field in fields.items():
        if name in given:
            value = _value(field, before + name, given[name], problems)
            if value is not None:
                made[name] = value
        elif field.setting.required:
            problems.append(f"{before}{name} is missing: {field.setting.help}")
    return cls(**made)


def _value(field: Field, label: str, value: object, problems: list[str]) -> object | None:
    if not field.is_list:
        return _one(field, label, value, problems)
    if not isinstance(value, list):
        problems.append(f"{label} = {shown(value)} is not allowed: it must be {field.type_words()} in [ ].")
        return None
    most = field.setting.maximum
    if most is not None and len(value) > most:
        problems.append(f"{label} has {len(value)} items; at most {most:g} are allowed.")
    items = [_one(field, f"{label}[{index}]{_called(item)}", item, problems) for index, item in enumerate(value, 1)]
    return tuple(item for item in items if item is not None)


def _called(item: object) -> str:
    """A table's own name, if it has one: people know their LED as "mail", not as the third."""
    name = item.get("name") if isinstance(item, dict) else None
    return f" ({name})" if isinstance(name, str) else ""


def _one(field: Field, label: str, value: object, problems: list[str]) -> object | None:
    if field.item_class is not None:
        if isinstance(value, dict):
            return _table(field.item_class, label, value, [], problems)
        problems.append(
            f"{label} = {shown(value)} is not allowed: write [[{field.key.lstrip('.')}]] and its keys below."
        )
        return None
    try:
        return check_value(field, value)
    except ValueError as error:
        problems.append(f"{label} = {shown(value)} is not allowed: {str(error).rstrip('.')}.")
        return None
