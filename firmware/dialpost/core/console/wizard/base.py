"""What the wizard starts from: a whole configuration, the first lines of one, or the valid part of a damaged
one."""

from __future__ import annotations

from dataclasses import replace

from dialpost.core.config.fields import fields_of, sections
from dialpost.core.config.model import Config
from dialpost.core.config.text import parse_config, toml_value
from dialpost.core.errors import ConfigError
from dialpost.core.toml_text import parse_toml

_PLACEHOLDERS = {"hostname": "mail.station.invalid", "domains": ["station.invalid"]}
"""Placeholders for required keys that are missing: the wizard asks for them."""


def base_config(text: str) -> Config:
    """The configuration in `text`; if it has faults, all of its valid keys. Never raises.

    Hostname and domains are empty if they are not given.
    """
    try:
        return parse_config(text)
    except ConfigError:
        pass
    try:
        table = parse_toml(text)
    except ConfigError:
        return Config()
    kept: dict[str, dict[str, object]] = {}
    for section, part in table.items():
        cls = sections().get(section)
        if cls is None or not isinstance(part, dict):
            continue
        for key in [field.name for field in fields_of(cls, section) if field.name in part]:
            value = part[key]
            tried = {**kept, section: {**kept.get(section, {}), key: value}}
            if _parsed(tried) is not None:
                kept = tried
    found = _parsed(kept)
    assert found is not None
    station = kept.get("station", {})
    without = {name: () if name == "domains" else "" for name in _PLACEHOLDERS if name not in station}
    return replace(found, station=replace(found.station, **without))  # type: ignore[arg-type]  # by their names


def _parsed(table: dict[str, dict[str, object]]) -> Config | None:
    whole = {**table, "station": {**_PLACEHOLDERS, **table.get("station", {})}}
    lines: list[str] = []
    for section, part in whole.items():
        lines += [
            f"[{toml_value(section)}]",
            *(f"{toml_value(key)} = {toml_value(value)}" for key, value in part.items()),
        ]
    try:
        return parse_config("\n".join(lines))
    except ConfigError:
        return None
