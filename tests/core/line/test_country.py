"""Country files: every shipped one loads and says where it comes from; each kind of bad file is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from cases import cases
from dialpost.core.errors import ConfigError
from dialpost.core.line.country import parse_country
from dialpost.core.line.link import DialResult
from dialpost.core.line.redial_rules import KEPT_TRIES, RedialHistory, may_dial

FOLDER = Path(__file__).parents[3] / "board" / "countries"
SHIPPED = sorted(FOLDER.glob("*.toml"))
HEAD = 'name = "X"\nsource = "a test"\n'


def test_there_are_files_and_generic_is_one_of_them() -> None:
    assert len(SHIPPED) >= 13
    assert "generic" in {path.stem for path in SHIPPED}


@cases("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_country_loads_names_its_source_and_limits_a_deaf_number(path: Path) -> None:
    country = parse_country(path.stem, path.read_text(encoding="utf-8"), str(path))
    assert len(country.source) > 30
    history, now_s, day_s = RedialHistory(), 0.0, 86_400
    tries = 0
    while now_s < day_s:
        answer = may_dial(country.redial, country.name, history, "1", now_s)
        assert not answer.given_up, "an unattended station must not fall silent for good"
        if answer.wait_s:
            assert answer.why.startswith(country.name)
            now_s += answer.wait_s
            continue
        tries += 1
        history = history.tried("1", DialResult.NO_ANSWER, now_s)
    assert 1 < tries < 1500, "a number that never answers is left in peace most of the day"
    assert len(history.numbers["1"]) <= KEPT_TRIES


NOT_ALLOWED = [
    ("name = ", "this is not TOML"),
    ('name = "X"\n', "source is missing"),
    ('source = "a test"\n', "name is missing"),
    (HEAD + "[redail]\n", "There is no key redail. Did you mean redial?"),
    (HEAD + "redial = 3\n", "write [redial] on a line of its own"),
    (HEAD + "[redial]\nattemps = 3\n", "There is no key redial.attemps. Did you mean redial.attempts?"),
    (HEAD + "[redial]\nattempts = 51\n", "redial.attempts = 51 is not allowed: it must be a whole number from 0"),
    (HEAD + '[redial]\nattempts = "3"\n', 'redial.attempts = "3" is not allowed'),
    (HEAD + "[redial]\nattempts = true\n", "redial.attempts = true is not allowed"),
    (HEAD + "[redial]\npauses_s = 30\n", "redial.pauses_s = 30 is not allowed: it must be a list of whole numbers"),
    (HEAD + "[redial]\npauses_s = []\n", "redial.pauses_s must name one wait at least"),
    (HEAD + "[redial]\npauses_s = [5, -1]\n", "from 0 to 86400"),
    (HEAD + "[redial]\npauses_s = [86401]\n", "from 0 to 86400"),
    (HEAD + '[redial]\npauses_s = ["a"]\n', 'redial.pauses_s[1] = "a" is not allowed'),
    (HEAD + "[redial]\nperiod_s = 60\n", "go together"),
    (HEAD + "[redial]\nattempts = 9\nattempts_busy = 3\n", "attempts_busy must not be less than"),
    (HEAD + "[dialling]\ntone = false\npulse = false\n", "nothing can be dialled"),
    (HEAD + '[dialling]\ncountry_code = "43"\n', "give both or none"),
    (HEAD + '[dialling]\ncountry_code = "+43"\ninternational_prefix = "00"\n', "it has digits only"),
    (HEAD + "[dialling]\nblind_pause_s = 1\n", "dialling.blind_pause_s = 1 is not allowed"),
]


@cases(("text", "says"), NOT_ALLOWED)
def test_each_kind_of_bad_file_is_reported_with_its_name(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_country("x", text, "/board/countries/x.toml")
    assert says in str(caught.value)
    assert all(problem.startswith("/board/countries/x.toml: ") for problem in caught.value.problems)


def test_a_pause_may_be_none_or_a_day() -> None:
    assert parse_country("x", HEAD + "[redial]\npauses_s = [0, 86400]\n", "x.toml").redial.pauses_s == (0, 86_400)


def test_every_fault_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_country("x", "[redial]\nattempts = -1\nfoo = 1\n", "x.toml")
    assert len(caught.value.problems) == 4


def test_an_emergency_number_has_digits_only() -> None:
    text = 'name = "X"\nsource = "a test"\n[dialling]\nemergency = ["112", "1-1-2"]\n'
    with pytest.raises(ConfigError) as told:
        parse_country("x", text, "x.toml")
    assert told.value.problems == (
        'x.toml: dialling.emergency has "1-1-2", which is not allowed: it has digits only.',
    )


def test_a_country_has_a_name_and_a_source() -> None:
    with pytest.raises(ConfigError) as told:
        parse_country("x", "", "x.toml")
    assert {problem.split()[1] for problem in told.value.problems if " is missing" in problem} == {"name", "source"}
