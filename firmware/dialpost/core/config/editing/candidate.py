"""A candidate configuration: an immutable text, changed key by key before it takes effect.

A change gives a new candidate. Values are checked as they are set; `problems` reports contradictions between keys,
because changing two keys passes through a state in which they do not fit. Comments and order survive if the text
has the usual form; otherwise it is rewritten and `keeps_comments` is False.
"""

from __future__ import annotations

import contextlib
import copy
from dataclasses import dataclass

from dialpost.core.config.check import warnings
from dialpost.core.config.editing.entry import plain, read_item, read_value
from dialpost.core.config.editing.keys import Place, find_in, find_place
from dialpost.core.config.editing.lines import set_line, unset_item, unset_line, write_out
from dialpost.core.config.fields import Field, sections
from dialpost.core.config.model import Config
from dialpost.core.config.text import check_given, find_field, parse_config, toml_value
from dialpost.core.errors import ConfigError, NotFoundError
from dialpost.core.toml_text import parse_toml

RawTable = dict[str, object]

_DOMAIN_KEY = find_field("station.domains")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A configuration's text. It is TOML; `problems` says whether it is a usable configuration."""

    text: str
    keeps_comments: bool = True

    def __post_init__(self) -> None:
        """Raises: ConfigError if it is not TOML, or not text at all."""
        self.table()

    def table(self) -> RawTable:
        """The settings written in it, unchecked."""
        return parse_toml(self.text)

    def config(self) -> Config:
        """The configuration. Raises: ConfigError with a sentence for each fault."""
        return parse_config(self.text)

    def problems(self) -> tuple[str, ...]:
        """Why it can't take effect, a sentence each; () if it can."""
        try:
            self.config()
        except ConfigError as error:
            return error.problems
        return ()

    def warnings(self) -> tuple[str, ...]:
        """Warnings about settings that work; () while there are problems."""
        return () if self.problems() else warnings(self.config())

    def set(self, key: str, value: str) -> Candidate:
        """With `key` set to the value typed. An item one past the end of a list is added.

        Raises: NotFoundError with the nearest key, ConfigError with what is allowed.
        """
        place = find_place(key)
        field = place.field
        assert field is not None
        table = copy.deepcopy(self.table())
        part = _section(table, place)
        if field.is_table and place.inner:
            domain = str(check_given(_DOMAIN_KEY, place.key, [place.inner])[0])  # type: ignore[index]
            mapping = _mapping(part, place)
            mapping[domain] = read_item(field, place.key, value)
            check_given(field, f"{place.section}.{place.name}", mapping)
            return self._with_key(table, place.section, 0, place.name, mapping)
        if place.inner:
            item = _item(part, place, may_add=True)
            item[place.inner] = read_value(field, place.key, value)
            header = f"{place.section}.{place.name}"
            return self._with_key(table, header, place.index, place.inner, item[place.inner])
        made = _with_item(part, place, field, value) if place.index else read_value(field, place.key, value)
        part[place.name] = made
        return self._with_key(table, place.section, 0, place.name, made)

    def unset(self, key: str) -> Candidate:
        """Without `key`: back at its default; an item of a list is removed. Raises: NotFoundError."""
        table = copy.deepcopy(self.table())
        if key.strip() in sections() and key.strip() not in table:
            raise NotFoundError(f"{key.strip()} is not set.")
        place = find_in(key, table)
        not_set = NotFoundError(f"{place.key} is not set.")
        if not place.name:
            return self._without_section(table, place.section)
        part = table.get(place.section)
        if not isinstance(part, dict) or place.name not in part:
            raise not_set
        header = f"{place.section}.{place.name}"
        if place.inner and place.field is not None and place.field.is_table:
            mapping = _mapping(part, place)
            if place.inner not in mapping:
                raise not_set
            del mapping[place.inner]
            return self._with_key(table, place.section, 0, place.name, mapping)
        if place.inner:
            item = _item(part, place, may_add=False)
            if place.inner not in item:
                raise not_set
            del item[place.inner]
            return self._written(table, unset_line(self.text, header, place.index, place.inner))
        if place.index:
            items = part[place.name]
            if not isinstance(items, list) or place.index > len(items):
                raise not_set
            del items[place.index - 1]
            return self._without_item(table, part, place, items)
        del part[place.name]
        text = self.text
        if place.field is not None and place.field.item_class is not None:
            while (shorter := unset_item(text, header, 1)) != text:
                text = shorter
        return self._written(table, unset_line(text, place.section, 0, place.name))

    def _without_section(self, table: RawTable, section: str) -> Candidate:
        """Key by key, so that comments and order survive."""
        part = table.pop(section)
        if not isinstance(part, dict) or section not in sections():
            return self._written(table, None)
        candidate = self
        with contextlib.suppress(NotFoundError, ConfigError):  # a quoted key may be one that can't be named
            for name in part:
                candidate = candidate.unset(f"{section}.{name}")
        return candidate._written(table, candidate.text)

    def put(self, place: Place, value: object) -> Candidate:
        """With this value, unchecked, at an existing place."""
        table = copy.deepcopy(self.table())
        part = table.get(place.section)
        assert isinstance(part, dict)
        if place.index:
            _item(part, place, may_add=False)[place.inner] = value
            return self._with_key(table, f"{place.section}.{place.name}", place.index, place.inner, value)
        part[place.name] = value
        return self._with_key(table, place.section, 0, place.name, value)

    def with_value(self, key: str, value: object) -> Candidate:
        """With a whole key (`section.name`) set to this value, unchecked; without it if the value is None."""
        section, _, name = key.partition(".")
        candidate = self.unset(key) if key in {f"{section}.{one}" for one in self._names(section)} else self
        if value is None or not name:
            return candidate
        table = copy.deepcopy(candidate.table())
        part = table.setdefault(section, {})
        assert isinstance(part, dict)
        part[name] = value
        if isinstance(value, list) and any(isinstance(item, dict) for item in value):
            return candidate._written(
                table, candidate.text + write_out({section: {name: value}}).partition("\n")[2]
            )
        return candidate._with_key(table, section, 0, name, value)

    def _names(self, section: str) -> tuple[str, ...]:
        part = self.table().get(section)
        return tuple(part) if isinstance(part, dict) else ()

    def _without_item(self, table: RawTable, part: RawTable, place: Place, items: list[object]) -> Candidate:
        if place.field is not None and place.field.item_class is None:
            return self._with_key(table, place.section, 0, place.name, items)
        if not items:
            del part[place.name]
        return self._written(table, unset_item(self.text, f"{place.section}.{place.name}", place.index))

    def _with_key(self, table: RawTable, header: str, index: int, name: str, value: object) -> Candidate:
        return self._written(table, set_line(self.text, header, index, name, toml_value(value)))

    def _written(self, table: RawTable, text: str | None) -> Candidate:
        """The text if it means `table`, else `table` written out."""
        try:
            if text is not None and _meaning(parse_toml(text)) == _meaning(table):
                return Candidate(text, self.keeps_comments)
        except ConfigError:
            pass
        return Candidate(write_out(table), False)


def _meaning(table: RawTable) -> RawTable:
    """An empty section means nothing."""
    return {name: part for name, part in table.items() if part != {}}


def _section(table: RawTable, place: Place) -> RawTable:
    part = table.setdefault(place.section, {})
    if not isinstance(part, dict):
        raise ConfigError((f"{place.section} must be a section: unset {place.section} first.",))
    return part


def _mapping(part: RawTable, place: Place) -> RawTable:
    mapping = part.setdefault(place.name, {})
    if not isinstance(mapping, dict):
        raise ConfigError((f"{place.section}.{place.name} is not a table: unset it first.",))
    return mapping


def _item(part: RawTable, place: Place, *, may_add: bool) -> RawTable:
    """One table of a list of tables; a new one if it is the next. Raises: NotFoundError, ConfigError."""
    items = part.setdefault(place.name, [])
    if not isinstance(items, list):
        raise ConfigError((f"{place.section}.{place.name} is not a list: unset it first.",))
    if may_add and place.index == len(items) + 1:
        items.append({})
    if place.index > len(items):
        raise _no_item(place, len(items), may_add)
    item = items[place.index - 1]
    if not isinstance(item, dict):
        raise ConfigError((f"{place.section}.{place.name}[{place.index}] is not a table: unset it first.",))
    return item


def _no_item(place: Place, count: int, may_add: bool) -> NotFoundError:
    name = f"{place.section}.{place.name}"
    how_many = "is empty" if not count else f"has {count} item{'' if count == 1 else 's'}"
    return NotFoundError(f"{name} {how_many}" + (f": the next is {name}[{count + 1}]." if may_add else "."))


def _with_item(part: RawTable, place: Place, field: Field, value: str) -> object:
    """A list of plain values, one of them set. Raises: NotFoundError, ConfigError."""
    if field.item_class is not None:
        raise ConfigError((f"{place.key} is a table: set a key in it, like {place.key}.KEY.",))
    there = part.get(place.name, list(plain(field.default) or []))  # type: ignore[call-overload]
    items = list(there) if isinstance(there, list) else []
    if place.index > len(items) + 1:
        raise _no_item(place, len(items), True)
    items[place.index - 1 : place.index] = [read_item(field, place.key, value)]
    return plain(check_given(field, f"{place.section}.{place.name}", items))
