"""What a provider's log proves about a call (bench/provider_log, call_model/perfect): never more than it may."""

import math
import random

import pytest

from call import Measured, rows
from call_cells import Cell
from call_model.line import LineRate
from call_model.perfect import Waiting, perfect_in_run_s, waits
from call_proof import proof
from call_table import table
from provider_log import Delivery, ProviderLog, read

LINE = LineRate(8000, 1.0)  # 1,000 bytes a second
MAIL = Waiting(4, 0, 4000, 0)
POSTFIX = """\
Nov 30 10:55:57 mail postfix/smtp[769]: 132C092: to=<anna@clinic.example>, relay=10.64.0.2[10.64.0.2]:25, \
delay=9.4, delays=7.6/0.39/0.73/0.72, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as D1)
Nov 30 10:55:58 mail postfix/smtpd[770]: connect from unknown[10.64.0.2]
Nov 30 10:55:59 mail postfix/smtp[774]: DF9038C: to=<anna@clinic.example>, relay=10.64.0.2[10.64.0.2]:25, \
conn_use=2, delay=12, delays=7.7/3.2/1/0, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as D2)
Nov 30 10:55:59 mail postfix/smtp[774]: DF9038D: to=<anna@clinic.example>, relay=none, delay=12, \
delays=7.7/3.2/1/2, dsn=4.4.1, status=deferred (no)
Nov 30 10:56:00 mail postfix/virtual[9]: 132C092: to=<friend@world.example>, relay=virtual, delay=1, \
delays=0/0/0/1, dsn=2.0.0, status=sent (delivered)
"""
EXIM = """\
2026-11-30 10:58:02.100 ETRN clinic.example received from (mail.clinic.example) [10.64.0.2]
2026-11-30 10:58:05.100 1xXz4k-000000000Bh-1R3h => anna@clinic.example R=to_station T=to_station H=10.64.0.2 \
[10.64.0.2] K C="250 2.0.0 Ok: queued as D1" DT=1.500s
2026-11-30 10:58:05.200 1xXz4k-000000000Bh-1R3h => friend <friend@world.example> R=world T=mailbox DT=0.100s
2026-11-30 10:59:06.100 1xXz4x-000000000Bh-0qjV => anna@clinic.example R=to_station T=to_station H=10.64.0.2 \
[10.64.0.2]* K C="250 2.0.0 Ok: queued as D2" DT=1m0.400s
2026-11-30 10:59:07 1xXz4x-000000000Bh-0qjW => anna@clinic.example R=to_station T=to_station H=10.64.0.2 \
[10.64.0.2]* X=TLS1.3:x:256 CV=no K C="250 Ok"
"""
SENDMAIL = """\
2026-11-30 11:06:05.000 sendmail[750]: 6AUB64Rb000750: from=<friend@world.example>, size=1479, \
relay=mail.clinic.example [10.64.0.2]
2026-11-30 11:06:06.000 sendmail[751]: 6AUB64Rb000750: to=<anna@clinic.example>, delay=00:00:02, \
xdelay=00:00:01, mailer=station, pri=31479, relay=[10.64.0.2] [10.64.0.2], dsn=2.0.0, stat=Sent (2.0.0 Ok: \
queued as D1)
2026-11-30 11:06:07.000 sendmail[751]: 6AUB64Rb000751: to=<friend@world.example>, delay=00:00:02, \
xdelay=00:00:01, mailer=maildir, stat=Sent
2026-11-30 11:06:08.500 sendmail[751]: 6AUB64Rb000752: to=<anna@clinic.example>, delay=00:00:02, \
mailer=station, relay=10.64.0.2, dsn=2.0.0, stat=Sent (2.0.0 Ok: queued as D2)
"""


def test_postfix_says_when_it_had_what_and_rounds() -> None:
    """Two digits: 0.73 may be 0.735, 1 may be 1.05. Only what the station took counts."""
    log = read("postfix", POSTFIX)
    first, second = log.deliveries
    assert (first.connects, second.connects, log.connections) == (True, False, 1)
    assert first.took_s == pytest.approx(0.735 + 0.725)
    assert second.took_s == pytest.approx(1.05 + 0.005)
    assert second.ended_s - first.ended_s == 2
    assert (log.blur_s, log.begins_s) == (1.0, pytest.approx(0.385))


def test_exim_says_how_long_a_delivery_took_and_when_it_was_asked() -> None:
    """A run without `deliver_time` proves nothing between two messages."""
    log = read("exim", EXIM)
    first, second, third = log.deliveries
    assert [one.connects for one in log.deliveries] == [True, False, False]
    assert (first.took_s, second.took_s, third.took_s) == (1.5, 60.4, math.inf)
    assert log.begins_s == pytest.approx(1.5)
    assert ProviderLog([first, second]).own_s(1) == pytest.approx(61.0 - 60.4)
    assert log.own_s(1) == 0.0


def test_sendmail_says_when_each_was_over() -> None:
    log = read("sendmail", SENDMAIL)
    assert [one.connects for one in log.deliveries] == [True, False]
    assert log.deliveries[1].ended_s - log.deliveries[0].ended_s == 2.5
    assert log.own_s(1) == log.begins_s == 0.0


def test_a_run_is_counted_by_hand() -> None:
    """PPP 4.7 s, ETRN 3 round trips; five round trips for a first message, three for another; 1,000 bytes each.

    Frames of 10 bytes: nine of a first message, five of another.
    """
    first, again = Delivery(10.0, 2.0, connects=True), Delivery(15.0, 3.0, connects=False)
    others = [Delivery(11.0, 3.0, connects=True), Delivery(15.5, 3.0, connects=False)]
    run = ProviderLog([first, again, *others], begins_s=0.5)
    assert waits("postfix", run, tls=False) == 16
    assert run.own_s(2) == pytest.approx((12.0 + 12.5) - (10.0 + 11.0))
    in_run_s = perfect_in_run_s(LINE, "postfix", 2, run, MAIL, tls=False)
    assert in_run_s == pytest.approx(4.7 + 3 + 0.5 + 5.09 + (6.1 + 3.5 + 4) / 2)
    # Three places were never taken at once: what held the provider back isn't known, and the line needs longer.
    assert run.own_s(3) == 0.0
    assert perfect_in_run_s(LINE, "postfix", 20, run, MAIL, tls=False) == pytest.approx(4.7 + 3 + 0.5 + 5.09 + 4)
    assert perfect_in_run_s(LINE, "sendmail", 1, ProviderLog([]), MAIL, tls=False) == pytest.approx(4.7 + 3)


def test_the_places_that_come_with_success_are_not_the_providers_own() -> None:
    many = [Delivery(1.0, 1.0, connects=True)] * 6 + [Delivery(9.0, 1.0, connects=False)] * 6
    assert (ProviderLog(many[1:-1]).own_s(5), ProviderLog(many).own_s(6)) == (35.0, 0.0)


def test_a_cells_rows_say_what_a_perfect_station_would_have_needed() -> None:
    cell = Cell("C", "postfix-2", "off")
    proven = proof(cell, POSTFIX)
    assert (proven.connections, proven.round_trips) == (1, 8)
    ours = Measured(20.0, 10.0, 30.0, 4200, 42_000, 0, 10.0, 0.0, 1.0, proven)
    row = {one.what: one for one in rows(cell, ours, None)}
    assert row["C/postfix-2/off a perfect station"].dialpost == proven.perfect_s
    assert row["C/postfix-2/off ratio to a perfect station"].dialpost == pytest.approx(20.0 / proven.perfect_s)
    assert row["C/postfix-2/off ratio to the limit"].kept is False


def run_of(across_s: float, ratio: float, **more: object) -> dict[str, object]:
    known = {"across_s": across_s, "inbound_s": across_s, "outbound_s": 1.0, "ratio": ratio, "stranded": 0}
    return {**known, "limit_s": 10.0, "promised": 1.5, "proof": {"perfect_s": 8.0}, "load": 3.4, **more}


def test_the_table_begins_with_what_is_weaker_than_it_should_be() -> None:
    kept, missed = run_of(14.0, 1.4), run_of(18.0, 1.8)
    matrix = {
        "kept": {"dialpost": kept, "postfix": run_of(15.0, 1.5)},
        "impossible": {"dialpost": run_of(20.0, 2.0, proof={"perfect_s": 16.0})},
        "missed": {"dialpost": missed, "postfix": run_of(9.0, 0.9, stranded=2)},
        "slower": {"dialpost": kept, "postfix": run_of(10.0, 1.0)},
        "unmeasured": {"postfix": kept},
    }
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table(matrix)[2:]]
    assert [row[0] for row in rows] == ["slower", "missed", "kept", "impossible"]
    assert rows[1] == [
        "missed",
        "18",
        "18 / 1",
        "9, 2 left behind",
        "2.00",
        "10",
        "1.80",
        "**1.50**",
        "8",
        "2.25",
        "3",
    ]
    assert [row[7] for row in rows] == ["1.50, kept", "**1.50**", "1.50, kept", "1.50, impossible"]


def test_no_run_is_faster_than_its_perfect_station() -> None:
    """Made-up providers on a line that costs round trips, bytes and more; logged with what their logs leave out."""
    for seed in range(300):
        chance = random.Random(seed)
        places, begins_s, count = chance.randint(1, 4), chance.uniform(0, 3), chance.randint(1, 12)
        content = [chance.randint(200, 3000) for _ in range(count)]
        asked_s = 4.7 + 3 + chance.uniform(0, 2)
        free_s, is_open, deliveries = [asked_s + begins_s] * places, [False] * places, []
        line_s = 0.0
        for size in content:
            place = min(range(places), key=lambda one: free_s[one])
            connects = not is_open[place] or chance.random() < 0.2
            began_s = free_s[place] + (chance.uniform(0, 0.5) if is_open[place] else 0.0)
            line_s = max(began_s + (4.09 if connects else 2.05), line_s) + size / 1000
            ended_s = line_s + 1 + chance.choice((0.0, chance.uniform(0, 1)))
            free_s[place], is_open[place] = ended_s, True
            deliveries.append(Delivery(ended_s, ended_s - began_s, connects))
        across_s = max(one.ended_s for one in deliveries)
        mail = Waiting(count, 0, sum(content), 0)
        exact = ProviderLog(deliveries, begins_s=begins_s)
        coarse = [Delivery(float(int(one.ended_s)), one.took_s + 0.05, one.connects) for one in deliveries]
        for log in (exact, ProviderLog(coarse, 1.0, begins_s)):
            assert perfect_in_run_s(LINE, "postfix", places, log, mail, tls=False) <= across_s + 1e-9, seed
            assert log.own_s(places) <= exact.own_s(places) + 1e-9, seed
