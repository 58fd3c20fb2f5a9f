"""Walking the configuration's declarations: every key with its type and `Setting`.

`core/config/model` declares; this module reads the declarations, so that parsing, explaining, rendering and the
console's prompts can't drift apart.
"""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Union, get_args, get_origin, get_type_hints

from dialpost.core.config.model import Config, Setting
from dialpost.core.config.setting import plain_number

ConfigValue = str | int | float | bool | Enum | tuple[object, ...] | dict[str, str]


@dataclass(frozen=True, slots=True)
class Field:
    """One key. `key` is dotted ("smtp.listen"; "outbound.route.domains" for a key of each [[route]]).

    `value_type` is the Python type of the value, or of each item if `is_list`. `item_class` is the dataclass of a
    list of tables ([[...]]), None for everything else.
    """

    key: str
    name: str
    value_type: type
    is_list: bool
    is_table: bool
    item_class: type | None
    default: object
    setting: Setting

    @property
    def choices(self) -> tuple[str, ...]:
        """The words allowed; () if any value is."""
        if issubclass(self.value_type, Enum):
            return tuple(str(member.value) for member in self.value_type)
        return ("debug", "info", "warning", "error") if self.key == "station.log_level" else ()

    def type_words(self) -> str:
        """The type in words: "a whole number from 1 to 20", "one of: a, b", "a list of domains"."""
        if self.is_table:
            return "a table of domain = account"
        return f"a list of {self._words(many=True)}" if self.is_list else self.item_words()

    def item_words(self) -> str:
        """The type of the value, or of one item of a list."""
        return self._words(many=False)

    def _words(self, *, many: bool) -> str:
        if self.item_class is not None:
            return "tables" if many else f"a table: write [[{self.key}]] on a line of its own"
        if self.choices:
            return ("words from: " if many else "one of: ") + ", ".join(self.choices)
        if self.value_type is bool:
            return "true or false"
        if self.value_type in {int, float}:
            kind = "whole numbers" if many else "a whole number" if self.value_type is int else "a number"
            return kind + self.range_words()
        words = _KIND_WORDS.get(self.setting.kind, ("text in quotes", "texts in quotes"))
        return words[1] if many else words[0]

    def range_words(self) -> str:
        """ " from 1 to 20 seconds", "" if there is no bound."""
        low, high, unit = self.setting.minimum, self.setting.maximum, self.setting.unit
        suffix = f" {unit}" if unit else ""
        if high is not None:
            return f" from {plain_number(low or 0)} to {plain_number(high)}{suffix}"
        return suffix if low is None else f" of at least {plain_number(low)}{suffix}"


_KIND_WORDS = {
    "hostname": ("a full host name such as mail.clinic.example", "full host names"),
    "domain": ("a domain such as clinic.example", "domains such as clinic.example"),
    "host": ("a host name or IP address", "host names or IP addresses"),
    "ip": ("an IP address such as 192.0.2.53", "IP addresses such as 192.0.2.53"),
    "ipv4": ("an IPv4 address such as 192.0.2.53", "IPv4 addresses such as 192.0.2.53"),
    "interface": ("the name of a network interface such as eth0", "names of network interfaces"),
    "interface-address": (
        "an address with its prefix length such as 192.168.1.25/24",
        "addresses with prefix lengths",
    ),
    "separator": ("one of the characters + - = _ # (or empty)", "characters"),
    "route-domain": (
        "a domain, or .domain for all its subdomains",
        "domains, or .domain for all subdomains of one",
    ),
    "listen": ("ADDRESS:PORT such as [::]:25", "ADDRESS:PORT pairs such as [::]:25"),
    "network": ("a network such as 192.168.1.0/24", "networks such as 192.168.1.0/24"),
    "time": ("a time of day such as 07:30", "times of day such as 07:30"),
    "weekday": ("a day: mon, tue, wed, thu, fri, sat or sun", "days: mon, tue, wed, thu, fri, sat or sun"),
    "etrn-name": ("a domain, @domain or #name", "names: a domain, @domain or #name"),
    "path": ("the path of a file or folder", "paths"),
    "account": ("the name of an account", "names of accounts"),
    "timezone": ("a time zone such as Europe/Berlin", "time zones"),
    "fingerprint": ("64 hexadecimal digits, with or without colons", "fingerprints"),
}


@functools.cache
def sections() -> Mapping[str, type]:
    """The sections' names and dataclasses, in the order of the file. Built once: every file that is read asks for
    them."""
    return types.MappingProxyType(get_type_hints(Config))


def section_help(name: str) -> str:
    """One sentence on a section."""
    return next(_setting(field).help for field in dataclasses.fields(Config) if field.name == name)


def fields_of(cls: type, prefix: str) -> tuple[Field, ...]:
    """The keys of a section or of one table of a list, in the order of the file."""
    return _declared(cls, prefix)


@functools.cache
def _declared(cls: type, prefix: str) -> tuple[Field, ...]:
    hints = get_type_hints(cls)
    return tuple(_field(item, hints[item.name], prefix) for item in dataclasses.fields(cls))


def all_fields() -> Iterator[Field]:
    """Every key; those of a list of tables follow the list's own."""
    for name, cls in sections().items():
        for item in fields_of(cls, name):
            yield item
            if item.item_class is not None:
                yield from fields_of(item.item_class, item.key)


def _setting(field: dataclasses.Field[object]) -> Setting:
    found = field.metadata["setting"]
    assert isinstance(found, Setting)
    return found


def _field(item: dataclasses.Field[object], hint: object, prefix: str) -> Field:
    origin, args = get_origin(hint), get_args(hint)
    is_list, is_table = origin is tuple, origin is dict
    inner = args[0] if is_list else str if is_table else hint
    assert isinstance(inner, type) and origin not in {Union, types.UnionType}
    default = item.default if item.default is not dataclasses.MISSING else {}
    item_class = inner if dataclasses.is_dataclass(inner) else None
    return Field(f"{prefix}.{item.name}", item.name, inner, is_list, is_table, item_class, default, _setting(item))
