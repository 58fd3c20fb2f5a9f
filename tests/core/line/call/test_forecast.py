"""What a call will take: learnt from calls made, told in one line."""

from __future__ import annotations

from typing import Any

import pytest

from cases import cases
from dialpost.core.amounts import about_span, count_words, minutes_words, money, size_words
from dialpost.core.call_reason import CallReason
from dialpost.core.config.line import BudgetConfig
from dialpost.core.line.call.forecast import USUAL_BESIDE_S, Forecast, LineSpeed, forecast, line_speed
from dialpost.core.line.call.record import CallRecord
from dialpost.core.line.link import DialResult
from dialpost.core.mail.esmtp.tls_cost import TlsCost


def call(**figures: Any) -> CallRecord:
    return CallRecord(CallReason.BUTTON, "modem", DialResult.CONNECTED, 0, **figures)


SPEED = LineSpeed(28_560, USUAL_BESIDE_S, measured=True)


def test_before_any_call_the_configuration_is_believed() -> None:
    assert line_speed([], 33_600) == LineSpeed(33_600 * 0.85, 20.0, measured=False)


def test_the_rate_of_the_last_connect_is_better() -> None:
    calls = [call(online_s=10, rate_bps=28_800, paid_s=14), call(online_s=10, rate_bps=14_400, paid_s=18)]
    found = line_speed(calls, 33_600)
    assert found == LineSpeed(28_800 * 0.85, 16.0, measured=False)


def test_a_failed_dial_says_nothing() -> None:
    assert line_speed([call(rate_bps=9600)], 33_600).rate_bps == 33_600 * 0.85
    assert line_speed([call(rate_bps=9600, online_s=0.5)], 33_600).rate_bps == 9600 * 0.85


def test_busy_calls_show_the_rate_and_what_is_paid_beside() -> None:
    # 100 kB up in 40 s, 20 kB up in 20 s: the rest of the second was waiting.
    calls = [
        call(online_s=40, paid_s=50, bytes_up=100_000),
        call(online_s=20, paid_s=28, bytes_up=20_000, bytes_down=5000),
        call(online_s=6, paid_s=10, bytes_up=500),
    ]
    found = line_speed(calls, 33_600)
    assert found.measured
    assert found.rate_bps == pytest.approx(20_000)
    assert found.beside_s == pytest.approx(10.0)  # of 10, 20 and 9.8


def test_a_call_that_sent_more_than_its_rate_allows_took_no_time_beside() -> None:
    calls = [call(online_s=40, bytes_up=100_000) for _ in range(2)]
    assert line_speed(calls, 33_600).beside_s == 0.0


def test_one_call_over_another_line_does_not_spoil_it() -> None:
    calls = [call(online_s=40, bytes_up=100_000) for _ in range(19)] + [call(online_s=1, bytes_up=1_000_000)]
    assert line_speed(calls, 33_600).rate_bps == pytest.approx(20_000)
    assert line_speed(calls[10:], 33_600).rate_bps == pytest.approx(20_000), "the second of ten"
    rising = [call(online_s=8, bytes_up=10_000 * number) for number in range(2, 22)]
    assert line_speed(rising, 33_600).rate_bps == pytest.approx(190_000), "the third of twenty"
    assert line_speed(calls[11:], 33_600).rate_bps == pytest.approx(8_000_000), "of nine it is the first"


def test_the_example() -> None:
    priced = BudgetConfig(cost_per_minute=0.2, currency="EUR")
    found = forecast(12, 340_000, SPEED, priced)
    assert found.seconds == pytest.approx(20 + 8 * (340_000 + 12 * 400) / 28_560)
    assert found.words() == "12 messages, 340 kB, about 2 min, about 0.40 EUR"


def test_once_the_line_is_trusted_calls_with_tls_say_nothing_of_its_cost() -> None:
    before = [call(online_s=30, paid_s=34, tls=TlsCost(3, 0, 20_000))] * 3
    assert line_speed(before, 33_600, is_plain=True) == LineSpeed(28_560, 34.0, measured=False, tls_s=0.0)
    since = call(online_s=12, paid_s=16)
    speed = line_speed([since, *before], 33_600, is_plain=True)
    assert speed == LineSpeed(28_560, 16.0, measured=False, tls_s=0.0)
    assert "TLS" not in forecast(0, 0, speed, BudgetConfig()).words()
    assert line_speed([since, *before], 33_600).beside_s == 34.0


def test_what_tls_usually_takes_is_part_of_the_time_and_said() -> None:
    calls = [call(online_s=10, paid_s=14, tls=TlsCost(2, 1, 2 * size)) for size in (1785, 3570, 3570)]
    speed = line_speed(calls, 33_600)
    assert speed.tls_s == pytest.approx(8 * 7140 / 28_560)
    found = forecast(0, 0, speed, BudgetConfig())
    assert found.seconds == pytest.approx(14.0)
    told = "nothing waits, about 15 s (about 2 s of that for TLS; encrypted mail can't be compressed)"
    assert found.words() == told
    assert Forecast.from_json(found.to_json()) == found
    assert "TLS" not in Forecast(0, 0, 14.0, tls_seconds=0.4).words()


def test_an_empty_queue_still_takes_a_call() -> None:
    assert forecast(0, 0, SPEED, BudgetConfig()).words() == "nothing waits, about 20 s"


def test_what_is_held_is_reported() -> None:
    found = forecast(1, 2000, SPEED, BudgetConfig(), held=2, held_bytes=4_100_000)
    assert found.words() == "1 message, 2.0 kB, about 20 s; 2 big messages (4.1 MB) held back"


def test_round_trip_and_what_is_missing() -> None:
    found = Forecast(12, 340_000, 118.5, 0.4, "EUR", 1, 900_000)
    assert Forecast.from_json(found.to_json()) == found
    assert Forecast.from_json({}) == Forecast(0, 0, 0.0)


def test_what_is_kept_has_tenths_of_seconds_and_millionths_of_money() -> None:
    kept = Forecast(1, 2000, 1.23456789, 1.23456789, "EUR", tls_seconds=1.23456789).to_json()
    assert [kept[name] for name in ("seconds", "cost", "tls_seconds")] == [1.2, 1.234568, 1.2]


@cases(
    ("seconds", "words"),
    [
        (0, "5 s"),
        (12, "10 s"),
        (57, "55 s"),
        (59, "1 min"),
        (90, "2 min"),
        (3569, "59 min"),
        (3600, "1 h"),
        (4830, "1 h 20 min"),
        (7199, "2 h"),
    ],
)
def test_spans(seconds: int, words: str) -> None:
    assert about_span(seconds) == words


def test_amounts() -> None:
    assert [size_words(n) for n in (0, 812, 3400, 9960, 340_000, 12_000_000)] == [
        "0 B",
        "812 B",
        "3.4 kB",
        "10 kB",
        "340 kB",
        "12 MB",
    ]
    assert (money(0.4, "EUR"), money(12, "")) == ("0.40 EUR", "12.00")
    assert (minutes_words(720), minutes_words(30)) == ("12", "0.5")
    assert (count_words(1, "message"), count_words(0, "message")) == ("1 message", "0 messages")


def test_what_is_kept_of_a_price_has_millionths() -> None:
    found = forecast(1, 1000, SPEED, BudgetConfig(cost_per_call=1.23456789, currency="EUR"))
    assert found.to_json()["cost"] == 1.234568


def test_tls_is_mentioned_from_half_a_second() -> None:
    said = ["TLS" in Forecast(1, 1000, 20.0, tls_seconds=seconds).words() for seconds in (0.4, 0.5, 1.0)]
    assert said == [False, True, True]


def test_a_figure_that_is_none_counts_as_nothing() -> None:
    assert Forecast.from_json({"messages": True, "seconds": "x", "cost": None}) == Forecast(0, 0, 0.0)
