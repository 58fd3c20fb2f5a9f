"""What TLS takes of a line, added up and in words."""

from __future__ import annotations

import pytest

from dialpost.core.mail.esmtp.tls_cost import TlsCost

TWO = TlsCost(3, 2, 4200)


def test_sums_and_differences() -> None:
    assert TlsCost() + TWO + TlsCost(1, 0, 1800) == TlsCost(4, 2, 6000)
    assert TlsCost(4, 2, 6000) - TWO == TlsCost(1, 0, 1800)
    assert TlsCost(5, 6, 9) - TlsCost(3, 3, 3) == TlsCost(2, 3, 6)
    assert TlsCost(1, 1, 1) + TlsCost(3, 3, 3) == TlsCost(4, 4, 4)


@pytest.mark.parametrize(
    ("cost", "rate_bps", "words"),
    [
        (TlsCost(), 33_600, ""),
        (TlsCost(1, 0, 1739), None, "TLS: 1 handshake, 1.7 kB; encrypted mail can't be compressed"),
        (
            TWO,
            33_600,
            "TLS: 3 handshakes (2 resumed), 4.2 kB, about 1.0 s of line; encrypted mail can't be compressed",
        ),
        (
            TWO,
            2400,
            "TLS: 3 handshakes (2 resumed), 4.2 kB, about 14.0 s of line; encrypted mail can't be compressed",
        ),
    ],
)
def test_words(cost: TlsCost, rate_bps: int | None, words: str) -> None:
    assert cost.words(rate_bps) == words


def test_to_json_and_back() -> None:
    assert TlsCost.from_json(TWO.to_json()) == TWO
    damaged: tuple[object, ...] = (None, "x", [], {}, {"handshakes": "3", "resumed": True, "bytes": 4.5})
    assert [TlsCost.from_json(value) for value in damaged] == [TlsCost()] * len(damaged)
