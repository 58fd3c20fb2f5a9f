"""Postfix as the provider: it holds our mail until ETRN and takes ours for the world."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rig.clients import send
from rig.mailboxes import arrived, maildir_files
from rig.needs import needs
from rig.processes import eventually
from rig.servers.postfix import Postfix, provider
from rig.station import DOMAIN, Station, provider_at

pytestmark = [pytest.mark.system, needs("postfix")]


def provider_for(work: Path, station: Station, **main: str) -> Postfix:
    return provider(work / "provider", (DOMAIN,), station.port, **main)


def hold(server: Postfix, count: int, *, size: int = 1000) -> list[str]:
    """Mail for anna that the provider holds."""
    return send(server.port, "friend@world.example", [f"anna@{DOMAIN}"], count=count, prefix="in", size=size)


def test_one_call_fetches_what_is_held_and_sends_what_waits(work: Path) -> None:
    station = Station(work / "station")
    with provider_for(work, station) as server:
        provider_at(station, server.port)
        with station:
            station.add_account("anna")
            inbound = hold(server, 20)
            outbound = send(station.port, f"anna@{DOMAIN}", ["friend@world.example"], count=20, prefix="out")
            eventually(lambda: len(server.queue()) == 20, what="20 messages held at the provider")
            assert maildir_files(station.maildir("anna")) == []  # nothing moves without a call
            assert maildir_files(server.maildir("world.example")) == []

            call = station.call()

            assert call.returncode == 0, call.stdout + call.stderr + station.log_text()
            eventually(lambda: len(maildir_files(station.maildir("anna"))) >= 20)
            eventually(lambda: len(maildir_files(server.maildir("world.example"))) >= 20)
            assert arrived(station.maildir("anna")) == sorted(inbound)
            assert arrived(server.maildir("world.example")) == sorted(outbound)
            assert server.queue() == []
            record = station.last_call()
            assert (record["sent"], record["received"]) == (20, 20)
            assert {(a["domain"], a["code"]) for a in record["etrn"]} == {
                (DOMAIN, 250)
            }  # asked again for stragglers
            assert record["etrn"][0]["text"].endswith("Queuing started")
            assert station.waiting()["waiting_remote"] == 0


def test_a_second_call_with_nothing_to_do_ends_by_itself(work: Path) -> None:
    station = Station(work / "station")
    with provider_for(work, station) as server:
        provider_at(station, server.port)
        with station:
            station.add_account("anna")
            assert station.call().returncode == 0
            record = station.last_call()
            assert (record["sent"], record["received"]) == (0, 0)


def test_etrn_refused_is_reported_in_the_providers_words(work: Path) -> None:
    station = Station(work / "station")
    refusing = {"smtpd_etrn_restrictions": "reject"}
    with provider_for(work, station, **refusing) as server:
        provider_at(station, server.port)
        with station:
            station.add_account("anna")
            held = hold(server, 2)
            outbound = send(station.port, f"anna@{DOMAIN}", ["friend@world.example"], prefix="out")

            call = station.call()

            assert call.returncode == 3, call.stdout + call.stderr
            said = "Etrn command rejected: Access denied"
            shown = station.run("status")
            assert said in shown.stdout
            assert shown.returncode == 3  # something needs an operator
            assert said in station.log_text()
            assert said in station.last_call()["etrn"][0]["text"]
            assert station.last_call()["etrn"][0]["code"] == 554
            # What could be done was done, and what is held is still held.
            eventually(lambda: arrived(server.maildir("world.example")) == outbound)
            assert len(server.queue()) == len(held)


def test_a_provider_without_etrn(work: Path) -> None:
    station = Station(work / "station")
    without = {"smtpd_discard_ehlo_keywords": "etrn", "smtpd_etrn_restrictions": "reject"}
    with provider_for(work, station, **without) as server:
        provider_at(station, server.port)
        with station:
            station.add_account("anna")
            assert station.call().returncode == 3
            assert "does not support ETRN" in station.run("status").stdout
            assert "does not support ETRN" in station.log_text()


def test_a_domain_the_provider_does_not_flush_is_reported_and_asked_again(work: Path) -> None:
    station = Station(work / "station")
    with provider_for(work, station, fast_flush_domains="other.example") as server:
        provider_at(station, server.port)
        with station:
            station.add_account("anna")
            for _ in range(2):
                assert station.call().returncode == 3
                answer = station.last_call()["etrn"][0]
                assert answer["code"] == 459
                assert answer["text"] in station.run("status").stdout


def test_many_large_messages_both_ways_at_once(work: Path) -> None:
    station = Station(work / "station")
    with provider_for(work, station) as server:
        provider_at(station, server.port)
        with station:
            station.add_account("anna")
            inbound = hold(server, 5, size=3_000_000)
            outbound = send(
                station.port,
                f"anna@{DOMAIN}",
                ["friend@world.example"],
                count=5,
                prefix="out",
                size=3_000_000,
            )
            eventually(lambda: len(server.queue()) == 5)
            assert station.call().returncode == 0
            eventually(lambda: len(maildir_files(server.maildir("world.example"))) == 5)
            assert arrived(station.maildir("anna")) == sorted(inbound)
            assert arrived(server.maildir("world.example")) == sorted(outbound)


def test_the_provider_is_down_then_up_again(work: Path) -> None:
    station = Station(work / "station", settings={"outbound": {"retry_min_s": 1, "retry_max_s": 1}})
    server = provider_for(work, station)
    provider_at(station, server.port)
    with station:
        station.add_account("office")  # the first account is the postmaster: it gets the letter about failed calls
        station.add_account("anna")
        outbound = send(station.port, f"anna@{DOMAIN}", ["friend@world.example"], count=3, prefix="out")
        assert station.call().returncode != 0
        assert station.waiting()["waiting_remote"] == 3
        with server:
            inbound = hold(server, 3)
            eventually(lambda: len(server.queue()) == 3)

            def everything_moved() -> bool:
                station.call()
                return station.waiting()["waiting_remote"] == 0

            eventually(everything_moved, within_s=60)
            eventually(lambda: len(maildir_files(server.maildir("world.example"))) == 3)
            assert arrived(server.maildir("world.example")) == sorted(outbound)
            eventually(lambda: arrived(station.maildir("anna")) == sorted(inbound))


def test_a_dedicated_line_needs_no_call(work: Path) -> None:
    """link.kind = gateway: what is accepted for the world leaves by itself; no ETRN is sent."""
    station = Station(work / "station", settings={"link": {"kind": "gateway"}})
    with provider_for(work, station, defer_transports="") as server:
        provider_at(station, server.port)
        with station:
            station.add_account("anna")
            outbound = send(station.port, f"anna@{DOMAIN}", ["friend@world.example"], count=5, prefix="out")
            inbound = hold(server, 5)
            eventually(lambda: len(maildir_files(server.maildir("world.example"))) == 5)
            eventually(lambda: len(maildir_files(station.maildir("anna"))) == 5)
            assert arrived(server.maildir("world.example")) == sorted(outbound)
            assert arrived(station.maildir("anna")) == sorted(inbound)
            assert "ETRN" not in server.log_text()


def test_an_unknown_user_at_the_provider_bounces_and_the_others_go(work: Path) -> None:
    station = Station(work / "station")
    with provider_for(work, station, virtual_mailbox_maps="inline:{friend@world.example=world.example/}") as server:
        provider_at(station, server.port)
        with station:
            station.add_account("anna")
            send(station.port, f"anna@{DOMAIN}", ["nobody@world.example", "friend@world.example"], prefix="out")
            assert station.call().returncode == 0
            eventually(lambda: len(maildir_files(server.maildir("world.example"))) == 1)
            (bounce,) = eventually(lambda: maildir_files(station.maildir("anna")))
            text = bounce.read_text()
            assert "Return-Path: <>" in text
            assert "Final-Recipient: rfc822; nobody@world.example" in text.replace("rfc822;n", "rfc822; n")
            assert "User unknown in virtual mailbox table" in text
            assert "friend@world.example" not in text.split("Final-Recipient", 1)[1].split("\n\n", 1)[0]


def test_one_that_sends_a_message_each_five_seconds_is_waited_for(work: Path) -> None:
    station = Station(work / "station", settings={"call": {"grace_min_s": 3.0, "grace_max_s": 60.0}})
    with provider_for(work, station, station_destination_rate_delay="5s") as server:
        provider_at(station, server.port)
        with station:
            station.add_account("anna")
            inbound: list[str] = []
            for number in range(1, 4):
                inbound += hold(server, 3)  # after an ETRN that found nothing, Postfix may send some of it unasked
                assert station.call().returncode == 0
                assert server.queue() == [], f"call {number}: {station.log_text()}"
                assert station.last_call()["hangup_reason"] == "done"
            assert arrived(station.maildir("anna")) == sorted(inbound)
            learned = json.loads(station.cli("call", "learned", "--json"))
            assert learned["gap_longest_s"] > 4.0
            assert learned["gap_wait_s"] > learned["gap_longest_s"]
            assert learned["starts"] >= 1
            assert learned["start_wait_s"] < 60.0
            assert station.call().returncode == 0
            assert json.loads(station.cli("call", "learned", "--json"))["mail_chance"] < learned["mail_chance"]
