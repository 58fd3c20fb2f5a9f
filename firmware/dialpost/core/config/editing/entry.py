"""Reading a typed value by the declaration of its key.

Texts need no quotes, list items are separated by commas, yes and no mean true and false; TOML syntax works as well.
Quotes preserve a comma, or a space at either end, that belongs to the value.
"""

from __future__ import annotations

import math
from enum import Enum

from dialpost.core.config.fields import Field
from dialpost.core.config.text import check_given
from dialpost.core.errors import ConfigError
from dialpost.core.toml_text import is_toml, parse_toml

_TRUTH = {
    "true": True,
    "yes": True,
    "on": True,
    "y": True,
    "1": True,
    "enabled": True,
    "false": False,
    "no": False,
    "off": False,
    "n": False,
    "0": False,
    "disabled": False,
}


def read_value(field: Field, label: str, text: str) -> object:
    """The value in TOML's terms (text, number, truth value, list, table), checked. `label` is the key as typed.

    Raises: ConfigError naming key, value and what is allowed.
    """
    return plain(check_given(field, label, _typed(field, label, text.strip())))


def read_item(field: Field, label: str, text: str) -> object:
    """One item of a list; the list as a whole is checked by `check_given`. Raises: ConfigError."""
    return _scalar(field, label, text.strip())


def plain(value: object) -> object:
    """A checked value as TOML's own types."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


def _typed(field: Field, label: str, text: str) -> object:
    if field.item_class is not None:
        raise ConfigError((f"{label} is a list of tables: set one key of one of them, like {field.key}[1].KEY.",))
    if field.is_table:
        if not text.startswith("{"):
            raise ConfigError((f"{label} is {field.type_words()}: name the domain, like {label}.DOMAIN.",))
        return _toml(field, label, text)
    if field.is_list:
        if text.startswith("[") and (_is_toml(text) or set(text) & {'"', "'"}):  # and not an address like [::]:25
            return _toml(field, label, text)
        return [_scalar(field, label, item) for item in _split(label, text)]
    return _scalar(field, label, text)


def _scalar(field: Field, label: str, text: str) -> object:
    """Text that is not a number or a truth value stays text; the check then says what is expected."""
    if text[:1] in {'"', "'"} and text[-1:] == text[:1] and len(text) > 1:
        return _toml(field, label, text)
    if field.value_type is bool:
        return _TRUTH.get(text.lower(), text)
    if field.value_type in {int, float}:
        try:
            return int(text.replace("_", ""))
        except ValueError:
            pass
        try:
            number = float(text)
        except ValueError:
            return text
        return number if math.isfinite(number) else text  # a fault is shown as it was typed
    return text


def _toml(field: Field, label: str, text: str) -> object:
    try:
        if "\n" in text:
            raise ValueError
        return parse_toml(f"value = {text}")["value"]
    except (ConfigError, ValueError):
        shown = "(not shown here)" if field.setting.secret else f"= {text}"
        raise ConfigError((f"{label} {shown} is not allowed: the quotes or brackets do not match.",)) from None


def _is_toml(text: str) -> bool:
    return is_toml(f"value = {text}")


def _split(label: str, text: str) -> list[str]:
    """Items between commas; a comma in quotes belongs to its item."""
    items, quote, start = [], "", 0
    for position, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in {'"', "'"} and not text[start:position].strip():
            quote = sign
        elif sign == ",":
            items.append(text[start:position].strip())
            start = position + 1
    if quote:
        raise ConfigError((f"{label} = {text} is not allowed: a quote is not closed.",))
    return [*items, text[start:].strip()] if text[start:].strip() or items else []
