"""What is made from the declarations at every request is made only once."""

from dialpost.core.config.fields import fields_of, sections
from dialpost.core.config.model import StationConfig
from dialpost.core.control.calls import Call, NowParams
from dialpost.core.control.declared import parameters_of
from dialpost.core.control.shapes import members
from dialpost.core.line.modem.profile_text import parse_hints

PROFILE = 'title = "Mine"\nsource = "its manual"\n'


def test_the_declarations_are_read_once() -> None:
    assert sections() is sections()
    assert all(one is same for one, same in zip(*(fields_of(StationConfig, "station") for _ in "ab"), strict=True))
    assert parameters_of(NowParams) is parameters_of(NowParams)
    assert members(Call) is members(Call)


def test_a_modems_file_is_read_once() -> None:
    assert parse_hints(PROFILE, "mine.toml") is parse_hints(PROFILE, "mine.toml")
