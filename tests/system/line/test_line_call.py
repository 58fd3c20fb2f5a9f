"""Whole calls: the station dials a provider over a simulated telephone line, with real pppd and mail servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rig.line.exchange import Exchange
from rig.line.places import NUMBER, PPP_PASSWORD, PPP_USER
from rig.needs import needs_guests
from rig.processes import eventually
from rig.station import DOMAIN

from dialpost.sim.telephone_line import TelephoneSettings

pytestmark = [pytest.mark.system, needs_guests("line", "line-exim")]

_QUICK = TelephoneSettings(rate_bps=115_200, rtt_s=0.05, dial_s=0.3)
"""For tests in which the rate is not the point."""
_SMALL = [(2000, 6), (20_000, 1)]
_REDIALS = {"call": {"redial_attempts": 3, "redial_pause_s": 0.5}}


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """One pair of guests for all tests here, on a quick line; each test makes it `afresh`."""
    directory = tmp_path_factory.mktemp("exchange")
    with Exchange(directory, line=_QUICK) as both:
        yield both


def _calls(
    exchange: Exchange, expected: int, *, status: int = 0, more: int = 0, timeout_s: float = 300.0
) -> list[dict[str, object]]:
    """`call now` (it waits for the redials too); the records, oldest first: `expected`, or up to `more` more."""
    got, said = exchange.station.call(timeout_s=timeout_s)
    assert got == status, f"{said}\n{exchange.story()}"
    records = exchange.station.calls()[::-1]
    assert expected <= len(records) <= expected + more, f"{records}\n{exchange.story()}"
    eventually(lambda: not exchange.line.is_up, what="the line is down")
    exchange.line.check()
    return records


def test_a_call_at_33600_bit_s(work: Path) -> None:
    """It dials, logs in by CHAP, ETRNs Postfix, mail flows both ways, it hangs up with both queues empty."""
    with Exchange(work, line=TelephoneSettings(rate_bps=33_600, rtt_s=0.150)) as exchange:
        exchange.load([(2000, 10), (40_000, 1)], [(2000, 10), (40_000, 1)])
        assert (exchange.inbound_arrived(), exchange.outbound_arrived()) == ([], [])  # nothing moves without a call

        (record,) = _calls(exchange, 1)

        exchange.check_all_is_across()
        assert (record["result"], record["hangup_reason"]) == ("connected", "done")
        assert (record["sent"], record["received"], record["deferred"]) == (11, 11, 0)
        assert record["dialled"] == NUMBER.replace(" ", "")
        assert record["rate_bps"] == 33_600
        assert record["bytes_up"] > 60_000 and record["bytes_down"] > 60_000  # type: ignore[operator]
        assert {(answer["domain"], answer["code"]) for answer in record["etrn"]} == {(DOMAIN, 250)}  # type: ignore[attr-defined]
        at_provider = exchange.provider.log(exchange.provider.answering)
        assert "rcvd [CHAP Response" in at_provider and f'name = "{PPP_USER}"' in at_provider
        assert "Deflate (15) compression enabled" in at_provider
        assert "compress VJ" in at_provider
        events = [what for _, what in exchange.line.events]
        assert events == [f"dials {NUMBER.replace(' ', '')}", "CONNECT", "hung up"]
        assert PPP_PASSWORD not in exchange.station.log("dialpost")


def test_busy_twice_then_through(exchange: Exchange) -> None:
    exchange.afresh(_REDIALS)
    exchange.load(_SMALL, _SMALL)
    exchange.line.answer_next("BUSY", "BUSY")
    records = _calls(exchange, 3)
    assert [record["result"] for record in records] == ["busy", "busy", "connected"]
    assert [record["reason"] for record in records] == ["command", "redial", "redial"]
    exchange.check_all_is_across()


def test_a_wrong_password_is_reported_and_nothing_is_lost(exchange: Exchange) -> None:
    exchange.afresh({**_REDIALS, "ppp": {"password": "not the one"}})
    exchange.load([(2000, 1)], [(2000, 1)])
    (record,) = _calls(exchange, 1, status=1)
    assert record["result"] != "connected"
    assert "password" in str(record["detail"])
    assert "CHAP Failure" in exchange.provider.log(exchange.provider.answering)
    assert "not the one" not in exchange.station.log("dialpost")
    assert (exchange.station.waiting(), exchange.provider.queue_length()) == (1, 1)
    assert str(record["detail"]).startswith("The provider refused the login on the line."), exchange.story()
    assert record["again"] == "after-change", "four tries were allowed, and one was made"


def test_a_login_that_is_not_set_is_reported_as_that(exchange: Exchange) -> None:
    """The peer asks for CHAP, the station has no user: both ends give up and pppd sees a hang-up (16)."""
    exchange.afresh({**_REDIALS, "ppp": {"user": "", "password": ""}})
    exchange.load([], [(2000, 1)])
    (record,) = _calls(exchange, 1, status=1)
    assert "requires a login" in str(record["detail"]) and "ppp.user" in str(record["detail"]), exchange.story()
    assert (record["again"], exchange.station.waiting()) == ("after-change", 1)


def test_nobody_answers_with_ppp(exchange: Exchange) -> None:
    """A carrier, and silence behind it: pppd gives up, the call is ended, the line put down."""
    exchange.afresh({"call": {"redial_attempts": 0, "dial_timeout_s": 60}}, answers="silence")
    exchange.load([], [(2000, 1)])
    (record,) = _calls(exchange, 1, status=1)
    assert record["result"] != "connected"
    assert "nothing behind it speaks PPP" in str(record["detail"]), exchange.story()
    assert "lost its carrier" not in str(record["detail"])
    assert (record["again"], exchange.station.waiting()) == ("soon", 1)


def test_a_dead_line_is_noticed_and_mail_goes_on_by_redial(exchange: Exchange) -> None:
    """The carrier stays, every byte vanishes: LCP's echoes end the call."""
    exchange.afresh({**_REDIALS, "ppp": {"echo_interval_s": 2, "echo_failures": 2}})
    exchange.load(_SMALL, _SMALL)
    exchange.line.die_after("down", 4000)
    # If it dies while the provider opens a connection, that end may need one redial more, five minutes later.
    records = _calls(exchange, 2, more=1, timeout_s=600.0)
    assert records[0]["hangup_reason"] == "carrier-lost"
    assert records[0]["online_s"] < 30  # type: ignore[operator]
    assert {record["result"] for record in records[1:]} == {"connected"}
    exchange.check_all_is_across()


def test_a_login_dialogue_before_ppp(exchange: Exchange) -> None:
    password = PPP_PASSWORD.replace(" ", "-")
    exchange.afresh(
        {
            "modem": {"login_script": ["ogin:", "%u", "assword:", "%p"]},
            "ppp": {"password": password, "auth": "none"},
        },
        answers="login",
        ppp_options=("noauth",),
    )
    exchange.load(_SMALL, _SMALL)
    (record,) = _calls(exchange, 1)
    assert record["result"] == "connected"
    exchange.check_all_is_across()
    assert password not in exchange.station.log("dialpost")


def test_a_login_dialogue_with_a_wrong_password(exchange: Exchange) -> None:
    exchange.afresh(
        {
            "modem": {"login_script": ["ogin:", "%u", "assword:", "%p", "Entering PPP", ""], "login_timeout_s": 5},
            "ppp": {"password": "not-the-one", "auth": "none"},
        },
        answers="login",
        ppp_options=("noauth",),
    )
    exchange.load([], [(2000, 1)])
    (record,) = _calls(exchange, 1, status=1)
    assert record["result"] != "connected"
    assert "refused the login before PPP" in str(record["detail"]), exchange.story()
    assert record["again"] == "after-change"
    assert "not-the-one" not in exchange.station.log("dialpost")
    assert exchange.station.waiting() == 1


def test_a_provider_with_its_default_concurrency(work: Path) -> None:
    """Postfix opens up to 20 connections at once on a line of 4 kB/s: none may starve until it gives up."""
    with Exchange(work, line=TelephoneSettings(rate_bps=33_600, rtt_s=0.150)) as exchange:
        exchange.load([(2000, 40), (40_000, 1)], [(2000, 10)])
        (record,) = _calls(exchange, 1)
        exchange.check_all_is_across()
        assert record["received"] == 41
        log = exchange.provider.mail_log()
        assert "timed out" not in log
        assert log.count("status=sent") >= 51
        assert "status=deferred (conversation" not in log


def test_a_provider_that_rests_between_deliveries(exchange: Exchange) -> None:
    """4 s between two messages: the grace is longer than the gaps, once they are known."""
    exchange.afresh({"call": {"grace_min_s": 2.0}}, main={"station_destination_rate_delay": "4s"})
    exchange.load([(2000, 5)], [(2000, 2)])
    (record,) = _calls(exchange, 1)
    exchange.check_all_is_across()
    assert record["received"] == 5


def test_exim_as_the_provider(work: Path) -> None:
    with Exchange(work, line=_QUICK, kind="exim") as exchange:
        exchange.load(_SMALL, _SMALL)
        (record,) = _calls(exchange, 1)
        exchange.check_all_is_across()
        assert (record["sent"], record["received"]) == (7, 7)


@needs_guests("line-sendmail")
def test_sendmail_as_the_provider(work: Path) -> None:
    with Exchange(work, line=_QUICK, kind="sendmail") as exchange:
        exchange.load(_SMALL, _SMALL)
        (record,) = _calls(exchange, 1)
        exchange.check_all_is_across()
        assert (record["sent"], record["received"]) == (7, 7)
