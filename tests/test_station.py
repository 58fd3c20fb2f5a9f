"""The wiring: a station that starts, takes mail, tells its state, and stops without losing what it promised."""

import asyncio
import smtplib
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from dialpost.core.call_reason import CallReason
from dialpost.core.config.model import Config
from dialpost.core.config.text import parse_config
from dialpost.core.control.station import CardUse
from dialpost.core.errors import AlreadyRunningError
from dialpost.core.line.link import DialOutcome, DialResult
from dialpost.core.mail.session import Listener
from dialpost.edge.control_socket import ControlClient
from dialpost.edge.mail.listeners import ListenError
from dialpost.edge.system import clock
from dialpost.edge.system.card.meter import CardMeter
from dialpost.station import Station
from fakes import FakeLink

PASSWORD = "correct-horse"


def config_in(folder: Path, **changes: str) -> Config:
    texts = {
        "smtp": 'listen = ["127.0.0.1:0"]\nsubmission_listen = ["127.0.0.1:0"]\n'
        'submissions_listen = ["127.0.0.1:0"]\ndisk_reserve_bytes = 0',
        "link": 'kind = "gateway"',
    } | changes
    sections = "".join(f"[{name}]\n{text}\n" for name, text in texts.items())
    return parse_config(
        f'[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example"]\n'
        f'data_dir = "{folder}/data"\nrun_dir = "{folder}/run"\n{sections}'
    )


@pytest.fixture(autouse=True)
def whatever_the_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own clock is no part of these tests."""
    monkeypatch.setattr(clock, "RELEASED_S", 0)


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Station]:
    made = Station(config_in(tmp_path))
    await made.start()
    await made.accounts.add("anna", PASSWORD)
    yield made
    await made.stop()


def port_of(station: Station, door: Listener) -> int:
    return next(port for name, _, port in station.doors if name is door)


def send(port: int, recipient: str) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
        client.sendmail("x@world.example", [recipient], "Subject: hi\r\n\r\nBody\r\n")


async def mail_of(station: Station, account: str, count: int) -> list[Path]:
    folder = station.mailboxes.path(account) / "new"
    async with asyncio.timeout(60):
        while len(found := list(folder.iterdir())) < count:
            await asyncio.sleep(0.01)  # the file system tells nobody
    return found


async def traced_last(client: ControlClient) -> str:
    [traced] = await asyncio.to_thread(client.call, "trace", text="anna@clinic.example")
    return str(traced["sentences"][-1])


async def test_mail_from_outside_is_delivered_and_told(station: Station, tmp_path: Path) -> None:
    await asyncio.to_thread(send, port_of(station, Listener.MX), "anna@clinic.example")
    [path] = await mail_of(station, "anna", 1)
    assert path.read_text().startswith("Return-Path: <x@world.example>\nReceived: ")
    client = ControlClient(tmp_path / "run" / "control.sock", 60)
    status = await asyncio.to_thread(client.call, "status")
    assert (status["hostname"], status["accounts"], status["attention"]) == ("mail.clinic.example", 1, [])
    async with asyncio.timeout(60):  # it is in the mailbox a moment before that is on record
        while "Delivered into the mailbox of anna" not in (await traced_last(client)):
            await asyncio.sleep(0.01)


async def test_status_counts_the_mail_that_the_card_was_written_for(
    station: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use = CardUse(seconds=1, messages=0, written_bytes=1, flushes=1, card_bytes=1)
    monkeypatch.setattr(CardMeter, "use", lambda self: replace(use, messages=self._messages))
    await asyncio.to_thread(send, port_of(station, Listener.MX), "anna@clinic.example")
    client = ControlClient(tmp_path / "run" / "control.sock", 60)
    assert (await asyncio.to_thread(client.call, "status"))["card"]["messages"] == 1


async def test_mail_programs_log_in_on_both_doors(station: Station) -> None:
    context = ssl._create_unverified_context()

    def both() -> None:
        with smtplib.SMTP_SSL("127.0.0.1", port_of(station, Listener.SUBMISSIONS), context=context) as client:
            client.login("anna", PASSWORD)
            client.sendmail("anna@clinic.example", ["b@world.example"], "Subject: a\r\n\r\nx\r\n")
        with smtplib.SMTP("127.0.0.1", port_of(station, Listener.SUBMISSION), timeout=60) as client:
            client.starttls(context=context)
            client.login("anna", PASSWORD)
            client.sendmail("anna@clinic.example", ["b@world.example"], "Subject: b\r\n\r\nx\r\n")

    await asyncio.to_thread(both)
    assert (await station.counts()).waiting_remote == 2


async def test_nobody_relays_from_outside(station: Station) -> None:
    with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        await asyncio.to_thread(send, port_of(station, Listener.MX), "victim@world.example")
    assert caught.value.recipients["victim@world.example"][0] == 554


async def test_what_waited_is_there_after_a_restart(tmp_path: Path) -> None:
    config = config_in(tmp_path, relay='networks = ["127.0.0.1/32"]')
    first = Station(config)
    await first.start()
    await asyncio.to_thread(send, port_of(first, Listener.MX), "b@world.example")
    await first.stop()
    second = Station(config)
    await second.start()
    assert (await second.counts()).waiting_remote == 1
    await second.stop()


async def test_a_second_daemon_on_the_same_data_is_refused_and_harms_nothing(station: Station) -> None:
    with pytest.raises(AlreadyRunningError, match=r"station\.data_dir"):
        await Station(station.config).start()
    await asyncio.to_thread(send, port_of(station, Listener.MX), "anna@clinic.example")
    await mail_of(station, "anna", 1)


async def test_a_start_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ListenError):
        await Station(config_in(tmp_path, smtp='listen = ["192.0.2.1:0"]')).start()
    fine = Station(config_in(tmp_path))
    await fine.start()
    await fine.stop()


async def test_a_modem_that_is_not_set_up_stops_calls_but_not_mail(tmp_path: Path) -> None:
    station = Station(config_in(tmp_path, link='kind = "modem"'))
    await station.start()
    assert any("modem.port is not set" in sentence for sentence in station.attention())
    await station.accounts.add("anna", PASSWORD)
    await asyncio.to_thread(send, port_of(station, Listener.MX), "anna@clinic.example")
    await mail_of(station, "anna", 1)
    station.calls.request(CallReason.COMMAND)
    while station.calls.last_call is None:
        await asyncio.sleep(0.01)
    assert "modem.port" in station.calls.last_call.detail
    await station.stop()


async def test_a_broken_certificate_stops_logins_but_not_mail(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("nonsense")
    tls = f'certificate = "{tmp_path}/bad.pem"\nkey = "{tmp_path}/bad.pem"'
    station = Station(config_in(tmp_path, tls=tls))
    await station.start()
    await station.accounts.add("anna", PASSWORD)
    await asyncio.to_thread(send, port_of(station, Listener.MX), "anna@clinic.example")
    await mail_of(station, "anna", 1)
    assert Listener.SUBMISSIONS not in {door for door, _, _ in station.doors}
    assert "can't log in" in station.attention()[0]
    await station.stop()


async def test_accounts_from_an_older_copy_bounce_nobody(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    first = Station(config)
    await first.start()
    await first.accounts.add("anna", PASSWORD)
    await first.accounts.add("bob", PASSWORD)  # only in the newest copy
    await first.stop()
    with (tmp_path / "data" / "accounts.toml").open("a") as file:
        file.write("garbage [")
    second = Station(config)
    await second.start()
    with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        await asyncio.to_thread(send, port_of(second, Listener.MX), "bob@clinic.example")
    assert caught.value.recipients["bob@clinic.example"][0] == 451
    assert "older copy" in second.attention()[0] or "deferred" in second.attention()[0]
    await second.accounts.add("bob", PASSWORD)
    await asyncio.to_thread(send, port_of(second, Listener.MX), "bob@clinic.example")
    await mail_of(second, "bob", 1)
    await second.stop()


@pytest.mark.parametrize("is_damaged", [False, True], ids=["missing", "damaged"])
async def test_a_lost_file_of_accounts_is_no_empty_one(tmp_path: Path, is_damaged: bool) -> None:
    config = config_in(tmp_path)
    first = Station(config)
    await first.start()
    await first.accounts.add("anna", PASSWORD)
    await first.stop()
    for file in (tmp_path / "data").glob("accounts.toml*"):
        file.write_bytes(b"[") if is_damaged else file.unlink()
    logins = (tmp_path / "data" / "dovecot-users").read_text()
    second = Station(config)
    await second.start()
    with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        await asyncio.to_thread(send, port_of(second, Listener.MX), "anna@clinic.example")
    assert caught.value.recipients["anna@clinic.example"][0] == 451
    why = "It is kept as accounts.toml.damaged-1" if is_damaged else "accounts.toml is missing."
    assert why in second.attention()[0] and "There are mailboxes of: anna." in second.attention()[0]
    assert (tmp_path / "data" / "dovecot-users").read_text() == logins
    await second.stop()


async def test_a_big_message_waits_and_people_are_told_through_the_real_doors(tmp_path: Path) -> None:
    config = config_in(
        tmp_path,
        relay='networks = ["127.0.0.1/32"]',
        budget="big_message_bytes = 2000",
        link='kind = "dialup-gateway"',
    )
    station = Station(config, link=FakeLink())
    await station.start()
    try:
        await station.accounts.add("anna", PASSWORD)
        door = port_of(station, Listener.MX)
        await asyncio.to_thread(send_from_anna, door, "Subject: small\r\n\r\nBody\r\n")
        await asyncio.to_thread(send_from_anna, door, "Subject: big\r\n\r\n" + "x" * 70 * 1000 + "\r\n")
        [report] = await mail_of(station, "anna", 1)
        assert "budget" not in report.read_text()
        assert "It is big (70 kB)" in " ".join(report.read_text().split())
        async with asyncio.timeout(60):
            while (counts := await station.counts()).waiting_remote < 2:  # the small one, and the note
                await asyncio.sleep(0.01)
        assert (counts.waiting_remote, counts.held) == (2, 1)
        assert counts.bytes_waiting < 2000
        client = ControlClient(tmp_path / "run" / "control.sock", 60)
        listed = await asyncio.to_thread(client.call, "queue.list", held_only=True)
        assert [one["subject"] for one in listed] == ["big"]
        assert "dialpost queue release" in listed[0]["recipients"][0]["held_because"]
        released = await asyncio.to_thread(client.call, "queue.release", queue_id=listed[0]["queue_id"])
        assert released["count"] == 1
        assert (await station.counts()).waiting_remote == 3
    finally:
        await station.stop()


def send_from_anna(port: int, text: str) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
        client.sendmail("anna@clinic.example", ["b@world.example"], text)


async def test_a_line_that_goes_down_takes_the_providers_connections_with_it(tmp_path: Path) -> None:
    config = config_in(
        tmp_path,
        relay='provider_networks = ["127.0.0.2/32"]\nnetworks = ["127.0.0.1/32"]',
        link='kind = "dialup-gateway"',
        etrn='use = "never"',
        call="redial_attempts = 0\ncooldown_s = 0.1",
    )
    link = FakeLink(dial_s=0.01)
    link.negotiate_s = link.hang_up_s = 0.01
    station = Station(config, link=link)
    await station.start()
    try:
        port = port_of(station, Listener.MX)
        looked = asyncio.Event()
        station.calls.subscribe(lambda words: looked.set() if words == "on line" else None)
        station.calls.request(CallReason.BUTTON)
        await asyncio.wait_for(looked.wait(), 60)
        provider, lan = [
            await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
            for address in ("127.0.0.2", "127.0.0.1")
        ]
        assert (await provider[0].readline()).startswith(b"220")
        assert (await lan[0].readline()).startswith(b"220")
        assert station.inbound.connections == 1
        link.cut()
        assert await asyncio.wait_for(provider[0].read(), 60) == b""
        assert station.calls.state_words != "on line"
        lan[1].write(b"NOOP\r\n")
        assert (await asyncio.wait_for(lan[0].readline(), 60)).startswith(b"250")
        for _, writer in (provider, lan):
            writer.transport.abort()
    finally:
        await station.stop()


async def test_when_dialling_is_given_up_the_postmaster_finds_a_letter(tmp_path: Path) -> None:
    config = config_in(tmp_path, link='kind = "dialup-gateway"', call="redial_attempts = 0\ncooldown_s = 0.1")
    busy = DialOutcome(DialResult.BUSY, "BUSY", number="0961 123456")
    station = Station(config, link=FakeLink([busy], dial_s=0.01))
    await station.start()
    try:
        await station.accounts.add("anna", PASSWORD)
        station.calls.request(CallReason.BUTTON)
        [letter] = await mail_of(station, "anna", 1)
        text = letter.read_text()
        assert "Subject: The station can't reach the provider" in text
        assert "A call failed (last dialled: 0961 123456)" in text
        assert "The last one ended with: busy" in text
        assert "Auto-Submitted: auto-generated" in text
    finally:
        await station.stop()
