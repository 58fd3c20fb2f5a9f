"""What follows from a configuration's values."""

from dataclasses import replace

from dialpost.core.config.line import BatteryClock
from dialpost.core.config.model import (
    AtrnConfig,
    Config,
    EtrnConfig,
    MailboxConfig,
    MailboxKind,
    OutboundConfig,
    StationConfig,
    TlsMode,
)


def test_etrn_asks_for_its_own_names_or_else_the_station_s_domains() -> None:
    config = Config(station=StationConfig(domains=("a.example", "b.example")))
    assert config.etrn_names == ("a.example", "b.example")
    assert replace(config, etrn=EtrnConfig(names=("@c.example",))).etrn_names == ("@c.example",)


def test_atrn_asks_its_own_host_or_else_the_one_of_etrn() -> None:
    config = Config(outbound=OutboundConfig(smarthost="smtp.example"))
    assert config.atrn_host == "smtp.example"
    assert replace(config, etrn=EtrnConfig(host="etrn.example")).atrn_host == "etrn.example"
    assert replace(config, atrn=AtrnConfig(host="atrn.example")).atrn_host == "atrn.example"


def test_a_mailbox_has_the_usual_port_of_its_kind() -> None:
    ports = [
        MailboxConfig(kind=kind, tls=tls).port_used
        for kind in MailboxKind
        for tls in (TlsMode.IMPLICIT, TlsMode.STARTTLS)
    ]
    assert ports == [993, 143, 995, 110]
    assert MailboxConfig(port=1143).port_used == 1143


def test_a_clock_chip_s_address() -> None:
    others = {clock.address for clock in BatteryClock if clock is not BatteryClock.PCF85063}
    assert (BatteryClock.PCF85063.address, others) == (0x51, {0x68})
