"""Values as they are typed at the console."""

import pytest

from cases import cases
from dialpost.core.config.editing.entry import read_value
from dialpost.core.config.text import find_field
from dialpost.core.errors import ConfigError


@pytest.mark.parametrize("text", ['"a\nb"', '"a', "'a\nb = 1'"])
def test_quotes_close_on_their_line(text: str) -> None:
    with pytest.raises(ConfigError):
        read_value(find_field("outbound.smarthost"), "outbound.smarthost", text)


@cases(
    ("key", "text", "value"),
    [
        ("modem.login_script", "a, b", ["a", "b"]),
        ("modem.login_script", '"a,b",c', ["a,b", "c"]),
        ("modem.login_script", "'a,b' , c", ["a,b", "c"]),
        ("modem.login_script", '"a, b", c', ["a, b", "c"]),
        ("modem.login_script", "a'b,c'd", ["a'b", "c'd"]),  # a quote inside an item is a character
        ("modem.login_script", "a", ["a"]),
        ("modem.login_script", "", []),
        ("modem.login_script", '""', [""]),
        ("modem.login_script", "a,", ["a", ""]),
        ("smtp.max_errors", "1_0", 10),
        ("outbound.timeout_scale", "1.5", 1.5),
        ("outbound.timeout_scale", "1_0", 10.0),
        ("outbound.password", '"', '"'),
        ("outbound.password", '"a', '"a'),
        ("outbound.password", '"it\'s"', "it's"),
    ],
)
def test_a_typed_value(key: str, text: str, value: object) -> None:
    assert read_value(find_field(key), key, text) == value


@pytest.mark.parametrize("word", ["true", "yes", "on", "y", "1", "Enabled"])
def test_words_for_yes_and_no(word: str) -> None:
    field = find_field("ppp.shaping")
    assert read_value(field, "ppp.shaping", word) is True
    opposite = {"true": "false", "yes": "no", "on": "off", "y": "n", "1": "0", "Enabled": "Disabled"}[word]
    assert read_value(field, "ppp.shaping", opposite) is False


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        ("outbound.route", "x", "is a list of tables"),
        ("delivery.catch_all", "anna", "name the domain, like delivery.catch_all.DOMAIN"),
        ("modem.login_script", "a, 'b", "a quote is not closed"),
        ("modem.login_script", '["a"', "the quotes or brackets do not match"),
        ("outbound.timeout_scale", "inf", 'timeout_scale = "inf" is not allowed'),
        ("outbound.timeout_scale", "x", 'timeout_scale = "x" is not allowed'),
    ],
)
def test_what_is_said_of_a_slip(key: str, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_value(find_field(key), key, text)
