"""What doctor says of the card's use: each figure, and what it can't say."""

from dataclasses import replace

from cases import cases
from dialpost.core.control.station import CardUse
from dialpost.core.findings import Severity
from dialpost.core.system.doctor.card_use import card_use

DAY_S = 86_400
USE = CardUse(seconds=2 * DAY_S, messages=400, written_bytes=20_000_000, flushes=1200, card_bytes=16_000_000_000)


def test_what_mail_costs_the_card() -> None:
    found = card_use(USE)
    assert (found.subject, found.severity, found.advice) == ("card", Severity.OK, "")
    assert found.what == (
        "since the station started: 400 messages in 2 d; 50 kB and 3.0 flushes a message; 10 MB and 600 flushes a "
        "day; at this rate 3.6 GB a year (0.2 times its size)"
    )


@cases(
    ("changed", "words"),
    [
        ({"messages": 1}, "1 message in 2 d; 20 MB and 1,200 flushes a message;"),
        ({"messages": 0}, "started: 0 messages in 2 d; 10 MB and 600 flushes a day;"),
        ({"flushes": 19}, "; 50 kB and 0.0 flushes a message; 10 MB and 9.5 flushes a day;"),
        ({"flushes": 0}, "; 50 kB and 0.0 flushes a message; 10 MB and 0.0 flushes a day;"),
        ({"flushes": 3980}, "; 50 kB and 10 flushes a message; 10 MB and 1,990 flushes a day;"),
        (
            {"flushes": None},
            "; 50 kB a message; 10 MB a day; at this rate 3.6 GB a year (0.2 times its size); "
            "the kernel sends this card no flushes",
        ),
        ({"card_bytes": 0}, "at this rate 3.6 GB a year"),
        (
            {"seconds": 3600},
            "400 messages in 1 h; 50 kB and 3.0 flushes a message; 480 MB and 28,800 flushes a day;",
        ),
        (
            {"seconds": 3599},
            "in 59 min 59 s; 50 kB and 3.0 flushes a message; too short a time for a forecast",
        ),
        (
            {"seconds": 0, "messages": 0, "flushes": None},
            "0 messages in 0 s; too short a time for a forecast; the kernel sends this card no flushes",
        ),
    ],
)
def test_each_figure_at_its_bound(changed: dict[str, int | None], words: str) -> None:
    found = card_use(replace(USE, **changed))  # type: ignore[arg-type]
    assert found.severity is Severity.OK
    assert words in f"{found.what};"


def test_a_size_that_is_unknown_is_not_divided_by() -> None:
    assert card_use(replace(USE, card_bytes=0)).what.endswith("3.6 GB a year")


A_YEAR = {"seconds": 365 * DAY_S}
WEARING = {"written_bytes": 400_000_000_001}
"""25 times the size of the card, and a byte."""


@cases(
    ("changed", "severity", "words"),
    [
        (A_YEAR | {"written_bytes": 400_000_000_000}, Severity.OK, "a year (25.0 times its size)"),
        (
            A_YEAR | WEARING,
            Severity.WARNING,
            "a typical card would wear out in about 2.0 years",
        ),
        (A_YEAR | {"written_bytes": 800_000_000_000}, Severity.WARNING, "wear out in about 1.0 years"),
        (A_YEAR | {"written_bytes": 1_600_000_000_000}, Severity.WARNING, "wear out in about 6 months"),
        (A_YEAR | {"written_bytes": 10**15}, Severity.WARNING, "at this rate 1000 TB a year"),
        (A_YEAR | {"written_bytes": 10**15}, Severity.WARNING, "wear out in about 1 month"),
        (A_YEAR | WEARING | {"card_bytes": 0}, Severity.OK, "400 GB a year"),
        (A_YEAR | {"written_bytes": 0}, Severity.OK, "0 B a year"),
        ({"seconds": DAY_S, "written_bytes": 10**12}, Severity.WARNING, "wear out in about 1 month"),
        ({"seconds": DAY_S - 1, "written_bytes": 10**12}, Severity.OK, "365 TB a year"),
    ],
)
def test_a_card_that_would_soon_be_worn_out(changed: dict[str, int], severity: Severity, words: str) -> None:
    found = card_use(replace(USE, **changed))
    assert (found.severity, bool(found.advice)) == (severity, severity is Severity.WARNING)
    assert words in found.what


def test_the_warning_names_its_assumption() -> None:
    assert "can be erased 500 times" in card_use(replace(USE, written_bytes=10**12)).advice


def test_a_card_that_nothing_is_counted_for() -> None:
    found = card_use(None)
    assert (found.subject, found.severity) == ("card", Severity.SKIPPED)
    assert (
        found.what
        == "what mail costs it is unknown: the station is stopped, or the kernel counts no writes for its folder"
    )
