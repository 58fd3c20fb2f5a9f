"""Showing and comparing configurations, key by key, with secrets masked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dialpost.core.config.editing.candidate import Candidate
from dialpost.core.config.editing.entry import plain
from dialpost.core.config.editing.keys import Place, places
from dialpost.core.config.text import SECRET, toml_value


def lines_of(table: Mapping[str, object], prefix: str = "") -> list[str]:
    """`key = value` for each key set, in the order of the declarations, secrets masked.

    With a prefix (a section, a key, an item of a list) only what belongs to it.
    """
    return [
        f"{place.key} = {shown(place, value)}"
        for place, value in places(table)
        if not prefix or place.key == prefix or place.key.startswith((f"{prefix}.", f"{prefix}["))
    ]


def compare(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    """`- key = value` for what is removed, `+ key = value` for what is added; for a secret, only that it
    changed."""
    before = {place.key: (place, value) for place, value in places(old)}
    after = {place.key: (place, value) for place, value in places(new)}
    lines = []
    for key in (*after, *(key for key in before if key not in after)):
        gone, come = before.get(key), after.get(key)
        if gone is not None and come is not None and plain(gone[1]) == plain(come[1]):
            continue
        if gone is not None:
            lines.append(f"- {key} = {shown(*gone)}")
        if come is not None:
            changed = gone is not None and is_secret(come[0])
            lines.append(f"+ {key} = {'(changed, not shown)' if changed else shown(*come)}")
    return lines


def changed_keys(lines: Iterable[str]) -> int:
    """How many keys the lines of `compare` are about: a key whose value changed has two of them."""
    return len({line[2:].partition(" = ")[0] for line in lines})


def shown(place: Place, value: object) -> str:
    """A value for the screen."""
    return "(set, not shown)" if is_secret(place) and value != "" else toml_value(value)


def is_secret(place: Place) -> bool:
    """Whether its value must not be shown. An unknown key may be a misspelt secret."""
    return place.field is None or place.field.setting.secret


def blotted(text: str) -> str:
    """The text with every secret masked, its comments kept where possible. Raises: ConfigError."""
    candidate = Candidate(text)
    for place, value in places(candidate.table()):
        if is_secret(place) and value != "":
            candidate = candidate.put(place, SECRET)
    return candidate.text


def with_secrets(text: str, table: Mapping[str, object]) -> Candidate:
    """A text in which secrets may be masked, with those that `table` has in the same place restored.

    Raises: ConfigError if the text is not TOML.
    """
    known = {place.key: value for place, value in places(table)}
    candidate = Candidate(text)
    for place, value in places(candidate.table()):
        if value == SECRET and place.key in known:
            candidate = candidate.put(place, known[place.key])
    return candidate


def still_blotted(table: Mapping[str, object]) -> tuple[str, ...]:
    """One sentence for each secret that is still masked: the mask must not become the password."""
    return tuple(
        f"{place.key} is masked in this text and unknown here: set it."
        for place, value in places(table)
        if value == SECRET
    )
