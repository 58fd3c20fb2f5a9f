"""What Tab can complete of the configuration's keys and values, from their declarations."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dialpost.core.config.fields import Field, all_fields, fields_of, section_help, sections
from dialpost.core.config.text import explain, find_field
from dialpost.core.console.commands import RECORD_TYPES, Source
from dialpost.core.errors import NotFoundError

_INDEX = re.compile(r"\[\d*\]")


def known_choices(source: Source, words: Sequence[str]) -> list[tuple[str, str]]:
    """What may come next, each with a word of help; `words` are the words before it and its own beginning."""
    typed = words[-1] if words else ""
    if source is Source.KEY:
        return keys(typed)
    if source is Source.PART:
        whole = [(name, section_help(name)) for name in sections() if "." not in typed]
        return whole or keys(typed)
    if source is Source.VALUE and words:
        return values(words[0])
    if source is Source.RECORD_TYPE:
        return [(name, "") for name in RECORD_TYPES]
    return []


def keys(typed: str) -> list[tuple[str, str]]:
    """Sections first, then the keys of one: nobody reads two hundred names."""
    section, dot, rest = typed.partition(".")
    if not dot or section not in sections():
        return [(f"{name}.", section_help(name)) for name in sections()]
    index = _INDEX.search(rest)
    found: list[tuple[str, str]] = []
    for field in fields_of(sections()[section], section):
        if field.item_class is None:
            found.append((field.key, field.setting.help))
        elif index is None or not rest.startswith(field.name + "["):
            found.append((f"{field.key}[", field.setting.help))
        else:
            head = f"{field.key}{index[0]}"
            inner = fields_of(field.item_class, field.key)
            found += [(f"{head}.{one.name}", one.setting.help) for one in inner]
    return found


def field_of(key: str) -> Field | None:
    """The declaration of a key as an operator writes it, with positions in lists; None if there is none."""
    bare = _INDEX.sub("", key)
    try:
        return find_field(bare)
    except NotFoundError:
        return next((one for one in all_fields() if one.is_table and bare.startswith(f"{one.key}.")), None)


def values(key: str) -> list[tuple[str, str]]:
    """The words a key may have, if they are known."""
    field = field_of(key)
    if field is None or field.setting.secret:
        return []
    if field.choices:
        return [(word, "") for word in field.choices]
    if field.value_type is bool:
        return [("true", ""), ("false", "")]
    return []


def section_list() -> list[str]:
    """Every section with its description."""
    rows = [f"  {name:12}  {section_help(name)}" for name in sections()]
    return [*rows, "", "`explain SECTION` lists its keys, `explain KEY` explains one."]


def key_help(key: str) -> list[str]:
    """Everything about a key or a section. Raises: NotFoundError naming the nearest."""
    if key in sections():
        rows = [(field.key, field.setting.help) for field in fields_of(sections()[key], key)]
        return [f"{key}: {section_help(key)}", *(f"  {name:30}  {about}" for name, about in rows)]
    field = field_of(key)
    return explain(field if field is not None else find_field(_INDEX.sub("", key))).split("\n")
