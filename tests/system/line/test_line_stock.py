"""The simulated modem passes for a real one: chat and pppd from Debian dial it, no Dialpost on that side."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from rig.line.guests import ProviderGuest
from rig.line.places import PPP_USER, PROVIDER_ADDRESS
from rig.line.postfix_station import CHAT, DISCONNECT, SECRETS, PostfixStation
from rig.line.telephone import TelephoneLine
from rig.line.uml import Guest
from rig.needs import needs_guests
from rig.processes import eventually

from dialpost.sim.telephone_line import TelephoneSettings

pytestmark = [pytest.mark.system, needs_guests("line")]


@pytest.fixture
def ends(work: Path) -> Iterator[tuple[TelephoneLine, ProviderGuest, Guest]]:
    with TelephoneLine() as line:
        provider = ProviderGuest(work / "provider", line.provider_path)
        caller = Guest(
            work / "caller",
            "line",
            name="caller",
            serial=line.station_path,
            files={
                "/etc/ppp/options": "",
                "/etc/ppp/chap-secrets": SECRETS,
                "/etc/chatscripts/provider": CHAT,
            },
        )
        line.on_carrier = provider.carrier
        with provider, caller:
            yield line, provider, caller
        line.check()


def _dial(caller: Guest, name: str) -> None:
    caller.start(
        "pppd",
        "/dev/ttyS0",
        "115200",
        "nodetach",
        "debug",
        "noauth",
        "noipv6",
        "nocrtscts",
        "local",
        "user",
        PPP_USER,
        "connect",
        "chat -v -f /etc/chatscripts/provider",
        "disconnect",
        DISCONNECT,
        name=name,
    )


def test_chat_and_pppd_dial_and_hang_up(ends: tuple[TelephoneLine, ProviderGuest, Guest]) -> None:
    line, provider, caller = ends
    _dial(caller, "pppd")
    caller.wait_for_log("pppd", "remote IP address", within_s=30)
    for log in (caller.log("pppd"), provider.log(provider.answering)):
        assert "Deflate (15) compression enabled" in log
        assert re.search(r"IPCP ConfAck .*<compress VJ 0f 01>", log)
    assert "CHAP authentication succeeded" in caller.log("pppd")
    pinged = caller.run("ping", "-c", "4", "-i", "0.3", PROVIDER_ADDRESS).stdout
    assert "4 packets transmitted, 4 received, 0% packet loss" in pinged
    fastest_ms = float(re.findall(r"time=([\d.]+)", pinged)[0])
    assert 150 <= fastest_ms < 400  # the round trip of the line and the bytes at its rate

    caller.signal("pppd")
    caller.wait("pppd")
    eventually(lambda: not line.is_up, what="the modem hung up on +++ ATH")
    assert [what for _, what in line.events][-1] == "hung up"
    provider.wait(provider.answering)


def test_any_user_may_ask_how_much_the_line_compresses(ends: tuple[TelephoneLine, ProviderGuest, Guest]) -> None:
    """The kernel's own counts, of its own deflate: what the station's buffers follow."""
    _, _, caller = ends
    _dial(caller, "pppd")
    caller.wait_for_log("pppd", "remote IP address", within_s=30)
    caller.run("ping", "-c", "3", "-i", "0.3", "-s", "1000", "-p", "20", PROVIDER_ADDRESS)
    ask = "from dialpost.edge.line.ppp.compressed import crossed; print(crossed())"
    said = caller.run("setpriv", "--reuid=65534", "--clear-groups", "python3", "-c", ask).stdout
    up, wire_up, down, wire_down = map(int, re.findall(r"=(\d+)", said))
    assert up > 3000 and down > 3000, said
    assert 0 < wire_up < up / 4 and 0 < wire_down < down / 4, f"blanks shrink to nearly nothing: {said}"
    caller.signal("pppd")
    caller.wait("pppd")


def test_chat_is_told_busy_and_a_cut_line_says_no_carrier(ends: tuple[TelephoneLine, ProviderGuest, Guest]) -> None:
    line, provider, caller = ends
    line.answer_next("BUSY")
    _dial(caller, "busy")
    assert caller.wait("busy") == 8  # pppd: the connect script failed
    assert not line.is_up

    _dial(caller, "cut")
    caller.wait_for_log("cut", "remote IP address", within_s=30)
    line.cut()
    assert provider.wait(provider.answering) == 16  # pppd: SIGHUP, the modem hung up
    # This pppd sees no DCD, as the serial line of a guest has none. But the modem is in command mode again.
    caller.signal("cut")
    caller.wait("cut")
    _dial(caller, "again")
    caller.wait_for_log("again", "remote IP address", within_s=30)


def test_a_station_of_postfix_and_fetchmail_exchanges_mail(work: Path) -> None:
    """The provider is set up right, and so is what we are compared with: nobody's fault is ours alone."""
    with TelephoneLine(TelephoneSettings(rate_bps=115_200, rtt_s=0.05)) as line:
        provider = ProviderGuest(work / "provider", line.provider_path)
        station = PostfixStation(work / "station", line.station_path)
        line.on_carrier = provider.carrier
        with provider, station:
            provider.begin()
            station.begin()
            inbound = provider.hold([(2000, 6), (20_000, 1)])
            outbound = station.submit([(2000, 6), (20_000, 1)])
            eventually(lambda: (station.queue_length(), provider.queue_length()) == (7, 7))
            station.dial()
            station.flush()
            eventually(
                lambda: (station.queue_length(), provider.queue_length()) == (0, 0),
                within_s=60,
                what="both queues empty",
            )
            station.hang_up()
            assert station.etrn_answer().startswith("250 ")
            assert station.arrived(station.maildir) == sorted(inbound)
            assert provider.arrived(provider.world) == sorted(outbound)
            assert not line.is_up
        line.check()
