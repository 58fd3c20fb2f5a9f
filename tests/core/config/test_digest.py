"""The digest that tells one configuration's part from another's."""

from dataclasses import replace

from dialpost.core.config.digest import digest
from dialpost.core.config.model import ModemConfig, PppConfig


def test_equal_sections_have_one_digest_and_any_other_value_another() -> None:
    ppp, modem = PppConfig(user="u", password="secret"), ModemConfig(numbers=("111",))
    assert digest(ppp, modem) == digest(replace(ppp), replace(modem))
    others = [digest(modem, ppp), digest(ppp), digest(replace(ppp, password="Secret"), modem)]
    assert digest(ppp, modem) not in others and len(set(others)) == 3


def test_it_tells_nothing_of_a_secret() -> None:
    short, long = digest(PppConfig(password="x")), digest(PppConfig(password="x" * 200))
    assert len(short) == len(long) == 64
