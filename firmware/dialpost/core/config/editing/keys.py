"""Which place of the configuration a key names: `smtp.listen`, `modem.numbers[2]`, `outbound.route[1].host`,
`delivery.catch_all.clinic.example`.

Positions in lists count from 1, as in every message about the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn

from dialpost.core.config.fields import Field, fields_of, sections
from dialpost.core.config.text import find_field
from dialpost.core.errors import NotFoundError

_WORD = re.compile(r"[A-Za-z0-9_-]+\Z")
_INDEXED = re.compile(r"([A-Za-z0-9_-]+)\[(\d{1,4})\]\Z")

Table = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the file: `section.name`, then an item of it (`index` from 1), then a key in that item.

    `field` is the declaration of the last key, None if there is no such key (a file may contain one by mistake).
    `inner` is the key in one table of a list of tables, or the domain in a table.
    """

    section: str
    name: str = ""
    index: int = 0
    inner: str = ""
    field: Field | None = None

    @property
    def key(self) -> str:
        """The key as an operator writes it."""
        text = f"{self.section}.{self.name}" if self.name else self.section
        text += f"[{self.index}]" if self.index else ""
        return f"{text}.{self.inner}" if self.inner else text


def find_place(key: str) -> Place:
    """The place named by `key`. Raises: NotFoundError naming the nearest key, or what is missing in it."""
    key = key.strip()
    section, _, rest = key.partition(".")
    if section not in sections() or not rest:
        if section in sections():
            raise NotFoundError(f"{section} is a section: name a key in it, like {_first(section)}.")
        _unknown(key)
    head, _, inner = rest.partition(".") if "[" not in rest else _split_index(rest)
    name, index = _name_and_index(head)
    field = find_field(f"{section}.{name}")
    if field.item_class is not None:
        return _table_place(section, field, index, inner, key)
    if field.is_table and inner:
        return Place(section, name, 0, inner.strip("\"'").lower(), field)
    if inner:
        _unknown(re.sub(r"\[\d+\]", "", key))
    if index and not field.is_list:
        raise NotFoundError(f"{field.key} is one value, not a list: write it without [{index}].")
    return Place(section, name, index, "", field)


def find_in(key: str, table: Table) -> Place:
    """The place named by `key`, even one that should not exist: a mistake in a file must be removable."""
    try:
        return find_place(key)
    except NotFoundError:
        for place, _ in places(table):
            if place.key == key.strip():
                return place
        if key.strip() in table:
            return Place(key.strip())
        raise


def places(table: Table) -> Iterator[tuple[Place, object]]:
    """Every value in the file with its place: the declared ones in order, then the unknown ones."""
    known = sections()
    for section in (*known, *(name for name in table if name not in known)):
        if section not in table:
            continue
        part = table[section]
        if section not in known or not isinstance(part, Mapping):
            yield Place(section), part
            continue
        fields = {field.name: field for field in fields_of(known[section], section)}
        for name in (*fields, *(name for name in part if name not in fields)):
            if name in part:
                yield from _of_key(Place(section, name, field=fields.get(name)), part[name])


def _of_key(place: Place, value: object) -> Iterator[tuple[Place, object]]:
    field = place.field
    if field is not None and field.is_table and isinstance(value, Mapping):
        for domain, account in value.items():
            yield Place(place.section, place.name, 0, str(domain), field), account
    elif field is not None and field.item_class is not None and isinstance(value, list):
        inner = {one.name: one for one in fields_of(field.item_class, field.key)}
        for index, item in enumerate(value, 1):
            if not isinstance(item, Mapping):
                yield Place(place.section, place.name, index), item
                continue
            for name in (*inner, *(name for name in item if name not in inner)):
                if name in item:
                    yield Place(place.section, place.name, index, name, inner.get(name)), item[name]
    else:
        yield place, value


def _split_index(rest: str) -> tuple[str, str, str]:
    """`route[2].host`, split at the dot after the bracket."""
    head, bracket, behind = rest.partition("]")
    return head + bracket, ".", behind.removeprefix(".")


def _name_and_index(head: str) -> tuple[str, int]:
    if found := _INDEXED.match(head):
        if int(found[2]) == 0:
            raise NotFoundError(f"{head}: positions in a list count from 1.")
        return found[1], int(found[2])
    if not _WORD.match(head):
        raise NotFoundError(f"{head!r} is not the name of a key. A position in a list is written like [2].")
    return head, 0


def _table_place(section: str, field: Field, index: int, inner: str, key: str) -> Place:
    assert field.item_class is not None
    if not inner:
        return Place(section, field.name, index, "", field)
    declared = find_field(f"{field.key}.{inner}")
    if not index:
        raise NotFoundError(f"{key}: say which of them, like {field.key}[1].{inner}.")
    return Place(section, field.name, index, inner, declared)


def _unknown(key: str) -> NoReturn:
    """Raises: NotFoundError, in the words of the declarations."""
    find_field(key)
    raise NotFoundError(f"There is no key {key}.")  # pragma: no cover - it always raises then


def _first(section: str) -> str:
    return fields_of(sections()[section], section)[0].key
