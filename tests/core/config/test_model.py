"""What follows from a configuration's values."""

from dataclasses import replace

from dialpost.core.config.line import BatteryClock
from dialpost.core.config.model import Config, EtrnConfig, StationConfig


def test_etrn_asks_for_its_own_names_or_else_the_station_s_domains() -> None:
    config = Config(station=StationConfig(domains=("a.example", "b.example")))
    assert config.etrn_names == ("a.example", "b.example")
    assert replace(config, etrn=EtrnConfig(names=("@c.example",))).etrn_names == ("@c.example",)


def test_a_clock_chip_s_address() -> None:
    others = {clock.address for clock in BatteryClock if clock is not BatteryClock.PCF85063}
    assert (BatteryClock.PCF85063.address, others) == (0x51, {0x68})
