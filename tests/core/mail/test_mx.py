"""MX order and what name service's answers mean for mail."""

from __future__ import annotations

import pytest

from dialpost.core.mail.mx import (
    DnsProblem,
    DnsTrouble,
    MxAnswer,
    MxRecord,
    NoRecords,
    NoSuchName,
    NoWay,
    dns_trouble,
    mx_hosts,
    no_addresses,
)
from dialpost.core.mail.outcomes import Deferred, Refused

US = frozenset({"mail.clinic.example"})
BY = "mail.clinic.example"


def hosts(answer: MxAnswer, order: str = "abcdef") -> tuple[str, ...] | NoWay:
    return mx_hosts("x.test", answer, US, lambda host: order.find(host[0]))


def mx(*records: tuple[int, str]) -> tuple[MxRecord, ...]:
    return tuple(MxRecord(preference, host) for preference, host in records)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (mx((20, "b"), (10, "c"), (30, "a")), ("c", "b", "a")),
        (mx((10, "b"), (10, "a")), ("a", "b")),
        (mx((10, "a"), (20, "a"), (20, "b")), ("a", "b")),
        (NoRecords("x.test"), ("x.test",)),
        (mx((0, ""), (10, "a")), ("a",)),  # a null MX among others is not one (RFC 7505 §3)
        (mx((5, "a"), (10, "mail.clinic.example"), (10, "b"), (20, "c")), ("a",)),  # only better than ourselves
        (mx(*((n, f"h{n}") for n in range(9))), ("h0", "h1", "h2", "h3", "h4")),
    ],
)
def test_hosts_in_order(answer: MxAnswer, expected: tuple[str, ...]) -> None:
    assert hosts(answer) == expected


def test_equals_are_ordered_by_the_rank_given() -> None:
    answer = mx((10, "a"), (10, "b"), (10, "c"))
    assert hosts(answer, "cab") == ("c", "a", "b")


@pytest.mark.parametrize(
    ("answer", "attempts", "said"),
    [
        (NoSuchName("x.test"), 0, "550 5.1.2"),
        (NoSuchName("x.test", certain=False), 0, "450 4.1.2"),
        (NoSuchName("x.test", certain=False), 1, "550 5.1.2"),
        (mx((0, "")), 0, "556 5.1.10"),
        (mx((10, "")), 0, "556 5.1.10"),
        (mx((10, "mail.clinic.example"), (20, "b")), 0, "554 5.4.6"),
        (DnsTrouble("x.test", "the server said SERVFAIL"), 9, "451 4.4.3"),
    ],
)
def test_no_hosts(answer: MxAnswer, attempts: int, said: str) -> None:
    found = hosts(answer)
    assert isinstance(found, NoWay)
    outcome = found.outcome(attempts, BY)
    assert str(outcome.reply).startswith(said)
    assert isinstance(outcome, Refused if said.startswith("5") else Deferred)
    assert outcome.by == BY


def test_dns_trouble_uses_up_no_attempt() -> None:
    found = hosts(DnsTrouble("x.test", "no answer"))
    assert isinstance(found, NoWay)
    outcome = found.outcome(0, BY)
    assert isinstance(outcome, Deferred)
    assert not outcome.counts_as_attempt


@pytest.mark.parametrize(
    ("problems", "said", "certain"),
    [
        ([NoRecords("x.test")], "550 5.4.4 x.test has no mail host", True),
        (
            [NoSuchName("mx.test"), NoRecords("m2.test")],
            "550 5.4.4 No mail host of x.test has an address (m2.test, mx.test)",
            True,
        ),
        ([NoRecords("x.test"), NoSuchName("m2.test")], "550 5.4.4 No mail host of x.test", True),
        ([NoSuchName("mx.test", certain=False)], "550 5.4.4", False),
        ([NoSuchName("mx.test"), DnsTrouble("m2.test", "no answer")], "451 4.4.3", True),
        (
            [DnsTrouble("m1.test", "no answer"), DnsTrouble("m2.test", "refused")],
            str(dns_trouble("m1.test", "no answer")),
            True,
        ),
    ],
)
def test_hosts_without_addresses(problems: list[DnsProblem], said: str, certain: bool) -> None:
    found = no_addresses("x.test", problems)
    assert str(found.reply).startswith(said)
    assert found.certain is certain
    assert found.counts_as_attempt is not said.startswith("451")
