"""What the set-up wizard knows about the machine before it asks: ports, modems, countries, time zones, accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dialpost.core.amounts import whole_number
from dialpost.core.config.model import PortFlow
from dialpost.core.line.country import Country
from dialpost.core.line.modem.profile import ModemProfile


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several answers. `value` is the value to use, `words` is the text on the screen."""

    value: str
    words: str


@dataclass(frozen=True, slots=True)
class PortOffer:
    """A serial port that was probed. `profile` is "" if nothing answered; `speed_bps` 0 = the profile's."""

    port: str
    words: str
    profile: str = ""
    speed_bps: int = 0
    flow_control: PortFlow = PortFlow.PROFILE


@dataclass(frozen=True, slots=True)
class Facts:
    """`system_timezone` is "" if the machine has none set yet (UTC)."""

    ports: tuple[PortOffer, ...] = ()
    profiles: tuple[ModemProfile, ...] = ()
    countries: tuple[Country, ...] = ()
    timezones: frozenset[str] = frozenset()
    system_timezone: str = ""
    accounts: tuple[str, ...] = ()
    has_admin_password: bool = False

    def profile(self, name: str) -> ModemProfile | None:
        """The profile of that name."""
        return next((profile for profile in self.profiles if profile.name == name), None)

    def country(self, key: str) -> Country | None:
        """The country of that name in the configuration."""
        return next((country for country in self.countries if country.key == key), None)

    def offer(self, port: str) -> PortOffer | None:
        """What is known about a port."""
        return next((offer for offer in self.ports if offer.port == port), None)


def picked(typed: str, choices: Sequence[Choice]) -> str | None:
    """The value meant by a number, a value, or the words; None if it is none of these."""
    number = whole_number(typed)
    if number is not None and 1 <= number <= len(choices):
        return choices[number - 1].value
    wanted = typed.casefold()
    for choice in choices:
        if wanted in {choice.value.casefold(), choice.words.casefold()}:
            return choice.value
    return None
