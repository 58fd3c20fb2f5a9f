"""Exim as the provider, which does ETRN its own way."""

from __future__ import annotations

import smtplib
import socket
import threading
from pathlib import Path

import pytest
from rig.clients import send
from rig.mailboxes import arrived, maildir_files
from rig.needs import needs
from rig.processes import eventually
from rig.servers.exim import Exim
from rig.station import DOMAIN, Station, provider_at

pytestmark = [pytest.mark.system, needs("exim")]


@pytest.mark.parametrize(
    ("name", "by_domain"),
    [(DOMAIN, True), (f"#{DOMAIN}", False)],
    ids=["smtp_etrn_command", "queue name (#)"],
)
def test_one_call_fetches_and_sends(work: Path, name: str, by_domain: bool) -> None:
    station = Station(work / "station")
    with Exim(
        work / "exim", station_domains=(DOMAIN,), station_port=station.port, etrn_by_domain=by_domain
    ) as server:
        provider_at(station, server.port, etrn={"names": [name]})
        with station:
            station.add_account("anna")
            inbound = send(
                server.port, "friend@world.example", [f"anna@{DOMAIN}"], count=10, prefix="in", size=20_000
            )
            outbound = send(
                station.port,
                f"anna@{DOMAIN}",
                ["friend@world.example"],
                count=10,
                prefix="out",
                size=20_000,
            )
            eventually(lambda: server.queue_length() == 10)

            call = station.call()

            assert call.returncode == 0, call.stdout + call.stderr + station.log_text()
            eventually(lambda: len(maildir_files(station.maildir("anna"))) >= 10)
            eventually(lambda: len(maildir_files(server.maildir("world.example"))) >= 10)
            assert arrived(station.maildir("anna")) == sorted(inbound)
            assert arrived(server.maildir("world.example")) == sorted(outbound)
            eventually(lambda: server.queue_length() == 0)
            assert {(a["domain"], a["code"]) for a in station.last_call()["etrn"]} == {(name, 250)}


def test_a_bare_domain_where_exim_knows_only_queue_names(work: Path) -> None:
    station = Station(work / "station")
    with Exim(work / "exim", station_domains=(DOMAIN,), station_port=station.port, etrn_by_domain=False) as server:
        provider_at(station, server.port)
        with station:
            assert station.call().returncode == 3
            shown = station.run("status").stdout
            assert "argument must begin with #" in shown
            assert station.last_call()["etrn"][0]["code"] == 501


def test_etrn_denied_by_exim(work: Path) -> None:
    station = Station(work / "station")
    with Exim(work / "exim", station_domains=(DOMAIN,), station_port=station.port, etrn_acl="deny") as server:
        provider_at(station, server.port)
        with station:
            assert station.call().returncode == 3
            answer = station.last_call()["etrn"][0]
            assert answer["code"] in {458, 459, 550}
            assert answer["text"] in station.run("status").stdout
            assert answer["text"] in station.log_text()


def test_a_queue_run_that_hangs_since_a_call_that_was_cut_is_asked_for_once_more(work: Path) -> None:
    """Exim runs the queue of a domain once at a time: "458 Already processing" until the stuck run has ended."""
    station = Station(work / "station")
    with Exim(work / "exim", station_domains=(DOMAIN,), station_port=station.port) as server:
        provider_at(station, server.port)
        with socket.create_server(("127.0.0.1", station.port)) as silent:
            inbound = send(server.port, "friend@world.example", [f"anna@{DOMAIN}"], prefix="in")
            eventually(lambda: server.queue_length() == 1)
            with smtplib.SMTP("127.0.0.1", server.port) as cut_call:
                assert cut_call.docmd("ETRN", DOMAIN)[0] == 250
            stuck, _ = silent.accept()
        with stuck, station:
            station.add_account("anna")
            calling = threading.Thread(target=station.call)
            calling.start()
            eventually(lambda: "458 Already processing" in station.log_text(), what="Exim says that it is at work")
            stuck.close()
            calling.join()
            record = station.last_call()
            assert [answer["code"] for answer in record["etrn"]][:2] == [458, 250]
            assert (record["received"], record["hangup_reason"]) == (1, "done")
            assert arrived(station.maildir("anna")) == inbound
            assert station.run("status").returncode == 0, "nothing needs an operator"
