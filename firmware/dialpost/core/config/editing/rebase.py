"""Applying somebody's changes on top of a newer configuration, key by key."""

from __future__ import annotations

from dialpost.core.config.editing.candidate import Candidate
from dialpost.core.config.editing.entry import plain
from dialpost.core.config.editing.keys import places

Values = dict[str, object]


def rebase(base: Candidate, ours: Candidate, theirs: Candidate) -> tuple[Candidate, tuple[str, ...]]:
    """`theirs` with the changes that `ours` makes to `base`; and the keys that both changed differently (ours
    wins).

    A list of tables ([[...]]) is treated as a whole: positions in it mean nothing across two versions.
    """
    was, wanted, there = _values(base), _values(ours), _values(theirs)
    changed = [
        key for key in (*wanted, *(key for key in was if key not in wanted)) if was.get(key) != wanted.get(key)
    ]
    made, both = theirs, []
    for key in changed:
        if there.get(key) != was.get(key) and there.get(key) != wanted.get(key):
            both.append(key)
        if there.get(key) != wanted.get(key):
            made = made.with_value(key, wanted.get(key))
    return made, tuple(both)


def _values(candidate: Candidate) -> Values:
    """Each key's value; a table or a list of tables counts as one value under its own key."""
    table = candidate.table()
    found: Values = {}
    for place, _ in places(table):
        section = table[place.section]
        if place.name and isinstance(section, dict):
            found[f"{place.section}.{place.name}"] = plain(section[place.name])
        else:
            found[place.section] = plain(section)
    return found
