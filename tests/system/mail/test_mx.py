"""Straight to the receivers (outbound.via = mx): the test's own name server, Postfix as receiver."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rig.clients import send
from rig.mailboxes import arrived, maildir_files
from rig.needs import needs
from rig.processes import eventually
from rig.servers.dns_server import DnsServer, Zone
from rig.servers.postfix import Postfix
from rig.station import DOMAIN, Station

pytestmark = [pytest.mark.system, needs("postfix")]


@contextmanager
def sending(work: Path, zone: Zone, *, failing: frozenset[str] = frozenset()) -> Iterator[tuple[Station, Postfix]]:
    """A station that asks our name server, and a Postfix that receives for several domains."""
    domains = ("world.example", "xn--bcher-kva.example", "second.example")
    receiver = Postfix(work / "receiver", hostname="mx.world.example", mailbox_domains=domains)
    with receiver, DnsServer(zone, failing=failing) as names:
        settings: dict[str, dict[str, Any]] = {
            "outbound": {
                "via": "mx",
                "mx_port": receiver.port,
                "tls": "none",
                "retry_min_s": 1,
                "retry_max_s": 1,
            },
            "etrn": {"use": "never"},
            "dns": {"servers": ["127.0.0.1"], "port": names.port, "try_s": 2.0, "total_s": 5.0},
        }
        with Station(work / "station", settings=settings) as station:
            station.add_account("anna")
            yield station, receiver


def goes(station: Station, receiver: Postfix, recipient: str, domain: str) -> None:
    ids = send(station.port, f"anna@{DOMAIN}", [recipient], prefix="out")
    call = station.call()
    assert call.returncode == 0, call.stdout + call.stderr + station.log_text()
    eventually(lambda: maildir_files(receiver.maildir(domain)))
    assert arrived(receiver.maildir(domain)) == ids
    assert station.waiting()["waiting_remote"] == 0


def bounces(station: Station, recipient: str, said: str) -> None:
    send(station.port, f"anna@{DOMAIN}", [recipient], prefix="out")
    station.call()
    (bounce,) = eventually(lambda: maildir_files(station.maildir("anna")), what=station.log_text()[-2000:])
    assert said in bounce.read_text()
    assert station.waiting()["waiting_remote"] == 0


def waits(station: Station, recipient: str) -> None:
    send(station.port, f"anna@{DOMAIN}", [recipient], prefix="out")
    station.call()
    assert station.waiting()["waiting_remote"] == 1
    assert maildir_files(station.maildir("anna")) == []


def test_the_preferred_host_is_down(work: Path) -> None:
    zone = {
        ("world.example", "MX"): ("10 down.world.example.", "20 mx.world.example."),
        ("down.world.example", "A"): ("127.0.0.77",),  # nobody listens there
        ("mx.world.example", "A"): ("127.0.0.1",),
    }
    with sending(work, zone) as (station, receiver):
        goes(station, receiver, "friend@world.example", "world.example")


def test_the_preferred_host_can_not_be_resolved(work: Path) -> None:
    zone = {
        ("world.example", "MX"): ("10 gone.world.example.", "20 mx.world.example."),
        ("mx.world.example", "A"): ("127.0.0.1",),
    }
    with sending(work, zone) as (station, receiver):
        goes(station, receiver, "friend@world.example", "world.example")


def test_no_mx_means_the_address_of_the_domain(work: Path) -> None:
    with sending(work, {("world.example", "A"): ("127.0.0.1",)}) as (station, receiver):
        goes(station, receiver, "friend@world.example", "world.example")


def test_an_alias_in_the_name_service(work: Path) -> None:
    zone = {
        ("world.example", "CNAME"): ("real.example.",),
        ("real.example", "MX"): ("10 mx.world.example.",),
        ("mx.world.example", "A"): ("127.0.0.1",),
    }
    with sending(work, zone) as (station, receiver):
        goes(station, receiver, "friend@world.example", "world.example")


def test_an_international_domain(work: Path) -> None:
    zone = {
        ("xn--bcher-kva.example", "MX"): ("10 mx.world.example.",),
        ("mx.world.example", "A"): ("127.0.0.1",),
    }
    with sending(work, zone) as (station, receiver):
        goes(station, receiver, "friend@xn--bcher-kva.example", "xn--bcher-kva.example")


def test_an_unknown_domain_bounces(work: Path) -> None:
    with sending(work, {("world.example", "A"): ("127.0.0.1",)}) as (station, _):
        bounces(station, "friend@no-such.example", "no-such.example")


def test_a_null_mx_bounces_with_its_own_code(work: Path) -> None:
    with sending(work, {("world.example", "MX"): ("0 .",)}) as (station, _):
        bounces(station, "friend@world.example", "5.1.10")


def test_a_failing_name_server_only_queues(work: Path) -> None:
    zone = {("world.example", "MX"): ("10 mx.world.example.",), ("mx.world.example", "A"): ("127.0.0.1",)}
    with sending(work, zone, failing=frozenset({"world.example"})) as (station, _):
        waits(station, "friend@world.example")


def test_a_host_that_is_down_only_queues(work: Path) -> None:
    zone = {("world.example", "MX"): ("10 mx.world.example.",), ("mx.world.example", "A"): ("127.0.0.77",)}
    with sending(work, zone) as (station, _):
        waits(station, "friend@world.example")


def test_an_mx_that_points_back_at_us_does_not_loop(work: Path) -> None:
    zone = {
        ("world.example", "MX"): ("10 mail.clinic.example.",),
        ("mail.clinic.example", "A"): ("127.0.0.1",),
    }
    with sending(work, zone) as (station, receiver):
        send(station.port, f"anna@{DOMAIN}", ["friend@world.example"], prefix="out")
        station.call()
        assert maildir_files(receiver.maildir("world.example")) == []


def test_two_domains_in_one_call(work: Path) -> None:
    zone = {
        ("world.example", "MX"): ("10 mx.world.example.",),
        ("second.example", "MX"): ("10 mx.world.example.",),
        ("mx.world.example", "A"): ("127.0.0.1",),
    }
    with sending(work, zone) as (station, receiver):
        send(station.port, f"anna@{DOMAIN}", ["a@world.example", "b@second.example"], prefix="out")
        assert station.call().returncode == 0
        for domain in ("world.example", "second.example"):
            eventually(partial(lambda to: len(maildir_files(receiver.maildir(to))) == 1, domain))
