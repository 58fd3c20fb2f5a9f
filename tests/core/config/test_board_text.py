"""Files of the board folder: every fault at once, by file, key and value."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from cases import cases
from dialpost.core.config.board_text import TOP, read_tables, shown, unknown_key
from dialpost.core.config.setting import setting
from dialpost.core.errors import ConfigError


@dataclass(frozen=True)
class Lamp:
    name: str = setting("", "Its name.", required=True)
    pin: int = setting(3, "Its pin.", minimum=0, maximum=53)


@dataclass(frozen=True)
class Head:
    title: str = setting("", "What it is.", required=True)
    words: tuple[str, ...] = setting((), "Some words.", maximum=2)
    lamp: tuple[Lamp, ...] = setting((), "Its lamps.")


@dataclass(frozen=True)
class Bus:
    speed: int = setting(100, "Its speed.", minimum=1)


TABLES = {TOP: Head, "bus": Bus}


def test_what_is_given_is_taken_and_the_rest_has_its_defaults() -> None:
    made = read_tables(
        'title = "x"\nwords = ["a", "b"]\n[[lamp]]\nname = "mail"\n[[lamp]]\nname = "line"\npin = 0\n', "f", TABLES
    )
    assert made == {TOP: Head("x", ("a", "b"), (Lamp("mail", 3), Lamp("line", 0))), "bus": Bus(100)}
    assert read_tables('title = "x"\n[bus]\nspeed = 5\n', "f", TABLES)["bus"] == Bus(5)


@cases(
    ("text", "said"),
    [
        ("", ["title is missing: What it is."]),
        ('title = "x"\nbus = 3', ["bus must be a section: write [bus] on a line of its own."]),
        ('title = "x"\n[buss]', ["There is no key buss. Did you mean bus?"]),
        ('title = "x"\nqqq = 1', ["There is no key qqq. There are: title, words, lamp, bus."]),
        ('title = "x"\n[bus]\nzzz = 1', ["There is no key bus.zzz. Did you mean bus.speed?"]),
        ('title = "x"\nwords = "a"', ['words = "a" is not allowed: it must be a list of texts in quotes in [ ].']),
        ('title = "x"\nwords = ["a", "b", "c"]', ["words has 3 items; at most 2 are allowed."]),
        (
            'title = "x"\nwords = ["a", 3]',
            ["words[2] = 3 is not allowed: each item must be text in quotes."],
        ),
        (
            'title = "x"\nlamp = ["mail"]',
            ['lamp[1] = "mail" is not allowed: write [[lamp]] and its keys below.'],
        ),
        (
            'title = "x"\n[[lamp]]\nname = "mail"\npin = 54\n[[lamp]]\npin = -1',
            [
                "lamp[1] (mail).pin = 54 is not allowed: it must be a whole number from 0 to 53.",
                "lamp[2].name is missing: Its name.",
                "lamp[2].pin = -1 is not allowed: it must be a whole number from 0 to 53.",
            ],
        ),
        (
            'title = ""\n[bus]\nspeed = 0',
            [
                'title = "" is not allowed: it must not be empty: What it is.',
                "bus.speed = 0 is not allowed: it must be a whole number of at least 1.",
            ],
        ),
    ],
)
def test_every_fault_is_reported_with_its_place(text: str, said: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        read_tables(text, "f.toml", TABLES)
    assert list(caught.value.problems) == [f"f.toml: {sentence}" for sentence in said]


def test_a_long_value_is_shortened() -> None:
    assert shown("x" * 78) == f'"{"x" * 78}"'
    assert shown("x" * 79) == f'"{"x" * 78}\u2026'
    assert shown({"a": "\u00fc"}) == '{"a": "\u00fc"}'


def test_the_nearest_key_is_named() -> None:
    assert unknown_key("naem", ["pin", "name"]) == "There is no key naem. Did you mean name?"
    assert unknown_key("naem", ["names", "name"]) == "There is no key naem. Did you mean name?"
    assert unknown_key("zzz", ["pin", "name"]) == "There is no key zzz. There are: pin, name."


def test_a_fault_in_one_section_hides_none_in_the_next() -> None:
    tables = {TOP: Head, "bus": Bus, "last": Bus}
    with pytest.raises(ConfigError) as caught:
        read_tables('title = "x"\nbus = 1\n[last]\nspeed = 0\n', "f", tables)
    assert len(caught.value.problems) == 2
