"""Somebody's changes on top of a newer configuration: nothing of either side gets lost unseen."""

import contextlib
from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dialpost.core.config.editing.candidate import Candidate
from dialpost.core.config.editing.rebase import _values, rebase
from dialpost.core.errors import ConfigError, NotFoundError

BASE = Candidate("""\
# Kept.
[station]
hostname = "mail.clinic.example"
domains = ["clinic.example"]
[smtp]
max_errors = 30
[[outbound.route]]
domains = ["a.example"]
[link]
kind = "gateway"
""")


def test_both_sides_changes_are_there() -> None:
    ours = (
        BASE.set("smtp.max_recipients", "600")
        .unset("smtp.max_errors")
        .set("outbound.route[2].domains", "b.example")
    )
    theirs = BASE.set("station.hostname", "mx.clinic.example").set("delivery.catch_all.clinic.example", "anna")
    made, both = rebase(BASE, ours, theirs)
    assert both == ()
    assert made.table() == {
        "station": {"hostname": "mx.clinic.example", "domains": ["clinic.example"]},
        "smtp": {"max_recipients": 600},
        "outbound": {"route": [{"domains": ["a.example"]}, {"domains": ["b.example"]}]},
        "link": {"kind": "gateway"},
        "delivery": {"catch_all": {"clinic.example": "anna"}},
    }
    assert "# Kept." in made.text


def test_what_both_changed_differently_is_reported_and_ours_counts() -> None:
    ours = BASE.set("smtp.max_errors", "40").set("link.kind", "modem").unset("outbound.route")
    theirs = BASE.set("smtp.max_errors", "50").set("link.kind", "modem").set("outbound.route[1].port", "26")
    made, both = rebase(BASE, ours, theirs)
    assert both == ("smtp.max_errors", "outbound.route")
    assert table_of(made)["smtp"]["max_errors"] == 40 and "route" not in table_of(made).get("outbound", {})


_EDITS = st.lists(
    st.tuples(
        st.sampled_from(["smtp.max_errors", "smtp.max_recipients", "station.hostname", "modem.numbers"]),
        st.sampled_from([None, "200", "300", "mx.a.example"]),
    ),
    max_size=5,
)


def table_of(candidate: Candidate) -> Any:
    return candidate.table()


def edited(edits: list[tuple[str, str | None]]) -> Candidate:
    candidate = BASE
    for key, value in edits:
        with contextlib.suppress(ConfigError, NotFoundError):
            candidate = candidate.unset(key) if value is None else candidate.set(key, value)
    return candidate


def without_empty_sections(
    table: Mapping[str, object],
) -> dict[str, object]:
    return {name: section for name, section in table.items() if section != {}}


@settings(max_examples=60, deadline=None)
@given(_EDITS, _EDITS)
def test_it_is_a_merge(ours: list[tuple[str, str | None]], theirs: list[tuple[str, str | None]]) -> None:
    one, other = edited(ours), edited(theirs)
    assert without_empty_sections(rebase(BASE, one, BASE)[0].table()) == without_empty_sections(one.table())
    assert rebase(BASE, BASE, other) == (other, ())
    made, both = rebase(BASE, one, other)
    again, none = rebase(BASE, other, made)
    if not both:
        assert (again.table(), none) == (made.table(), ())


def test_what_should_be_a_section_is_one_value() -> None:
    assert _values(Candidate("smtp = 1\n"))["smtp"] == 1


def test_each_key_stands_for_itself_and_a_list_of_tables_for_all_of_them() -> None:
    text = 'odd = 1\n[nonsense]\nx = 1\n[smtp]\nmax_errors = 5\nlisten = [":25"]\n[[outbound.route]]\nport = 26\n'
    assert _values(Candidate(text)) == {
        "odd": 1,
        "nonsense": {"x": 1},
        "smtp.max_errors": 5,
        "smtp.listen": [":25"],
        "outbound.route": [{"port": 26}],
    }
