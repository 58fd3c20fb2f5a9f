"""The line of the simulated first start: the real station and its modem's dialogue, the provider's number."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from dialpost.core.call_reason import CallReason
from dialpost.core.config.model import (
    CallConfig,
    ClockConfig,
    ClockSource,
    Config,
    ModemConfig,
    OutboundConfig,
    PppConfig,
    SmtpConfig,
    StationConfig,
    TlsMode,
)
from dialpost.core.line.call.record import CallRecord
from dialpost.core.line.link import DialResult
from dialpost.sim.first_line import LineClient, LineNames, SimulatedPpp
from dialpost.sim.free_ports import free_port
from dialpost.sim.letters import WORLD, make_letters
from dialpost.sim.line import LineSettings, SimulatedLine
from dialpost.sim.provider.provider import Provider, ProviderSettings
from dialpost.sim.provider.turned import Held
from dialpost.sim.subscription import Subscription
from dialpost.sim.telephone import Telephone
from dialpost.sim.telephone_line import TelephoneSettings
from dialpost.station import Station

PAPERS = Subscription()


class Place:
    """A provider, a telephone line and what a station on it is configured with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.line = SimulatedLine(LineSettings(dial_s=0.0, rtt_s=0.01))
        self.provider = Provider(ProviderSettings(), folder / "provider")
        self.telephone = Telephone(TelephoneSettings(dial_s=0.01, number=PAPERS.digits()))
        self.port = free_port()

    async def start(self) -> None:
        await self.provider.start()
        await self.telephone.start()
        self.relay = self.line.open_up(self.provider.port)
        self.provider.station_port = self.line.open_down(self.port, "127.0.0.2")

    async def stop(self) -> None:
        await self.provider.stop()
        self.line.close()
        await self.telephone.stop()

    def config(self) -> Config:
        return Config(
            station=StationConfig(
                hostname="mail.clinic.example",
                domains=(PAPERS.domain,),
                data_dir=str(self.folder / "data"),
                run_dir=str(self.folder / "run"),
            ),
            smtp=SmtpConfig(
                listen=(f"127.0.0.1:{self.port}",),
                submission_listen=(),
                submissions_listen=(),
                disk_reserve_bytes=0,
            ),
            outbound=OutboundConfig(smarthost=PAPERS.mail_host, port=25, tls=TlsMode.OPPORTUNISTIC),
            modem=ModemConfig(port=self.telephone.station_path, numbers=(PAPERS.number.replace(" ", ""),)),
            ppp=PppConfig(user=PAPERS.user, password=PAPERS.password),
            call=CallConfig(grace_min_s=0.3, redial_attempts=0, cooldown_s=0),
            clock=ClockConfig(source=ClockSource.NEVER),
        )

    async def call(self, config: Config) -> CallRecord:
        """One call of a station with that configuration; anna's mailbox is in `got` afterwards."""
        station = Station(config, ppp=SimulatedPpp(self.line, PAPERS))
        station.resolver = LineNames(self.line, (PAPERS.mail_host,))
        station.client = LineClient({(PAPERS.mail_host, 25): self.relay})
        await station.start()
        await station.accounts.add("anna", "anna's secret")
        station.calls.request(CallReason.COMMAND)
        record = await asyncio.wait_for(station.calls.finished(), 60)
        while (await station.counts()).waiting_local:
            await asyncio.sleep(0.02)  # the store tells nobody
        await station.stop()
        self.got = len(list((self.folder / "data/mail/anna/new").iterdir()))
        return record


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    made = Place(tmp_path)
    await made.start()
    for letter in make_letters("in", 2, 0, sender=f"cleo@{WORLD}", recipients=(f"anna@{PAPERS.domain}",)):
        made.provider.hold(Held(letter.sender, letter.recipients, letter.content))
    yield made
    await made.stop()


async def test_with_the_letters_own_words_mail_comes(place: Place) -> None:
    record = await place.call(place.config())
    assert (record.result, record.received) == (DialResult.CONNECTED, 2)
    assert place.got == 2 and place.provider.waiting == 0
    assert [what for _, what in place.telephone.events][-1] in {"hung up", "cut"}
    assert not place.line.is_up


async def test_another_number_reaches_no_modem(place: Place) -> None:
    config = place.config()
    record = await place.call(replace(config, modem=replace(config.modem, numbers=("0961555018",))))
    assert (record.result, record.received, place.provider.waiting) == (DialResult.NO_CARRIER, 0, 2)


async def test_another_password_is_refused_as_pppd_would(place: Place) -> None:
    config = place.config()
    record = await place.call(replace(config, ppp=replace(config.ppp, password="wrong")))
    assert record.result is DialResult.ERROR
    assert "ppp.password" in record.detail
    assert place.provider.waiting == 2


async def test_another_mail_host_is_not_known_and_nothing_is_asked_of_the_real_network(place: Place) -> None:
    config = place.config()
    elsewhere = replace(config.outbound, smarthost="smtp.elsewhere.example")
    budget = replace(config.budget, billing_step_s=10)  # it retries for as long as the line is paid for
    record = await place.call(replace(config, outbound=elsewhere, budget=budget))
    assert (record.result, record.received) == (DialResult.CONNECTED, 0)
    assert record.etrn and record.etrn[0].is_fault


def test_the_letter_says_all_that_the_wizard_asks() -> None:
    text = "\n".join(PAPERS.lines())
    for words in (PAPERS.domain, PAPERS.number, PAPERS.user, PAPERS.password, PAPERS.mail_host):
        assert words in text
