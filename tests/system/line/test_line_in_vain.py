"""A hub that refuses connections for a while after CONNECT, or greylists: what is achieved, said and redialled.

With the defaults that a station is shipped with. The same in virtual time: tests/flow/line/call/test_in_vain.py.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from rig.line.exchange import Exchange
from rig.needs import needs_guests

from dialpost.core.config.model import CallConfig
from dialpost.sim.telephone_line import TelephoneSettings

pytestmark = [pytest.mark.system, needs_guests("line")]

_SHIPPED = CallConfig()
_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "call": {
        name: getattr(_SHIPPED, name) for name in ("grace_min_s", "grace_max_s", "cooldown_s", "redial_attempts")
    }
}
_MAIL = [(2000, 3)]
_POLICY = "/root/greylist.py"
_GREYLIST = """\
import socketserver, sys, time

first = {}


class Policy(socketserver.StreamRequestHandler):
    def handle(self):
        asked = {}
        for line in self.rfile:
            if line.strip():
                name, _, value = line.decode().strip().partition("=")
                asked[name] = value
                continue
            now = time.monotonic()
            came = first.setdefault(asked["sender"] + asked["recipient"], now)
            waits = asked["recipient"].endswith("@world.example") and now - came < float(sys.argv[1])
            self.wfile.write(b"action=DEFER Greylisted, try again later\\n\\n" if waits else b"action=DUNNO\\n\\n")


socketserver.ThreadingTCPServer.allow_reuse_address = True
server = socketserver.ThreadingTCPServer(("127.0.0.1", 10023), Policy)
print("ready", flush=True)
server.serve_forever()
"""
_RESTRICTIONS = {
    "smtpd_recipient_restrictions": "check_policy_service inet:127.0.0.1:10023, permit_mynetworks, reject"
}


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """One pair of guests for all tests here; each test makes it `afresh`."""
    line = TelephoneSettings(rate_bps=33_600, rtt_s=0.150)
    with Exchange(tmp_path_factory.mktemp("exchange"), line=line) as both:
        yield both


def _call(exchange: Exchange, *, calls: int) -> list[dict[str, Any]]:
    """`call now`, which waits for the redials too: the records, oldest first."""
    status, said = exchange.station.call(timeout_s=900.0)
    assert status == 0, f"{said}\n{exchange.story()}"
    records = exchange.station.calls()[::-1]
    assert len(records) == calls, f"{records}\n{exchange.story()}"
    exchange.check_all_is_across()
    last = records[-1]
    assert (last["sent"], last["deferred"], last["hangup_reason"]) == (3, 0, "done"), exchange.story()
    assert [record["reason"] for record in records] == ["command", *["redial"] * (calls - 1)]
    return records


@pytest.mark.parametrize(("seconds", "calls"), [(6, 1), (20, 1), (60, 2)])
def test_a_hub_that_refuses_connections_after_connect(exchange: Exchange, seconds: int, calls: int) -> None:
    exchange.afresh(_SETTINGS)
    exchange.load(_MAIL, _MAIL)
    provider, answer = exchange.provider, exchange.line.on_carrier
    provider.stop_mail()
    opening = threading.Timer(seconds, provider.start_mail)

    def carrier(up: bool) -> None:
        answer(up)
        if up and not opening.ident:
            opening.start()

    exchange.line.on_carrier = carrier
    try:
        records = _call(exchange, calls=calls)
    finally:
        exchange.line.on_carrier = answer
        if opening.ident:
            opening.join()
    for record in records[:-1]:
        assert (record["sent"], record["deferred"], record["hangup_reason"]) == (0, 3, "not-served")
        assert record["hangup_detail"].startswith("3 deferred; 10.64.0.1: 451 4.4.1 no connection to 10.64.0.1")
        assert record["paid_s"] < 60, "it has begun no second minute"


@pytest.mark.parametrize(("seconds", "calls"), [(60, 2), (300, 3)])
def test_a_hub_that_greylists(exchange: Exchange, seconds: int, calls: int) -> None:
    """Without ETRN: the first call would wait for its mail for a minute, and be late enough for some."""
    exchange.afresh({**_SETTINGS, "etrn": {"use": "never"}}, main=_RESTRICTIONS)
    exchange.provider.write(_POLICY, _GREYLIST)
    name = f"greylist-{seconds}"
    exchange.provider.start("python3", _POLICY, str(seconds), name=name)
    try:
        exchange.provider.wait_for_log(name, "ready")
        exchange.load([], _MAIL)
        records = _call(exchange, calls=calls)
    finally:
        exchange.provider.signal(name)
        exchange.provider.wait(name)
    for record in records[:-1]:
        assert (record["sent"], record["deferred"], record["hangup_reason"]) == (0, 3, "deferred")
        assert record["hangup_detail"].startswith("3 deferred; 10.64.0.1: 450 4.7.1 ")
        assert "Greylisted, try again later" in record["hangup_detail"]
        assert record["paid_s"] < 60, "it has begun no second minute"
