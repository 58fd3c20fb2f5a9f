"""Real Postfix as a provider that is not there yet, or greylists: what a call achieves, says, and redials."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rig.clients import send
from rig.mailboxes import arrived
from rig.needs import needs
from rig.processes import eventually
from rig.servers.postfix import Postfix, provider
from rig.station import DOMAIN, Settings, Station, provider_at

pytestmark = [pytest.mark.system, needs("postfix")]

REDIALS: Settings = {"call": {"redial_attempts": 2, "redial_pause_s": 5.0}, "budget": {"billing_step_s": 40}}


class Greylist(socketserver.ThreadingTCPServer):
    """A policy server for Postfix (SMTPD_POLICY_README): it defers every recipient until it is `open`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Policy)
        self.open = threading.Event()
        self.deferred = 0

    @property
    def restrictions(self) -> str:
        return f"check_policy_service inet:127.0.0.1:{self.server_address[1]}, permit_mynetworks, reject"


class _Policy(socketserver.StreamRequestHandler):
    server: Greylist

    def handle(self) -> None:
        for line in self.rfile:
            if line == b"\n":
                is_open = self.server.open.is_set()
                self.server.deferred += not is_open
                action = b"DUNNO" if is_open else b"DEFER Greylisted, try again later"
                self.wfile.write(b"action=" + action + b"\n\n")


@contextmanager
def greylist() -> Iterator[Greylist]:
    with Greylist() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class Calling:
    """`dialpost call now`, which waits for the redials too, beside what the test does."""

    def __init__(self, station: Station) -> None:
        self.station = station
        self._thread = threading.Thread(target=self._call)
        self._thread.start()

    def _call(self) -> None:
        self._done = self.station.call(timeout_s=300)

    def ends(self, status: int = 0) -> list[dict[str, Any]]:
        """The records, oldest first."""
        self._thread.join()
        assert self._done.returncode == status, self._done.stdout + self._done.stderr + self.station.log_text()
        return calls(self.station)


def calls(station: Station) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads(station.cli("call", "history", "--json", "-n", "10"))
    return records[::-1]


def with_mail(station: Station) -> list[str]:
    station.add_account("office")
    return send(station.port, f"office@{DOMAIN}", ["friend@world.example"], count=3, prefix="out")


def provider_for(work: Path, station: Station, **main: str) -> Postfix:
    server = provider(work / "provider", (DOMAIN,), station.port, **main)
    provider_at(station, server.port)
    return server


@contextmanager
def with_a_smarthost_of_its_own(work: Path, station: Station) -> Iterator[Postfix]:
    """The host to ask is up (a router's line counts as up once anything answers); the smarthost is not started."""
    smarthost = Postfix(work / "smarthost", hostname="smart.provider.example", mailbox_domains=("world.example",))
    with provider(work / "provider", (DOMAIN,), station.port) as server:
        provider_at(station, smarthost.port, etrn={"host": "127.0.0.1", "port": server.port})
        try:
            yield smarthost
        finally:
            smarthost.stop()


def test_a_host_that_comes_up_during_the_call_gets_the_mail_in_it(work: Path) -> None:
    station = Station(work / "station", settings={**REDIALS, "budget": {"billing_step_s": 120}})
    with with_a_smarthost_of_its_own(work, station) as smarthost, station:
        outbound = with_mail(station)
        calling = Calling(station)
        eventually(lambda: "no connection to 127.0.0.1" in station.log_text(), what="a connection was refused")
        smarthost.start()
        (record,) = calling.ends()
        assert (record["sent"], record["deferred"], record["hangup_reason"]) == (3, 0, "done")
        eventually(lambda: arrived(smarthost.maildir("world.example")) == sorted(outbound))


def test_one_that_comes_up_behind_it_gets_the_mail_by_a_redial(work: Path) -> None:
    call = {"redial_attempts": 2, "redial_pause_s": 30.0}  # the pause is time for the smarthost to start
    station = Station(work / "station", settings={"call": call, "budget": {"billing_step_s": 15}})
    with with_a_smarthost_of_its_own(work, station) as smarthost, station:
        outbound = with_mail(station)
        calling = Calling(station)
        eventually(lambda: calls(station), within_s=60, what="the first call is over")
        smarthost.start()
        first, *others = calling.ends()
        assert (first["sent"], first["deferred"], first["hangup_reason"]) == (0, 3, "not-served")
        assert first["hangup_detail"].startswith("3 deferred; 127.0.0.1: 451 4.4.1 no connection to 127.0.0.1")
        assert first["paid_s"] < 15.0, "it has begun no second unit"
        (second,) = others
        assert (second["reason"], second["sent"], second["hangup_reason"]) == ("redial", 3, "done")
        eventually(lambda: arrived(smarthost.maildir("world.example")) == sorted(outbound))


def test_greylisted_mail_goes_with_the_redial(work: Path) -> None:
    station = Station(work / "station", settings=REDIALS)
    with greylist() as policy:
        restrictions = {"smtpd_recipient_restrictions": policy.restrictions}
        with provider_for(work, station, **restrictions) as server, station:
            outbound = with_mail(station)
            calling = Calling(station)
            eventually(lambda: calls(station), within_s=60, what="the first call is over")
            assert policy.deferred >= 6, "they were retried in the call"
            policy.open.set()
            first, second = calling.ends()
            assert (first["sent"], first["deferred"], first["hangup_reason"]) == (0, 3, "deferred")
            assert "Greylisted, try again later" in first["hangup_detail"]
            assert (second["reason"], second["sent"], second["hangup_reason"]) == ("redial", 3, "done")
            eventually(lambda: arrived(server.maildir("world.example")) == sorted(outbound))


def test_mail_that_nobody_takes_is_reported_as_that(work: Path) -> None:
    station = Station(work / "station")
    with greylist() as policy:
        restrictions = {"smtpd_recipient_restrictions": policy.restrictions}
        with provider_for(work, station, **restrictions), station:
            with_mail(station)
            (record,) = Calling(station).ends(status=1)
            assert record["hangup_reason"] == "deferred"
            assert "3 deferred" in station.cli("call", "show")
            told = station.run("status")
            assert "The last call achieved nothing: 3 deferred" in told.stdout
            assert told.returncode == 3


class HalfAReply(socketserver.ThreadingTCPServer):
    """A host that begins its answer to ETRN and never ends it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Half)


class _Half(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"220 mail.provider.example ESMTP\r\n")
        for line in self.rfile:
            is_greeting = line.startswith(b"EHLO")
            self.wfile.write(b"250-mail.provider.example\r\n250 ETRN\r\n" if is_greeting else b"250-started,\r\n")


def test_half_a_reply_holds_the_line_for_the_least_time_alone(work: Path) -> None:
    station = Station(work / "station")
    with HalfAReply() as host:
        thread = threading.Thread(target=host.serve_forever, daemon=True)
        thread.start()
        provider_at(station, host.server_address[1])
        with station:
            (record,) = Calling(station).ends(status=1)
        host.shutdown()
        thread.join()
    assert record["hangup_reason"] == "not-served"
    assert "no answer, and nothing else to keep the line up for" in record["hangup_detail"]
