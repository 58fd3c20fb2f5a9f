"""The configuration file as text: parse (reporting every fault at once), render, explain.

Everything is driven by the declarations in `core/config/model`; a fault names the file, the key, the value,
what is allowed and, for an unknown key, the nearest known one.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from enum import Enum

from dialpost.core.config.check import faults
from dialpost.core.config.fields import Field, all_fields, fields_of, section_help, sections
from dialpost.core.config.model import Config
from dialpost.core.config.typed import all_days
from dialpost.core.config.values import check_value
from dialpost.core.errors import ConfigError, NotFoundError
from dialpost.core.printable import LONGEST_SHOWN, shortened
from dialpost.core.toml_text import parse_toml

SECRET = "(set, not shown)"


def parse_config(text: str, source: str = "") -> Config:
    """The configuration written in `text` (TOML 1.0). `source` names the file in messages.

    Raises: ConfigError, with a sentence for each fault found.
    """
    where = f"{source}: " if source else ""
    table = parse_toml(text, source)
    reader = _Reader()
    config = reader.config(table)
    problems = [*reader.problems, *(sentence for sentence in faults(config) if not reader.has_told(sentence))]
    if problems:
        raise ConfigError(tuple(where + problem for problem in problems))
    return config


def check_given(field: Field, label: str, value: object) -> object:
    """The value of one key in its normal form. `label` is the key as written. Raises: ConfigError."""
    reader = _Reader()
    checked = reader.given(field, label, value)
    if reader.problems:
        raise ConfigError(tuple(reader.problems))
    return checked


class _Reader:
    """Reads one file's tables into dataclasses and collects every fault on the way."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._faulty: list[str] = []

    def has_told(self, sentence: str) -> bool:
        """Whether a fault between keys only follows from a fault in one of them (which has its default here)."""
        tables = {key.rpartition("].")[0] + "]" for key in self._faulty if "]." in key}
        return any(key in sentence for key in {*self._faulty, *tables})

    def config(self, table: Mapping[str, object]) -> Config:
        known = sections()
        made: dict[str, object] = {}
        for name in table:
            if name not in known:
                self._unknown(name, list(known), "section")
        for name, cls in known.items():
            given = table.get(name, {})
            if not isinstance(given, dict):
                self.problems.append(f"{name} must be a section: write [{name}] on a line of its own.")
                self._faulty += [field.key for field in fields_of(cls, name)]
                made[name] = cls()
                continue
            made[name] = self._table(cls, name, name, given)
        return Config(**made)  # type: ignore[arg-type]  # each is of its section's class, by construction

    def _table(self, cls: type, prefix: str, label: str, given: Mapping[str, object]) -> object:
        """One section. `prefix` is the declared key, `label` the key in this file (with list positions)."""
        fields = {field.name: field for field in fields_of(cls, prefix)}
        for name in given:
            if name not in fields:
                self._unknown(f"{label}.{name}", [f"{label}.{known}" for known in fields], "key")
        made: dict[str, object] = {}
        for name, field in fields.items():
            if name in given:
                made[name] = self.given(field, f"{label}.{name}", given[name])
            elif field.setting.required:
                example = f", for example {field.setting.example}" if field.setting.example else ""
                self.problems.append(f"{label}.{name} is missing: {field.setting.help} Set it{example}.")
                self._faulty.append(f"{label}.{name}")
        return cls(**made)

    def given(self, field: Field, label: str, value: object) -> object:
        """One key's value, checked; its fallback if it is not allowed."""
        if field.is_table:
            return self._mapping(field, label, value)
        if not field.is_list:
            checked = self._one(field, label, value)
            return field.default if checked is None else checked
        if not isinstance(value, list):
            example = f", for example {field.setting.example}" if field.setting.example else ""
            wanted = f"{field.type_words()} in [ ]{example}" if field.item_class is None else field.item_words()
            self._fault(field, label, value, f"it must be {wanted}")
            return ()
        if field.setting.kind == "weekday":
            value = all_days(value)
        low, high = field.setting.minimum or 0, field.setting.maximum
        if len(value) < low:
            self._fault(field, label, value, f"at least {low:g} required")
        elif high is not None and len(value) > high:
            self.problems.append(f"{label} has {len(value)} items; at most {high:g} are allowed.")
        items = [self._item(field, f"{label}[{index}]", item) for index, item in enumerate(value, 1)]
        return tuple(item for item in items if item is not None)

    def _item(self, field: Field, label: str, item: object) -> object:
        if field.item_class is None:
            return self._one(field, label, item)
        if not isinstance(item, dict):
            self.problems.append(f"{label} must be a table: write [[{field.key}]] on a line of its own.")
            return None
        return self._table(field.item_class, field.key, label, item)

    def _one(self, field: Field, label: str, value: object) -> object | None:
        """The checked value; None if it is not allowed (already reported)."""
        try:
            return check_value(field, value)
        except ValueError as error:
            self._fault(field, label, value, str(error))
            return None

    def _mapping(self, field: Field, label: str, value: object) -> dict[str, str]:
        if not isinstance(value, dict):
            self._fault(field, label, value, f"it must be a table, like {field.setting.example}")
            return {}
        made: dict[str, str] = {}
        for key, item in value.items():
            domain = self._one(find_field("station.domains"), f"{label} (its domain)", key)
            account = self._one(field, f"{label}.{key}", item)
            made[str(domain)] = str(account)  # None only with a problem reported, and then nothing is used
        return made

    def _fault(self, field: Field, label: str, value: object, why: str) -> None:
        shown = shortened(toml_value(value), LONGEST_SHOWN)
        given = f"{label} (not shown here)" if field.setting.secret else f"{label} = {shown}"
        self.problems.append(f"{given} is not allowed: {why.rstrip('.')}.")
        self._faulty.append(label.partition(" ")[0])

    def _unknown(self, key: str, known: list[str], what: str) -> None:
        near = _same_name(key) or difflib.get_close_matches(key, known, 1, 0.5)
        hint = f" Did you mean {' or '.join(near)}?" if near else f" There are: {', '.join(known)}."
        self.problems.append(f"There is no {what} {key}.{hint}")


def _same_name(key: str) -> list[str]:
    """A key of that name in another section: the most common mistake after a misspelling."""
    name = key.rpartition(".")[2]
    return [field.key for field in all_fields() if field.name == name][:1]


def render_config(config: Config, *, secrets: bool, all_keys: bool = False) -> str:
    """The configuration as TOML. `all_keys` shows defaults too; without `secrets`, secrets are masked.

    With `secrets`, parsing the text again gives an equal configuration.
    """
    lines: list[str] = []
    for name, cls in sections().items():
        part = getattr(config, name)
        plain, tables = _split(fields_of(cls, name), part, all_keys)
        if plain or tables:
            lines += [f"[{name}]", *(_line(field, value, secrets) for field, value in plain), ""]
        for field, items in tables:
            for item in items:
                assert field.item_class is not None
                rows, _ = _split(fields_of(field.item_class, field.key), item, all_keys)
                lines += [f"[[{field.key}]]", *(_line(each, value, secrets) for each, value in rows), ""]
    return "\n".join(lines)


def _split(
    fields: Iterable[Field], part: object, all_keys: bool
) -> tuple[list[tuple[Field, object]], list[tuple[Field, tuple[object, ...]]]]:
    plain: list[tuple[Field, object]] = []
    tables: list[tuple[Field, tuple[object, ...]]] = []
    for field in fields:
        value = getattr(part, field.name)
        if field.item_class is not None:
            tables.append((field, value))
        elif all_keys or value != field.default or field.setting.required:
            plain.append((field, value))
    return plain, [(field, items) for field, items in tables if items]


def _line(field: Field, value: object, secrets: bool) -> str:
    shown = toml_value(SECRET) if field.setting.secret and value and not secrets else toml_value(value)
    return f"{field.name} = {shown}"


def toml_value(value: object) -> str:
    """A value as TOML writes it, on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return toml_value(value.value)
    if isinstance(value, str):
        # JSON's escapes are valid in TOML; only DEL has to be escaped as well.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml_value(key)} = {toml_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    return str(value)


def find_field(key: str) -> Field:
    """The declaration of a dotted key. Raises: NotFoundError naming the nearest keys."""
    known = {field.key: field for field in all_fields()}
    if key in known:
        return known[key]
    near = difflib.get_close_matches(key, list(known), 3, 0.5) or _same_name(key)
    hint = f" Did you mean {' or '.join(near)}?" if near else " `dialpost config explain` lists them all."
    raise NotFoundError(f"There is no key {key}.{hint}")


def explain(field: Field) -> str:
    """Everything an operator should know about one key."""
    setting = field.setting
    lines = [field.key, f"  {setting.help}", f"  It is {field.type_words()}."]
    if field.is_list and setting.maximum:
        lines.append(f"  From {setting.minimum or 0:g} to {setting.maximum:g} items.")
    if setting.required:
        lines.append("  Required.")
    else:
        lines.append(f"  Default: {toml_value(field.default)}")
    if setting.example:
        lines.append(f"  Example: {setting.example}")
    if setting.secret:
        lines.append("  Secret: never shown or logged.")
    return "\n".join(lines)


def markdown() -> str:
    """docs/configuration.md: every section and key."""
    lines = [
        "# Settings",
        "",
        "Generated from the declarations by `dialpost config explain --markdown`; don't edit.",
        "",
    ]
    for name, cls in sections().items():
        lines += [
            f"## [{name}]",
            "",
            section_help(name),
            "",
            "| key | is | default | what |",
            "|---|---|---|---|",
        ]
        for field in fields_of(cls, name):
            lines.append(_row(field))
            if field.item_class is not None:
                lines += [_row(inner) for inner in fields_of(field.item_class, field.key)]
        lines.append("")
    return "\n".join(lines)


def _row(field: Field) -> str:
    default = "required" if field.setting.required else f"`{toml_value(field.default)}`"
    secret = " Secret." if field.setting.secret else ""
    return f"| `{field.key}` | {field.type_words()} | {default} | {field.setting.help}{secret} |"


_TO_FILL_IN = {
    "station.hostname": '"mail.clinic.example"',
    "station.domains": '["clinic.example"]',
    "outbound.smarthost": '"smtp.provider.example"',
    "link.kind": '"dialup-gateway"',
    "relay.networks": '["192.168.1.0/24"]',
    "schedule.entry.at": '["07:30", "12:30", "17:30"]',
}


def starter() -> str:
    """A first file: the keys that nearly every station sets are active, all others are comments."""
    lines = ["# Configuration of a Dialpost station. `dialpost config explain KEY` explains each line."]
    for name, cls in sections().items():
        lines += ["", f"# {section_help(name)}", f"[{name}]"]
        fields = sorted(fields_of(cls, name), key=lambda field: field.item_class is not None)
        for field in fields:
            lines += _starter_lines(field) if field.item_class is None else _starter_table(field)
    return "\n".join(lines) + "\n"


def _starter_lines(field: Field) -> list[str]:
    if field.key in _TO_FILL_IN:
        return [f"# {field.setting.help}", f"{field.name} = {_TO_FILL_IN[field.key]}"]
    return [f"# {field.setting.help}", f"# {field.name} = {_starter_value(field)}"]


def _starter_value(field: Field) -> str:
    """The value as it must be in the file after removing the #; examples of single texts have no quotes."""
    example = field.setting.example
    if not example:
        return toml_value(field.default)
    is_text = field.value_type is str and not field.is_list and not field.is_table
    return toml_value(example) if is_text else example


def _starter_table(field: Field) -> list[str]:
    """A list of tables: active if something in it must be filled in, otherwise a comment."""
    assert field.item_class is not None
    inner = [line for each in fields_of(field.item_class, field.key) for line in _starter_lines(each)]
    if any(each.key in _TO_FILL_IN for each in fields_of(field.item_class, field.key)):
        return ["", f"# {field.setting.help}", f"[[{field.key}]]", *inner]
    return [
        "",
        f"# {field.setting.help}",
        f"# [[{field.key}]]",
        *(f"# {line.removeprefix('# ')}" for line in inner),
    ]
